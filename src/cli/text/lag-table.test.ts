import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lagTable, type LagRowInput, spanText } from './lag-table.ts'

const rows: readonly LagRowInput[] = [
  row({ partition: 0, records: 2_401, seconds: 4, readPerSecond: 812, drainSeconds: 9 }),
  row({
    partition: 1,
    records: 10_015,
    seconds: 41,
    readPerSecond: 53,
    drainSeconds: null,
    member: 'worker-3',
  }),
  row({ topic: 'bills', partition: 0, records: 0, seconds: 0, drainSeconds: 0, member: null }),
]

describe('lag as text', () => {
  test('has a line a partition, and the sum', () => {
    assert.equal(
      lagTable(rows, { by: 'partition', oldestFirst: false }),
      `TOPIC   P     LAG  BEHIND   RATE  DRAINS-IN  MEMBER
orders  0   2,401      4s  812/s         9s  worker-1
orders  1  10,015     41s   53/s      never  worker-3
bills   0       0      0s    0/s         0s  -
total      12,416     41s  865/s      never
`,
    )
  })

  test('sums up by topic and by member, with who is most behind first', () => {
    assert.match(
      lagTable(rows, { by: 'topic', oldestFirst: true }),
      /^TOPIC {6}LAG.*\norders {2}12,416 {5}41s {2}865\/s {6}never\nbills /,
    )
    assert.match(
      lagTable(rows, { by: 'member', oldestFirst: true }),
      /^MEMBER .*\nworker-3 .*\nworker-1 .*\n- .*\ntotal /,
    )
  })

  test('says spans of time in two units at most', () => {
    const spans = [0, 0.25, 9, 59.6, 61, 3_725, 90_000].map(spanText)
    assert.deepEqual(spans, ['0s', '0.3s', '9s', '1m0s', '1m1s', '1h2m', '1d1h'])
  })
})

function row(over: Partial<LagRowInput>): LagRowInput {
  return {
    topic: 'orders',
    partition: 0,
    records: 0,
    seconds: 0,
    readPerSecond: 0,
    writtenPerSecond: 0,
    drainSeconds: 0,
    member: 'worker-1',
    ...over,
  }
}
