import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { planReset, type PartitionFacts, type ResetTarget } from './plan-reset.ts'

const offset = fc.integer({ min: 0, max: 40 })
const range = fc
  .tuple(offset, offset)
  .map(([a, b]) => ({ logStart: Math.min(a, b), logEnd: Math.max(a, b) }))
const anyFacts: fc.Arbitrary<PartitionFacts> = fc
  .record({
    topic: fc.constantFrom('a', 'b'),
    partition: fc.nat(3),
    committed: fc.option(offset),
    range: fc.option(range, { freq: 9 }),
    at: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  })
  // A broker names an offset of the log for a time, or none.
  .map(({ at, ...facts }) => ({
    ...facts,
    atTime:
      at === null || facts.range === null || facts.range.logStart === facts.range.logEnd
        ? null
        : facts.range.logStart +
          Math.min(
            facts.range.logEnd - facts.range.logStart - 1,
            Math.floor(at * (facts.range.logEnd - facts.range.logStart)),
          ),
  }))
const log = fc.uniqueArray(anyFacts, {
  selector: ({ topic, partition }) => `${topic}:${partition}`,
})
const fixedTarget: fc.Arbitrary<ResetTarget> = fc.oneof(
  fc.record({ kind: fc.constantFrom('earliest' as const, 'latest' as const, 'current' as const) }),
  fc.record({ kind: fc.constant('offset' as const), offset }),
  fc.record({ kind: fc.constant('time' as const), timestampMs: offset }),
  fc.record({
    kind: fc.constant('listed' as const),
    source: fc.constant('a file'),
    offsets: fc
      .dictionary(fc.constantFrom('a:0', 'a:1', 'b:0', 'b:3'), offset)
      .map((listed) => new Map(Object.entries(listed))),
  }),
)
const step = fc.record({
  kind: fc.constant('shift' as const),
  by: fc.integer({ min: -50, max: 50 }),
})

test('every partition gets an offset of its log or a problem, and the counts are of records that are there', () => {
  fc.assert(
    fc.property(log, fc.oneof(fixedTarget, step), (facts, target) => {
      const { resets, problems, ...sums } = planReset(target, facts)
      assert.deepEqual(
        [...resets, ...problems].map(keyOf).sort(),
        facts.map(keyOf).sort(),
        'each partition once',
      )
      for (const reset of resets) {
        const { committed, range: known } = facts.find((one) => keyOf(one) === keyOf(reset))!
        const { logStart, logEnd } = known!
        assert.ok(logStart <= reset.newOffset && reset.newOffset <= logEnd)
        assert.equal(reset.delta, committed === null ? null : reset.newOffset - committed)
        assert.ok(reset.skipped === 0 || reset.repeated === 0)
        // Counted one by one: what is read from the committed offset on, and what from the new one on.
        const records = Array.from({ length: logEnd - logStart }, (_, index) => logStart + index)
        const readBefore = records.filter((record) => committed !== null && record < committed)
        const readAfter = records.filter((record) => record < reset.newOffset)
        const skipped = readAfter.filter((record) => !readBefore.includes(record)).length
        const repeated = readBefore.filter((record) => !readAfter.includes(record)).length
        assert.deepEqual(
          [reset.skipped, reset.repeated],
          committed === null ? [0, 0] : [skipped, repeated],
        )
      }
      assert.equal(
        sums.skipped,
        resets.reduce((sum, { skipped }) => sum + skipped, 0),
      )
      assert.equal(
        sums.repeated,
        resets.reduce((sum, { repeated }) => sum + repeated, 0),
      )
    }),
  )
})

test('once executed, the same target moves nothing more', () => {
  fc.assert(
    fc.property(log, fixedTarget, (facts, target) => {
      const again = planReset(target, executed(facts, target))
      for (const reset of again.resets) assert.equal(reset.delta, 0)
    }),
  )
})

test('a step that stayed inside of the log is undone by the step back', () => {
  fc.assert(
    fc.property(log, step, (facts, { by }) => {
      const inside = facts.filter(
        ({ committed, range: known }) =>
          committed !== null &&
          known !== null &&
          [committed, committed + by].every((at) => known.logStart <= at && at <= known.logEnd),
      )
      const back = planReset({ kind: 'shift', by: -by }, executed(inside, { kind: 'shift', by }))
      assert.deepEqual(
        new Map(back.resets.map((reset) => [keyOf(reset), reset.newOffset])),
        new Map(
          planReset({ kind: 'current' }, inside).resets.map((reset) => [
            keyOf(reset),
            reset.committed,
          ]),
        ),
      )
    }),
  )
})

/** The facts after the plan was committed; partitions with a problem are left out. */
function executed(
  facts: readonly PartitionFacts[],
  target: ResetTarget,
): readonly PartitionFacts[] {
  return planReset(target, facts).resets.map((reset) => ({
    ...facts.find((one) => keyOf(one) === keyOf(reset))!,
    committed: reset.newOffset,
  }))
}

function keyOf({
  topic,
  partition,
}: {
  readonly topic: string
  readonly partition: number
}): string {
  return `${topic}:${partition}`
}
