import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { decodeCompletions, encodeCompletions } from './completion-map.ts'
import type { Completions } from './completion-map.ts'

const LIMIT = 4_096

/** Any shape: one open record, dense, sparse, with holes. */
const completions: fc.Arbitrary<Completions> = fc
  .record({
    base: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 52 })),
    gaps: fc.array(fc.oneof(fc.nat(2), fc.nat(300), fc.nat(1e6)), { maxLength: 400 }),
    rest: fc.integer({ min: 1, max: 5_000 }),
  })
  .map(({ base, gaps, rest }) => {
    const open: number[] = []
    let next = base
    for (const gap of gaps) {
      open.push(next + gap)
      next += gap + 1
    }
    return { base, end: next + rest, open }
  })

function decoded(metadata: string, base: number): Completions {
  const result = decodeCompletions(metadata, base)
  assert.equal(result.kind, 'map')
  return result.kind === 'map' ? result.completions : { base, end: base, open: [] }
}

describe('the completion map', () => {
  test('comes back as it was, when it fits', () => {
    fc.assert(
      fc.property(completions, (map) => {
        const { metadata, fill } = encodeCompletions(map, LIMIT)
        assert.ok(metadata.length <= LIMIT)
        const back = decoded(metadata, map.base)
        if (fill < 1) assert.deepEqual(back, map)
      }),
    )
  })

  test('never says done of what is open, however short it has to be, and remembers the lowest first', () => {
    fc.assert(
      fc.property(completions, fc.integer({ min: 40, max: 400 }), (map, limit) => {
        const { metadata, fill } = encodeCompletions(map, limit)
        assert.ok(metadata.length <= limit)
        const back = decoded(metadata, map.base)
        assert.ok(back.end <= map.end)
        assert.ok(fill >= 1 || back.end === map.end)
        const known = map.open.filter((offset) => offset < back.end)
        assert.deepEqual([...back.open], known)
      }),
    )
  })

  test('any text is a map or is ignored, and a map of one position is none of another', () => {
    const { metadata } = encodeCompletions({ base: 10, end: 500, open: [10, 40] }, LIMIT)
    assert.equal(decodeCompletions(metadata, 11).kind, 'unreadable')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String().map((text) => `shoal1:${text}`),
        ),
        (text) => {
          assert.equal(decodeCompletions(text, 10).kind, text === '' ? 'none' : 'unreadable')
        },
      ),
    )
    fc.assert(
      fc.property(fc.nat(metadata.length - 8), fc.constantFrom(...'AZaz09-_'), (at, letter) => {
        const index = at + 7
        const forged = metadata.slice(0, index) + letter + metadata.slice(index + 1)
        const result = decodeCompletions(forged, 10)
        // The last letter carries bits that no byte has.
        const same = Buffer.from(forged.slice(7), 'base64url').equals(
          Buffer.from(metadata.slice(7), 'base64url'),
        )
        assert.equal(result.kind, same ? 'map' : 'unreadable')
      }),
    )
  })

  test('holds a stuck head over two million records, and some 40,000 where every tenth is open', () => {
    const head = { base: 7, end: 2_000_007, open: [7] }
    assert.ok(encodeCompletions(head, LIMIT).metadata.length < 60)
    const open = Array.from({ length: 4_000 }, (_, index) => 7 + index * 10)
    const { fill } = encodeCompletions({ base: 7, end: 40_007, open }, LIMIT)
    assert.ok(fill < 1, `${fill}`)
  })

  test('a dense set is written by what is done', () => {
    const open = Array.from({ length: 20_000 }, (_, index) => index).filter(
      (offset) => offset % 500 !== 3,
    )
    const map = { base: 0, end: 19_504, open: open.filter((offset) => offset < 19_504) }
    const { metadata, fill } = encodeCompletions(map, LIMIT)
    assert.ok(metadata.length < 200 && fill < 0.1, `${metadata.length}`)
    assert.deepEqual(decoded(metadata, 0), map)
  })
})
