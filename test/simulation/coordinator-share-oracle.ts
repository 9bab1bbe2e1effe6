/**
 * Who is in which share group, at which epoch and with what: what the records say, read without the coordinator; and of which
 * type each group is. Partitions are `<topic id>/<number>`.
 */

import type { GroupError, GroupRecord, TopicIdPartitions } from '../../src/group/index.ts'

export type GroupType = 'share' | 'other'

export interface ShareMemberState {
  readonly epoch: number
  readonly previousEpoch: number
  readonly topics: readonly string[]
  readonly assigned: readonly string[]
}

export interface ShareGroupState {
  epoch: number
  readonly members: Map<string, ShareMemberState>
  targets: ReadonlyMap<string, readonly string[]>
}

export class ShareOracle {
  readonly groups = new Map<string, ShareGroupState>()
  readonly #types = new Map<string, GroupType>()

  typeOf(groupId: string): GroupType | undefined {
    return this.#types.get(groupId)
  }

  /** What a heartbeat has to be answered. */
  answerTo(groupId: string, { memberId, memberEpoch }: Beat): GroupError {
    const isJoin = memberEpoch === 0
    const type = this.typeOf(groupId)
    if (type === 'other') return 'GROUP_ID_NOT_FOUND'
    if (type === undefined) return isJoin ? 'NONE' : 'GROUP_ID_NOT_FOUND'
    const member = this.groups.get(groupId)?.members.get(memberId)
    if (member === undefined) return isJoin ? 'NONE' : 'UNKNOWN_MEMBER_ID'
    // Its answer may have got lost: the epoch before the present one is good as well.
    const isKnown = [0, -1, member.epoch, member.previousEpoch].includes(memberEpoch)
    return isKnown ? 'NONE' : 'FENCED_MEMBER_EPOCH'
  }

  /** Returns whether the record fits the type of its group. */
  read(record: GroupRecord): boolean {
    if (record.kind === 'group-deleted') {
      this.groups.delete(record.groupId)
      this.#types.delete(record.groupId)
    }
    const type = typeOf(record)
    if (type === undefined || !('groupId' in record)) return true
    const known = this.#types.get(record.groupId) ?? type
    this.#types.set(record.groupId, known)
    if (known === type && type === 'share') this.#readShare(record)
    return known === type
  }

  #readShare(record: GroupRecord): void {
    if (!('groupId' in record)) return
    const group = this.groups.get(record.groupId) ?? {
      epoch: 0,
      members: new Map<string, ShareMemberState>(),
      targets: new Map<string, readonly string[]>(),
    }
    this.groups.set(record.groupId, group)
    const { members } = group
    switch (record.kind) {
      case 'share-group-member': {
        const { memberId, subscribedTopicNames: topics } = record.profile
        members.set(memberId, { ...(members.get(memberId) ?? NEW), topics })
        group.epoch = record.groupEpoch
        break
      }
      case 'share-group-member-left':
        members.delete(record.memberId)
        group.epoch = record.groupEpoch
        break
      case 'share-group-epoch':
        group.epoch = record.groupEpoch
        break
      case 'share-group-target':
        group.targets = targetsOf(record.targets)
        break
      case 'share-group-member-epoch': {
        const before = members.get(record.memberId) ?? NEW
        const assigned = group.targets.get(record.memberId) ?? []
        const { memberEpoch: epoch } = record
        members.set(record.memberId, { ...before, epoch, previousEpoch: before.epoch, assigned })
        break
      }
      case 'share-group':
        group.epoch = record.groupEpoch
        group.targets = targetsOf(record.targets)
        members.clear()
        for (const member of record.members)
          members.set(member.memberId, {
            epoch: member.memberEpoch,
            previousEpoch: member.previousMemberEpoch,
            topics: member.subscribedTopicNames,
            assigned: pairsOf(member.assigned),
          })
        break
      default:
    }
  }
}

interface Beat {
  readonly memberId: string
  readonly memberEpoch: number
}

const NEW: ShareMemberState = { epoch: 0, previousEpoch: 0, topics: [], assigned: [] }

export function pairsOf(list: readonly TopicIdPartitions[]): readonly string[] {
  return list.flatMap(({ topicId, partitions }) => partitions.map((each) => `${topicId}/${each}`))
}

function targetsOf(
  targets: readonly {
    readonly memberId: string
    readonly partitions: readonly TopicIdPartitions[]
  }[],
): ReadonlyMap<string, readonly string[]> {
  return new Map(targets.map(({ memberId, partitions }) => [memberId, pairsOf(partitions)]))
}

/** Undefined for what says nothing of it, such as deliveries, and offsets that go with their topic. */
function typeOf({ kind }: GroupRecord): GroupType | undefined {
  switch (kind) {
    case 'share-group':
    case 'share-group-epoch':
    case 'share-group-member':
    case 'share-group-member-epoch':
    case 'share-group-member-left':
    case 'share-group-target':
      return 'share'
    case 'generation':
    case 'assigned':
    case 'group':
    case 'group-paused':
    case 'group-epoch':
    case 'consumer-group':
    case 'consumer-member':
    case 'offsets-committed':
      return 'other'
    default:
      return undefined
  }
}
