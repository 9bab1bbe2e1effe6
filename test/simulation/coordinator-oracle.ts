/**
 * Who is in which group, by which number, and who may commit: what the records say, read without the coordinator.
 * Topic ids are `<name>-id`, as the test topics make them.
 */

import type { AssignedPartitions, GroupRecord, MemberProgress } from '../../src/group/index.ts'

/** Of a KIP-848 member: the epoch at which it got each partition that it has, or has not given up. */
interface Member {
  readonly epoch: number
  readonly since: ReadonlyMap<string, number>
}

interface Group {
  /** Null in a KIP-848 group: each member has its own number there. */
  generation: number | null
  members: Map<string, Member>
}

export interface Commit {
  readonly groupId: string
  readonly memberId: string
  readonly epoch: number
  readonly topic: string
  readonly partition: number
}

export class GroupOracle {
  readonly #groups = new Map<string, Group>()

  isMember(groupId: string, memberId: string): boolean {
    return this.#groups.get(groupId)?.members.has(memberId) ?? false
  }

  /** A static member that left for a while: in the books, and nowhere else. */
  isAway(groupId: string, memberId: string): boolean {
    return this.#groups.get(groupId)?.members.get(memberId)?.epoch === -2
  }

  /** KIP-1251: with an older epoch, for what the member had at that epoch and has not given up. */
  mayCommit({ groupId, memberId, epoch, topic, partition }: Commit): boolean {
    const group = this.#groups.get(groupId)
    const member = group?.members.get(memberId)
    if (group === undefined || member === undefined) return false
    if (group.generation !== null) return epoch === group.generation
    if (epoch === member.epoch) return true
    return (
      epoch < member.epoch && (member.since.get(`${topic}-id/${partition}`) ?? Infinity) <= epoch
    )
  }

  read(record: GroupRecord): void {
    if (!('groupId' in record)) return
    const group = this.#of(record.groupId)
    const { members } = group
    switch (record.kind) {
      case 'generation':
      case 'group':
        group.generation = record.generation
        group.members = new Map(record.members.map(({ memberId }) => [memberId, NOTHING]))
        break
      case 'member-removed':
      case 'consumer-member-left':
        members.delete(record.memberId)
        break
      case 'member-replaced':
        members.delete(record.memberId)
        members.set(record.replacement.memberId, NOTHING)
        break
      case 'consumer-member': {
        const { memberId } = record.profile
        if (!members.has(memberId)) members.set(memberId, NOTHING)
        break
      }
      case 'consumer-member-replaced': {
        const since = members.get(record.memberId)?.since ?? NOTHING.since
        members.delete(record.memberId)
        members.set(record.profile.memberId, { epoch: 0, since })
        break
      }
      case 'group-epoch':
        group.generation = null
        break
      case 'member-epoch':
        members.set(record.memberId, memberOf(record))
        break
      case 'consumer-group':
        group.generation = null
        group.members = new Map(
          record.members.map((member) => [member.profile.memberId, memberOf(member)]),
        )
        break
      default:
    }
  }

  #of(groupId: string): Group {
    const known = this.#groups.get(groupId)
    if (known !== undefined) return known
    const group: Group = { generation: 0, members: new Map() }
    this.#groups.set(groupId, group)
    return group
  }
}

const NOTHING: Member = { epoch: 0, since: new Map() }

function memberOf({ memberEpoch, assigned, pendingRevocation }: MemberProgress): Member {
  return { epoch: memberEpoch, since: new Map([assigned, pendingRevocation].flatMap(entriesOf)) }
}

function entriesOf(list: readonly AssignedPartitions[]): (readonly [string, number])[] {
  return list.flatMap(({ topicId, partitions }) =>
    partitions.map(([partition, epoch]) => [`${topicId}/${partition}`, epoch] as const),
  )
}
