/**
 * What the polling consumer needs of a group member, whatever it speaks: `kafka-member.ts` over Kafka's protocol,
 * `http-member.ts` over the HTTP API.
 *
 * The member joins, sends heartbeats and fetches; the consumer keeps the books (`partition-book.ts`): what was handed out,
 * what is done. Every assignment of a partition has an epoch, rising within the process; a delivery belongs to one.
 * `revoked` is awaited before a partition is given up; after it, or after `lost`, nothing of that epoch is delivered.
 */

import type { OwnedPartition, SourceRecord } from '../consumer/index.ts'

export interface Delivery extends OwnedPartition {
  readonly record: SourceRecord
  /** 1 for the first. */
  readonly deliveryCount: number
  /** What settles this delivery, where the broker gives a receipt. */
  readonly receiptHandle?: string
}

export interface MemberEvents {
  /** @param generation of the group, where it is known */
  assigned(partitions: readonly StartingPartition[], generation: number | null): void
  /** Resolves when the records in hand are done or given back, at most `limitMs` later. */
  revoked(partitions: readonly OwnedPartition[], limitMs: number): Promise<void>
  /** Gone already: what is in hand belongs to another member. */
  lost(partitions: readonly OwnedPartition[]): void
}

export interface StartingPartition extends OwnedPartition {
  /** The position of the first delivery; null where the broker alone keeps it. */
  readonly startOffset: number | null
}

export interface PollLimits {
  readonly maxRecords: number
  readonly timeoutMs: number
  /** Ends the wait. */
  readonly signal: AbortSignal
  /** Partitions of which so much is open that nothing more should be handed out. */
  isFull(owned: OwnedPartition): boolean
}

/** Records of a partition that are done, and the position that a commit may go to. */
export interface Settlement extends OwnedPartition {
  readonly done: readonly Delivery[]
  readonly position: number
}

/** `stale`: the partition is another's; `expired`: of these deliveries some were over. Both are for good. */
export interface SettlementResult extends OwnedPartition {
  readonly outcome: 'settled' | 'stale' | 'expired'
}

export type NackOutcome =
  /** Delivered again, not before `visibleAtMs` (wall time). */
  | { readonly kind: 'released'; readonly visibleAtMs: number }
  /** It was the last attempt, or a reject. */
  | { readonly kind: 'dead-lettered'; readonly topic: string }
  /** The same, where the topic was set to have no dead letters. */
  | { readonly kind: 'dropped' }

export interface Member {
  readonly memberId: string
  /** Waits for a first record; an empty list when the time is over or `signal` aborted. Rejects when the membership is over for good. */
  fetch(limits: PollLimits): Promise<readonly Delivery[]>
  /** Durable when it resolves. Tries again while the broker cannot be reached, for the request timeout. */
  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]>
  /** Delivers again after `delayMs`, or after the backoff. */
  release(delivery: Delivery, delayMs: number | null, reason: string | null): Promise<NackOutcome>
  reject(delivery: Delivery, reason: string): Promise<NackOutcome>
  /** Leaves the group; what it held is free at once. Idempotent. */
  close(): Promise<void>
}

export type OpenMember = (events: MemberEvents) => Promise<Member>
