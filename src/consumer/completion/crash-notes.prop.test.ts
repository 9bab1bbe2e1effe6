import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { decodeCompletions, encodeCompletions } from './completion-map.ts'
import { MOST_SUSPECTS, readCrashNotes, writeCrashNotes } from './crash-notes.ts'
import type { CrashNotes } from './crash-notes.ts'

const base = fc.oneof(fc.nat(1_000), fc.integer({ min: 0, max: 2 ** 50 }))

const notesFrom = (first: number): fc.Arbitrary<CrashNotes> =>
  fc.record(
    {
      atWork: fc.boolean(),
      suspects: fc
        .array(fc.tuple(fc.oneof(fc.nat(200), fc.nat(2 ** 40)), fc.integer({ min: 1, max: 255 })), {
          maxLength: MOST_SUSPECTS,
        })
        .map((gaps) => {
          let next = first
          return gaps.map(([gap, starts]) => {
            const suspect = { offset: next + gap, starts }
            next += gap + 1
            return suspect
          })
        }),
    },
    { noNullPrototype: true },
  )

describe('crash notes', () => {
  test('come back as they were, with a completion map and without', () => {
    const cases = base.chain((first) => fc.tuple(fc.constant(first), notesFrom(first), fc.nat(50)))
    fc.assert(
      fc.property(cases, ([first, crashes, done]) => {
        const map = { base: first, end: first + done, open: done > 1 ? [first] : [], crashes }
        const { metadata } = encodeCompletions(map, 4_096)
        assert.match(metadata, /^shoal2:/)
        assert.deepEqual(decodeCompletions(metadata, first), { kind: 'map', completions: map })
        assert.equal(decodeCompletions(metadata, first + 1).kind, 'unreadable')
      }),
    )
  })

  test('any bytes are notes with offsets in order, or none', () => {
    fc.assert(
      fc.property(base, fc.uint8Array({ maxLength: 80 }), (first, bytes) => {
        const read = readCrashNotes(bytes, first)
        if (read === null) return
        assert.ok(read.length <= bytes.length)
        let next = first
        for (const { offset, starts } of read.notes.suspects) {
          assert.ok(Number.isSafeInteger(offset) && offset >= next && starts > 0)
          next = offset + 1
        }
      }),
    )
  })

  test('that are cut or forged are no notes', () => {
    const notes = { atWork: true, suspects: [{ offset: 900, starts: 2 }] }
    const bytes = writeCrashNotes(notes, 10)
    assert.deepEqual(readCrashNotes(bytes, 10), { notes, length: bytes.length })
    for (let length = 0; length < bytes.length; length++)
      assert.equal(readCrashNotes(bytes.subarray(0, length), 10), null, `${length} bytes`)
    assert.equal(readCrashNotes(Uint8Array.of(255, 0, 1), 10), null)
    const endless = Uint8Array.of(3, ...Array.from({ length: 20 }, () => 0xff), 1, 1)
    assert.equal(readCrashNotes(endless, 10), null)
  })
})
