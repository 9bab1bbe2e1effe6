/** What holds for a share group now: Kafka's group settings by their names, and what Shoal adds. May change at any time. */

/** How long a record waits that was released after its n-th delivery: `initialMs` × `factor` ^ (n − 1), at most `maxMs`. */
export interface ReleaseBackoff {
  readonly initialMs: number
  readonly factor: number
  readonly maxMs: number
}

export interface ShareConfig {
  /** `share.partition.max.record.locks`: offsets from the first not terminal to the last delivered. */
  readonly partitionMaxRecordLocks: number
  /** `share.delivery.count.limit`: deliveries of a record before it is given up. */
  readonly deliveryCountLimit: number
  /** `share.record.lock.duration.ms` */
  readonly recordLockDurationMs: number
  /** null: a released record is available at once, as in Kafka. */
  readonly releaseBackoff: ReleaseBackoff | null
  /**
   * Whether records that keep failing are delivered apart, in smaller and smaller portions, the last time each alone: so
   * that one that takes its consumer down does not use up the deliveries of its neighbours. Kafka does.
   */
  readonly isolatesFailing: boolean
  /** Whether records that are given up are dead-lettered first: they then wait as `archiving`. */
  readonly hasDeadLetters: boolean
}

export const DEFAULT_SHARE_CONFIG: ShareConfig = {
  partitionMaxRecordLocks: 2_000,
  deliveryCountLimit: 5,
  recordLockDurationMs: 30_000,
  releaseBackoff: null,
  isolatesFailing: true,
  hasDeadLetters: false,
}

export function releaseDelayMs(backoff: ReleaseBackoff | null, deliveryCount: number): number {
  if (backoff === null) return 0
  const { initialMs, factor, maxMs } = backoff
  return Math.floor(Math.min(maxMs, initialMs * factor ** (deliveryCount - 1)))
}

/**
 * How many of so many neighbours to deliver apart from all else; null when they are like any other record. With a limit
 * of 5: after three deliveries half of them, after four one.
 */
export function portionOf(count: number, deliveryCount: number, config: ShareConfig) {
  const { deliveryCountLimit, isolatesFailing } = config
  const suspicious = Math.ceil(deliveryCountLimit / 2)
  if (!isolatesFailing || deliveryCount < suspicious) return null
  if (deliveryCount >= deliveryCountLimit - 1) return 1
  return Math.max(1, Math.floor(count / 2 ** (deliveryCount - suspicious + 1)))
}
