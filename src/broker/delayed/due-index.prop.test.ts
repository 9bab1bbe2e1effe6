import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { type DueEntry, DueIndex } from './due-index.ts'

type Step =
  | {
      readonly kind: 'add'
      readonly dueMs: number
      readonly target: number
      readonly isDelay: boolean
    }
  | { readonly kind: 'take'; readonly nowMs: number }
  | { readonly kind: 'shift'; readonly byMs: number }
  | { readonly kind: 'retain'; readonly gone: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      dueMs: fc.nat({ max: 50 }),
      target: fc.nat({ max: 3 }),
      isDelay: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('take' as const), nowMs: fc.nat({ max: 60 }) }),
  },
  fc.record({ kind: fc.constant('shift' as const), byMs: fc.integer({ min: -20, max: 20 }) }),
  fc.record({ kind: fc.constant('retain' as const), gone: fc.nat({ max: 3 }) }),
)

describe('the index of what waits', () => {
  test('gives what is due in the order of due times, of equals in the order of offsets, like a sorted list', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const index = new DueIndex()
        let model: DueEntry[] = []
        let nextOffset = 0
        for (const each of steps) {
          switch (each.kind) {
            case 'add': {
              const { kind: _, ...rest } = each
              const entry = { ...rest, offset: nextOffset++, bytes: 10 }
              index.add(entry)
              model.push(entry)
              break
            }
            case 'take': {
              const first = model.toSorted(byDue)[0]
              const expected = first !== undefined && first.dueMs <= each.nowMs ? first : null
              assert.deepEqual(index.take(each.nowMs), expected)
              model = model.filter((entry) => entry !== expected)
              break
            }
            case 'shift':
              index.shift(each.byMs)
              model = model.map((entry) =>
                entry.isDelay ? { ...entry, dueMs: entry.dueMs + each.byMs } : entry,
              )
              break
            case 'retain':
              index.retain((target) => target !== each.gone)
              model = model.filter(({ target }) => target !== each.gone)
          }
          assert.equal(index.size, model.length)
          assert.equal(index.nextDueMs, Math.min(Infinity, ...model.map(({ dueMs }) => dueMs)))
          assert.equal(
            index.firstOffset(),
            Math.min(Infinity, ...model.map(({ offset }) => offset)),
          )
        }
      }),
    )
  })
})

function byDue(left: DueEntry, right: DueEntry): number {
  return left.dueMs - right.dueMs || left.offset - right.offset
}
