import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../../core/index.ts'
import { beginCycle, nextStep } from './transaction-cycle.ts'
import type { Cycle, Event, Step } from './transaction-cycle.ts'

const ALL: readonly Event[] = [
  { kind: 'done' },
  { kind: 'no-answer' },
  { kind: 'refused', error: 'CONCURRENT_TRANSACTIONS' },
  { kind: 'refused', error: 'INVALID_PRODUCER_EPOCH' },
]

/** Every way through a cycle, to this many events. */
function walk(
  cycle: Cycle,
  trail: readonly Step[],
  left: number,
  see: (trail: readonly Step[], end: Cycle) => void,
): void {
  if (cycle.step === 'over' || left === 0) return see(trail, cycle)
  const events: readonly Event[] =
    cycle.step === 'verify'
      ? [
          { kind: 'found', committed: true },
          { kind: 'found', committed: false },
          { kind: 'no-answer' },
        ]
      : ALL
  for (const event of events) walk(nextStep(cycle, event), [...trail, cycle.step], left - 1, see)
}

describe('a transaction', () => {
  test('goes through its steps to the end', () => {
    const steps: string[] = []
    let cycle = beginCycle(true)
    for (; cycle.step !== 'over'; cycle = nextStep(cycle, { kind: 'done' })) steps.push(cycle.step)
    assert.deepEqual(steps, ['partitions', 'produce', 'add-offsets', 'offsets', 'end'])
    assert.deepEqual([cycle.end, cycle.cause], ['committed', null])
  })

  test('is aborted by a failure of any step before the end, with a reset that nothing old outlives', () => {
    const steps = ['partitions', 'produce', 'add-offsets', 'offsets'] as const
    for (const [index, failing] of steps.entries())
      for (const event of [
        { kind: 'no-answer' },
        { kind: 'cancelled' },
        { kind: 'refused', error: 'NOT_LEADER_OR_FOLLOWER' },
        { kind: 'refused', error: 'PRODUCER_FENCED' },
        { kind: 'refused', error: 'INVALID_PRODUCER_ID_MAPPING' },
      ] as const) {
        let cycle = beginCycle(true)
        for (let left = index; left > 0; left--) cycle = nextStep(cycle, { kind: 'done' })
        assert.equal(cycle.step, failing)
        cycle = nextStep(cycle, event)
        assert.deepEqual([cycle.step, cycle.end, cycle.cause?.step], ['reset', null, failing])
        cycle = nextStep(cycle, { kind: 'done' })
        assert.deepEqual([cycle.step, cycle.end], ['over', 'aborted'])
      }
  })

  test('whose end has no answer is asked for again; fenced there, the offsets tell', () => {
    let cycle = beginCycle(true)
    for (let left = 4; left > 0; left--) cycle = nextStep(cycle, { kind: 'done' })
    cycle = nextStep(cycle, { kind: 'no-answer' })
    assert.deepEqual([cycle.step, cycle.isAgain], ['end', true])
    cycle = nextStep(cycle, { kind: 'refused', error: 'PRODUCER_FENCED' })
    assert.equal(cycle.step, 'reset')
    cycle = nextStep(cycle, { kind: 'done' })
    assert.equal(cycle.step, 'verify')
    for (const committed of [true, false])
      assert.equal(
        nextStep(cycle, { kind: 'found', committed }).end,
        committed ? 'committed' : 'aborted',
      )
  })

  test('waits for the markers of the one before without giving anything up', () => {
    const cycle = nextStep(beginCycle(true), { kind: 'refused', error: 'CONCURRENT_TRANSACTIONS' })
    assert.deepEqual([cycle.step, cycle.isAgain], ['partitions', true])
  })

  test('is committed by the word of the broker alone, whatever happens', () => {
    let seen = 0
    for (const fresh of [true, false])
      walk(beginCycle(fresh), [], 9, (trail, { step, end }) => {
        if (step !== 'over') return
        seen++
        const last = trail.at(-1)
        if (end === 'committed') assert.ok(last === 'end' || last === 'verify', trail.join())
        else if (trail.includes('end')) assert.equal(last, 'verify', trail.join())
      })
    assert.ok(seen > 1_000, `${seen}`)
  })

  test('says how it ended as the broker knows it, over lost requests, lost answers and fencing', () => {
    const ends = { committed: 0, aborted: 0 }
    for (let seed = 1; seed <= 3_000; seed++) ends[rival(seed)]++
    assert.ok(ends.committed > 500 && ends.aborted > 500, JSON.stringify(ends))
  })
})

/** A coordinator that loses requests and answers, times the transaction out, and is asked by another producer at times. */
function rival(seed: number): 'committed' | 'aborted' {
  const random = seededRandom(seed)
  const happens = (chance: number) => random.next() < chance
  const broker = { epoch: 0, isOpen: false, commits: 0 }
  let epoch = 0
  let cycle = beginCycle(true)
  const act = (step: Step): Event => {
    if (step === 'verify') return { kind: 'found', committed: broker.commits > 0 }
    if (step === 'reset') {
      broker.isOpen = false
      epoch = ++broker.epoch
      return { kind: 'done' }
    }
    if (epoch !== broker.epoch) return { kind: 'refused', error: 'INVALID_PRODUCER_EPOCH' }
    if (step === 'partitions') broker.isOpen = true
    if (step !== 'end') return { kind: 'done' }
    if (broker.isOpen) broker.commits++
    broker.isOpen = false
    return { kind: 'done' }
  }
  for (let left = 200; cycle.step !== 'over' && left > 0; left--) {
    if (happens(0.08)) {
      // It took too long, or somebody else began under the same id.
      broker.epoch++
      broker.isOpen = false
    }
    const isLost = happens(0.1)
    const event = isLost ? NO_ANSWER : act(cycle.step)
    cycle = nextStep(cycle, happens(0.1) ? NO_ANSWER : event)
  }
  assert.equal(cycle.step, 'over', `seed ${seed}`)
  assert.equal(broker.commits, cycle.end === 'committed' ? 1 : 0, `seed ${seed}`)
  return cycle.end ?? 'aborted'
}

const NO_ANSWER: Event = { kind: 'no-answer' }
