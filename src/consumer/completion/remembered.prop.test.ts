import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { decodeCompletions, encodeCompletions } from './completion-map.ts'
import { OffsetTracker } from './offset-tracker.ts'
import { Remembered } from './remembered.ts'

/** A partition that changes hands: what each owner finishes, and where it stops. */
const owners = fc.array(
  fc.record({ finishes: fc.array(fc.nat(99), { maxLength: 60 }), takes: fc.nat(100) }),
  { minLength: 1, maxLength: 6 },
)

describe('a remembered completion map', () => {
  test('over any number of owners, every record is handled, and none twice that a commit knew of', () => {
    fc.assert(
      fc.property(owners, fc.uniqueArray(fc.nat(140), { maxLength: 40 }), (lives, holes) => {
        const offsets = Array.from({ length: 140 }, (_, offset) => offset).filter(
          (offset) => !holes.includes(offset),
        )
        const done = new Set<number>()
        let committed = { offset: 0, metadata: '' }
        const live = ({ finishes, takes }: { finishes: number[]; takes: number }) => {
          const map = decodeCompletions(committed.metadata, committed.offset)
          const tracker = new OffsetTracker(
            committed.offset,
            map.kind === 'map' ? new Remembered(map.completions) : null,
          )
          const open: [number, number][] = []
          for (const offset of offsets.filter((each) => each >= committed.offset).slice(0, takes)) {
            const skipped = tracker.skipRemembered(offset)
            assert.equal(skipped, done.has(offset), `${offset}`)
            if (!skipped) open.push([offset, tracker.deliver(offset)])
          }
          for (const pick of finishes) {
            if (open.length === 0) break
            const [[offset, ordinal] = [0, 0]] = open.splice(pick % open.length, 1)
            tracker.finish(ordinal)
            done.add(offset)
          }
          committed = {
            offset: tracker.committable(),
            metadata: encodeCompletions(tracker.completions(), 4_096).metadata,
          }
          for (const offset of offsets) assert.ok(offset >= committed.offset || done.has(offset))
        }
        for (const life of lives) live(life)
        live({ finishes: Array.from({ length: 140 }, () => 0), takes: 140 })
        assert.equal(done.size, offsets.length)
      }),
    )
  })
})
