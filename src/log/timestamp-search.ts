/**
 * Finding records by timestamp: what ListOffsets asks.
 *
 * The time index narrows the search to one segment and about one index interval, headers (checked with their CRC) to one
 * batch, and only that batch is decoded. A compressed batch that does not decode (nobody looked into it when it came)
 * answers with its header: base offset and largest timestamp.
 * The search works on the state at its beginning; damage in its way is an error, for behind it lies no right answer.
 */

import { ShoalError } from '../core/index.ts'
import { decodeRecords, RecordBatch } from '../protocol/index.ts'
import type { TimestampOffset } from './log.ts'
import type { Segment } from './segment.ts'
import type { SegmentIndexes } from './segment-indexes.ts'
import type { SegmentReader } from './segment-reader.ts'
import { SCAN_WINDOW_BYTES } from './segment-reader.ts'
import type { ScanStart } from './segment-scan.ts'
import { findOffset, findTime } from './sparse-index.ts'
import type { Tail } from './tail.ts'

export interface SearchedLog {
  readonly segments: readonly Segment[]
  readonly tail: Tail<Segment>
  readonly reader: SegmentReader
  /** Records in `[logStartOffset, highWatermark)` are visible. */
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly maxDecodedBytes: number
}

/** The first record at or after the timestamp. @throws ShoalError SHOAL_STORAGE_CORRUPT */
export async function findTimestamp(
  log: SearchedLog,
  timestampMs: number,
): Promise<TimestampOffset | null> {
  for await (const batch of batchesFrom(log, timestampMs)) {
    if (batch.maxTimestamp < timestampMs) continue
    const found = recordsOf(batch, log).find((record) => record.timestampMs >= timestampMs)
    if (found !== undefined) return { ...found, leaderEpoch: batch.partitionLeaderEpoch }
  }
  return null
}

/** The first record with the largest timestamp. @throws ShoalError SHOAL_STORAGE_CORRUPT */
export async function findMaxTimestamp(log: SearchedLog): Promise<TimestampOffset | null> {
  const known = knownLargest(log)
  let largest: TimestampOffset | null = null
  for await (const batch of batchesFrom(log, known)) {
    largest = laterOf(largest, batch, recordsOf(batch, log))
    if (largest?.timestampMs === known) break
  }
  return largest
}

/** The first of those with the largest timestamp. */
function laterOf(
  largest: TimestampOffset | null,
  { partitionLeaderEpoch: leaderEpoch }: RecordBatch,
  records: readonly Omit<TimestampOffset, 'leaderEpoch'>[],
): TimestampOffset | null {
  return records.reduce(
    (found, record) =>
      found === null || record.timestampMs > found.timestampMs ? { ...record, leaderEpoch } : found,
    largest,
  )
}

/** The largest timestamp, if its record is certainly visible; else one below all, so that everything is looked at. */
function knownLargest({ segments, logStartOffset, highWatermark }: SearchedLog): number {
  let largest = -Infinity
  for (const { indexes, baseOffset } of segments) {
    const { largestTimestampMs, largestTimestampOffset } = indexes
    if (baseOffset < logStartOffset || largestTimestampOffset >= highWatermark) return -Infinity
    largest = Math.max(largest, largestTimestampMs)
  }
  return largest
}

/** Visible batches in order, without those that the time index says are older. */
async function* batchesFrom(log: SearchedLog, timestampMs: number): AsyncGenerator<RecordBatch> {
  const { segments, tail, reader } = log
  const isVisible = (batch: RecordBatch) =>
    batch.lastOffset >= log.logStartOffset && batch.lastOffset < log.highWatermark
  const files = segments.map((segment) => ({
    segment,
    endPosition: segment.writtenBytes,
    endOffset: segment.writtenOffset,
  }))
  const unwritten = tail.unwritten()
  for (const { segment, ...end } of files) {
    if (end.endPosition === 0 || segment.indexes.largestTimestampMs < timestampMs) continue
    const start = await reader.withIndexes(segment, (indexes) =>
      startOf(segment, indexes, timestampMs),
    )
    const scan = reader.scan(segment, start, end)
    for (;;) {
      const step = await scan.next(SCAN_WINDOW_BYTES)
      if (step === null) break
      if (step.damage !== null)
        throw new ShoalError(
          'SHOAL_STORAGE_CORRUPT',
          `${segment.path} is damaged at position ${step.damage.position}: ${step.damage.message}`,
        )
      yield* step.batches.filter(isVisible)
    }
  }
  for (const { bytes } of unwritten) {
    const batch = new RecordBatch(bytes)
    if (isVisible(batch)) yield batch
  }
}

/** All batches before the place have smaller timestamps. */
function startOf(segment: Segment, indexes: SegmentIndexes, timestampMs: number): ScanStart {
  const time = findTime(indexes.time, timestampMs)
  const entry = time === null ? null : findOffset(indexes.offset, time.relativeOffset)
  if (entry === null) return { position: 0, baseOffset: segment.baseOffset }
  return {
    position: entry.position,
    baseOffset: -1,
    lastOffset: segment.baseOffset + entry.relativeOffset,
  }
}

function recordsOf(
  batch: RecordBatch,
  { logStartOffset, maxDecodedBytes }: SearchedLog,
): readonly Omit<TimestampOffset, 'leaderEpoch'>[] {
  try {
    return decodeRecords(batch, { maxDecompressedBytes: maxDecodedBytes })
      .filter((record) => record.offset >= logStartOffset)
      .map(({ offset, timestampMs }) => ({ offset, timestampMs }))
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    const offset = Math.max(batch.baseOffset, logStartOffset)
    return [{ offset, timestampMs: batch.maxTimestamp }]
  }
}
