/**
 * How much a partition log may take of memory and time, each limit with its name and default.
 */

export interface PartitionLimits {
  /** Idempotent producers remembered a partition; beyond it the one idle longest is forgotten. */
  readonly maxProducers: number
  /** `producer.id.expiration.ms`: how long an idle producer is remembered. */
  readonly producerIdExpirationMs: number
  /** Flushed bytes a partition gathers in memory before they are written to its segment file as one write. */
  readonly segmentWriteBytes: number
  /** Records walked or decompressed bytes of one batch when it must be looked into (timestamps, keys). */
  readonly maxDecodedBytes: number
  /** How long a segment write that met a full disk waits before it is tried again. */
  readonly fullRetryMs: number
}

export const defaultPartitionLimits: PartitionLimits = {
  maxProducers: 10_000,
  producerIdExpirationMs: 86_400_000,
  segmentWriteBytes: 256 * 1024,
  maxDecodedBytes: 64 * 1024 * 1024,
  fullRetryMs: 1_000,
}
