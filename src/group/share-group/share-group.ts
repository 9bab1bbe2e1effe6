/**
 * The hard state of one share group, as a value that is never changed in place.
 *
 *   groupEpoch ≥ assignmentEpoch ≥ every member epoch
 *
 * Members may share partitions, so nobody gives anything up before another gets it: a member has its target as soon as
 * its next heartbeat. Invariants, asserted on every record: the epochs as above, and none goes back.
 */

import { assertInvariant, unreachable } from '../../core/index.ts'
import type { TopicIdPartitions } from '../consumer-records.ts'
import type { ShareGroupMember, ShareGroupRecord, ShareGroupSnapshotRecord } from './records.ts'

export interface ShareGroup {
  readonly groupId: string
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly topicsHash: string
  /** In the order in which they joined. */
  readonly members: ReadonlyMap<string, ShareGroupMember>
  readonly targets: ReadonlyMap<string, readonly TopicIdPartitions[]>
}

export function newShareGroup(groupId: string): ShareGroup {
  return {
    groupId,
    groupEpoch: 0,
    assignmentEpoch: 0,
    topicsHash: '',
    members: new Map(),
    targets: new Map(),
  }
}

export function applyShareGroupRecord(group: ShareGroup, record: ShareGroupRecord): ShareGroup {
  switch (record.kind) {
    case 'share-group-member': {
      const { profile, groupEpoch } = record
      const before = group.members.get(profile.memberId) ?? NEW_MEMBER
      return withMember(atEpoch(group, groupEpoch), { ...before, ...profile })
    }
    case 'share-group-member-left': {
      const members = new Map(group.members)
      const targets = new Map(group.targets)
      check(group, members.delete(record.memberId), 'somebody left who was not in')
      targets.delete(record.memberId)
      return { ...atEpoch(group, record.groupEpoch), members, targets }
    }
    case 'share-group-epoch':
      return atEpoch(group, record.groupEpoch)
    case 'share-group-target': {
      const { assignmentEpoch, topicsHash } = record
      check(group, assignmentEpoch === group.groupEpoch, 'a target for another epoch')
      const targets = new Map(
        record.targets.map(({ memberId, partitions }) => [memberId, partitions]),
      )
      return { ...group, assignmentEpoch, topicsHash, targets }
    }
    case 'share-group-member-epoch': {
      const { memberId, memberEpoch } = record
      const member = group.members.get(memberId)
      check(group, member !== undefined, 'an epoch for nobody')
      check(
        group,
        memberEpoch === group.assignmentEpoch && memberEpoch > member.memberEpoch,
        'a member epoch that is not the next',
      )
      const assigned = group.targets.get(memberId) ?? []
      return withMember(group, {
        ...member,
        memberEpoch,
        previousMemberEpoch: member.memberEpoch,
        assigned,
      })
    }
    case 'share-group': {
      const { kind: _, members, targets, ...numbers } = record
      return {
        ...numbers,
        members: new Map(members.map((member) => [member.memberId, member])),
        targets: new Map(targets.map(({ memberId, partitions }) => [memberId, partitions])),
      }
    }
    default:
      return unreachable(record)
  }
}

export function shareGroupSnapshotOf(group: ShareGroup): ShareGroupSnapshotRecord {
  return {
    ...group,
    kind: 'share-group',
    members: [...group.members.values()],
    targets: Array.from(group.targets, ([memberId, partitions]) => ({ memberId, partitions })),
  }
}

const NEW_MEMBER = { memberEpoch: 0, previousMemberEpoch: 0, assigned: [] } as const

function atEpoch(group: ShareGroup, groupEpoch: number): ShareGroup {
  check(group, groupEpoch >= group.groupEpoch, 'a group epoch that goes back')
  return { ...group, groupEpoch }
}

function withMember(group: ShareGroup, member: ShareGroupMember): ShareGroup {
  return { ...group, members: new Map(group.members).set(member.memberId, member) }
}

function check({ groupId }: ShareGroup, holds: boolean, what: string): asserts holds {
  assertInvariant(holds, () => `share group ${groupId}: ${what}`)
}
