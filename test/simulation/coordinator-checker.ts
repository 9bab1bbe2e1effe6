/**
 * What must hold for every group at every moment, whatever fails.
 *
 * It knows the truth from outside: what is on disk, what was answered to whom, what each member works on (its journal of
 * ownership: assigned, then revoked, lost with its process, or fenced by a record that is on disk), and reads the records
 * for itself: nothing here is shared with the coordinator. What share groups add to it: `coordinator-share-checker.ts`.
 */

import type {
  GroupCoordinator,
  GroupDecision,
  GroupRequest,
  GroupResponse,
  GroupTopics,
} from '../../src/group/index.ts'
import type { GroupRecord, OffsetCommitRequest } from '../../src/group/index.ts'
import { GroupOracle } from './coordinator-oracle.ts'
import { ShareChecker } from './coordinator-share-checker.ts'

/** What a member works on, and by which number it came to it. */
export interface Ownership {
  readonly groupId: string
  readonly memberId: string
  /** Generation or member epoch. */
  readonly epoch: number
  /** A static member of a classic group is kept while it is away: a later generation fences it instead. */
  readonly isKeptAway: boolean
  readonly partitions: readonly string[]
}

interface Session {
  readonly groupId: string
  readonly memberId: string
  readonly endMs: number
}

export type Asked = Extract<GroupRequest, { readonly replyTo: number }>

export class CoordinatorChecker {
  readonly violations: string[] = []
  readonly counts: Record<string, number> = {}
  readonly share: ShareChecker
  readonly #sessionTimeoutOf: (groupId: string) => number
  /** All that was written, flushed or not: what decisions rest on. */
  #written = new GroupOracle()
  readonly #durable = new GroupOracle()
  /** The highest generation or group epoch on disk, by group. */
  readonly #numbers = new Map<string, number>()
  readonly #memberEpochs = new Map<string, number>()
  /** By group and partition, then by member. */
  readonly #owners = new Map<string, Map<string, Ownership>>()
  /** When its session ends if nothing more is heard of it, by group and member. */
  readonly #sessions = new Map<string, Session>()
  #startedMs = 0
  /** The order in which offsets were accepted, and the latest of each partition that was answered. */
  readonly #order = new Map<number, number>()
  readonly #answered = new Map<string, number>()
  readonly #deletedTopics = new Set<string>()

  /** @param sessionTimeoutOf what holds for the group now */
  constructor(topics: GroupTopics, sessionTimeoutOf: (groupId: string) => number) {
    this.#sessionTimeoutOf = sessionTimeoutOf
    this.share = new ShareChecker(topics, {
      count: (what) => this.count(what),
      violation: (words) => this.violation(words),
    })
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  violation(words: string): void {
    this.violations.push(words)
  }

  // --- the broker ---

  decided(request: GroupRequest, decision: GroupDecision, nowMs: number): void {
    const { records, replies } = decision
    this.share.decided(request, decision)
    // A commit is judged by what was known before: the same decision may go on to change the kind of the group.
    if (request.kind === 'offset-commit')
      for (const { response } of replies) this.#accepted(request, response)
    for (const record of records) this.#written.read(record)
    if (request.kind !== 'session-expired') return
    const { groupId, memberId } = request
    const isRemoved = records.some(
      (record) =>
        (record.kind === 'member-removed' ||
          record.kind === 'consumer-member-left' ||
          record.kind === 'share-group-member-left') &&
        record.memberId === memberId,
    )
    if (!isRemoved) return
    this.count(groupId === 'share' ? 'share member expired' : 'expired')
    const known = this.#sessions.get(`${groupId}/${memberId}`)
    const endMs = known?.endMs ?? this.#startedMs + this.#sessionTimeoutOf(groupId)
    if (nowMs < endMs) this.violation(`session: ${memberId} expired ${endMs - nowMs} ms too early`)
  }

  /** The decision's records are replayed: who was silent for too long is not described any more. */
  replayed(request: GroupRequest, coordinator: GroupCoordinator): void {
    if (request.kind === 'session-expired') this.share.checkDescribed(coordinator)
  }

  /** The coordinator has an answer, which waits for the flush. What says that a member is alive begins its session anew. */
  replied(request: Asked, response: GroupResponse, nowMs: number): void {
    if (!('errorCode' in response) || response.errorCode !== 'NONE') return
    const isAlive =
      request.kind === 'heartbeat' ||
      request.kind === 'sync' ||
      ((request.kind === 'consumer-heartbeat' || request.kind === 'share-heartbeat') &&
        request.memberEpoch >= 0)
    if (isAlive) this.#beginSession(request.groupId, request.memberId, nowMs)
  }

  #beginSession(groupId: string, memberId: string, nowMs: number): void {
    const endMs = nowMs + this.#sessionTimeoutOf(groupId)
    this.#sessions.set(`${groupId}/${memberId}`, { groupId, memberId, endMs })
  }

  /** The answer leaves the broker: its member relies on it from here on. */
  answered(request: Asked, response: GroupResponse): void {
    if (response.kind === 'offset-commit' && request.kind === 'offset-commit') {
      for (const key of acceptedOf(request, response)) {
        const order = this.#order.get(key.offset) ?? 0
        this.#answered.set(key.id, Math.max(order, this.#answered.get(key.id) ?? 0))
        this.count('commit')
      }
    }
    this.share.answered(request, response)
    if (response.kind === 'consumer-heartbeat' && response.errorCode === 'NONE')
      this.#memberEpoch(request, response.memberId ?? '', response.memberEpoch)
  }

  /** The record is on disk: fences stand, numbers are spent. */
  flushed(record: GroupRecord): void {
    this.#durable.read(record)
    this.share.flushed(record)
    const number = numberOf(record)
    if (number === null || !('groupId' in record)) return this.#fence(record)
    const { groupId, kind } = record
    const before = this.#numbers.get(groupId) ?? -1
    const isStep = kind === 'generation' || kind === 'group-epoch'
    if (isStep ? number <= before : number < before)
      this.violation(`number: group ${groupId} goes from ${before} to ${number} (${kind})`)
    this.#numbers.set(groupId, Math.max(number, before))
    this.#fence(record)
  }

  /** The broker is up again and knows what these records say. */
  restarted(records: readonly GroupRecord[], coordinator: GroupCoordinator, nowMs: number): void {
    this.#written = new GroupOracle()
    for (const record of records) this.#written.read(record)
    this.#startedMs = nowMs
    for (const { groupId, memberId } of this.#sessions.values())
      this.#beginSession(groupId, memberId, nowMs)
    this.share.restarted(records, coordinator)
    this.checkOffsets(coordinator)
    this.#checkTimelines(records, coordinator)
  }

  /** The timeline tells as many rebalances as the records end, each number once, and no move of nobody to nobody. */
  #checkTimelines(records: readonly GroupRecord[], coordinator: GroupCoordinator): void {
    const assignments = new Map<string, number>()
    for (const record of records) {
      if (!('groupId' in record)) continue
      const { groupId } = record
      const count = assignments.get(groupId) ?? 0
      if (record.kind === 'assigned') assignments.set(groupId, count + 1)
      if (record.kind === 'timeline') assignments.set(groupId, record.rebalanceCount)
      if (record.kind === 'group-deleted') assignments.delete(groupId)
    }
    for (const [groupId, count] of assignments) {
      const timeline = coordinator.timeline(groupId)
      if (timeline === undefined || timeline.rebalanceCount < count)
        this.violation(`timeline: ${groupId} tells ${timeline?.rebalanceCount} of ${count}`)
      let before = -1
      for (const { generation, moved } of timeline?.rebalances ?? []) {
        if (generation <= before) this.violation(`timeline: ${groupId} tells ${generation} twice`)
        before = generation
        if (moved.some(({ from, to }) => from === to))
          this.violation(`timeline: ${groupId} moves a partition from nobody to nobody`)
        this.count('rebalance told')
      }
    }
  }

  checkOffsets(coordinator: GroupCoordinator): void {
    for (const [id, answered] of this.#answered) {
      const [groupId = '', topic = '', partition] = id.split('/')
      if (this.#deletedTopics.has(topic)) continue
      const committed = coordinator.fetchOffsets({
        groupId,
        memberId: null,
        memberEpoch: -1,
        topics: [{ name: topic, partitionIndexes: [Number(partition)] }],
      }).topics[0]?.partitions[0]?.committedOffset
      if ((this.#order.get(committed ?? -1) ?? -1) < answered)
        this.violation(`commit lost: ${id} is at ${committed}, a later one was answered`)
    }
  }

  topicDeleted(topic: string): void {
    this.#deletedTopics.add(topic)
  }

  // --- the members ---

  /** From now on the member works on these and no others. */
  owns(ownership: Ownership): void {
    const { groupId, memberId, partitions, epoch } = ownership
    for (const owners of this.#ownersIn(groupId)) owners.delete(memberId)
    // An answer that was under way when its member was fenced.
    if (!this.#durable.isMember(groupId, memberId)) return
    for (const partition of partitions) {
      const id = `${groupId}/${partition}`
      const owners = this.#owners.get(id) ?? new Map<string, Ownership>()
      this.#owners.set(id, owners)
      for (const other of owners.values())
        if (!isFencedByGeneration(other, ownership) && !isFencedByGeneration(ownership, other))
          this.violation(
            `two owners: ${id} is ${memberId}'s at ${epoch}, and ${other.memberId}'s at ${other.epoch}`,
          )
      owners.set(memberId, ownership)
    }
    if (partitions.length > 0) this.count('ownership')
  }

  #memberEpoch(request: Asked, memberId: string, epoch: number): void {
    const id = 'groupId' in request ? `${request.groupId}/${memberId}` : memberId
    // -1 and -2 leave; who comes back under the same id begins anew.
    if (epoch >= 0 && epoch < (this.#memberEpochs.get(id) ?? 0))
      this.violation(`epoch: ${id} falls to ${epoch}`)
    if (epoch < 0) this.#memberEpochs.delete(id)
    else this.#memberEpochs.set(id, epoch)
  }

  #accepted(request: OffsetCommitRequest, response: GroupResponse): void {
    for (const { offset, topic, partition } of acceptedOf(request, response)) {
      this.#order.set(offset, this.#order.size + 1)
      const { groupId, memberId, generationIdOrMemberEpoch: epoch } = request
      if (memberId === '') {
        this.#reset(groupId, `${topic}/${partition}`)
        continue
      }
      if (!this.#written.mayCommit({ groupId, memberId, epoch, topic, partition }))
        this.violation(`fenced commit: ${groupId} took one of ${memberId} at ${epoch}`)
    }
    if (acceptedOf(request, response).length === 0) this.count('refused')
  }

  /** An administrator's commit in a paused group: nobody may work on the partition. */
  #reset(groupId: string, partition: string): void {
    this.count('reset')
    for (const owner of this.#owners.get(`${groupId}/${partition}`)?.values() ?? []) {
      const { memberId, epoch } = owner
      const isAway =
        this.#written.isAway(groupId, memberId) ||
        (owner.isKeptAway && epoch < (this.#numbers.get(groupId) ?? 0))
      if (!isAway && this.#written.isMember(groupId, memberId))
        this.violation(`reset: ${groupId}/${partition} is ${memberId}'s at ${epoch}`)
    }
  }

  /** Who is not in any more owns nothing any more. */
  #fence(record: GroupRecord): void {
    if (!('groupId' in record)) return
    const { groupId } = record
    for (const owners of this.#ownersIn(groupId))
      for (const memberId of owners.keys())
        if (!this.#durable.isMember(groupId, memberId)) owners.delete(memberId)
  }

  *#ownersIn(groupId: string): Iterable<Map<string, Ownership>> {
    for (const [id, owners] of this.#owners) if (id.startsWith(`${groupId}/`)) yield owners
  }
}

function isFencedByGeneration(one: Ownership, other: Ownership): boolean {
  return one.isKeptAway && one.epoch < other.epoch
}

interface AcceptedOffset {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

function acceptedOf(request: OffsetCommitRequest, response: GroupResponse): AcceptedOffset[] {
  if (response.kind !== 'offset-commit') return []
  return request.topics.flatMap(({ name, partitions }, topicIndex) =>
    partitions.flatMap(({ partitionIndex, committedOffset }, index) =>
      response.topics[topicIndex]?.partitions[index]?.errorCode === 'NONE'
        ? [
            {
              id: `${request.groupId}/${name}/${partitionIndex}`,
              topic: name,
              partition: partitionIndex,
              offset: committedOffset,
            },
          ]
        : [],
    ),
  )
}

function numberOf(record: GroupRecord): number | null {
  switch (record.kind) {
    case 'generation':
    case 'group':
      return record.generation
    case 'group-epoch':
    case 'consumer-group':
      return record.groupEpoch
    default:
      return null
  }
}
