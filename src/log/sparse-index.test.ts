import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { emptyIndexes, SegmentIndexes } from './segment-indexes.ts'
import { EMPTY_INDEX, findOffset, findTime, SparseIndex } from './sparse-index.ts'

const entries = fc.uniqueArray(
  fc.record({ key: fc.integer({ min: 0, max: 1_000 }), value: fc.nat(1_000_000) }),
  { selector: ({ key }) => key, maxLength: 40 },
)

test('a lookup finds what a full scan finds, in offset and in time indexes', () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: -1, max: 1_001 }), (unordered, wanted) => {
      const ordered = unordered.toSorted((left, right) => left.key - right.key)
      const offsets = new SparseIndex(EMPTY_INDEX)
      const times = new SparseIndex(EMPTY_INDEX)
      for (const { key, value } of ordered) {
        offsets.appendOffset(key, value)
        // Beyond 32 bits, as real timestamps are.
        times.appendTime(key + 2 ** 41, value)
      }
      const expected = ordered.findLast(({ key }) => key <= wanted)

      const offset = findOffset(offsets, wanted)
      assert.deepEqual(offset && [offset.relativeOffset, offset.position], pairOf(expected))
      const time = findTime(times, wanted + 2 ** 41)
      assert.deepEqual(time && [time.timestampMs - 2 ** 41, time.relativeOffset], pairOf(expected))
    }),
  )
})

test('an index that was partly forgotten is whole again with the bytes of its file', () => {
  fc.assert(
    fc.property(entries, fc.nat(40), (unordered, cut) => {
      const ordered = unordered.toSorted((left, right) => left.key - right.key)
      const whole = new SparseIndex(EMPTY_INDEX)
      for (const { key, value } of ordered) whole.appendOffset(key, value)
      const file = whole.from(0).bytes.slice()

      const first = new SparseIndex(EMPTY_INDEX)
      for (const { key, value } of ordered.slice(0, cut)) first.appendOffset(key, value)
      const later = new SparseIndex(first.checkpoint())
      for (const { key, value } of ordered.slice(cut)) later.appendOffset(key, value)

      assert.deepEqual(later.checkpoint(), whole.checkpoint())
      assert.ok(later.load(file.subarray(0, first.byteLength)))
      assert.deepEqual(later.from(0).bytes, file)
      later.unload()
      assert.ok(later.load(file))
      assert.deepEqual(later.checkpoint(), whole.checkpoint())
    }),
  )
})

describe('an index file that is not what was written is refused', () => {
  const whole = new SparseIndex(EMPTY_INDEX)
  for (let entry = 1; entry <= 5; entry++) whole.appendTime(1_700_000_000_000 + entry, entry)
  const file = whole.from(0).bytes.slice()

  test('whatever single bit is wrong', () => {
    for (let bit = 0; bit < file.length * 8; bit++) {
      const damaged = file.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      assert.equal(new SparseIndex(whole.checkpoint()).load(damaged), false, `bit ${bit}`)
    }
  })

  test('whatever its length', () => {
    for (let length = 0; length < file.length; length++)
      assert.equal(new SparseIndex(whole.checkpoint()).load(file.subarray(0, length)), false)
  })
})

test('rebuilding the indexes of a segment gives the same bytes, wherever a checkpoint was', () => {
  const batch = fc.record({
    bytes: fc.integer({ min: 61, max: 400 }),
    count: fc.integer({ min: 1, max: 5 }),
    time: fc.nat(50),
  })
  fc.assert(
    fc.property(
      fc.array(batch, { maxLength: 50 }),
      fc.nat(50),
      fc.nat(500),
      (batches, cut, interval) => {
        const noted = batches.map(({ bytes, count, time }, index) => ({
          byteLength: bytes,
          maxTimestampMs: time,
          position: batches.slice(0, index).reduce((sum, earlier) => sum + earlier.bytes, 0),
          lastOffset:
            100 +
            batches.slice(0, index).reduce((sum, earlier) => sum + earlier.count, 0) +
            count -
            1,
        }))
        const live = new SegmentIndexes(100, emptyIndexes(interval))
        for (const each of noted) live.note(each)
        live.seal()

        const before = new SegmentIndexes(100, emptyIndexes(interval))
        for (const each of noted.slice(0, cut)) before.note(each)
        const restored = new SegmentIndexes(100, JSON.parse(JSON.stringify(before.checkpoint())))
        for (const each of noted.slice(cut)) restored.note(each)
        restored.seal()
        assert.deepEqual(restored.checkpoint(), live.checkpoint())
        assert.ok(restored.offset.load(before.offset.from(0).bytes))
        assert.deepEqual(restored.offset.from(0), live.offset.from(0))
      },
    ),
  )
})

function pairOf(entry: { key: number; value: number } | undefined): [number, number] | null {
  return entry === undefined ? null : [entry.key, entry.value]
}
