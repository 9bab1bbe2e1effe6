import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planReset, type PartitionFacts, type ResetTarget } from './plan-reset.ts'

const range = { logStart: 100, logEnd: 200 }
const listed = (offset: number): ResetTarget => ({
  kind: 'listed',
  source: 'offsets.csv',
  offsets: new Map([['orders:0', offset]]),
})

const cases: readonly {
  readonly target: ResetTarget
  readonly facts?: Partial<PartitionFacts>
  readonly to: number
  readonly moves: string
  readonly notes?: readonly string[]
}[] = [
  { target: { kind: 'earliest' }, to: 100, moves: 'repeats 50' },
  { target: { kind: 'latest' }, to: 200, moves: 'skips 50' },
  { target: { kind: 'current' }, to: 150, moves: 'nothing' },
  { target: { kind: 'offset', offset: 160 }, to: 160, moves: 'skips 10' },
  {
    target: { kind: 'offset', offset: 5 },
    to: 100,
    moves: 'repeats 50',
    notes: ['clamped to log start'],
  },
  {
    target: { kind: 'offset', offset: 201 },
    to: 200,
    moves: 'skips 50',
    notes: ['clamped to log end'],
  },
  { target: { kind: 'shift', by: -20 }, to: 130, moves: 'repeats 20' },
  { target: { kind: 'shift', by: 20 }, to: 170, moves: 'skips 20' },
  {
    target: { kind: 'shift', by: -51 },
    to: 100,
    moves: 'repeats 50',
    notes: ['clamped to log start'],
  },
  {
    target: { kind: 'time', timestampMs: 1 },
    facts: { atTime: 120 },
    to: 120,
    moves: 'repeats 30',
  },
  {
    target: { kind: 'time', timestampMs: 1 },
    to: 200,
    moves: 'skips 50',
    notes: ['no record at or after the time: log end'],
  },
  { target: listed(110), to: 110, moves: 'repeats 40' },
  // What retention has taken is neither skipped nor repeated.
  { target: { kind: 'latest' }, facts: { committed: 10 }, to: 200, moves: 'skips 100' },
  {
    target: { kind: 'current' },
    facts: { committed: 10 },
    to: 100,
    moves: 'nothing',
    notes: ['clamped to log start'],
  },
  {
    target: { kind: 'current' },
    facts: { committed: null },
    to: 200,
    moves: 'nothing',
    notes: ['nothing committed yet'],
  },
]

for (const { target, facts, to, moves, notes = [] } of cases) {
  const value = Object.values(target).slice(1).map(String).join(' ')
  const from = facts === undefined ? '' : ` with ${JSON.stringify(facts)}`
  test(`of 150 in 100..200, ${target.kind} ${value}${from} leads to ${to} and ${moves}`, () => {
    const { resets, problems } = planReset(target, [partition(0, facts)])
    const [reset] = resets
    const [verb, count] = moves.split(' ')
    assert.deepEqual(problems, [])
    assert.equal(reset?.newOffset, to)
    assert.deepEqual(
      [reset.skipped, reset.repeated],
      [verb === 'skips' ? Number(count) : 0, verb === 'repeats' ? Number(count) : 0],
    )
    assert.deepEqual(reset.notes, notes)
  })
}

test('what cannot be told is a problem of its partition, not a guess', () => {
  const problem = (target: ResetTarget, facts: Partial<PartitionFacts>) => {
    const { resets, problems } = planReset(target, [partition(0, facts)])
    assert.deepEqual(resets, [])
    assert.deepEqual([problems[0]?.topic, problems[0]?.partition], ['orders', 0])
    return problems[0]?.problem
  }
  assert.match(
    problem({ kind: 'shift', by: 1 }, { committed: null }) ?? '',
    /nothing is committed that could be shifted/,
  )
  assert.match(problem({ kind: 'latest' }, { range: null }) ?? '', /its log cannot be asked/)
  const empty: ResetTarget = { kind: 'listed', source: 'group b', offsets: new Map() }
  assert.equal(problem(empty, {}), 'group b has no offset for it')
})

test('the plan is in the order of topics and partitions, with its sums', () => {
  const plan = planReset({ kind: 'offset', offset: 150 }, [
    partition(10, { committed: 140 }),
    partition(2, { committed: 170 }),
    { ...partition(5, { committed: 145 }), topic: 'bills' },
  ])
  assert.deepEqual(
    plan.resets.map(({ topic, partition: index }) => `${topic}/${index}`),
    ['bills/5', 'orders/2', 'orders/10'],
  )
  assert.deepEqual([plan.skipped, plan.repeated], [15, 20])
})

function partition(index: number, facts: Partial<PartitionFacts> = {}): PartitionFacts {
  return { topic: 'orders', partition: index, committed: 150, range, atTime: null, ...facts }
}
