/**
 * What records of classic and of KIP-848 groups have in common: moments, and rebalances with their causes.
 */

/**
 * What began a rebalance.
 *
 *   partitions_released    a cooperative member gave up what it has to, and joins again
 *   member_rejoined        a member joined again without a change that the coordinator can see
 *   member_updated         a member of a protocol that the coordinator cannot read changed what it says
 *   migrated               the group changed from classic to KIP-848 or back
 *   coordinator_restarted  joins that were under way when the broker stopped come again
 *   paused, resumed        an administrator took all partitions from the members, and gave them back
 */
export type RebalanceCause =
  | 'member_joined'
  | 'member_left'
  | 'session_timeout'
  | 'rebalance_timeout'
  | 'topic_changed'
  | 'subscription_changed'
  | 'assignor_changed'
  | 'partitions_released'
  | 'member_rejoined'
  | 'member_updated'
  | 'migrated'
  | 'coordinator_restarted'
  | 'paused'
  | 'resumed'

/** Why and when a rebalance began. The member's fields are empty where no member is the cause. */
export interface RebalanceStart {
  readonly cause: RebalanceCause
  readonly memberId: string
  readonly clientId: string
  readonly groupInstanceId: string | null
  readonly startedMs: number
  /** A sentence for people; may be empty. */
  readonly detail: string
}

export interface NamedPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** A member and what it had. */
export interface Ownership {
  readonly memberId: string
  readonly clientId: string
  readonly partitions: readonly NamedPartitions[]
}

/** The group as it was when the rebalance that runs began. */
export interface BeforeRebalance {
  readonly generation: number
  readonly owners: readonly Ownership[]
}

/** A partition that has another owner after a rebalance; null is nobody. Member ids. */
export interface PartitionMove {
  readonly topic: string
  readonly partition: number
  readonly from: string | null
  readonly to: string | null
}

/** What a rebalance came to. */
export interface RebalanceOutcome {
  readonly memberCountBefore: number
  readonly memberCount: number
  /** Partitions that came to a member, left one that is still there, and left one that is gone. */
  readonly assigned: number
  readonly revoked: number
  readonly lost: number
  /** All partitions whose owner changed; `moved` has the first of them. */
  readonly movedCount: number
  readonly moved: readonly PartitionMove[]
  /** The client ids of the members that `moved` names. */
  readonly clientIds: readonly (readonly [memberId: string, clientId: string])[]
}

/** One completed rebalance of the timeline. */
export interface RebalanceEntry extends RebalanceStart, RebalanceOutcome {
  readonly durationMs: number
  /** The generation, or the group epoch, before. */
  readonly generationFrom: number
  /** The one that it led to: unique in the life of a group, so it also names the entry. */
  readonly generation: number
}

/** Delivery of a group is held: its members stay and have no partitions. */
export interface Pause {
  readonly sinceMs: number
  /** When it ends by itself, wall time; null: when somebody says so. */
  readonly untilMs: number | null
  /** Of whoever paused it; may be empty. */
  readonly reason: string
}

/** A moment on both clocks of expiry: wall time, and time that the broker has seen pass while it ran. */
export interface Stamp {
  readonly wallMs: number
  readonly observedMs: number
}
