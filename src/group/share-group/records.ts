/**
 * The hard state of share groups (KIP-932) as records. What their members were delivered has its own: `../share/records.ts`.
 *
 *   share-group-member        a member is in, or says something else of itself; the epoch is spent from here on
 *   share-group-member-left   a member id is out
 *   share-group-epoch         topics changed: a new target is due
 *   share-group-target        who shall have what at this epoch
 *   share-group-member-epoch  a member has its target
 *   share-group               all of it; written by snapshots
 */

import type { TopicIdPartitions } from '../consumer-records.ts'

export interface ShareGroupProfile {
  readonly memberId: string
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Sorted, each once. */
  readonly subscribedTopicNames: readonly string[]
}

export interface ShareGroupMember extends ShareGroupProfile {
  readonly memberEpoch: number
  readonly previousMemberEpoch: number
  readonly assigned: readonly TopicIdPartitions[]
}

export type ShareGroupTargets = readonly {
  readonly memberId: string
  readonly partitions: readonly TopicIdPartitions[]
}[]

export interface ShareGroupMemberRecord {
  readonly kind: 'share-group-member'
  readonly groupId: string
  readonly groupEpoch: number
  readonly profile: ShareGroupProfile
}

export interface ShareGroupMemberLeftRecord {
  readonly kind: 'share-group-member-left'
  readonly groupId: string
  readonly groupEpoch: number
  readonly memberId: string
}

export interface ShareGroupEpochRecord {
  readonly kind: 'share-group-epoch'
  readonly groupId: string
  readonly groupEpoch: number
}

export interface ShareGroupTargetRecord {
  readonly kind: 'share-group-target'
  readonly groupId: string
  readonly assignmentEpoch: number
  /** Fingerprint of the topics that were assigned. */
  readonly topicsHash: string
  /** Of all members. */
  readonly targets: ShareGroupTargets
}

export interface ShareGroupMemberEpochRecord {
  readonly kind: 'share-group-member-epoch'
  readonly groupId: string
  readonly memberId: string
  readonly memberEpoch: number
}

export interface ShareGroupSnapshotRecord {
  readonly kind: 'share-group'
  readonly groupId: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly topicsHash: string
  readonly members: readonly ShareGroupMember[]
  readonly targets: ShareGroupTargets
}

export type ShareGroupRecord =
  | ShareGroupMemberRecord
  | ShareGroupMemberLeftRecord
  | ShareGroupEpochRecord
  | ShareGroupTargetRecord
  | ShareGroupMemberEpochRecord
  | ShareGroupSnapshotRecord
