/**
 * What records of classic and of KIP-848 groups have in common: moments, and rebalances with their causes.
 */

export type RebalanceCause =
  | 'member_joined'
  | 'member_left'
  | 'session_timeout'
  | 'rebalance_timeout'
  | 'topic_changed'
  | 'member_updated'

/** Why and when a rebalance began. */
export interface RebalanceStart {
  readonly cause: RebalanceCause
  readonly memberId: string
  readonly startedMs: number
}

/** One completed rebalance of the timeline. */
export interface RebalanceEntry extends RebalanceStart {
  readonly durationMs: number
  /** The generation, or the group epoch, that it led to. */
  readonly generation: number
}

/** A moment on both clocks of expiry: wall time, and time that the broker has seen pass while it ran. */
export interface Stamp {
  readonly wallMs: number
  readonly observedMs: number
}
