/**
 * What a partition log hands to the store to survive: its state at a checkpoint, and the small events between two.
 *
 * A checkpoint is taken in one turn and counts only after `syncDirty`: then every byte below each segment's `size` is
 * durable in the segment files themselves, whatever becomes of the journal. Damage below that size is reported, never
 * cut; what lies above it comes from the journal's redo entries or is garbage of a crash and is cut.
 * All of it is JSON; fields that are added later must be optional.
 */

import type { JsonObject } from './journal-port.ts'

export type PartitionCheckpoint = {
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** Largest append time given so far: LogAppendTime never goes back. -1 before the first. */
  readonly lastAppendTimeMs: number
  /** The damage that was found, in words; null when none is known. */
  readonly corrupt: string | null
  /** Each leader epoch with the first offset written in it, in rising order. */
  readonly epochs: readonly (readonly [leaderEpoch: number, startOffset: number])[]
  /** In order of base offset; the last one is active. */
  readonly segments: readonly SegmentCheckpoint[]
  readonly producers: readonly ProducerCheckpoint[]
}

export type SegmentCheckpoint = {
  readonly baseOffset: number
  /** The offset after its last record. */
  readonly nextOffset: number
  /** Durable position: bytes of record batches. */
  readonly size: number
  /** Wall time of the first append: what a roll by `segmentMs`, and retention without timestamps, go by. */
  readonly createdMs: number
  /** Largest timestamp of its first batch. */
  readonly firstTimestampMs: number
  readonly indexes: IndexesCheckpoint
}

export type IndexesCheckpoint = {
  readonly offset: IndexCheckpoint
  readonly time: IndexCheckpoint
  readonly intervalBytes: number
  /** Bytes of batches since the last index entry. */
  readonly bytesSinceEntry: number
  /** The largest timestamp, -1 before the first, and the last offset of the batch that has it. */
  readonly largestTimestampMs: number
  readonly largestTimestampOffset: number
  /** The timestamp of the last entry of the time index. */
  readonly lastTimeEntryMs: number
}

/** How much of an index file counts, and the checksum of that: another content makes the index be rebuilt from the log. */
export type IndexCheckpoint = { readonly bytes: number; readonly checksum: number }

export type ProducerCheckpoint = {
  /** Decimal digits: 64 bits do not fit a JSON number. */
  readonly producerId: string
  readonly epoch: number
  readonly lastAppendMs: number
  /** The last batches, oldest first. */
  readonly batches: readonly (readonly [
    baseSequence: number,
    recordCount: number,
    baseOffset: number,
    maxTimestampMs: number,
  ])[]
}

/** What happens to a partition besides appends. Replaying one twice changes nothing more. */
export type PartitionLogEvent =
  /** DeleteRecords: nothing below the offset is readable any more. */
  | { readonly kind: 'log-start-moved'; readonly logStartOffset: number }
  /** Retention: the segments whose base offset is below `beforeOffset` are gone, and so is all below `logStartOffset`. */
  | {
      readonly kind: 'segments-deleted'
      readonly beforeOffset: number
      readonly logStartOffset: number
    }
  /** A read came across damage; null: it is no longer there. */
  | { readonly kind: 'damage-found'; readonly damage: string | null }

/** Reads an event back; null for what this version does not know. */
export function parsePartitionEvent(event: JsonObject): PartitionLogEvent | null {
  const { kind, logStartOffset, beforeOffset, damage } = event
  if (kind === 'damage-found')
    return typeof damage === 'string' || damage === null ? { kind, damage } : null
  if (!isOffset(logStartOffset)) return null
  if (kind === 'log-start-moved') return { kind, logStartOffset }
  if (kind === 'segments-deleted' && isOffset(beforeOffset))
    return { kind, beforeOffset, logStartOffset }
  return null
}

function isOffset(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
