import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { OffsetTracker } from './offset-tracker.ts'

describe('the offset tracker', () => {
  test('committable is the first open offset, or what follows the last batch when all is done', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('deliver' as const),
        gap: fc.nat({ max: 1 << 20 }),
        count: fc.nat({ max: 90 }),
        tail: fc.nat({ max: 5 }),
      }),
      fc.record({
        kind: fc.constant('finish' as const),
        picks: fc.array(fc.nat(), { maxLength: 90 }),
      }),
    )
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), fc.array(step, { maxLength: 30 }), (start, steps) => {
        const tracker = new OffsetTracker(start)
        const open = new Map<number, number>()
        let next = start
        let committed = start
        for (const step of steps) {
          if (step.kind === 'deliver') {
            next += step.gap
            for (let left = step.count; left > 0; left--) {
              open.set(next, tracker.deliver(next))
              next++
            }
            next += step.tail
            tracker.endBatch(next)
          } else
            for (const pick of step.picks) {
              const offset = [...open.keys()][pick % open.size]
              if (offset === undefined) continue
              tracker.finish(open.get(offset)!)
              open.delete(offset)
            }
          assert.equal(tracker.committable(), Math.min(next, ...open.keys()))
          assert.equal(tracker.openCount, open.size)
          assert.ok(tracker.committable() >= committed)
          committed = tracker.committable()
        }
      }),
    )
  })

  test('control records alone move the position', () => {
    const tracker = new OffsetTracker(10)
    tracker.endBatch(12)
    assert.equal(tracker.committable(), 12)
  })

  test('the window is held by the oldest open record and given back when it is done', () => {
    const tracker = new OffsetTracker(0)
    const ordinals = Array.from({ length: 200_000 }, (_, offset) => tracker.deliver(offset))
    for (const ordinal of ordinals.slice(1)) tracker.finish(ordinal)
    assert.deepEqual([tracker.span, tracker.openCount, tracker.committable()], [200_000, 1, 0])
    tracker.finish(ordinals[0]!)
    assert.deepEqual([tracker.span, tracker.openCount, tracker.committable()], [0, 0, 200_000])
  })

  test('a record that finishes twice, and an offset that comes again, are broken promises', () => {
    const tracker = new OffsetTracker(0)
    const ordinal = tracker.deliver(5)
    tracker.deliver(6)
    tracker.finish(ordinal)
    assert.throws(() => tracker.finish(ordinal), { code: 'SHOAL_INVARIANT' })
    assert.throws(() => tracker.deliver(6), { code: 'SHOAL_INVARIANT' })
  })
})
