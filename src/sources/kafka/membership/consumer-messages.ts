/**
 * What a member of a KIP-848 group is told, and what it wants done: the two sides of `consumer-machine.ts`.
 */

import type { OwnedPartition } from '../../../consumer/index.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import type { TopicPartition } from '../topic-partition.ts'

/** As the broker names it. */
export interface IdPartition {
  readonly topicId: string
  readonly partition: number
}

export interface NamedPartition extends TopicPartition, IdPartition {}

export interface HeldPartition extends OwnedPartition, IdPartition {}

export type ConsumerTimer = 'heartbeat' | 'session'

export type ConsumerInput =
  | { readonly kind: 'start' }
  | {
      readonly kind: 'answered'
      readonly attempt: number
      readonly error: KafkaErrorCode
      readonly memberEpoch: number
      readonly intervalMs: number
      /** Null: as it was. */
      readonly assignment: readonly IdPartition[] | null
      /** Monotonic time at which the request left. */
      readonly sentMs: number
    }
  /** The heartbeat had no answer. */
  | { readonly kind: 'unanswered'; readonly attempt: number; readonly reason: string }
  /** The names of an assignment are known, as far as the topics are there. */
  | {
      readonly kind: 'named'
      readonly assignment: number
      readonly partitions: readonly NamedPartition[]
      /** For what is new among them; higher than any before. */
      readonly epoch: number
    }
  /** What a `revoke` asked for is done, or its time is up. */
  | { readonly kind: 'drained'; readonly drain: number }
  /** A commit was refused for the whole member. */
  | { readonly kind: 'refused'; readonly memberEpoch: number; readonly error: KafkaErrorCode }
  /** A topic has another id than what is owned of it. */
  | { readonly kind: 'topic-remade'; readonly topic: string }
  /** The broker does not speak the protocol (any more). */
  | { readonly kind: 'unsupported' }
  | { readonly kind: 'timer'; readonly key: ConsumerTimer }
  | { readonly kind: 'close' }

export type ConsumerEffect =
  | {
      readonly kind: 'heartbeat'
      readonly attempt: number
      /** 0 joins. */
      readonly memberEpoch: number
      /** Says everything anew: subscription, rebalance timeout, what is owned. */
      readonly isFull: boolean
      /** Null: as it was told before. */
      readonly owned: readonly IdPartition[] | null
    }
  /** -1 for good, -2 for a while (a static member). */
  | { readonly kind: 'leave'; readonly memberEpoch: -1 | -2 }
  | { readonly kind: 'forget-coordinator' }
  /** Find the topics' names. */
  | {
      readonly kind: 'name'
      readonly assignment: number
      readonly partitions: readonly IdPartition[]
    }
  | { readonly kind: 'joined'; readonly memberEpoch: number }
  | {
      readonly kind: 'assign'
      readonly partitions: readonly OwnedPartition[]
      readonly memberEpoch: number
    }
  | {
      readonly kind: 'revoke'
      readonly drain: number
      readonly partitions: readonly OwnedPartition[]
    }
  | { readonly kind: 'lose'; readonly partitions: readonly OwnedPartition[] }
  /** One timer a key: scheduling a key again replaces its timer. */
  | {
      readonly kind: 'schedule'
      readonly key: ConsumerTimer
      readonly delayMs: number
      readonly jitter?: boolean
    }
  | { readonly kind: 'cancel'; readonly key: ConsumerTimer }
  | { readonly kind: 'heartbeat-failed'; readonly reason: string }
  /** The broker, or the group as it is, has no place for a member of this protocol. */
  | { readonly kind: 'unsupported'; readonly error: KafkaErrorCode }
  | { readonly kind: 'fail'; readonly error: KafkaErrorCode }
