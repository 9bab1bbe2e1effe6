/**
 * SKELETON for others to compile against; being written.
 */
import type { Clock, Logger } from '../core/index.ts'
import type { FileCache } from './file-cache.ts'
import type { FileStore } from './file-store.ts'
import type { JournalPort, PartitionEvent, RecoverablePartition } from './journal-port.ts'
import type {
  AppendResult,
  PartitionLog,
  PartitionLogConfig,
  PartitionLogId,
  ReadRequest,
  ReadResult,
  TimestampOffset,
} from './log.ts'
import type { PartitionCheckpoint } from './partition-checkpoint.ts'
import type { PartitionLimits } from './partition-limits.ts'
import type { LogMemory } from './log-memory.ts'

export interface PartitionLogOptions {
  readonly files: FileCache
  readonly store: FileStore
  /** The partition's folder; made at the first write. */
  readonly folder: string
  readonly id: PartitionLogId
  readonly config: PartitionLogConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly journal: JournalPort
  /** Shared by all partitions of the store: one instance, `new LogMemory({ limitBytes })`. */
  readonly memory: LogMemory
  readonly limits?: Partial<PartitionLimits>
  /** Null for a partition that no checkpoint knows. */
  readonly checkpoint: PartitionCheckpoint | null
}

export declare class SegmentedPartitionLog implements PartitionLog, RecoverablePartition {
  static open(options: PartitionLogOptions): Promise<SegmentedPartitionLog>
  readonly id: PartitionLogId
  readonly logStartOffset: number
  readonly logEndOffset: number
  readonly highWatermark: number
  readonly leaderEpoch: number
  readonly corrupt: string | null
  readonly sizeBytes: number
  append(recordSet: Uint8Array): AppendResult
  read(request: ReadRequest): Promise<ReadResult>
  onReadable(offset: number, listener: () => void): { cancel(): void }
  offsetForTimestamp(timestampMs: number): Promise<TimestampOffset | null>
  maxTimestamp(): Promise<TimestampOffset | null>
  endOfEpoch(leaderEpoch: number): { readonly leaderEpoch: number; readonly endOffset: number }
  deleteRecordsBefore(offset: number): Promise<'NONE' | 'OFFSET_OUT_OF_RANGE'>
  configure(config: PartitionLogConfig): void
  redoBatch(segmentBaseOffset: number, position: number, bytes: Uint8Array): Promise<void> | void
  replayEvent(event: PartitionEvent): void
  finishRecovery(): Promise<void>
  /** The state of this turn, to be written into the store's snapshot after `syncDirty` resolved. */
  checkpoint(): PartitionCheckpoint
  syncDirty(): Promise<void>
  applyRetention(nowMs: number): Promise<void>
  close(): Promise<void>
}
