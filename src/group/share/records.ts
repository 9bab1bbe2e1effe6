/**
 * The hard state of share-partitions as records.
 *
 *   share-started    the first offset to deliver was set: at the group's first start, or by an administrator since
 *   share-delivery   records were acquired (the delivery count rose), acknowledged, or archived
 *   share-failed     members said why they gave records back, or up
 *   share-log-start  what lay below is gone from the log
 *   share-committed  the group committed a position: what lay below is done
 *   share-deleted    all of it is gone: with the committed offset, or with the topic
 *   share-partition  all of it; written by snapshots
 *
 * Locks are in no record: a crash takes them all, the delivery counts stay.
 */

import type { OffsetRange } from './ranges.ts'

export interface SharePartitionId {
  readonly groupId: string
  readonly topicId: string
  readonly partition: number
}

/** Why a record is to be dead-lettered: a member rejected it, or nobody acknowledged it in all its deliveries. */
export type DeadLetterReason = 'rejected' | 'delivery-limit'

/**
 * Where a record stands. A record that is ACQUIRED is available here, and held (`holds.ts`).
 *
 * available     to be delivered; delivered `deliveryCount` times so far
 * archiving     never delivered again, its dead letter is not yet written
 * acknowledged  done
 * archived      given up: its dead letter is written, or nobody wants one, or there is no such record
 */
export type Delivery =
  | { readonly state: 'available'; readonly deliveryCount: number }
  | {
      readonly state: 'archiving'
      readonly deliveryCount: number
      readonly reason: DeadLetterReason
    }
  | { readonly state: 'acknowledged' }
  | { readonly state: 'archived' }

export type DeliveryRange = OffsetRange & { readonly value: Delivery }

export interface ShareStartedRecord extends SharePartitionId {
  readonly kind: 'share-started'
  readonly stateEpoch: number
  readonly startOffset: number
}

export interface ShareDeliveryRecord extends SharePartitionId {
  readonly kind: 'share-delivery'
  readonly stateEpoch: number
  /** In the order in which they were decided. */
  readonly deliveries: readonly DeliveryRange[]
}

/** What members said of a record's failed deliveries; wall times in milliseconds. */
export interface Failure {
  readonly firstMs: number
  readonly lastMs: number
  /** The last one's words. */
  readonly error: string
}

export type FailureRange = OffsetRange & { readonly value: Failure }

export interface ShareFailedRecord extends SharePartitionId {
  readonly kind: 'share-failed'
  readonly stateEpoch: number
  readonly failed: readonly FailedRange[]
}

/** What a member says once. */
export interface FailedRange extends OffsetRange {
  readonly atMs: number
  readonly error: string
}

export interface ShareLogStartRecord extends SharePartitionId {
  readonly kind: 'share-log-start'
  readonly stateEpoch: number
  readonly logStartOffset: number
}

export interface ShareCommittedRecord extends SharePartitionId {
  readonly kind: 'share-committed'
  readonly stateEpoch: number
  readonly startOffset: number
}

export interface ShareDeletedRecord extends SharePartitionId {
  readonly kind: 'share-deleted'
  readonly stateEpoch: number
}

export interface SharePartitionSnapshotRecord extends SharePartitionId {
  readonly kind: 'share-partition'
  readonly stateEpoch: number
  readonly startOffset: number
  /** Without a gap from `startOffset` on. */
  readonly deliveries: readonly DeliveryRange[]
  readonly failures: readonly FailureRange[]
}

export type ShareRecord =
  | ShareStartedRecord
  | ShareDeliveryRecord
  | ShareFailedRecord
  | ShareLogStartRecord
  | ShareCommittedRecord
  | ShareDeletedRecord
  | SharePartitionSnapshotRecord
