/**
 * What a member of a classic group is told, and what it wants done: the two sides of `classic-machine.ts`.
 */

import type { KafkaErrorCode } from '../../../protocol/index.ts'
import type { OwnedPartition } from '../../../consumer/index.ts'
import type { TopicPartition } from '../topic-partition.ts'

export interface GroupMemberMetadata {
  readonly memberId: string
  readonly groupInstanceId: string | null
  /** The member's subscription, encoded by its own client. */
  readonly metadata: Uint8Array
}

export interface JoinAnswer {
  readonly error: KafkaErrorCode
  readonly memberId: string
  readonly generation: number
  /** The member id of the leader. */
  readonly leader: string
  readonly protocol: string
  /** The leader (a static member that came back) must not assign anew. */
  readonly skipAssignment: boolean
  /** For the leader alone. */
  readonly members: readonly GroupMemberMetadata[]
}

export type MemberInput =
  | { readonly kind: 'start' }
  | { readonly kind: 'join-answered'; readonly attempt: number; readonly answer: JoinAnswer }
  /** JoinGroup, the plan or SyncGroup had no answer. */
  | { readonly kind: 'join-failed'; readonly attempt: number; readonly reason: string }
  /** The leader's assignments are ready. */
  | {
      readonly kind: 'planned'
      readonly attempt: number
      readonly assignments: readonly MemberAssignment[]
    }
  | {
      readonly kind: 'sync-answered'
      readonly attempt: number
      readonly error: KafkaErrorCode
      readonly partitions: readonly TopicPartition[]
      /** For what is new among them; higher than any before. */
      readonly epoch: number
      /** Monotonic time at which the request left. */
      readonly sentMs: number
    }
  | {
      readonly kind: 'heartbeat-answered'
      readonly generation: number
      readonly memberId: string
      readonly error: KafkaErrorCode
      readonly sentMs: number
    }
  | { readonly kind: 'heartbeat-failed'; readonly reason: string }
  /** A commit was refused for the whole member. */
  | {
      readonly kind: 'refused'
      readonly generation: number
      readonly memberId: string
      readonly error: KafkaErrorCode
    }
  /** What a `revoke` asked for is done, or its time is up. */
  | { readonly kind: 'drained'; readonly drain: number }
  /** Topics or partition counts are no longer those that the leader assigned, or that this member subscribed to. */
  | { readonly kind: 'topics-changed'; readonly isSubscription: boolean }
  /** A topic was deleted and made anew; `epoch` is for what is owned of it from now on. */
  | { readonly kind: 'topic-remade'; readonly topic: string; readonly epoch: number }
  | { readonly kind: 'timer'; readonly key: MemberTimer }
  | { readonly kind: 'close' }

export type MemberTimer = 'heartbeat' | 'session' | 'retry'

export interface MemberAssignment {
  readonly memberId: string
  readonly assignment: Uint8Array
}

export type MemberEffect =
  | {
      readonly kind: 'join'
      readonly attempt: number
      readonly memberId: string
      /** Of `owned`; -1 for none. */
      readonly generation: number
      readonly owned: readonly OwnedPartition[]
      /** Whether the member had a place in the group and lost it. */
      readonly isAnew: boolean
      readonly reason: string
    }
  /** Run the assignor for the group. */
  | {
      readonly kind: 'plan'
      readonly attempt: number
      readonly protocol: string
      readonly members: readonly GroupMemberMetadata[]
    }
  | {
      readonly kind: 'sync'
      readonly attempt: number
      readonly generation: number
      readonly memberId: string
      readonly assignments: readonly MemberAssignment[]
    }
  | {
      readonly kind: 'heartbeat'
      readonly generation: number
      readonly memberId: string
      /** Over another connection, for the group's own waits for the answer to a join. */
      readonly besideJoin: boolean
    }
  | { readonly kind: 'leave'; readonly memberId: string }
  | { readonly kind: 'forget-coordinator' }
  | { readonly kind: 'joined'; readonly memberId: string; readonly generation: number }
  | {
      readonly kind: 'assign'
      readonly partitions: readonly OwnedPartition[]
      readonly generation: number
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
      readonly key: MemberTimer
      readonly delayMs: number
      readonly jitter?: boolean
    }
  | { readonly kind: 'cancel'; readonly key: MemberTimer }
  | { readonly kind: 'heartbeat-failed'; readonly reason: string }
  | { readonly kind: 'fail'; readonly error: KafkaErrorCode }
