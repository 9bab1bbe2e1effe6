import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Fields } from '../json-fields.ts'
import { ID, ShareSim } from './fixture.test.ts'
import { shareRecordFromJson, shareRecordToJson } from './record-codec.ts'

test('a delivery is a row that a person can read', () => {
  const { records } = new ShareSim().acquire('a', 0, 10)
  assert.deepEqual(records.map(shareRecordToJson), [
    { kind: 'share-delivery', ...ID, stateEpoch: 1, deliveries: [[0, 9, 'available', 1]] },
  ])
})

describe('a damaged record is refused', () => {
  const good = { ...ID, stateEpoch: 1 }
  const rows = (...deliveries: unknown[]) => ({ ...good, deliveries })
  const cases: Readonly<Record<string, [string, object]>> = {
    'of an unknown kind': ['share-other', good],
    'without its deliveries': ['share-delivery', good],
    'with a delivery that is no row': ['share-delivery', rows({ first: 1 })],
    'with an unknown state': ['share-delivery', rows([0, 1, 'acquired', 1])],
    'without a count': ['share-delivery', rows([0, 1, 'available'])],
    'with a negative offset': ['share-delivery', rows([-1, 1, 'acknowledged'])],
    'with a reason that nobody gives': ['share-delivery', rows([0, 1, 'archiving', 1, 'bored'])],
    'with half an offset': ['share-log-start', { ...good, logStartOffset: 0.5 }],
    'without a start': ['share-partition', rows()],
  }
  for (const [what, [kind, json]] of Object.entries(cases))
    test(what, () => {
      const fields = new Fields(json, 'group record')
      assert.throws(() => shareRecordFromJson(kind, ID.groupId, fields), {
        code: 'SHOAL_STORAGE_CORRUPT',
      })
    })
})
