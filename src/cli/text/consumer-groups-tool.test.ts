import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { PlannedReset } from '../../admin/index.ts'
import { offsetsText } from '../offsets-file.ts'
import {
  deletedGroupsText,
  deletedOffsetsText,
  newOffsetsTable,
  notInactiveText,
  unknownTopicText,
} from './consumer-groups-tool.ts'

const printed = (name: string) =>
  readFileSync(new URL(`../../../test/printed/${name}.txt`, import.meta.url), 'utf8')

test('resets are printed as Kafka prints them', () => {
  const rows = [0, 1, 2].map((partition) => ({ ...reset(partition), groupId: 'g-empty' }))
  assert.equal(newOffsetsTable(rows, ['g-empty']), printed('reset-dry'))
  assert.equal(
    `${notInactiveText('g-classic', 'Stable')}${newOffsetsTable([], ['g-classic'])}`,
    printed('reset-active'),
  )
  const long = 'a-group-with-a-very-long-name-indeed'
  assert.equal(
    `${notInactiveText(long, 'Stable')}${newOffsetsTable([], [long])}`,
    printed('reset-long-names'),
  )
  assert.equal(unknownTopicText, printed('reset-missing-topic'))
  const offsets = [
    { topic: 'payments', partition: 0, offset: 4 },
    { topic: 'orders', partition: 1, offset: 6 },
    { topic: 'orders', partition: 2, offset: 10 },
  ]
  assert.equal(offsetsText(offsets), printed('reset-export'))
})

test('deleted groups and offsets are printed as Kafka prints them', () => {
  const active = ['g-classic', 'NON_EMPTY_GROUP'] as const
  const missing = ['nope', 'GROUP_ID_NOT_FOUND'] as const
  assert.equal(deletedGroupsText(['g-empty'], new Map()), printed('delete-empty'))
  assert.equal(deletedGroupsText(['g-classic'], new Map([active])), printed('delete-active'))
  assert.equal(deletedGroupsText(['nope'], new Map([missing])), printed('delete-missing'))
  assert.equal(
    deletedGroupsText(['g-classic', 'nope'], new Map<string, string>([active, missing])),
    printed('delete-two'),
  )
  assert.equal(
    deletedOffsetsText('g-empty', [{ topic: 'payments', partition: 0, error: null }]),
    printed('delete-offsets'),
  )
  const refused = [0, 1, 2].map((partition) => ({
    topic: 'orders',
    partition,
    error: 'GROUP_SUBSCRIBED_TO_TOPIC',
  }))
  assert.equal(deletedOffsetsText('g-classic', refused), printed('delete-offsets-active'))
})

function reset(partition: number): PlannedReset {
  return {
    topic: 'orders',
    partition,
    committed: 1,
    newOffset: 0,
    delta: -1,
    skipped: 0,
    repeated: 1,
    notes: [],
  }
}
