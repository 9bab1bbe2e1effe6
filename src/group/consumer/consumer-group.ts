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
import {
  afterCommit,
  began,
  ended,
  indexed,
  NO_REBALANCE,
  type Rebalancing,
} from '../group-parts.ts'
import type { ConsumerGroupState } from '../queries.ts'
import type {
  AssignedTopic,
  BeforeRebalance,
  ConsumerGroupRecord,
  ConsumerGroupSnapshotRecord,
  ConsumerMemberState,
  GroupEpochRecord,
  GroupPausedRecord,
  GroupResumedRecord,
  MemberEpochRecord,
  MemberProfile,
  OffsetsCommittedRecord,
  Ownership,
  Pause,
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

export interface ConsumerGroup extends Rebalancing {
  readonly type: 'consumer'
  readonly groupId: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  /** Of the last target; empty before the first. */
  readonly assignor: string
  readonly topicsHash: string
  /** Those that the last target is about, as they were then, by id. */
  readonly topics: ReadonlyMap<string, AssignedTopic>
  /** In the order in which they came. */
  readonly members: ReadonlyMap<string, ConsumerMember>
  readonly memberIdByInstance: ReadonlyMap<string, string>
  readonly targets: ReadonlyMap<string, PartitionSet>
  readonly idleSince: Stamp
  readonly pause: Pause | null
}

export type ConsumerRecord =
  | ConsumerGroupRecord
  | OffsetsCommittedRecord
  | GroupPausedRecord
  | GroupResumedRecord

/** A group that begins; `after` is the generation of an empty classic group of this name: numbers go on from there. */
export function newConsumerGroup(
  groupId: string,
  after: { generation: number; idleSince: Stamp; pause: Pause | null },
) {
  const group: ConsumerGroup = {
    type: 'consumer',
    groupId,
    groupEpoch: after.generation,
    assignmentEpoch: after.generation,
    assignor: '',
    topicsHash: '',
    topics: new Map(),
    members: new Map(),
    memberIdByInstance: new Map(),
    targets: new Map(),
    idleSince: after.idleSince,
    pause: after.pause,
    ...NO_REBALANCE,
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
      const left = settled({ ...group, ...indexed(members, profileOf), targets }, record.durationMs)
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
    case 'group-paused':
      return { ...group, pause: record.pause }
    case 'group-resumed':
      return { ...group, pause: null }
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
    topics: [...group.topics.values()],
    members: Array.from(group.members.values(), memberState),
    targets: Array.from(group.targets, ([memberId, partitions]) => ({
      memberId,
      partitions: listOf(partitions),
    })),
    idleSince: group.idleSince,
    rebalance: group.rebalance,
    before: group.before,
    pause: group.pause,
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
  const { kind: _, members, targets, topics, ...rest } = record
  const list = members.map((member) => ({
    ...member,
    assigned: epochsOf(member.assigned),
    pendingRevocation: epochsOf(member.pendingRevocation),
  }))
  return {
    type: 'consumer',
    ...rest,
    lastRebalance: null,
    topics: byId(topics),
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
    ...began(group, record.rebalance, () => beforeOf(group)),
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
  const topics = record.topics === null ? group.topics : byId(record.topics)
  return { ...group, assignmentEpoch, assignor, topicsHash, topics, targets }
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
  return settled({ ...group, members }, record.durationMs)
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
function settled(group: ConsumerGroup, durationMs: number): ConsumerGroup {
  const { rebalance, before, groupEpoch: generation } = group
  if (rebalance === null || !hasConverged(group)) return group
  const owners = ownersOf(group)
  return { ...group, ...ended(rebalance, before, { durationMs, generation, owners }) }
}

/** Who has what, of topics that the last target knows; what a member was told to give up and has not is its own. */
export function ownersOf({ members, topics }: ConsumerGroup): readonly Ownership[] {
  return Array.from(members.values(), ({ profile, assigned, pendingRevocation }) => ({
    memberId: profile.memberId,
    clientId: profile.clientId,
    partitions: [...listOf(assigned), ...listOf(pendingRevocation)].map(
      ({ topicId, partitions }) => ({
        topic: topics.get(topicId)?.name ?? topicId,
        partitions,
      }),
    ),
  }))
}

function beforeOf(group: ConsumerGroup): BeforeRebalance {
  return { generation: group.groupEpoch, owners: ownersOf(group) }
}

function byId(topics: readonly AssignedTopic[]): ReadonlyMap<string, AssignedTopic> {
  return new Map(topics.map((topic) => [topic.topicId, topic]))
}

function profileOf({ profile }: ConsumerMember): MemberProfile {
  return profile
}
