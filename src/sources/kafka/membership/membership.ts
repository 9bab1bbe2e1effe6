/**
 * A membership of a group, whatever protocol it speaks: what the session above works with.
 *
 * Partitions come by `assign` and go in two ways only: `revoke` (drained, committed, then released) or `lose` (gone
 * already). An answer to a request of an epoch that is over changes nothing.
 */

import type { OwnedPartition } from '../../../consumer/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import type { KafkaClient } from '../kafka-client.ts'
import type { SourceSettings } from '../options.ts'

export interface Membership {
  /** Empty before the broker, or this member, has chosen one. */
  readonly memberId: string
  /** The generation, or the member epoch; it goes with every commit. */
  readonly generation: number
  readonly isClosed: boolean
  start(): void
  owns(partition: OwnedPartition): boolean
  /** Whether handlers may start: the broker has known this member lately. */
  isFresh(): boolean
  /** Resolves when no join is under way: at once, after it, or when this member is no more. */
  settled(): Promise<void>
  /** The broker refused a commit for the whole member. */
  refused(asked: AskedAs, error: KafkaErrorCode): void
  /** Partitions came or went; with `isSubscription` this member's topics did. */
  topicsChanged(isSubscription: boolean): void
  /** A topic was deleted and made anew: what is owned of it is lost, and if it is still ours it comes in a new epoch. */
  topicRemade(topic: string): void
  /** Leaves the group (a static member: for a while) and resolves when the broker knows, or soon. Idempotent. */
  close(): Promise<void>
}

export interface AskedAs {
  readonly generation: number
  readonly memberId: string
}

export interface MembershipEvents {
  assign(partitions: readonly OwnedPartition[], generation: number): void
  /** The partitions are released when the promise has settled. */
  revoke(partitions: readonly OwnedPartition[]): Promise<void>
  lose(partitions: readonly OwnedPartition[]): void
  joined(memberId: string, generation: number, protocol: string): void
  /** The topics that a leader must watch: those of the whole group, with the counts it assigned. */
  planned(partitionCounts: ReadonlyMap<string, number>): void
  heartbeatFailed(reason: string): void
  failed(error: Error): void
}

export interface MembershipOptions {
  readonly client: KafkaClient
  readonly group: string
  readonly settings: SourceSettings
  readonly events: MembershipEvents
  /** The topics of the subscription by now; a pattern's change while it runs. */
  readonly topics: () => readonly string[]
  /** Higher than any before it. */
  readonly nextEpoch: () => number
}
