import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planReset, type PartitionFacts } from '../../admin/index.ts'
import { resetSummary, resetTable } from './reset-table.ts'

const partition = (
  index: number,
  committed: number | null,
  logStart: number,
  logEnd: number,
): PartitionFacts => ({
  topic: 'orders',
  partition: index,
  committed,
  range: { logStart, logEnd },
  atTime: null,
})

test('a plan is a row a partition: from, to, and what that skips or repeats', () => {
  const plan = planReset({ kind: 'offset', offset: 850_000 }, [
    partition(0, 241_019, 0, 900_000),
    partition(1, 850_001, 0, 900_000),
    partition(2, 864_144, 860_000, 900_000),
    partition(3, null, 0, 12),
  ])
  assert.equal(
    resetTable('orders-app', plan),
    `GROUP       TOPIC   PARTITION  CURRENT-OFFSET  NEW-OFFSET  DELTA    RECORDS  NOTE
orders-app  orders  0          241019          850000      +608981  608981
orders-app  orders  1          850001          850000      -1       1
orders-app  orders  2          864144          860000      -4144    4144     clamped to log start
orders-app  orders  3          -               12          -        -        clamped to log end, nothing committed yet
`,
  )
  assert.equal(
    resetSummary({ group: null, plan }),
    '4,145 records will be processed again, 608,981 records will be skipped, 1 partition will get a first offset; ' +
      'the group does not exist yet and will be made',
  )
})

test('a plan that moves nothing says so', () => {
  const plan = planReset({ kind: 'current' }, [partition(0, 5, 0, 9)])
  assert.equal(
    resetSummary({ group: null, plan }).split(';')[0],
    'no record will be skipped or processed again',
  )
})
