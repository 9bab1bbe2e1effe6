import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Ordinals } from './ordinals.ts'

describe('ordinals', () => {
  test('count what is handed out, and a position acknowledges all below it', () => {
    const ordinals = new Ordinals<string>()
    assert.deepEqual(
      ['a', 'b', 'c'].map((tag) => ordinals.add(tag)),
      [0, 1, 2],
    )
    assert.deepEqual(ordinals.settle(2, null), { below: ['a', 'b'], beyond: [] })
    assert.equal(ordinals.add('d'), 3)
    assert.deepEqual(ordinals.settle(9, null), { below: ['c', 'd'], beyond: [] })
  })

  test('what is done beyond the position is acknowledged alone, and once', () => {
    const ordinals = new Ordinals<string>()
    for (const tag of ['a', 'b', 'c', 'd', 'e']) ordinals.add(tag)
    const completions = { base: 1, end: 5, open: [1, 3] }
    assert.deepEqual(ordinals.settle(1, completions), { below: ['a'], beyond: ['c', 'e'] })
    assert.deepEqual(ordinals.settle(1, completions), { below: [], beyond: [] })
    assert.deepEqual(ordinals.settle(5, null), { below: ['b', 'd'], beyond: [] })
    assert.equal(ordinals.openCount, 0)
  })

  test('a tag that is taken alone leaves once, and no position acknowledges it again', () => {
    const ordinals = new Ordinals<string>()
    for (const tag of ['a', 'b', 'c']) ordinals.add(tag)
    assert.deepEqual([ordinals.has(1), ordinals.take(1), ordinals.take(1)], [true, 'b', null])
    assert.deepEqual([ordinals.has(1), ordinals.has(3), ordinals.take(3)], [false, false, null])
    const completions = { base: 0, end: 3, open: [0] }
    assert.deepEqual(ordinals.settle(0, completions), { below: [], beyond: ['c'] })
    assert.deepEqual(ordinals.settle(3, null), { below: ['a'], beyond: [] })
    assert.equal(ordinals.take(0), null)
  })

  test('every tag leaves exactly once, and never before it is done', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 60 }), (steps) => {
        const ordinals = new Ordinals<number>()
        const done = new Set<number>()
        const left: number[] = []
        for (const step of steps) {
          if (step < 8) ordinals.add(ordinals.next)
          else if (ordinals.next > 0) done.add(step % ordinals.next)
          let base = 0
          while (done.has(base)) base++
          const end = Math.max(base, ...[...done].map((offset) => offset + 1))
          const open = Array.from({ length: end - base }, (_, at) => base + at)
          const { below, beyond } = ordinals.settle(base, {
            base,
            end,
            open: open.filter((offset) => !done.has(offset)),
          })
          left.push(...below, ...beyond)
        }
        assert.ok(left.every((tag) => done.has(tag)))
        assert.deepEqual(
          [...left].sort((a, b) => a - b),
          [...done].sort((a, b) => a - b),
        )
      }),
    )
  })
})
