/**
 * Batches of one partition out of its segment files: found by the offset index, read with one read, checked, never copied.
 *
 * Every batch that is served had its CRC checked on this very read: pages go back to the disk and rot there, so having
 * been right once says little, and the check costs a fifteenth of the read with the native CRC.
 * A consumer that reads on from where its last read ended is found again by that end, without an index.
 */

import type { RecordBatch } from '../protocol/index.ts'
import type { Segment } from './segment.ts'
import type { NotedBatch, SegmentIndexes } from './segment-indexes.ts'
import type { ScanDamage, ScanStart } from './segment-scan.ts'
import { SegmentScan } from './segment-scan.ts'
import { findOffset, OFFSET_ENTRY_BYTES } from './sparse-index.ts'

export interface SegmentReaderOptions {
  readonly leaderEpochAt: (offset: number) => number
  /** Told of damage that a read came across. */
  readonly onDamage: (segment: Segment, damage: ScanDamage) => void
}

export interface SegmentReadRequest {
  /** Below the written offset of the segment. */
  readonly offset: number
  /** Batches that reach this offset are not served. */
  readonly endOffset: number
  readonly maxBytes: number
  readonly atLeastOneBatch: boolean
}

export type SegmentReadResult =
  | {
      readonly kind: 'batches'
      readonly chunks: readonly Uint8Array[]
      readonly byteLength: number
    }
  /** The batch that holds the offset is damaged; `onDamage` was told. */
  | { readonly kind: 'damaged' }

const NOTHING: SegmentReadResult = { kind: 'batches', chunks: [], byteLength: 0 }
const DAMAGED: SegmentReadResult = { kind: 'damaged' }

/** Ends of reads that are remembered: about one a consumer group that lags behind the tail. */
const REMEMBERED_ENDS = 16

const SMALLEST_WINDOW_BYTES = 4 * 1024
export const SCAN_WINDOW_BYTES: number = 256 * 1024

export class SegmentReader {
  readonly #options: SegmentReaderOptions
  /** Where recent reads ended: the offset that comes next, and its place. */
  readonly #ends = new Map<number, { readonly segment: Segment; readonly position: number }>()

  constructor(options: SegmentReaderOptions) {
    this.#options = options
  }

  /** @throws what the file's reads throw */
  async read(segment: Segment, request: SegmentReadRequest): Promise<SegmentReadResult> {
    const { offset, maxBytes } = request
    segment.noteRead()
    const end = this.#ends.get(offset)
    const isKnown = end !== undefined && end.segment === segment
    const scan = isKnown
      ? this.scan(segment, { position: end.position, baseOffset: offset })
      : await this.scanFrom(segment, offset)
    const approachBytes = isKnown ? 0 : segment.indexes.intervalBytes
    const windowBytes = Math.max(maxBytes + approachBytes, SMALLEST_WINDOW_BYTES)

    for (;;) {
      const step = await scan.next(windowBytes)
      if (step === null) return DAMAGED
      if (step.damage !== null) this.#options.onDamage(segment, step.damage)
      const first = step.batches.findIndex((batch) => batch.lastOffset >= offset)
      const batch = step.batches[first]
      if (batch === undefined) continue
      // The way on begins behind the offset: what holds it is in the damage.
      if (batch.baseOffset > offset) return DAMAGED
      return this.#take(segment, step.origin, step.batches.slice(first), request)
    }
  }

  /** Whether all of the segment's file is as it was written. */
  async isIntact(segment: Segment): Promise<boolean> {
    const scan = this.scan(segment, { position: 0, baseOffset: segment.baseOffset })
    for (;;) {
      const step = await scan.next(SCAN_WINDOW_BYTES)
      if (step === null) return true
      if (step.damage !== null) return false
    }
  }

  /** A scan that begins at or before the batch that holds `offset`. */
  async scanFrom(segment: Segment, offset: number): Promise<SegmentScan> {
    return this.scan(
      segment,
      await this.withIndexes(segment, (indexes) => startBefore(segment, indexes, offset)),
    )
  }

  scan(
    segment: Segment,
    start: ScanStart,
    end: { readonly endPosition: number; readonly endOffset: number } = {
      endPosition: segment.writtenBytes,
      endOffset: segment.writtenOffset,
    },
  ): SegmentScan {
    const { leaderEpochAt } = this.#options
    const source = {
      file: segment.file,
      ...end,
      leaderEpochAt,
      nextPlace: async (position: number) => {
        const place = await this.withIndexes(segment, (indexes) =>
          placeBehind(segment, indexes, position),
        )
        return place !== null && place.position < end.endPosition ? place : null
      },
    }
    return new SegmentScan(source, start)
  }

  /** Searches the segment's indexes, rebuilding them from the log when their files are missing or wrong. */
  withIndexes<Found>(segment: Segment, find: (indexes: SegmentIndexes) => Found): Promise<Found> {
    return segment.withIndexes(find, async (into, bytes) => {
      const source = {
        file: segment.file,
        endPosition: bytes,
        endOffset: segment.nextOffset,
        leaderEpochAt: this.#options.leaderEpochAt,
        nextPlace: async () => null,
      }
      const scan = new SegmentScan(source, { position: 0, baseOffset: segment.baseOffset })
      for (;;) {
        const step = await scan.next(SCAN_WINDOW_BYTES)
        if (step === null) return
        if (step.damage !== null) this.#options.onDamage(segment, step.damage)
        for (const batch of step.batches) into.note(noted(batch, step.origin + batch.position))
      }
    })
  }

  #take(
    segment: Segment,
    origin: number,
    batches: readonly RecordBatch[],
    { endOffset, maxBytes, atLeastOneBatch }: SegmentReadRequest,
  ): SegmentReadResult {
    let taken = 0
    let byteLength = 0
    for (const batch of batches) {
      const fits = byteLength + batch.byteLength <= maxBytes || (atLeastOneBatch && taken === 0)
      if (!fits || batch.lastOffset >= endOffset) break
      byteLength += batch.byteLength
      taken++
    }
    const first = batches[0]
    const last = batches[taken - 1]
    if (first === undefined || last === undefined) return NOTHING
    this.#remember(last.lastOffset + 1, { segment, position: origin + last.end })
    return { kind: 'batches', chunks: [first.bytes.subarray(first.position, last.end)], byteLength }
  }

  #remember(offset: number, end: { segment: Segment; position: number }): void {
    this.#ends.delete(offset)
    this.#ends.set(offset, end)
    if (this.#ends.size <= REMEMBERED_ENDS) return
    const oldest = this.#ends.keys().next()
    if (oldest.done !== true) this.#ends.delete(oldest.value)
  }
}

/** Where to begin so that the batch that holds `offset` is met: the last index entry before it, or the segment's start. */
function startBefore(segment: Segment, indexes: SegmentIndexes, offset: number): ScanStart {
  const entry = findOffset(indexes.offset, offset - segment.baseOffset)
  if (entry === null) return { position: 0, baseOffset: segment.baseOffset }
  return {
    position: entry.position,
    baseOffset: -1,
    lastOffset: segment.baseOffset + entry.relativeOffset,
  }
}

function placeBehind(
  segment: Segment,
  indexes: SegmentIndexes,
  position: number,
): ScanStart | null {
  const { view } = indexes.offset
  for (let at = 0; at < indexes.offset.byteLength; at += OFFSET_ENTRY_BYTES)
    if (view.getInt32(at + 4) > position)
      return {
        position: view.getInt32(at + 4),
        baseOffset: -1,
        lastOffset: segment.baseOffset + view.getInt32(at),
      }
  return null
}

export function noted(batch: RecordBatch, position: number): NotedBatch {
  const { lastOffset, byteLength, maxTimestamp } = batch
  return { lastOffset, position, byteLength, maxTimestampMs: maxTimestamp }
}
