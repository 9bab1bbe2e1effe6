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
import { hasAny, heldInClassic, pauseTimers } from './classic/pause.ts'
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
import { mustDowngrade } from './consumer/downgrade-rule.ts'
import { downgraded, mayBecomeConsumer, upgraded } from './consumer/migration.ts'
import { heldInConsumer } from './consumer/pause.ts'
import { notConsumer, type Refusal } from './consumer/refusal.ts'
import { type ConsumerSoftState, newConsumerSoftState } from './consumer/soft-state.ts'
import { ConsumerTurn } from './consumer/turn.ts'
import type { GroupDecision } from './decision.ts'
import { describeGroup, listedClassic, matches } from './describe.ts'
import { type Group, GroupTable } from './group-table.ts'
import { type GroupCoordinatorOptions, type Limits, limitsOf } from './limits.ts'
import type {
  ConsumerHeartbeatRequest,
  DeleteGroupsRequest,
  GroupError,
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
  DescribedShareGroup,
  GroupPause,
  GroupTimeline,
  ListedGroup,
  ListGroupsFilter,
  OffsetFetchGroup,
  OffsetFetchGroupResult,
} from './queries.ts'
import type { GroupRecord, OffsetsCommittedRecord, Ownership } from './records.ts'
import { deliveriesAfter } from './share/after-commit.ts'
import { commitSharePartition, type SharePartition, type SharePartitions } from './share/index.ts'
import { causedBy, causedByNobody } from './timeline/causes.ts'
import { timelineOf } from './timeline/timeline.ts'

export type { GroupDecision } from './decision.ts'

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
      if (group.pause !== null) timers.push(...pauseTimers(group.groupId, group.pause, now))
      if (group.members.size === 0) continue
      timers.push(...this.#resume(group, now).timers)
    }
    timers.push(...this.#table.shareGroups.start((groupId) => this.#moment(groupId, now)))
    return timers
  }

  handle(request: GroupRequest, now: Now): GroupDecision {
    const decision = this.#route(request, now)
    const { records } = decision
    const further = deliveriesAfter(records, this.#table.shares, this.#limits.topics)
    return further.length === 0 ? decision : { ...decision, records: [...records, ...further] }
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
    const isShare = this.#table.shareGroups.has(group.groupId)
    const refusal = isShare ? 'GROUP_ID_NOT_FOUND' : fetchRefusal(known, group)
    return fetchOffsets(group, this.#table.offsets.of(group.groupId), refusal)
  }

  list(filter: ListGroupsFilter): readonly ListedGroup[] {
    const groupIds = new Set([...this.#table.groups.keys(), ...this.#soft.keys()])
    const others = Array.from(groupIds, (groupId) => {
      const group = this.#table.groups.get(groupId) ?? this.#table.classic(groupId)
      return group.type === 'consumer'
        ? listedConsumer(group)
        : listedClassic(group, this.#soft.get(groupId))
    })
    const listed = [...others, ...this.#table.shareGroups.list()]
    return listed.filter((group) => matches(group, filter))
  }

  /** One group of a DescribeGroups request. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const group = this.#table.groups.get(groupId)
    const isOther = group?.type === 'consumer' || this.#table.shareGroups.has(groupId)
    const exists = !isOther && this.#exists(groupId)
    const why = isOther ? `Group ${groupId} is not a classic group.` : `Group ${groupId} not found.`
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

  /** One group of a ShareGroupDescribe request. */
  describeShare(groupId: string): DescribedShareGroup {
    const why = this.#isOther(groupId) ? 'is not a share group' : 'not found'
    return this.#table.shareGroups.describe(groupId, why)
  }

  /** A share group that an administrator asks for, as a record where it is new; null where it cannot be. */
  beginShareGroup(groupId: string): readonly GroupRecord[] | null {
    if (this.#isOther(groupId) || groupId === '') return null
    if (this.#table.shareGroups.has(groupId)) return []
    const isFull = this.#table.groups.size + this.#table.shareGroups.size >= this.#limits.maxGroups
    return isFull ? null : [{ kind: 'share-group-epoch', groupId, groupEpoch: 0 }]
  }

  /** Share groups, and whether each has members; undefined for a group of another type, or none. */
  isEmptyShareGroup(groupId: string): boolean | undefined {
    return this.#table.shareGroups.isEmpty(groupId)
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

  /** Whether the group is paused, and who has not given up everything yet; undefined for a group that is not there. */
  pauseOf(groupId: string): GroupPause | undefined {
    const group = this.#table.groups.get(groupId)
    if (group === undefined) return undefined
    const owners =
      group.type === 'classic'
        ? heldInClassic(group, this.#soft.get(groupId))
        : heldInConsumer(group)
    return { pause: group.pause, owners: owners.filter((owner) => hasAny([owner])) }
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
    const { shareGroups } = this.#table
    if (request.kind === 'share-heartbeat')
      return shareGroups.heartbeat(request, this.#moment(groupId, now), this.#isOther(groupId))
    if (shareGroups.has(groupId)) return shareGroups.decide(request, this.#moment(groupId, now))
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
        timers.push(...this.#table.shareGroups.timersOf(groupId))
        timers.push({ kind: 'cancel', key: timerKey.pause(groupId) })
        this.#soft.delete(groupId)
      }
      return { groupId, errorCode }
    })
    return { records, timers, replies: [{ to: replyTo, response: { kind: 'delete', results } }] }
  }

  #deletionRefusal(groupId: string): GroupError {
    if (groupId === '') return 'INVALID_GROUP_ID'
    const soft = this.#soft.get(groupId)
    if (!this.#exists(groupId)) return 'GROUP_ID_NOT_FOUND'
    const isEmptyShare = this.#table.shareGroups.isEmpty(groupId)
    if (isEmptyShare !== undefined) return isEmptyShare ? 'NONE' : 'NON_EMPTY_GROUP'
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
    const { groups, shareGroups } = this.#table
    const groupCount = Math.max(groups.size, this.#soft.size) + shareGroups.size
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
    return this.#isOther(groupId) || this.#table.shareGroups.has(groupId)
  }

  /** Of a type that is no share group. */
  #isOther(groupId: string): boolean {
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
