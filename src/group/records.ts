/**
 * The hard state of groups as records: what the journal keeps, and all that a restart knows.
 *
 *   generation   the join phase is over (or the group is empty): who is in, who leads. The number is spent from here on.
 *   assigned     the leader's assignment: the group is stable
 *   member-removed, member-replaced   a member id is fenced at once, whatever the rebalance that follows does
 *   offsets-committed, offsets-deleted, group-deleted
 *   clock-observed   how much time the broker has seen pass, for offset expiry
 *   group        all of a group but its offsets; written by snapshots, and when a KIP-848 group becomes a classic one
 *   group-paused, group-resumed   its members have no partitions, and have them again; groups of either type
 *   timeline     what a group remembers of its rebalances; written by snapshots
 *
 * KIP-848 groups have their own: `consumer-records.ts`. Share groups: `share-group/records.ts`, and what was delivered record by record: `share/records.ts`.
 */

import type { ConsumerGroupRecord } from './consumer-records.ts'
import type { ShareRecord } from './share/index.ts'
import type { ShareGroupRecord } from './share-group/records.ts'
import type {
  BeforeRebalance,
  Pause,
  RebalanceEntry,
  RebalanceStart,
  Stamp,
} from './record-parts.ts'

export type * from './consumer-records.ts'
export type * from './record-parts.ts'

export interface MemberRecord {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[]
  readonly assignment: Uint8Array
}

export interface OffsetRecord {
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
}

/** A generation begins: with members its join phase is over, without any the group is empty. */
export interface GenerationRecord {
  readonly kind: 'generation'
  readonly groupId: string
  readonly generation: number
  readonly protocolType: string
  readonly protocolName: string | null
  readonly leader: string | null
  /** In the order in which they joined; assignments are empty until `assigned`. */
  readonly members: readonly MemberRecord[]
  readonly at: Stamp
  /** What led here; null for a group that was empty and stays so. */
  readonly rebalance: RebalanceStart | null
  /** How long the rebalance took when it ends here, with an empty group; null otherwise. */
  readonly durationMs: number | null
}

export interface AssignedRecord {
  readonly kind: 'assigned'
  readonly groupId: string
  readonly generation: number
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[]
  readonly durationMs: number
}

export interface MemberRemovedRecord {
  readonly kind: 'member-removed'
  readonly groupId: string
  readonly memberId: string
  readonly at: Stamp
  readonly rebalance: RebalanceStart
}

/** A static member came back: the same place in the group under a new member id, the old id is fenced. */
export interface MemberReplacedRecord {
  readonly kind: 'member-replaced'
  readonly groupId: string
  readonly memberId: string
  readonly replacement: MemberRecord
}

export interface OffsetsCommittedRecord {
  readonly kind: 'offsets-committed'
  readonly groupId: string
  readonly commitTimestampMs: number
  /** When these offsets expire by the client's own wish (OffsetCommit v2-4); null takes the broker's retention. */
  readonly expireTimestampMs: number | null
  /** Time that the broker had seen pass. */
  readonly observedMs: number
  readonly topics: readonly {
    readonly topic: string
    readonly partitions: readonly OffsetRecord[]
  }[]
}

export interface OffsetsDeletedRecord {
  readonly kind: 'offsets-deleted'
  readonly groupId: string
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[]
}

export interface GroupDeletedRecord {
  readonly kind: 'group-deleted'
  readonly groupId: string
}

export interface ClockObservedRecord {
  readonly kind: 'clock-observed'
  readonly observedMs: number
}

export interface GroupSnapshotRecord {
  readonly kind: 'group'
  readonly groupId: string
  readonly generation: number
  readonly protocolType: string
  readonly protocolName: string | null
  readonly leader: string | null
  readonly members: readonly MemberRecord[]
  readonly assigned: boolean
  /** A member was removed since the generation began: the others have to join anew. */
  readonly disturbed: boolean
  readonly idleSince: Stamp
  readonly rebalance: RebalanceStart | null
  readonly before: BeforeRebalance | null
  readonly pause: Pause | null
}

export interface GroupPausedRecord {
  readonly kind: 'group-paused'
  readonly groupId: string
  readonly pause: Pause
  /** The rebalance that begins with it in a classic group; null where nothing has to move. */
  readonly rebalance: RebalanceStart | null
}

export interface GroupResumedRecord {
  readonly kind: 'group-resumed'
  readonly groupId: string
  readonly rebalance: RebalanceStart | null
}

export interface TimelineRecord {
  readonly kind: 'timeline'
  readonly groupId: string
  readonly createdMs: number
  readonly rebalanceCount: number
  readonly rebalanceMs: number
  readonly entries: readonly RebalanceEntry[]
}

export type GroupRecord =
  | ConsumerGroupRecord
  | ShareRecord
  | ShareGroupRecord
  | GenerationRecord
  | AssignedRecord
  | MemberRemovedRecord
  | MemberReplacedRecord
  | OffsetsCommittedRecord
  | OffsetsDeletedRecord
  | GroupDeletedRecord
  | ClockObservedRecord
  | GroupSnapshotRecord
  | GroupPausedRecord
  | GroupResumedRecord
  | TimelineRecord
