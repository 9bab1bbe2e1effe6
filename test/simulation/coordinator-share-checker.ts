/**
 * What must hold for every share group at every moment, whatever fails; and that no group is of two types.
 *
 *   - a member is answered by what the records say of it: who is in goes on, who is out or of another epoch is told so
 *   - epochs that a member was told never fall, and one epoch means one assignment
 *   - every target gives each partition that somebody subscribed to somebody, and nobody what it did not subscribe to
 *   - after a restart the coordinator says of the group what is on disk, no more and no less
 *   - a request of one type of group never finds, or makes, a group of the other
 */

import type {
  GroupCoordinator,
  GroupDecision,
  GroupRecord,
  GroupReply,
  GroupRequest,
  GroupResponse,
  GroupTopics,
  ShareHeartbeatResponse,
} from '../../src/group/index.ts'
import type { Asked } from './coordinator-checker.ts'
import { pairsOf, ShareOracle } from './coordinator-share-oracle.ts'

/** Who wants what, and who has what. */
export interface Shares {
  readonly members: ReadonlyMap<string, { readonly topics: readonly string[] }>
  readonly targets: ReadonlyMap<string, readonly string[]>
}

export interface Notes {
  readonly count: (what: string) => void
  readonly violation: (words: string) => void
}

export class ShareChecker {
  readonly #notes: Notes
  readonly #topics: GroupTopics
  /** All that was written, flushed or not: what decisions rest on. */
  #written = new ShareOracle()
  /** The highest group epoch on disk, by group. */
  readonly #epochs = new Map<string, number>()
  /** What members were told, by group and member. */
  readonly #told = new Map<string, { readonly epoch: number; readonly assigned: string | null }>()

  constructor(topics: GroupTopics, notes: Notes) {
    this.#topics = topics
    this.#notes = notes
  }

  /** Judged by what was known before. */
  decided(request: GroupRequest, { records, replies }: GroupDecision): void {
    for (const { response } of replies) this.#judge(request, response)
    for (const record of records) {
      if (!this.#written.read(record) && 'groupId' in record)
        this.#notes.violation(`type: ${record.kind} for group ${record.groupId} of another type`)
      if (record.kind === 'share-group-target') this.#checkTarget(record.groupId)
    }
  }

  #judge(request: GroupRequest, response: GroupReply['response']): void {
    if (!('groupId' in request)) return
    const { groupId } = request
    const { count, violation } = this.#notes
    if (request.kind === 'share-heartbeat') {
      const wanted = this.#written.answerTo(groupId, request)
      const said = 'errorCode' in response ? response.errorCode : 'nothing'
      if (said === wanted) return wanted === 'NONE' ? undefined : count(`share ${wanted}`)
      const { memberId, memberEpoch } = request
      return violation(`share: ${memberId} at ${memberEpoch} hears ${said}, not ${wanted}`)
    }
    if (this.#written.typeOf(groupId) !== 'share') return
    if (isRefused(response)) count('other type refused')
    else violation(`type: ${request.kind} is served by the share group ${groupId}`)
  }

  answered(request: Asked, response: GroupResponse): void {
    if (request.kind !== 'share-heartbeat' || response.kind !== 'share-heartbeat') return
    if (response.errorCode === 'NONE' && response.memberEpoch >= 0)
      this.#tell(`${request.groupId}/${response.memberId}`, response)
  }

  #tell(id: string, { memberEpoch: epoch, assignment }: ShareHeartbeatResponse): void {
    const told = assignment && sorted(pairsOf(assignment.topicPartitions))
    const before = this.#told.get(id)
    if (before !== undefined && epoch < before.epoch)
      this.#notes.violation(`share epoch: ${id} falls from ${before.epoch} to ${epoch}`)
    const same = before?.epoch === epoch ? before.assigned : null
    if (same !== null && told !== null && same !== told)
      this.#notes.violation(`share: ${id} has ${same} and ${told} at the one epoch ${epoch}`)
    this.#told.set(id, { epoch, assigned: told ?? same })
  }

  flushed(record: GroupRecord): void {
    if (!('groupEpoch' in record) || !record.kind.startsWith('share-group')) return
    const { groupId, groupEpoch } = record
    const before = this.#epochs.get(groupId) ?? 0
    if (groupEpoch < before)
      this.#notes.violation(`share number: ${groupId} goes from ${before} to ${groupEpoch}`)
    this.#epochs.set(groupId, groupEpoch)
  }

  restarted(records: readonly GroupRecord[], coordinator: GroupCoordinator): void {
    this.#written = new ShareOracle()
    for (const record of records) this.#written.read(record)
    this.checkDescribed(coordinator)
  }

  /** Who is described, and how, is who is in by the records. */
  checkDescribed(coordinator: GroupCoordinator): void {
    for (const [groupId, { epoch, members }] of this.#written.groups) {
      const described = coordinator.describeShare(groupId)
      const said = described.members.map(({ memberId, memberEpoch, assignment }) =>
        lineOf(memberId, memberEpoch, pairsOf(assignment.topicPartitions)),
      )
      const wanted = Array.from(members, ([memberId, member]) =>
        lineOf(
          memberId,
          member.epoch,
          member.assigned.filter((pair) => this.#exists(pair)),
        ),
      )
      const left = `${described.groupEpoch}: ${sorted(said)}`
      const right = `${epoch}: ${sorted(wanted)}`
      if (left !== right)
        this.#notes.violation(`share state: ${groupId} is described as ${left}, not ${right}`)
    }
  }

  #checkTarget(groupId: string): void {
    const group = this.#written.groups.get(groupId)
    const problem = group && this.problemOfTargets(group)
    if (problem !== null && problem !== undefined)
      this.#notes.violation(`share target: in ${groupId} ${problem}`)
  }

  /** What is wrong with who shall have what; null when nothing is. */
  problemOfTargets({ members, targets }: Shares): string | null {
    const owners = new Map<string, number>()
    for (const [memberId, partitions] of targets) {
      const wanted = this.#wanted(members.get(memberId)?.topics ?? [])
      if (!members.has(memberId)) return `${memberId} has a share and is no member`
      if (partitions.length === 0 && wanted.length > 0) return `${memberId} has nothing`
      for (const pair of partitions) {
        if (!wanted.includes(pair)) return `${memberId} has ${pair} and did not ask for it`
        owners.set(pair, (owners.get(pair) ?? 0) + 1)
      }
    }
    for (const [memberId, { topics }] of members) {
      if (!targets.has(memberId)) return `${memberId} has no share`
      const free = this.#wanted(topics).find((pair) => !owners.has(pair))
      if (free !== undefined) return `nobody has ${free}`
    }
    if (Math.max(0, ...owners.values()) > 1) this.#notes.count('shared partition')
    return null
  }

  #wanted(topics: readonly string[]): readonly string[] {
    return topics.flatMap((name) => {
      const { topicId, partitionCount = 0 } = this.#topics.byName(name) ?? {}
      return Array.from({ length: partitionCount }, (_, partition) => `${topicId}/${partition}`)
    })
  }

  #exists(pair: string): boolean {
    return this.#topics.byId(pair.slice(0, pair.lastIndexOf('/'))) !== undefined
  }
}

function isRefused(response: GroupReply['response']): boolean {
  // KIP-496: who leaves is told one by one.
  if (response.kind === 'leave')
    return (
      response.errorCode !== 'NONE' ||
      response.members.every(({ errorCode }) => errorCode !== 'NONE')
    )
  if (response.kind === 'offset-commit')
    return response.topics.every(({ partitions }) =>
      partitions.every(({ errorCode }) => errorCode !== 'NONE'),
    )
  return !('errorCode' in response) || response.errorCode !== 'NONE'
}

function lineOf(memberId: string, epoch: number, partitions: readonly string[]): string {
  return `${memberId}@${epoch}[${sorted(partitions)}]`
}

function sorted(words: readonly string[]): string {
  return words.toSorted().join(' ')
}
