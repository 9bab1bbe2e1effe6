/**
 * The hard state of a KIP-848 group: what the journal can rebuild, as a value that is never changed in place.
 *
 * Three epochs chase each other: the group epoch rises with every change that calls for a new target; the assignment epoch is
 * that of the last target; each member's epoch is that of the target it has reached.
 *
 *   groupEpoch ≥ assignmentEpoch ≥ every memberEpoch
 *   empty: nobody is in · assigning: groupEpoch > assignmentEpoch · reconciling: somebody has not arrived · stable
 *
 * Invariants, asserted on every record: epochs never fall; a partition belongs to one member at most, counting what a
 * member was told to give up and has not; an instance id stands for one member.
 */

import { assertInvariant, unreachable } from '../../core/index.ts'
import { afterCommit, extended, indexed } from '../group-parts.ts'
import type { ConsumerGroupState } from '../queries.ts'
import type {
  ConsumerGroupRecord,
  ConsumerGroupSnapshotRecord,
  ConsumerMemberState,
  GroupEpochRecord,
  MemberEpochRecord,
  MemberProfile,
  OffsetsCommittedRecord,
  RebalanceEntry,
  RebalanceStart,
  Stamp,
  TargetAssignmentRecord,
} from '../records.ts'
import {
  epochListOf,
  epochsOf,
  has,
  listOf,
  NO_PARTITIONS,
  type PartitionSet,
  setOf,
} from './partitions.ts'
import type { Progress } from './reconcile.ts'

/** The epoch of a static member that left for a while, in requests and in the state. */
export const LEFT_FOR_A_WHILE = -2

export interface ConsumerMember extends Progress {
  readonly profile: MemberProfile
}

export interface ConsumerGroup {
  readonly type: 'consumer'
  readonly groupId: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  /** Of the last target; empty before the first. */
  readonly assignor: string
  readonly topicsHash: string
  /** In the order in which they came. */
  readonly members: ReadonlyMap<string, ConsumerMember>
  readonly memberIdByInstance: ReadonlyMap<string, string>
  readonly targets: ReadonlyMap<string, PartitionSet>
  readonly idleSince: Stamp
  readonly rebalance: RebalanceStart | null
  readonly timeline: readonly RebalanceEntry[]
}

export type ConsumerRecord = ConsumerGroupRecord | OffsetsCommittedRecord

/** A group that begins; `after` is the generation of an empty classic group of this name: numbers go on from there. */
export function newConsumerGroup(groupId: string, after: { generation: number; idleSince: Stamp }) {
  const group: ConsumerGroup = {
    type: 'consumer',
    groupId,
    groupEpoch: after.generation,
    assignmentEpoch: after.generation,
    assignor: '',
    topicsHash: '',
    members: new Map(),
    memberIdByInstance: new Map(),
    targets: new Map(),
    idleSince: after.idleSince,
    rebalance: null,
    timeline: [],
  }
  return group
}

export function stateOfConsumer(group: ConsumerGroup): ConsumerGroupState {
  if (group.members.size === 0) return 'Empty'
  if (group.groupEpoch > group.assignmentEpoch) return 'Assigning'
  return hasConverged(group) ? 'Stable' : 'Reconciling'
}

/** Whether another member has the partition, or was told to give it up and has not said so. */
export function isHeldByOther(
  group: ConsumerGroup,
  memberId: string,
  { topicId, partition }: { readonly topicId: string; readonly partition: number },
): boolean {
  for (const [otherId, { assigned, pendingRevocation }] of group.members) {
    if (otherId === memberId) continue
    if (has(assigned, topicId, partition) || has(pendingRevocation, topicId, partition)) return true
  }
  return false
}

export function applyConsumerRecord(group: ConsumerGroup, record: ConsumerRecord): ConsumerGroup {
  switch (record.kind) {
    case 'group-epoch':
      return raiseEpoch(group, record)
    case 'consumer-member':
      return upsert(group, record.profile)
    case 'consumer-member-left': {
      const members = without(group, record.memberId)
      const targets = new Map(group.targets)
      targets.delete(record.memberId)
      const left = ended({ ...group, ...indexed(members, profileOf), targets }, record.durationMs)
      return members.length > 0 ? left : { ...left, idleSince: record.at }
    }
    case 'consumer-member-replaced':
      return replaceMember(group, record.memberId, record.profile)
    case 'target-assignment':
      return setTarget(group, record)
    case 'member-epoch':
      return moveMember(group, record)
    case 'consumer-group':
      return groupFrom(record)
    case 'offsets-committed':
      return afterCommit(group, record)
    default:
      return unreachable(record)
  }
}

export function consumerSnapshotOf(group: ConsumerGroup): ConsumerGroupSnapshotRecord {
  const { groupId, groupEpoch, assignmentEpoch, assignor, topicsHash } = group
  return {
    kind: 'consumer-group',
    groupId,
    groupEpoch,
    assignmentEpoch,
    assignor,
    topicsHash,
    members: Array.from(group.members.values(), memberState),
    targets: Array.from(group.targets, ([memberId, partitions]) => ({
      memberId,
      partitions: listOf(partitions),
    })),
    idleSince: group.idleSince,
    rebalance: group.rebalance,
    timeline: group.timeline,
  }
}

export function memberState(member: ConsumerMember): ConsumerMemberState {
  const { profile, memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation } = member
  return {
    profile,
    memberEpoch,
    previousMemberEpoch,
    state,
    assigned: epochListOf(assigned),
    pendingRevocation: epochListOf(pendingRevocation),
  }
}

export function newMember(profile: MemberProfile): ConsumerMember {
  return {
    profile,
    memberEpoch: 0,
    previousMemberEpoch: 0,
    state: 'stable',
    assigned: NO_PARTITIONS,
    pendingRevocation: NO_PARTITIONS,
  }
}

/** The group that a snapshot, or an upgrade, writes down. */
export function groupFrom(record: ConsumerGroupSnapshotRecord): ConsumerGroup {
  const { kind: _, members, targets, ...rest } = record
  const list = members.map((member) => ({
    ...member,
    assigned: epochsOf(member.assigned),
    pendingRevocation: epochsOf(member.pendingRevocation),
  }))
  return {
    type: 'consumer',
    ...rest,
    ...indexed(list, profileOf),
    targets: new Map(targets.map(({ memberId, partitions }) => [memberId, setOf(partitions)])),
  }
}

function raiseEpoch(group: ConsumerGroup, record: GroupEpochRecord): ConsumerGroup {
  assertInvariant(
    record.groupEpoch > group.groupEpoch,
    () => `group ${group.groupId}: group epoch ${record.groupEpoch} follows ${group.groupEpoch}`,
  )
  return {
    ...group,
    groupEpoch: record.groupEpoch,
    rebalance: group.rebalance ?? record.rebalance,
  }
}

function upsert(group: ConsumerGroup, profile: MemberProfile): ConsumerGroup {
  const known = group.members.get(profile.memberId)
  const members = new Map(group.members)
  members.set(profile.memberId, known === undefined ? newMember(profile) : { ...known, profile })
  return { ...group, ...indexed([...members.values()], profileOf) }
}

function without(group: ConsumerGroup, memberId: string): readonly ConsumerMember[] {
  assertInvariant(
    group.members.has(memberId),
    () => `group ${group.groupId}: removes ${memberId}, who is no member`,
  )
  return [...group.members.values()].filter(({ profile }) => profile.memberId !== memberId)
}

/** The successor has what the old member had, and nothing to give up: that one is gone. */
function replaceMember(group: ConsumerGroup, oldId: string, profile: MemberProfile): ConsumerGroup {
  const old = group.members.get(oldId)
  assertInvariant(
    old !== undefined && old.profile.groupInstanceId === profile.groupInstanceId,
    () => `group ${group.groupId}: replaces ${oldId}, who is no member of that instance`,
  )
  const successor = { ...newMember(profile), assigned: old.assigned }
  const targets = new Map(group.targets)
  const target = targets.get(oldId)
  targets.delete(oldId)
  if (target !== undefined) targets.set(profile.memberId, target)
  return {
    ...group,
    // The same place in the order: who comes back changes nothing for the others.
    ...indexed(
      Array.from(group.members.values(), (member) => (member === old ? successor : member)),
      profileOf,
    ),
    targets,
  }
}

function setTarget(group: ConsumerGroup, record: TargetAssignmentRecord): ConsumerGroup {
  const { assignmentEpoch, assignor, topicsHash } = record
  assertInvariant(
    assignmentEpoch > group.assignmentEpoch && assignmentEpoch <= group.groupEpoch,
    () => `group ${group.groupId}: target ${assignmentEpoch} at group epoch ${group.groupEpoch}`,
  )
  const targets = new Map(group.targets)
  for (const { memberId, partitions } of record.targets) {
    assertInvariant(
      group.members.has(memberId),
      () => `group ${group.groupId}: a target for ${memberId}, who is no member`,
    )
    targets.set(memberId, setOf(partitions))
  }
  return { ...group, assignmentEpoch, assignor, topicsHash, targets }
}

function moveMember(group: ConsumerGroup, record: MemberEpochRecord): ConsumerGroup {
  const { memberId, memberEpoch, previousMemberEpoch, state } = record
  const member = group.members.get(memberId)
  assertInvariant(
    member !== undefined && memberEpoch <= group.assignmentEpoch,
    () => `group ${group.groupId}: ${memberId} moves to epoch ${memberEpoch}, which is nobody's`,
  )
  const moved: ConsumerMember = {
    profile: member.profile,
    memberEpoch,
    previousMemberEpoch,
    state,
    assigned: epochsOf(record.assigned),
    pendingRevocation: epochsOf(record.pendingRevocation),
  }
  assertSoleOwner(group, member, moved)
  const members = new Map(group.members)
  members.set(memberId, moved)
  return ended({ ...group, members }, record.durationMs)
}

function assertSoleOwner(
  group: ConsumerGroup,
  before: ConsumerMember,
  after: ConsumerMember,
): void {
  const { memberId } = after.profile
  for (const [topicId, partitions] of after.assigned)
    for (const partition of partitions.keys())
      assertInvariant(
        has(before.assigned, topicId, partition) ||
          !isHeldByOther(group, memberId, { topicId, partition }),
        () => `group ${group.groupId}: ${memberId} gets ${topicId}-${partition} of another member`,
      )
}

/** Everybody has reached the present target, and there is no later one to come. */
function hasConverged({ members, groupEpoch }: ConsumerGroup): boolean {
  for (const { memberEpoch, state } of members.values())
    if (memberEpoch !== groupEpoch || state !== 'stable') return false
  return true
}

/** Closes the rebalance that runs, if that was its last step. */
function ended(group: ConsumerGroup, durationMs: number): ConsumerGroup {
  const { rebalance, timeline, groupEpoch } = group
  if (rebalance === null || !hasConverged(group)) return group
  return {
    ...group,
    rebalance: null,
    timeline: extended(timeline, rebalance, { durationMs, generation: groupEpoch }),
  }
}

function profileOf({ profile }: ConsumerMember): MemberProfile {
  return profile
}
