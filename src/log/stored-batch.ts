/**
 * The facts of a batch that the log keeps account of, taken from its header once.
 */

import {
  RecordBatch,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from '../protocol/index.ts'
import type { ProducerBatch } from './producer-state.ts'
import type { Segment, SegmentBatch } from './segment.ts'
import type { TailBatch } from './tail.ts'

/** A short batch is copied when keeping the slice would keep a much larger receive buffer alive. */
const COPY_BELOW_BYTES = 16 * 1024

/** Gives a validated record set its place and time. The bytes are the log's from here on. */
export function placeBatch(
  recordSet: Uint8Array,
  place: {
    readonly baseOffset: number
    readonly leaderEpoch: number
    /** -1 leaves the producer's timestamps. */
    readonly logAppendTimeMs: number
  },
): RecordBatch {
  const isSmallSlice =
    recordSet.length <= COPY_BELOW_BYTES && recordSet.length * 4 < recordSet.buffer.byteLength
  // Not `slice`: of a Buffer it is a view of the same memory.
  const bytes = isSmallSlice ? new Uint8Array(recordSet) : recordSet
  if (place.logAppendTimeMs !== -1) setLogAppendTime(bytes, 0, place.logAppendTimeMs)
  setBaseOffset(bytes, 0, place.baseOffset)
  setPartitionLeaderEpoch(bytes, 0, place.leaderEpoch)
  return new RecordBatch(bytes)
}

export function segmentBatch(batch: RecordBatch): SegmentBatch {
  const { baseOffset, lastOffset, byteLength, maxTimestamp } = batch
  return { baseOffset, lastOffset, byteLength, maxTimestampMs: maxTimestamp }
}

/** @param position default: behind the segment's last batch */
export function tailBatch(
  { baseOffset, lastOffset, bytes }: RecordBatch,
  segment: Segment,
  position: number = segment.size,
): TailBatch<Segment> {
  return {
    baseOffset,
    nextOffset: lastOffset + 1,
    segment,
    position,
    bytes,
    isInFile: false,
    isLent: false,
  }
}

export function producerBatch(batch: RecordBatch): ProducerBatch {
  const { producerId, producerEpoch, baseSequence, recordCount, maxTimestamp } = batch
  return { producerId, producerEpoch, baseSequence, recordCount, maxTimestampMs: maxTimestamp }
}
