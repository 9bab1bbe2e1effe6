/**
 * Per-record delivery as the rest of the broker sees it: `DeliveryService` is this, over the machine in `group/share/`.
 *
 * A poll acquires records for one member of a group: each is locked until its deadline, counted durably before it leaves,
 * and comes back unless it is settled. Settling names the records by their receipt handles. A commit of the group
 * (OffsetCommit of any client, or of HTTP) acknowledges all below it without a further call; a commit to an earlier
 * position begins anew there. The group's committed offset follows the first record that is not settled. What a member
 * held is free again when it leaves, expires, or loses the partition.
 */

import type { RecordHeader } from '../../protocol/index.ts'

export interface DeliveryPartition {
  readonly topicId: string
  readonly partition: number
}

/** Where a group begins in a partition in which it has neither committed nor been delivered anything. */
export type DeliveryStart = 'earliest' | 'latest' | 'none'

export interface DeliveryPoll {
  readonly groupId: string
  readonly memberId: string
  /** Served in this order; the caller turns it from poll to poll, lest the first take everything. */
  readonly partitions: readonly DeliveryPartition[]
  readonly start: DeliveryStart
  /** Never more records than this. */
  readonly maxRecords: number
  /** A soft limit: the first batch that has a record for the member is read whatever its size. */
  readonly maxBytes: number
  /** How long to wait for a first record, milliseconds; 0 does not wait. */
  readonly maxWaitMs: number
  /** How long the member may hold the records, instead of what holds for the topic. */
  readonly lockDurationMs?: number
  /** Ends the wait: the client is gone, or the caller wants to answer. What is acquired is still returned. */
  readonly signal: AbortSignal
}

export interface DeliveredRecord {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** 1 for a first delivery. */
  readonly deliveryCount: number
  /** Wall time at which the lock ends. */
  readonly lockedUntilMs: number
  /** Opaque and signed; settles this delivery of this record, and nothing else. */
  readonly receiptHandle: string
}

export interface DeliveryProblem extends DeliveryPartition {
  /** NO_OFFSET: nothing committed and `start` is none. STORAGE: acknowledged bytes of the partition are damaged. */
  readonly problem: 'UNKNOWN_TOPIC_OR_PARTITION' | 'NO_OFFSET' | 'STORAGE'
}

export interface DeliveryPollResult {
  readonly records: readonly DeliveredRecord[]
  readonly problems: readonly DeliveryProblem[]
}

/** What to do with a delivered record. */
export type Settlement =
  | { readonly kind: 'acknowledge' }
  /** Back after `delayMs`, or after the topic's backoff; to the dead letters after the last attempt. */
  | { readonly kind: 'release'; readonly delayMs?: number; readonly reason?: string }
  /** To the dead letters at once. */
  | { readonly kind: 'reject'; readonly reason: string }
  /** The lock begins anew, for `lockDurationMs` or the topic's duration. */
  | { readonly kind: 'renew'; readonly lockDurationMs?: number }

/**
 * Why a settlement was refused. `INVALID_HANDLE`: not a handle of this broker. `UNKNOWN`: its group, topic or partition is
 * gone. `EXPIRED`: the lock ended, or the delivery is over; `HELD_BY_OTHER`: another member has the record now, or has the
 * handle. Nothing changed.
 */
export type SettlementRefusal = 'INVALID_HANDLE' | 'UNKNOWN' | 'EXPIRED' | 'HELD_BY_OTHER'

export interface SettledRecord {
  readonly kind: 'settled'
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly deliveryCount: number
  /** `repeated`: it was acknowledged before, and stays so. */
  readonly outcome: 'acknowledged' | 'repeated' | 'released' | 'dead-lettered' | 'renewed'
  /** Wall time: from when it is visible again (released), until when it is locked (renewed); else null. */
  readonly untilMs: number | null
  /** Where its dead letter goes; null for any other outcome. */
  readonly deadLetterTopic: string | null
  /** The group's committed offset in the partition, after this call. */
  readonly committedOffset: number
  /** Whether this call moved it. */
  readonly hasAdvanced: boolean
  /** Records of the partition that members of the group hold, after this call. */
  readonly inFlightCount: number
}

export type SettlementResult =
  | SettledRecord
  | { readonly kind: 'refused'; readonly refusal: SettlementRefusal; readonly message: string }

export interface DeliveryCount extends DeliveryPartition {
  readonly available: number
  readonly acquired: number
  readonly delayed: number
  readonly archiving: number
  /** Acknowledged or given up, behind one that is not. */
  readonly done: number
  readonly startOffset: number
}

export interface Deliveries {
  /** Acquires records, waiting for a first one. The answer leaves after the flush that counts its deliveries. */
  poll(poll: DeliveryPoll): Promise<DeliveryPollResult>
  /**
   * Settles deliveries, each for itself, in the order of the handles.
   * @param memberId who asks; null takes the member of each handle
   */
  settle(
    receiptHandles: readonly string[],
    settlement: Settlement,
    memberId: string | null,
  ): Promise<readonly SettlementResult[]>
  /** What a member holds of these partitions (of all, without) is available again, at once: it gave them up. */
  releaseMember(
    groupId: string,
    memberId: string,
    partitions?: readonly DeliveryPartition[],
  ): Promise<void>
  /** How the records in flight stand, partition by partition. */
  counts(groupId: string): readonly DeliveryCount[]
}
