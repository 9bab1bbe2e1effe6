/**
 * Which segments retention takes: Kafka's three rules, each from the head of the log until one segment must stay.
 *
 * - time: the largest timestamp is older than `retention.ms`; the active segment goes too (the next append begins anew);
 * - size: the log keeps at least `retention.bytes` without it;
 * - log start: all of it lies below the log start offset (DeleteRecords); never the active segment.
 * A compacted topic that is not `compact,delete` as well follows the last rule only. What is not flushed stays. Pure.
 */

import type { PartitionLogConfig } from './log.ts'

export interface RetentionSegment {
  readonly nextOffset: number
  readonly size: number
  readonly createdMs: number
  readonly indexes: {
    /** -1 when no record has a timestamp. */
    readonly largestTimestampMs: number
  }
}

export interface RetentionContext {
  readonly config: PartitionLogConfig
  readonly nowMs: number
  readonly logStartOffset: number
  readonly highWatermark: number
}

/** How many segments go, counted from the head. */
export function countDeletable(
  segments: readonly RetentionSegment[],
  context: RetentionContext,
): number {
  const { config, nowMs, logStartOffset, highWatermark } = context
  const isFlushed = (segment: RetentionSegment) =>
    segment.size > 0 && segment.nextOffset <= highWatermark
  const below = countWhile(
    segments.slice(0, -1),
    (segment) => isFlushed(segment) && segment.nextOffset <= logStartOffset,
  )
  if (config.cleanupPolicy === 'compact') return below

  const { retentionMs, retentionBytes } = config
  const expired = countWhile(
    segments,
    (segment) => retentionMs >= 0 && isFlushed(segment) && nowMs - ageBase(segment) > retentionMs,
  )
  let excessBytes = segments.reduce((sum, segment) => sum + segment.size, 0) - retentionBytes
  const oversize = countWhile(segments, (segment) => {
    excessBytes -= segment.size
    return retentionBytes >= 0 && isFlushed(segment) && excessBytes >= 0
  })
  return Math.max(below, expired, oversize)
}

function ageBase({ indexes, createdMs }: RetentionSegment): number {
  return indexes.largestTimestampMs >= 0 ? indexes.largestTimestampMs : createdMs
}

function countWhile(
  segments: readonly RetentionSegment[],
  holds: (segment: RetentionSegment) => boolean,
): number {
  const end = segments.findIndex((segment) => !holds(segment))
  return end === -1 ? segments.length : end
}
