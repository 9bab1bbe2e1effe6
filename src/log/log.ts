/**
 * What the broker may rely on: partition logs and a metadata journal in one folder, under one promise of durability.
 *
 *   append ─▶ shared journal (one write, one sync for everything that came meanwhile) ─▶ flushed ─▶ high watermark
 *      └────▶ segment files (the materialised view in Kafka's layout, synced at checkpoints) ─▶ reads
 *
 * - Under flush policy `group` (the default) an append is flushed when a crash can no longer take it away. `os`: when the
 *   operating system has it, synced in the background within `flushIntervalMs`. `none`: the same without that sync.
 * - Everything appended, to whatever partition or machine, is flushed in the order of the calls.
 * - Readers see what is below the high watermark: flushed, never what a crash could still take away.
 * - A failed write or sync that leaves the disk in doubt is final: `fail` is called once and every later call rejects.
 */

import type { BufferPool, Clock, Logger, Random, Timers } from '../core/index.ts'
import type { FileStore } from './file-store.ts'

export type FlushPolicy = 'group' | 'os' | 'none'

export interface LogStoreOptions {
  readonly files: FileStore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Default `group`. */
  readonly flushPolicy?: FlushPolicy
  /** Longest time between background syncs under policy `os`, milliseconds; default 1,000. */
  readonly flushIntervalMs?: number
  /**
   * Bytes that a segment must get in one flush to get them directly, past the journal: written once, for a sync more.
   * Under policy `group` alone; default 512 KiB.
   */
  readonly directWriteBytes?: number
  /** Most segments that one flush writes directly, and syncs; default 16. 0 writes everything through the journal. */
  readonly maxDirectSegments?: number
  /** Bytes, in the journal and directly written, after which a checkpoint is taken and the journal trimmed; default 256 MiB. */
  readonly checkpointBytes?: number
  /** A checkpoint is taken when nothing was written for so long, milliseconds; default 30,000. */
  readonly checkpointIdleMs?: number
  /** Size beyond which the journal goes on in a new file; default 64 MiB. */
  readonly journalFileBytes?: number
  /**
   * Bytes by which the journal grows ahead of small rounds, so that most syncs change no file's size. Under policy `group`
   * alone; default 64 KiB, 0 for none.
   */
  readonly journalRoomBytes?: number
  /** Space kept for commits and other metadata on a full disk, bytes; default 4 MiB. */
  readonly reserveBytes?: number
  /** Most segment and index files kept open; default 1,000. */
  readonly maxOpenFiles?: number
  /** Memory for the newest batches and indexes of all partitions, bytes; default 64 MiB. */
  readonly memoryBytes?: number
  /** Where appended bytes may come from: they are retained while the log needs them. */
  readonly buffers?: BufferPool
  /** `producer.id.expiration.ms`: how long an idle producer is remembered, milliseconds; default 1 day. */
  readonly producerIdExpirationMs?: number
  /** State machines whose records and snapshots live in the journal; replayed in full before `open` resolves. */
  readonly machines: readonly StateMachine[]
  /** Told once when the store cannot go on (a failed sync, a broken invariant): the instance that owns it must end. */
  readonly fail: (error: Error) => void
}

/** State that lives in the journal. `replay` is the only way it changes; a snapshot replayed into a new machine gives the same state. */
export interface StateMachine {
  /** Names the machine's records on disk; never changed. */
  readonly name: string
  replay(record: Uint8Array): void
  /** The records that rebuild the present state. */
  snapshot(): Iterable<Uint8Array>
}

export interface LogStore {
  /** Opens the partition's log, making it when it is new. The same object for the same arguments. */
  openPartition(id: PartitionLogId, config: PartitionLogConfig): Promise<PartitionLog>
  /** The log if it is open. */
  partition(id: PartitionLogId): PartitionLog | undefined
  /** Every partition that the folder has a log of, open or not. */
  partitions(): readonly PartitionLogId[]
  /** Deletes the log; its bytes go away after the deletion is flushed, and a crash in between finishes it at the next open. */
  deletePartition(id: PartitionLogId): Promise<void>
  /** Queues a machine's records. The caller replays them itself at once; they are durable when `flushed` resolves. */
  appendMetadata(machine: string, records: readonly Uint8Array[]): void
  /** Resolves when everything appended before this call (partitions and metadata) is flushed under the policy. Rejects when it never will be. */
  flushed(): Promise<void>
  /** Total bytes that the folder's logs take, per partition (for DescribeLogDirs). */
  sizeOf(id: PartitionLogId): number
  /** Deletes what retention no longer keeps, in every open partition. Called by the owner's timer. */
  applyRetention(): Promise<void>
  /** Flushes, checkpoints, closes the files and gives the lock back. Idempotent. */
  close(): Promise<void>
}

export interface PartitionLogId {
  /** Kafka's topic id: 22 characters of base64url. */
  readonly topicId: string
  readonly partition: number
}

/** Topic settings that the log obeys; names are Kafka's in camelCase. */
export interface PartitionLogConfig {
  /** `segment.bytes`, default 1 GiB. */
  readonly segmentBytes: number
  /** `segment.ms`, default 7 days. */
  readonly segmentMs: number
  /** `index.interval.bytes`, default 4,096. */
  readonly indexIntervalBytes: number
  /** `retention.ms`, -1 keeps for ever; default 7 days. */
  readonly retentionMs: number
  /** `retention.bytes`, -1 does not limit; the default. */
  readonly retentionBytes: number
  /** `max.message.bytes`: the largest record batch; default 1,048,588. */
  readonly maxMessageBytes: number
  /** `message.timestamp.type`. */
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  /** `cleanup.policy`: records of a compacted topic need a key. */
  readonly cleanupPolicy: 'delete' | 'compact' | 'compact,delete'
  /** `message.timestamp.after.max.ms`: how far a timestamp may be ahead of the clock; -1 (the default here) does not limit. */
  readonly timestampAfterMaxMs?: number
}

export interface PartitionLog {
  readonly id: PartitionLogId
  /** The first offset that can be read. */
  readonly logStartOffset: number
  /** The offset that the next record gets. */
  readonly logEndOffset: number
  /** What readers may see ends here: everything below is flushed. */
  readonly highWatermark: number
  readonly leaderEpoch: number
  /** Set when acknowledged bytes are damaged: reads of intact offsets go on, appends are refused with KAFKA_STORAGE_ERROR. */
  readonly corrupt: string | null
  /**
   * Takes the record set of one Produce request. Validates it whole, gives it offsets, queues it.
   * A refusal is a value and appends nothing; `flushed` of an accepted append resolves when it may be acknowledged.
   * The log keeps `recordSet` (it patches base offset, leader epoch and, for LogAppendTime, the timestamp in place).
   */
  append(recordSet: Uint8Array): AppendResult
  /**
   * Whole record batches from the one that holds `offset` on, below the high watermark, as they are stored: at most
   * `maxBytes`, but at least the first batch when `atLeastOneBatch`. Empty at the high watermark.
   */
  read(request: ReadRequest): Promise<ReadResult>
  /** Calls `listener` once when the high watermark moves past `offset` (or the log closes); answers how to stop waiting. */
  onReadable(offset: number, listener: () => void): { cancel(): void }
  /** First offset whose timestamp is at or after `timestampMs`, below the high watermark; null when there is none. */
  offsetForTimestamp(timestampMs: number): Promise<TimestampOffset | null>
  /** The record with the largest timestamp; null when the log is empty. */
  maxTimestamp(): Promise<TimestampOffset | null>
  /** Where an epoch ends: see OffsetForLeaderEpoch. */
  endOfEpoch(leaderEpoch: number): { readonly leaderEpoch: number; readonly endOffset: number }
  /** Moves the log start offset forward (DeleteRecords); resolves when flushed. Offsets past the high watermark answer OFFSET_OUT_OF_RANGE. */
  deleteRecordsBefore(offset: number): Promise<'NONE' | 'OFFSET_OUT_OF_RANGE'>
  configure(config: PartitionLogConfig): void
}

/** Kafka's names for what an append can be refused with (protocol.md 2.1). */
export type AppendError =
  | 'CORRUPT_MESSAGE'
  | 'INVALID_RECORD'
  | 'INVALID_TIMESTAMP'
  | 'MESSAGE_TOO_LARGE'
  | 'UNSUPPORTED_COMPRESSION_TYPE'
  | 'UNKNOWN_SERVER_ERROR'
  | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
  | 'INVALID_PRODUCER_EPOCH'
  | 'INVALID_TXN_STATE'
  | 'KAFKA_STORAGE_ERROR'

export type AppendResult =
  | {
      readonly kind: 'appended'
      readonly baseOffset: number
      /** The broker's time when the topic says LogAppendTime, else -1. */
      readonly logAppendTimeMs: number
      readonly logStartOffset: number
      /** Resolves when the append is flushed; rejects when the store failed. A duplicate answers the old offset here. */
      readonly flushed: Promise<void>
    }
  | {
      readonly kind: 'refused'
      readonly error: AppendError
      readonly message: string
      readonly recordErrors: readonly { readonly batchIndex: number; readonly message: string }[]
    }

export interface ReadRequest {
  readonly offset: number
  readonly maxBytes: number
  readonly atLeastOneBatch: boolean
}

export type ReadResult =
  | {
      readonly kind: 'records'
      /** Whole batches, one chunk or several, never copied again on the way to the socket. */
      readonly chunks: readonly Uint8Array[]
      readonly byteLength: number
      readonly highWatermark: number
      readonly logStartOffset: number
    }
  | { readonly kind: 'refused'; readonly error: 'OFFSET_OUT_OF_RANGE' | 'KAFKA_STORAGE_ERROR' }

export interface TimestampOffset {
  readonly offset: number
  readonly timestampMs: number
  readonly leaderEpoch: number
}
