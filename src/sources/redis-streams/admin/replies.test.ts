import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ageOfId,
  consumerFacts,
  groupFacts,
  isBefore,
  pendingFacts,
  streamFacts,
} from './replies.ts'

const bytes = (text: string) => Buffer.from(text)
const reply = (fields: Readonly<Record<string, unknown>>) =>
  Object.entries(fields).flatMap(([name, value]) => [
    bytes(name),
    typeof value === 'string' ? bytes(value) : value,
  ])

describe('answers of XINFO and XPENDING', () => {
  test('of Redis 7 are read by name, whatever else is told', () => {
    const group = reply({
      name: 'billing',
      consumers: 1,
      pending: 3,
      'last-delivered-id': '5-1',
      'entries-read': 4,
      lag: 2,
      'of-a-newer-version': [],
    })
    assert.deepEqual(groupFacts([group]), [
      { name: 'billing', pending: 3, lastDeliveredId: '5-1', lag: 2 },
    ])
    const stream = reply({
      length: 6,
      'last-generated-id': '7-0',
      'entries-added': 9,
      'first-entry': [bytes('2-0'), []],
    })
    assert.deepEqual(streamFacts(stream), {
      length: 6,
      lastId: '7-0',
      firstId: '2-0',
      entriesAdded: 9,
    })
    assert.deepEqual(consumerFacts([reply({ name: 'a', pending: 1, idle: 250 })]), [
      { name: 'a', pending: 1, idleMs: 250 },
    ])
    assert.deepEqual(pendingFacts([3, bytes('4-0'), bytes('5-1'), []]), {
      count: 3,
      firstId: '4-0',
    })
  })

  test('that lack what older versions do not know say null', () => {
    const group = reply({ name: 'g', pending: 0, 'last-delivered-id': '0-0' })
    assert.equal(groupFacts([group])[0]?.lag, null)
    assert.equal(groupFacts([reply({ name: 'g', lag: null })])[0]?.lag, null)
    const empty = streamFacts(reply({ length: 0, 'last-generated-id': '0-0', 'first-entry': null }))
    assert.deepEqual([empty.firstId, empty.entriesAdded], [null, null])
    assert.deepEqual(pendingFacts([0, null, null, null]), { count: 0, firstId: null })
    assert.deepEqual([groupFacts('x'), consumerFacts(null)], [[], []])
  })

  test('ids are compared as numbers, and tell an age where they are a time', () => {
    assert.ok(isBefore('9-0', '10-0'))
    assert.ok(isBefore('10-9', '10-10'))
    assert.ok(!isBefore('10-1', '10-1'))
    assert.ok(isBefore('18446744073709551614-0', '18446744073709551615-0'))
    assert.equal(ageOfId('1700000000000-3', 1_700_000_004_000), 4_000)
    assert.equal(ageOfId('1700000000000-3', 1_600_000_000_000), 0)
    assert.equal(ageOfId('12-0', 1_700_000_000_000), null)
    assert.equal(ageOfId('18446744073709551615-0', 1_700_000_000_000), null)
  })
})
