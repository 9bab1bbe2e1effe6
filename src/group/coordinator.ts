/**
 * Every group of the broker: who is in, who has which assignment, what was committed.
 *
 * `handle` decides and changes no hard state; `replay` alone does. The shell calls `replay` with a decision's records
 * before anything else, sets the timers and holds the replies until everything replayed so far is flushed. Soft state
 * (`classic/soft-state.ts`: rounds, waiting requests, sessions) is `handle`'s own and gone after a restart; `start` gives
 * every member its whole session again, so a restart moves no partition.
 *
 * Routes by the type of the group, classic or KIP-848, and lets one become the other.
 */

import { assertInvariant } from '../core/index.ts'
import {
  applyRecord,
  type ClassicGroup,
  ownersOf as classicOwners,
  unknownGroup,
} from './classic/classic-group.ts'
import { dissolve, decideClassic, resumeClassic } from './classic/decide.ts'
import { beginRound, settle } from './classic/rebalance.ts'
import { isIdle, newSoftState, type SoftState, timerKey } from './classic/soft-state.ts'
import { ClassicTurn, stateOf } from './classic/turn.ts'
import {
  type ConsumerGroup,
  groupFrom,
  ownersOf as consumerOwners,
} from './consumer/consumer-group.ts'
import { decideConsumer, resumeConsumer } from './consumer/decide.ts'
import { describeConsumer, listedConsumer, noConsumerGroup } from './consumer/describe.ts'
import { consumerHeartbeat, refusedHeartbeat, requestProblem } from './consumer/heartbeat.ts'
import { downgraded, mayBecomeConsumer, mustDowngrade, upgraded } from './consumer/migration.ts'
import { notConsumer, type Refusal } from './consumer/refusal.ts'
import { type ConsumerSoftState, newConsumerSoftState } from './consumer/soft-state.ts'
import { ConsumerTurn } from './consumer/turn.ts'
import { describeGroup, listedClassic, matches } from './describe.ts'
import { type Group, GroupTable } from './group-table.ts'
import { type GroupCoordinatorOptions, type Limits, limitsOf } from './limits.ts'
import type {
  ConsumerHeartbeatRequest,
  DeleteGroupsRequest,
  GroupError,
  GroupReply,
  GroupRequest,
  Now,
  TimerCommand,
  TopicDeleted,
} from './messages.ts'
import { expireOffsets } from './offsets/expiry.ts'
import { fetchRefusal } from './offsets/fences.ts'
import { fetchOffsets } from './offsets/fetch.ts'
import type {
  DescribedConsumerGroup,
  DescribedGroup,
  GroupTimeline,
  ListedGroup,
  ListGroupsFilter,
  OffsetFetchGroup,
  OffsetFetchGroupResult,
} from './queries.ts'
import type { GroupRecord, OffsetsCommittedRecord, Ownership } from './records.ts'
import {
  applyShareRecord,
  commitSharePartition,
  type SharePartition,
  type SharePartitions,
} from './share/index.ts'
import { causedBy, causedByNobody } from './timeline/causes.ts'
import { timelineOf } from './timeline/timeline.ts'

/** What a request leads to. The shell replays the records at once, sets the timers, and holds the replies until the flush. */
export interface GroupDecision {
  readonly records: readonly GroupRecord[]
  readonly replies: readonly GroupReply[]
  readonly timers: readonly TimerCommand[]
}

const NOTHING: GroupDecision = { records: [], replies: [], timers: [] }

/** What stands for a position where there is none. */
const NO_OFFSET = -1

/** Requests that concern one group. */
type OneGroupRequest = Extract<GroupRequest, { readonly groupId: string }>

export class GroupCoordinator {
  readonly #limits: Limits
  readonly #table: GroupTable
  /** Soft state, by the type of the group. */
  readonly #soft = new Map<string, SoftState>()
  readonly #consumerSoft = new Map<string, ConsumerSoftState>()
  #startedAt: { readonly monotonicMs: number; readonly observedMs: number } | null = null
  #stalledMs = 0

  constructor(options: GroupCoordinatorOptions) {
    this.#limits = limitsOf(options)
    this.#table = new GroupTable(this.#limits)
  }

  /** Call once after the last replay of a start and before the first request: sessions begin anew, in full. */
  start(now: Now): readonly TimerCommand[] {
    this.#startedAt = { monotonicMs: now.monotonicMs, observedMs: this.#table.observedMs }
    const timers: TimerCommand[] = [this.#nextExpiry()]
    for (const group of this.#table.groups.values()) {
      if (group.members.size === 0) continue
      timers.push(...this.#resume(group, now).timers)
    }
    return timers
  }

  handle(request: GroupRequest, now: Now): GroupDecision {
    const decision = this.#route(request, now)
    const { records } = decision
    return this.#table.shares.size === 0 || records.length === 0
      ? decision
      : { ...decision, records: [...records, ...this.#deliveriesAfter(records)] }
  }

  #route(request: GroupRequest, now: Now): GroupDecision {
    switch (request.kind) {
      case 'delete':
        return this.#deleteGroups(request)
      case 'topic-deleted':
        return this.#deleteTopic(request)
      case 'offsets-expiry':
        return this.#expireOffsets(now)
      case 'stalled':
        this.#stalledMs += Math.max(0, request.durationMs)
        return NOTHING
      default:
        return this.#decide(request, now)
    }
  }

  replay(record: GroupRecord): void {
    this.#table.replay(record)
  }

  /** The records that rebuild the hard state; a list of its own, which later requests do not change. */
  snapshot(): readonly GroupRecord[] {
    return this.#table.snapshot()
  }

  /** What groups were delivered record by record. */
  get shares(): SharePartitions {
    return this.#table.shares
  }

  /** What a group committed in a partition; null when nothing. */
  committedOffset(groupId: string, topic: string, partition: number): number | null {
    const offset = this.#table.offsets.of(groupId).get(topic)?.get(partition)?.offset ?? NO_OFFSET
    return offset === NO_OFFSET ? null : offset
  }

  /** The committed offset follows the first record that is not done; null when it is there, or nobody's to keep. */
  commitOfDelivery(after: SharePartition, now: Now): OffsetsCommittedRecord | null {
    const { groupId, topicId, partition, startOffset } = after
    const topic = this.#limits.topics.byId(topicId)?.name
    if (topic === undefined || !this.#table.groups.has(groupId)) return null
    if (this.committedOffset(groupId, topic, partition) === startOffset) return null
    const offset = { partition, offset: startOffset, leaderEpoch: -1, metadata: '' }
    return {
      kind: 'offsets-committed',
      groupId,
      commitTimestampMs: now.wallMs,
      expireTimestampMs: null,
      observedMs: this.#observedNow(now),
      topics: [{ topic, partitions: [offset] }],
    }
  }

  fetchOffsets(group: OffsetFetchGroup): OffsetFetchGroupResult {
    const known = this.#table.groups.get(group.groupId)
    const refusal = known?.type === 'consumer' ? fetchRefusal(known, group) : 'NONE'
    return fetchOffsets(group, this.#table.offsets.of(group.groupId), refusal)
  }

  list(filter: ListGroupsFilter): readonly ListedGroup[] {
    const groupIds = new Set([...this.#table.groups.keys(), ...this.#soft.keys()])
    return Array.from(groupIds, (groupId) => {
      const group = this.#table.groups.get(groupId) ?? this.#table.classic(groupId)
      return group.type === 'consumer'
        ? listedConsumer(group)
        : listedClassic(group, this.#soft.get(groupId))
    }).filter((group) => matches(group, filter))
  }

  /** One group of a DescribeGroups request. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const group = this.#table.groups.get(groupId)
    const isConsumer = group?.type === 'consumer'
    const exists = !isConsumer && this.#exists(groupId)
    const why = isConsumer
      ? `Group ${groupId} is not a classic group.`
      : `Group ${groupId} not found.`
    return describeGroup(
      exists ? this.#table.classic(groupId) : null,
      this.#soft.get(groupId),
      groupId,
      { apiVersion, why },
    )
  }

  /** One group of a ConsumerGroupDescribe request. */
  describeConsumer(groupId: string): DescribedConsumerGroup {
    const group = this.#table.groups.get(groupId)
    if (group?.type === 'consumer') return describeConsumer(group, this.#limits.topics)
    const problem = this.#exists(groupId) ? 'is not a consumer group' : 'not found'
    return noConsumerGroup(groupId, `Group ${groupId} ${problem}.`)
  }

  /** Who has which partitions, as far as assignments can be read; undefined for a group that is not there. */
  owners(groupId: string): readonly Ownership[] | undefined {
    const group = this.#table.groups.get(groupId)
    if (group === undefined) return undefined
    return group.type === 'classic' ? classicOwners(group) : consumerOwners(group)
  }

  /** The hard state of a KIP-848 group, a value that never changes; undefined for another, or none. */
  consumerGroup(groupId: string): ConsumerGroup | undefined {
    const group = this.#table.groups.get(groupId)
    return group?.type === 'consumer' ? group : undefined
  }

  timeline(groupId: string): GroupTimeline | undefined {
    const group = this.#table.groups.get(groupId)
    if (group === undefined) return undefined
    return timelineOf(group, this.#soft.get(groupId), this.#table.timelines.of(groupId))
  }

  /** KIP-848 groups with members answer everybody; in all others classic requests find a classic group. */
  #decide(request: OneGroupRequest, now: Now): GroupDecision {
    const { groupId } = request
    const group = this.#table.groups.get(groupId)
    if (request.kind === 'consumer-heartbeat') return this.#consumerHeartbeat(request, now)
    const isOffsets = request.kind === 'offset-commit' || request.kind === 'offset-delete'
    if (group?.type === 'consumer' && (isOffsets || group.members.size > 0)) {
      const turn = this.#consumerTurn(group, now)
      decideConsumer(turn, request, this.#offsetLimits(groupId))
      return this.#endConsumer(turn, now)
    }
    const turn = this.#turn(this.#table.classic(groupId), now)
    decideClassic(turn, request, this.#offsetLimits(groupId))
    return this.#end(turn)
  }

  #consumerHeartbeat(request: ConsumerHeartbeatRequest, now: Now): GroupDecision {
    const { groupId } = request
    const refused = (refusal: Refusal) => ({
      ...NOTHING,
      replies: [refusedHeartbeat(request, refusal)],
    })
    const problem = requestProblem(request)
    if (problem !== null) return refused(problem)
    const group = this.#table.groups.get(groupId)
    // Somebody may wait in a classic round of it, also where the group on record is a KIP-848 one that is empty.
    const isClassic = this.#soft.has(groupId) || group?.type === 'classic'
    if (!isClassic) {
      const turn = this.#consumerTurn(this.#table.consumer(groupId), now)
      consumerHeartbeat(turn, request)
      return this.#endConsumer(turn, now)
    }
    const classic = this.#turn(this.#table.classic(groupId), now)
    if (request.memberEpoch !== 0 || !mayBecomeConsumer(classic, this.#limits))
      return refused(notConsumer(groupId))
    return this.#upgrade(classic, request, now)
  }

  /** A classic group becomes a KIP-848 one with this join, if the join succeeds; who waits in it is told to come again. */
  #upgrade(classic: ClassicTurn, request: ConsumerHeartbeatRequest, now: Now): GroupDecision {
    const { groupId, group, soft } = classic
    const members = classic.members().filter(({ memberId }) => group.members.has(memberId))
    const { memberId, clientId, instanceId: groupInstanceId } = request
    const who = { memberId, clientId, groupInstanceId }
    const why = causedBy(who, 'migrated', 'a KIP-848 member joins a classic group')
    const startedMs = now.wallMs
    const record = upgraded(group, members, this.#limits.topics, { ...why, startedMs })
    const started = members.length > 0 ? groupFrom(record) : this.#table.consumer(groupId)
    const sessions = new Map(Array.from(soft.sessions, ([id, session]) => [id, { ...session }]))
    const rebalanceStartedMs = group.rebalance === null ? classic.nowMs : soft.rebalanceStartedMs
    const consumerSoft = { ...newConsumerSoftState(sessions), rebalanceStartedMs }
    const turn = this.#consumerTurn(started, now, consumerSoft)
    if (members.length > 0) turn.records.push(record)
    consumerHeartbeat(turn, request)
    // The join was refused: the group is what it was.
    if (turn.group === started) return { ...NOTHING, replies: turn.replies }
    dissolve(classic, turn.soft.sessions)
    this.#soft.delete(groupId)
    const { records, replies, timers } = this.#endConsumer(turn, now)
    return {
      records,
      replies: [...classic.replies, ...replies],
      timers: [...classic.timers, ...timers],
    }
  }

  #deleteGroups({ groupsNames, replyTo }: DeleteGroupsRequest): GroupDecision {
    const records: GroupRecord[] = []
    const timers: TimerCommand[] = []
    const results = [...new Set(groupsNames)].map((groupId) => {
      const errorCode = this.#deletionRefusal(groupId)
      if (errorCode === 'NONE') {
        records.push({ kind: 'group-deleted', groupId })
        // Only ids that were handed out and not used can be left: they mean nothing any more.
        for (const memberId of this.#soft.get(groupId)?.sessions.keys() ?? [])
          timers.push({ kind: 'cancel', key: timerKey.session(groupId, memberId) })
        this.#soft.delete(groupId)
      }
      return { groupId, errorCode }
    })
    return { records, timers, replies: [{ to: replyTo, response: { kind: 'delete', results } }] }
  }

  /** What commits and deleted offsets mean to records that are in flight. */
  #deliveriesAfter(records: readonly GroupRecord[]): readonly GroupRecord[] {
    const { shares } = this.#table
    const result: GroupRecord[] = []
    // A request may name a partition twice: the second commit meets what the first one leaves.
    const drafts = new Map<SharePartition, SharePartition | null>()
    const moved = (groupId: string, topic: string, partition: number, offset: number) => {
      const topicId = this.#limits.topics.byName(topic)?.topicId ?? ''
      const share = shares.get({ groupId, topicId, partition })
      const draft = share && (drafts.has(share) ? drafts.get(share) : share)
      if (share === null || draft == null) return
      const further = commitSharePartition(draft, offset)
      drafts.set(share, further.reduce<SharePartition | null>(applyShareRecord, draft))
      result.push(...further)
    }
    for (const record of records)
      if (record.kind === 'share-deleted') {
        const share = shares.get(record)
        if (share !== null) drafts.set(share, null)
      } else if (record.kind === 'offsets-committed')
        for (const { topic, partitions } of record.topics)
          for (const { partition, offset } of partitions)
            moved(record.groupId, topic, partition, offset)
      else if (record.kind === 'offsets-deleted')
        for (const { topic, partitions } of record.topics)
          for (const partition of partitions) moved(record.groupId, topic, partition, NO_OFFSET)
    return result
  }

  #deletionRefusal(groupId: string): GroupError {
    if (groupId === '') return 'INVALID_GROUP_ID'
    const soft = this.#soft.get(groupId)
    if (!this.#exists(groupId)) return 'GROUP_ID_NOT_FOUND'
    const group = this.#table.groups.get(groupId) ?? this.#table.classic(groupId)
    const isEmpty =
      group.type === 'consumer' ? group.members.size === 0 : stateOf(group, soft) === 'Empty'
    return isEmpty ? 'NONE' : 'NON_EMPTY_GROUP'
  }

  #deleteTopic({ topic, topicId }: TopicDeleted): GroupDecision {
    const records: GroupRecord[] = this.#table.shares
      .ofTopic(topicId)
      .flatMap((partition) => commitSharePartition(partition, NO_OFFSET))
    for (const groupId of this.#table.offsets.groupIds()) {
      const offsets = this.#table.offsets.of(groupId).get(topic)
      if (offsets === undefined) continue
      const topics = [{ topic, partitions: [...offsets.keys()] }]
      records.push({ kind: 'offsets-deleted', groupId, topics })
    }
    return { ...NOTHING, records }
  }

  #expireOffsets(now: Now): GroupDecision {
    const observedMs = this.#observedNow(now)
    const records: GroupRecord[] = []
    for (const group of this.#table.groups.values()) {
      if (group.members.size > 0 || this.#soft.has(group.groupId)) continue
      const options = {
        now: { wallMs: now.wallMs, observedMs },
        retentionMs: this.#limits.offsetsRetentionMs,
      }
      records.push(...expireOffsets(group, this.#table.offsets.of(group.groupId), options))
    }
    if (this.#table.groups.size > 0) records.unshift({ kind: 'clock-observed', observedMs })
    return { records, replies: [], timers: [this.#nextExpiry()] }
  }

  #turn(group: ClassicGroup, now: Now): ClassicTurn {
    return new ClassicTurn({
      group,
      soft: this.#soft.get(group.groupId) ?? newSoftState(),
      limits: this.#limits,
      ...this.#moment(group.groupId, now),
    })
  }

  #consumerTurn(
    group: ConsumerGroup,
    now: Now,
    soft = this.#consumerSoft.get(group.groupId) ?? newConsumerSoftState(),
  ): ConsumerTurn {
    const moment = this.#moment(group.groupId, now)
    return new ConsumerTurn({ group, soft, limits: this.#limits, ...moment })
  }

  /** What a turn of either type has to know of the world. */
  #moment(groupId: string, now: Now) {
    const groupCount = Math.max(this.#table.groups.size, this.#soft.size)
    return {
      exists: this.#exists(groupId),
      mayBegin: groupCount < this.#limits.maxGroups,
      now,
      nowMs: now.monotonicMs - this.#stalledMs,
      observedMs: this.#observedNow(now),
    }
  }

  #end({ groupId, soft, records, replies, timers }: ClassicTurn): GroupDecision {
    if (isIdle(soft)) this.#soft.delete(groupId)
    else this.#soft.set(groupId, soft)
    return { records, replies, timers }
  }

  #endConsumer(turn: ConsumerTurn, now: Now): GroupDecision {
    const { groupId, group, soft, records, replies, timers } = turn
    if (records.length > 0 && mustDowngrade(group, this.#limits)) {
      const { records: further, ...classic } = this.#downgrade(turn, now)
      return {
        records: [...records, ...further],
        replies: [...replies, ...classic.replies],
        timers: [...timers, ...classic.timers],
      }
    }
    if (group.members.size === 0) this.#consumerSoft.delete(groupId)
    else this.#consumerSoft.set(groupId, soft)
    return { records, replies, timers }
  }

  /** Only classic members are left: the group is theirs again, and they rebalance. */
  #downgrade({ group, groupId, soft, now: { wallMs } }: ConsumerTurn, now: Now): GroupDecision {
    const reason = 'the last KIP-848 member is gone, the group is classic again'
    const { startedMs, ...led } = group.rebalance ?? {
      ...causedByNobody('member_left'),
      startedMs: wallMs,
    }
    const why = { ...causedBy(led, 'migrated', led.detail, reason), startedMs }
    const record = downgraded(group, this.#limits.topics, why)
    this.#consumerSoft.delete(groupId)
    const turn = this.#turn(applyRecord(unknownGroup(groupId), record), now)
    turn.records.push(record)
    for (const [memberId, session] of soft.sessions) turn.soft.sessions.set(memberId, session)
    for (const key of soft.deadlines.keys()) turn.cancel(key)
    turn.soft.rebalanceStartedMs = soft.rebalanceStartedMs
    beginRound(turn, why, { initial: false })
    if (turn.soft.round !== null) settle(turn, turn.soft.round)
    return this.#end(turn)
  }

  /** Goes on with a group that the journal knows, as if its members had just been heard. */
  #resume(group: Group, now: Now): GroupDecision {
    const turn = group.type === 'classic' ? this.#turn(group, now) : this.#consumerTurn(group, now)
    if (turn instanceof ClassicTurn) resumeClassic(turn)
    else resumeConsumer(turn)
    assertInvariant(turn.records.length === 0, 'a start decides nothing that is not known')
    return turn instanceof ClassicTurn ? this.#end(turn) : this.#endConsumer(turn, now)
  }

  #offsetLimits(groupId: string) {
    return { ...this.#limits, offsets: this.#table.offsets.of(groupId) }
  }

  #exists(groupId: string): boolean {
    return this.#table.groups.has(groupId) || this.#soft.has(groupId)
  }

  #observedNow(now: Now): number {
    assertInvariant(this.#startedAt !== null, 'the group coordinator was asked before its start')
    const { monotonicMs, observedMs } = this.#startedAt
    return Math.floor(observedMs + now.monotonicMs - monotonicMs)
  }

  #nextExpiry(): TimerCommand {
    return {
      kind: 'schedule',
      key: timerKey.offsetsExpiry,
      delayMs: this.#limits.offsetsRetentionCheckIntervalMs,
      request: { kind: 'offsets-expiry' },
    }
  }
}
