/**
 * The hard state of a classic group: what the journal can rebuild, as a value that is never changed in place.
 *
 *   (none) ──generation──▶ completing ──assigned──▶ stable ──generation──▶ completing …
 *                              └──── member-removed (disturbed: the others must join anew) ──▶ generation
 *   a generation without members: empty. group-deleted ends it in any empty state.
 *
 * Invariants, asserted on every record: the generation rises by one; the leader and everyone with an assignment is a
 * member; an instance id stands for one member.
 * Not here: who is joining right now, who waits for what, sessions. A restart forgets those (`soft-state.ts`).
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
import type {
  GroupPausedRecord,
  GroupResumedRecord,
  Pause,
  AssignedRecord,
  GenerationRecord,
  GroupSnapshotRecord,
  MemberRecord,
  MemberRemovedRecord,
  MemberReplacedRecord,
  BeforeRebalance,
  OffsetsCommittedRecord,
  Ownership,
  Stamp,
} from '../records.ts'
import { CONSUMER_PROTOCOL_TYPE, readAssignment } from './consumer-protocol.ts'

export interface ClassicGroup extends Rebalancing {
  readonly type: 'classic'
  readonly groupId: string
  readonly generation: number
  /** Empty for a group that only ever committed offsets. */
  readonly protocolType: string
  readonly protocolName: string | null
  readonly leader: string | null
  /** In the order in which they joined. */
  readonly members: ReadonlyMap<string, MemberRecord>
  readonly memberIdByInstance: ReadonlyMap<string, string>
  readonly assigned: boolean
  /** A member was removed since the generation began: the others have to join anew. */
  readonly disturbed: boolean
  /** Since when nobody is in and nothing was committed; means nothing while there are members. */
  readonly idleSince: Stamp
  readonly pause: Pause | null
}

/** The records that concern one classic group and not its offsets alone. */
export type ClassicRecord =
  | GenerationRecord
  | AssignedRecord
  | MemberRemovedRecord
  | MemberReplacedRecord
  | OffsetsCommittedRecord
  | GroupPausedRecord
  | GroupResumedRecord
  | GroupSnapshotRecord

/** A group that nobody has heard of: where `apply` starts from. */
export function unknownGroup(groupId: string): ClassicGroup {
  return {
    type: 'classic',
    groupId,
    generation: 0,
    protocolType: '',
    protocolName: null,
    leader: null,
    members: new Map(),
    memberIdByInstance: new Map(),
    assigned: false,
    disturbed: false,
    idleSince: { wallMs: 0, observedMs: 0 },
    pause: null,
    ...NO_REBALANCE,
  }
}

export function applyRecord(group: ClassicGroup, record: ClassicRecord): ClassicGroup {
  switch (record.kind) {
    case 'generation':
      return beginGeneration(group, record)
    case 'assigned':
      return assign(group, record)
    case 'member-removed':
      return removeMember(group, record)
    case 'member-replaced':
      return replaceMember(group, record)
    case 'offsets-committed':
      return afterCommit(group, record)
    case 'group-paused':
    case 'group-resumed':
      return setPause(group, record)
    case 'group': {
      const { kind: _, members, ...rest } = record
      return { type: 'classic', ...rest, lastRebalance: null, ...indexed(members, identityOf) }
    }
    default:
      return unreachable(record)
  }
}

export function snapshotOf(group: ClassicGroup): GroupSnapshotRecord {
  const { type: _, members, memberIdByInstance: __, lastRebalance: ___, ...rest } = group
  return { kind: 'group', ...rest, members: [...members.values()] }
}

function beginGeneration(group: ClassicGroup, record: GenerationRecord): ClassicGroup {
  const { groupId, generation, protocolType, protocolName, leader, members, at } = record
  assertInvariant(
    generation === group.generation + 1,
    () => `group ${groupId}: generation ${generation} follows ${group.generation}`,
  )
  const next = indexed(members, identityOf)
  assertInvariant(
    leader === null ? members.length === 0 : next.members.has(leader),
    () => `group ${groupId}: generation ${generation} has no leader among its members`,
  )
  const isEmpty = members.length === 0
  return {
    type: 'classic',
    ...next,
    groupId,
    generation,
    protocolType,
    protocolName,
    leader,
    assigned: false,
    disturbed: false,
    idleSince: isEmpty ? at : group.idleSince,
    pause: group.pause,
    ...rebalancingAt(group, record),
  }
}

/** A generation without members ends the rebalance; one with members goes on with it until its assignment. */
function rebalancingAt(group: ClassicGroup, record: GenerationRecord): Rebalancing {
  const { rebalance, durationMs, generation, members } = record
  if (rebalance === null) return { ...NO_REBALANCE, lastRebalance: group.lastRebalance }
  const running = began(group, rebalance, () => beforeOf(group))
  if (members.length > 0) return running
  return ended(rebalance, running.before, { durationMs: durationMs ?? 0, generation, owners: [] })
}

function assign(group: ClassicGroup, record: AssignedRecord): ClassicGroup {
  const { groupId, generation, assignments, durationMs } = record
  assertInvariant(
    generation === group.generation && !group.assigned && group.members.size > 0,
    () => `group ${groupId}: an assignment for generation ${generation} at ${group.generation}`,
  )
  const members = new Map(group.members)
  for (const { memberId, assignment } of assignments) {
    const member = members.get(memberId)
    assertInvariant(
      member !== undefined,
      () => `group ${groupId}: an assignment for ${memberId}, who is no member`,
    )
    members.set(memberId, { ...member, assignment })
  }
  const assigned = { ...group, members, assigned: true }
  const { rebalance, before } = group
  if (rebalance === null) return assigned
  const owners = ownersOf(assigned)
  return { ...assigned, ...ended(rebalance, before, { durationMs, generation, owners }) }
}

function removeMember(group: ClassicGroup, record: MemberRemovedRecord): ClassicGroup {
  assertInvariant(
    group.members.has(record.memberId),
    () => `group ${group.groupId}: removes ${record.memberId}, who is no member`,
  )
  const members = [...group.members.values()].filter(
    (member) => member.memberId !== record.memberId,
  )
  return {
    ...group,
    ...indexed(members, identityOf),
    leader: group.leader === record.memberId ? null : group.leader,
    disturbed: true,
    idleSince: members.length === 0 ? record.at : group.idleSince,
    ...began(group, record.rebalance, () => beforeOf(group)),
  }
}

/** Where there are members, they have to join anew: what they are given is another thing from here on. */
function setPause(
  group: ClassicGroup,
  record: GroupPausedRecord | GroupResumedRecord,
): ClassicGroup {
  const pause = record.kind === 'group-paused' ? record.pause : null
  const { rebalance } = record
  if (rebalance === null) return { ...group, pause }
  return { ...group, pause, disturbed: true, ...began(group, rebalance, () => beforeOf(group)) }
}

function replaceMember(group: ClassicGroup, record: MemberReplacedRecord): ClassicGroup {
  const { memberId, replacement } = record
  const old = group.members.get(memberId)
  assertInvariant(
    old !== undefined && old.groupInstanceId === replacement.groupInstanceId,
    () => `group ${group.groupId}: replaces ${memberId}, who is no member of that instance`,
  )
  return {
    ...group,
    // The same place in the order: who comes back changes nothing for the others.
    ...indexed(
      [...group.members.values()].map((member) => (member === old ? replacement : member)),
      identityOf,
    ),
    leader: group.leader === memberId ? replacement.memberId : group.leader,
  }
}

/** Who has what. Of protocols other than the consumers' nothing is known. */
export function ownersOf(
  group: Pick<ClassicGroup, 'protocolType' | 'members'>,
): readonly Ownership[] {
  const isReadable = group.protocolType === CONSUMER_PROTOCOL_TYPE
  return Array.from(group.members.values(), ({ memberId, clientId, assignment }) => ({
    memberId,
    clientId,
    partitions: isReadable ? (readAssignment(assignment) ?? []) : [],
  }))
}

function beforeOf(group: ClassicGroup): BeforeRebalance {
  return { generation: group.generation, owners: ownersOf(group) }
}

function identityOf(member: MemberRecord): MemberRecord {
  return member
}
