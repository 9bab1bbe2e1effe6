/**
 * What a partition log may ask of the shared journal, and what the store asks of a partition log in return.
 *
 * The journal is the truth, a physical redo log: an entry says which bytes go to which position of which segment file,
 * so redoing it twice gives the same file. Segment files are its materialised view: written without a sync, synced at
 * checkpoints. Large batches are written once: straight to their segment, which the round syncs too, and their entry
 * holds no more than their header (`direct-writes.ts`). Both sides meet only here.
 *
 *   append ─▶ offsets, positions ─▶ appendBatch ──(one write, one sync a round)──▶ onFlushed: high watermark moves
 *                    └────────────▶ segment file, unsynced ─▶ must be readable before the high watermark passes it
 *   checkpoint: checkpoint() of all partitions in one turn ─▶ journal flushed up to there ─▶ syncDirty() ─▶ snapshot
 *   recovery:   open(checkpoint) ─▶ redoBatch / replayEvent in journal order ─▶ finishRecovery()
 */

import type { PartitionLogId } from './log.ts'

/** The same object for every call of one partition, please: its encoded form is remembered by identity. */
export type PartitionKey = PartitionLogId

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [name: string]: Json }

/** A small event of a partition (a segment rolled or deleted, the log start moved); its meaning is the partition log's. */
export type PartitionEvent = JsonObject & { readonly kind: string }

export interface SegmentPosition {
  /** Base offset of the segment: the name of its file. */
  readonly segmentBaseOffset: number
  /** Where the bytes go in the file. */
  readonly position: number
}

/** A segment as the journal sees it: where large batches can go without a copy in the journal. */
export interface DirectSegment {
  /** Its file has a durable name and nothing behind what is known of it: `writeDirect` may be called. */
  readonly takesDirect: boolean
  /** Many bytes went through the journal because the segment does not take them directly: it may want to. */
  wantDirect(): void
  /** Writes the bytes at their place. False when not all went in (a full disk, a log that closes): the journal has to take them. */
  writeDirect(position: number, chunks: readonly Uint8Array[]): Promise<boolean>
  /** Makes durable what was written directly before the call. A rejection is final. */
  syncDirect(): Promise<void>
}

/** A batch that may be written directly; whoever queued it looks afterwards whether it was. */
export interface DirectBatch {
  readonly segment: DirectSegment
  /** The file has its bytes, which its owner needs not write any more. Set before the batch is flushed. */
  isInFile: boolean
}

export interface JournalPort {
  /**
   * Queues a redo entry; the order of calls is the order of flushing. The chunks must not change until flushed. With
   * `direct` they are one whole record batch, which follows the segment's last one.
   * @throws ShoalError SHOAL_STORAGE_FAILED or SHOAL_CLOSED when the journal cannot go on. Never because of `full`:
   * callers look at that first, and what is queued regardless waits for space.
   */
  appendBatch(
    partition: PartitionKey,
    at: SegmentPosition,
    chunks: readonly Uint8Array[],
    direct?: DirectBatch,
  ): void
  /** Queues an event; replayed through `replayEvent`. @throws as `appendBatch`. */
  appendPartitionEvent(partition: PartitionKey, event: PartitionEvent): void
  /** Resolves when everything queued before this call is flushed: one promise a round. Rejects when it never will be. */
  flushed(): Promise<void>
  /**
   * Calls back when everything queued before this call is flushed, before the promises of the same round resolve; at once
   * when nothing waits. Not called when the journal failed. The callback must not throw.
   */
  onFlushed(callback: () => void): void
  /** The disk is full: refuse appends. Turns false by itself when there is space again. */
  readonly full: boolean
  /** The journal cannot go on: refuse appends. */
  readonly failed: boolean
  /** A segment write met a full disk (ENOSPC or a short count): sets `full` until there is space again. */
  noteFull(): void
  /** A segment read, write or sync failed so that the disk is in doubt: ends the store (once, the first error counts). */
  fail(error: unknown): void
}

/** The part of a partition log that only the store calls. */
export interface RecoverablePartition {
  /** Redoes an entry: validates header and CRC, writes the bytes, moves offsets and producer state. The bytes may be kept. */
  redoBatch(segmentBaseOffset: number, position: number, bytes: Uint8Array): Promise<void> | void
  /** Redoes an entry whose batch is in the segment file already; `header` are its first bytes. */
  redoDirect(segmentBaseOffset: number, position: number, header: Uint8Array): Promise<void>
  /** @param durableSoFar waited for before a file is removed on the event's word */
  replayEvent(event: PartitionEvent, durableSoFar: () => Promise<void>): Promise<void> | void
  /** The journal is replayed: from here on the log lives. Everything replayed is flushed. */
  finishRecovery(): Promise<void>
  /** Syncs the segment files (and the folder, when names changed) that were written since the last call. */
  syncDirty(): Promise<void>
  /** Applies retention by time and size. */
  applyRetention(nowMs: number): Promise<void>
  readonly sizeBytes: number
  /** Waits for its own reads and writes, then lets its files go. Idempotent. */
  close(): Promise<void>
}
