/**
 * The hard state of KIP-848 groups as records. One request leads to up to four, in this order, each of which is a good place
 * for a crash: what follows is decided anew by the member's next heartbeat.
 *
 *   group-epoch         something changed, a new target is due. The number is spent from here on
 *   consumer-member     what a member says of itself; consumer-member-left, consumer-member-replaced fence an id at once
 *   target-assignment   who shall have what at this epoch: the members whose target changed
 *   member-epoch        what a member has, may get and must give up
 *   consumer-group      all of a group but its offsets; written by snapshots, and when a classic group becomes a KIP-848 one
 */

import type { BeforeRebalance, Pause, RebalanceStart, Stamp } from './record-parts.ts'

/**
 * stable: has its target, as far as it is known to the group epoch it has. unrevoked: has to give up partitions first.
 * unreleased: waits for partitions that others have to give up.
 */
export type ReconciliationState = 'stable' | 'unrevoked' | 'unreleased'

export interface TopicIdPartitions {
  readonly topicId: string
  readonly partitions: readonly number[]
}

/** Partitions, each with the member epoch at which the member got it: old commits are fenced by it. */
export interface AssignedPartitions {
  readonly topicId: string
  readonly partitions: readonly (readonly [partition: number, epoch: number])[]
}

export interface AssignedTopic {
  readonly topicId: string
  readonly name: string
  readonly partitionCount: number
}

/** Of a member that speaks the classic protocol in a KIP-848 group. */
export interface ClassicSide {
  readonly sessionTimeoutMs: number
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
}

/** Where a member begins in partitions in which its group has committed nothing. */
export type StartPolicy = 'earliest' | 'latest' | 'none'

/** Of a member that came over HTTP: it has a session timeout of its own. */
export interface HttpSide {
  readonly sessionTimeoutMs: number
  readonly start: StartPolicy
}

/** What a member says of itself. */
export interface MemberProfile {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  /** Sorted, each once. */
  readonly subscribedTopicNames: readonly string[]
  readonly subscribedTopicRegex: string | null
  readonly serverAssignor: string | null
  readonly classic: ClassicSide | null
  readonly http: HttpSide | null
}

/** Where a member stands. */
export interface MemberProgress {
  /** -2: a static member that left for a while. */
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly state: ReconciliationState
  readonly assigned: readonly AssignedPartitions[]
  readonly pendingRevocation: readonly AssignedPartitions[]
}

export interface ConsumerMemberState extends MemberProgress {
  readonly profile: MemberProfile
}

export interface GroupEpochRecord {
  readonly kind: 'group-epoch'
  readonly groupId: string
  readonly groupEpoch: number
  /** What led here; an earlier rebalance that runs keeps its own cause. */
  readonly rebalance: RebalanceStart
}

export interface ConsumerMemberRecord {
  readonly kind: 'consumer-member'
  readonly groupId: string
  readonly profile: MemberProfile
}

export interface ConsumerMemberLeftRecord {
  readonly kind: 'consumer-member-left'
  readonly groupId: string
  readonly memberId: string
  readonly at: Stamp
  /** How long the rebalance took when it ends here, with an empty group. */
  readonly durationMs: number
}

/** A static member's successor: the same target, and what it had, under a new member id. */
export interface ConsumerMemberReplacedRecord {
  readonly kind: 'consumer-member-replaced'
  readonly groupId: string
  readonly memberId: string
  readonly profile: MemberProfile
}

export interface TargetAssignmentRecord {
  readonly kind: 'target-assignment'
  readonly groupId: string
  readonly assignmentEpoch: number
  readonly assignor: string
  /** Fingerprint of the topics that were assigned, to know them again. */
  readonly topicsHash: string
  /** Those topics as they were then; null when they are those of the last target. */
  readonly topics: readonly AssignedTopic[] | null
  readonly targets: readonly {
    readonly memberId: string
    readonly partitions: readonly TopicIdPartitions[]
  }[]
}

export interface MemberEpochRecord extends MemberProgress {
  readonly kind: 'member-epoch'
  readonly groupId: string
  readonly memberId: string
  /** How long the rebalance has taken, when it ends here. */
  readonly durationMs: number
}

export interface ConsumerGroupSnapshotRecord {
  readonly kind: 'consumer-group'
  readonly groupId: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly assignor: string
  readonly topicsHash: string
  readonly topics: readonly AssignedTopic[]
  readonly members: readonly ConsumerMemberState[]
  readonly targets: TargetAssignmentRecord['targets']
  readonly idleSince: Stamp
  readonly rebalance: RebalanceStart | null
  readonly before: BeforeRebalance | null
  readonly pause: Pause | null
}

export type ConsumerGroupRecord =
  | GroupEpochRecord
  | ConsumerMemberRecord
  | ConsumerMemberLeftRecord
  | ConsumerMemberReplacedRecord
  | TargetAssignmentRecord
  | MemberEpochRecord
  | ConsumerGroupSnapshotRecord
