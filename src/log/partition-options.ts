/**
 * What a partition log is made with, and how much memory and time it may take, each limit with its name and default.
 */

import type { BufferPool, Clock, Logger } from '../core/index.ts'
import type { FileCache } from './file-cache.ts'
import type { FileStore } from './file-store.ts'
import type { JournalPort } from './journal-port.ts'
import type { LogMemory } from './log-memory.ts'
import type { PartitionLogConfig, PartitionLogId } from './log.ts'
import type { PartitionCheckpoint } from './partition-checkpoint.ts'

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
  /** Shared by all partitions of the store. */
  readonly memory: LogMemory
  /** Told while appended bytes are needed. */
  readonly buffers?: BufferPool | undefined
  readonly limits?: Partial<PartitionLimits>
  /** Null for a partition that no checkpoint knows. */
  readonly checkpoint: PartitionCheckpoint | null
}

export interface PartitionLimits {
  /** Idempotent producers remembered a partition; beyond it the one idle longest is forgotten. */
  readonly maxProducers: number
  /** `producer.id.expiration.ms`: how long an idle producer is remembered. */
  readonly producerIdExpirationMs: number
  /** Flushed bytes a partition gathers in memory before they are written to its segment file as one write. */
  readonly segmentWriteBytes: number
  /** Most bytes that one batch may decompress to when it must be looked into (keys, timestamps). */
  readonly maxDecodedBytes: number
}

export const defaultPartitionLimits: PartitionLimits = {
  maxProducers: 10_000,
  producerIdExpirationMs: 86_400_000,
  segmentWriteBytes: 256 * 1024,
  maxDecodedBytes: 16 * 1024 * 1024,
}
