/**
 * Every group of the broker: who is in, who has which assignment, what was committed.
 *
 * `handle` decides and changes no hard state; `replay` alone does. The shell calls `replay` with a decision's records
 * before anything else, sets the timers and holds the replies until everything replayed so far is flushed. Soft state
 * (`classic/soft-state.ts`: rounds, waiting requests, sessions) is `handle`'s own and gone after a restart; `start` gives
 * every member its whole session again, so a restart moves no partition.
 *
 * Routes by group type; today every group is classic.
 */

import { assertInvariant, unreachable } from '../core/index.ts'
import {
  applyRecord,
  type ClassicGroup,
  snapshotOf,
  unknownGroup,
} from './classic/classic-group.ts'
import { join } from './classic/join.ts'
import { heartbeat, leave, sessionExpired, sync } from './classic/membership.ts'
import {
  armSyncTimeout,
  beginRound,
  initialDelayOver,
  rebalanceTimedOut,
  settle,
  syncTimedOut,
} from './classic/rebalance.ts'
import { isIdle, newSoftState, type SoftState, timerKey } from './classic/soft-state.ts'
import { type ClassicLimits, ClassicTurn, stateOf } from './classic/turn.ts'
import { describeGroup, listedGroup, matches } from './describe.ts'
import type {
  DeleteGroupsRequest,
  GroupError,
  GroupReply,
  GroupRequest,
  Now,
  TimerCommand,
} from './messages.ts'
import { commitOffsets, deleteOffsets, type OffsetLimits } from './offsets/commit.ts'
import { expireOffsets } from './offsets/expiry.ts'
import { fetchOffsets } from './offsets/fetch.ts'
import { OffsetTable } from './offsets/offset-table.ts'
import type {
  DescribedGroup,
  GroupTimeline,
  ListedGroup,
  ListGroupsFilter,
  OffsetFetchGroup,
  OffsetFetchGroupResult,
} from './queries.ts'
import type { GroupRecord } from './records.ts'

export interface GroupCoordinatorOptions {
  /** A member id that never was and never will be: `<prefix>-<uuid>`. */
  readonly newMemberId: (prefix: string) => string
  /** How many partitions a topic has; undefined when there is no such topic. */
  readonly partitionCount: (topic: string) => number | undefined
  /** `group.min.session.timeout.ms`, default 6,000. */
  readonly groupMinSessionTimeoutMs?: number
  /** `group.max.session.timeout.ms`, default 1,800,000. */
  readonly groupMaxSessionTimeoutMs?: number
  /** `group.initial.rebalance.delay.ms`, default 3,000. */
  readonly groupInitialRebalanceDelayMs?: number
  /** `group.max.size`, default 10,000 (Kafka: no limit). */
  readonly groupMaxSize?: number
  /** Member ids of one group that were handed out and not used yet; default 10,000. */
  readonly groupMaxPendingMembers?: number
  /** How long a new member may wait for its first generation, milliseconds; default 300,000. */
  readonly groupNewMemberJoinTimeoutMs?: number
  /** Groups that there may be; who would begin a further one is answered COORDINATOR_NOT_AVAILABLE. Default 100,000. */
  readonly maxGroups?: number
  /** `offset.metadata.max.bytes`, default 4,096; counted in UTF-16 units, as Kafka does. */
  readonly offsetMetadataMaxBytes?: number
  /** `offsets.retention.minutes` in milliseconds, default 7 days. */
  readonly offsetsRetentionMs?: number
  /** `offsets.retention.check.interval.ms`, default 600,000. */
  readonly offsetsRetentionCheckIntervalMs?: number
}

/** What a request leads to. The shell replays the records at once, sets the timers, and holds the replies until the flush. */
export interface GroupDecision {
  readonly records: readonly GroupRecord[]
  readonly replies: readonly GroupReply[]
  readonly timers: readonly TimerCommand[]
}

type Limits = ClassicLimits &
  OffsetLimits & {
    readonly maxGroups: number
    readonly offsetsRetentionMs: number
    readonly offsetsRetentionCheckIntervalMs: number
  }

const DEFAULTS = {
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 3_000,
  groupMaxSize: 10_000,
  groupMaxPendingMembers: 10_000,
  groupNewMemberJoinTimeoutMs: 300_000,
  maxGroups: 100_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
} as const

const NOTHING: GroupDecision = { records: [], replies: [], timers: [] }

export class GroupCoordinator {
  readonly #limits: Limits
  /** Hard state. */
  readonly #groups = new Map<string, ClassicGroup>()
  readonly #offsets = new OffsetTable()
  #observedMs = 0
  /** Soft state. */
  readonly #soft = new Map<string, SoftState>()
  #startedAt: { readonly monotonicMs: number; readonly observedMs: number } | null = null
  #stalledMs = 0

  constructor(options: GroupCoordinatorOptions) {
    this.#limits = { ...DEFAULTS, ...options }
  }

  /** Call once after the last replay of a start and before the first request: sessions begin anew, in full. */
  start(now: Now): readonly TimerCommand[] {
    this.#startedAt = { monotonicMs: now.monotonicMs, observedMs: this.#observedMs }
    const timers: TimerCommand[] = [this.#nextExpiry()]
    for (const group of this.#groups.values()) {
      if (group.members.size === 0) continue
      const turn = this.#turn(group.groupId, now)
      resume(turn)
      assertInvariant(turn.records.length === 0, 'a start decides nothing that is not known')
      timers.push(...this.#end(turn).timers)
    }
    return timers
  }

  handle(request: GroupRequest, now: Now): GroupDecision {
    switch (request.kind) {
      case 'delete':
        return this.#deleteGroups(request)
      case 'topic-deleted':
        return this.#deleteTopic(request.topic)
      case 'offsets-expiry':
        return this.#expireOffsets(now)
      case 'stalled':
        this.#stalledMs += Math.max(0, request.durationMs)
        return NOTHING
      default: {
        const turn = this.#turn(request.groupId, now)
        this.#decide(turn, request)
        return this.#end(turn)
      }
    }
  }

  replay(record: GroupRecord): void {
    switch (record.kind) {
      case 'clock-observed':
        this.#observedMs = Math.max(this.#observedMs, record.observedMs)
        return
      case 'group-deleted':
        this.#groups.delete(record.groupId)
        this.#offsets.deleteGroup(record.groupId)
        return
      case 'offsets-deleted':
        this.#offsets.delete(record)
        return
      case 'offsets-committed':
        this.#offsets.commit(record)
        this.#observedMs = Math.max(this.#observedMs, record.observedMs)
        break
      case 'generation':
      case 'member-removed':
        this.#observedMs = Math.max(this.#observedMs, record.at.observedMs)
        break
      case 'assigned':
      case 'member-replaced':
      case 'group':
        break
      default:
        unreachable(record)
    }
    const { groupId } = record
    const group = this.#groups.get(groupId) ?? unknownGroup(groupId)
    this.#groups.set(groupId, applyRecord(group, record))
  }

  /** The records that rebuild the hard state; a list of its own, which later requests do not change. */
  snapshot(): readonly GroupRecord[] {
    const records: GroupRecord[] = [{ kind: 'clock-observed', observedMs: this.#observedMs }]
    for (const group of this.#groups.values()) {
      // The group last: a commit says how long its group was idle, and that is the group's to say here.
      records.push(...this.#offsets.snapshot(group.groupId, group.idleSince.observedMs))
      records.push(snapshotOf(group))
    }
    return records
  }

  fetchOffsets(group: OffsetFetchGroup): OffsetFetchGroupResult {
    return fetchOffsets(group, this.#offsets.of(group.groupId))
  }

  list(filter: ListGroupsFilter): readonly ListedGroup[] {
    const groupIds = new Set([...this.#groups.keys(), ...this.#soft.keys()])
    return Array.from(groupIds, (groupId) =>
      listedGroup(this.#group(groupId), this.#soft.get(groupId)),
    ).filter((group) => matches(group, filter))
  }

  /** One group of a DescribeGroups request. */
  describe(groupId: string, apiVersion: number): DescribedGroup {
    const exists = this.#groups.has(groupId) || this.#soft.has(groupId)
    return describeGroup(
      exists ? this.#group(groupId) : null,
      this.#soft.get(groupId),
      groupId,
      apiVersion,
    )
  }

  timeline(groupId: string): GroupTimeline | undefined {
    const group = this.#groups.get(groupId)
    return group && { groupId, generation: group.generation, rebalances: group.timeline }
  }

  #decide(
    turn: ClassicTurn,
    request: Exclude<
      GroupRequest,
      { kind: 'delete' | 'topic-deleted' | 'offsets-expiry' | 'stalled' }
    >,
  ): void {
    switch (request.kind) {
      case 'join':
        return join(turn, request)
      case 'sync':
        return sync(turn, request)
      case 'heartbeat':
        return heartbeat(turn, request)
      case 'leave':
        return leave(turn, request)
      case 'session-expired':
        return sessionExpired(turn, request.memberId)
      case 'initial-delay-over':
        return initialDelayOver(turn, request.round)
      case 'rebalance-timeout':
        return rebalanceTimedOut(turn, request.round)
      case 'sync-timeout':
        return syncTimedOut(turn, request.generation)
      case 'offset-commit':
        return commitOffsets(turn, request, this.#limits)
      case 'offset-delete':
        return deleteOffsets(turn, request, {
          ...this.#limits,
          offsets: this.#offsets.of(request.groupId),
        })
      default:
        return unreachable(request)
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

  #deletionRefusal(groupId: string): GroupError {
    if (groupId === '') return 'INVALID_GROUP_ID'
    const soft = this.#soft.get(groupId)
    if (!this.#groups.has(groupId) && soft === undefined) return 'GROUP_ID_NOT_FOUND'
    return stateOf(this.#group(groupId), soft) === 'Empty' ? 'NONE' : 'NON_EMPTY_GROUP'
  }

  #deleteTopic(topic: string): GroupDecision {
    const records: GroupRecord[] = []
    for (const groupId of this.#offsets.groupIds()) {
      const offsets = this.#offsets.of(groupId).get(topic)
      if (offsets === undefined) continue
      const topics = [{ topic, partitions: [...offsets.keys()] }]
      records.push({ kind: 'offsets-deleted', groupId, topics })
    }
    return { ...NOTHING, records }
  }

  #expireOffsets(now: Now): GroupDecision {
    const observedMs = this.#observedNow(now)
    const records: GroupRecord[] = []
    for (const group of this.#groups.values()) {
      if (group.members.size > 0 || this.#soft.has(group.groupId)) continue
      const options = {
        now: { wallMs: now.wallMs, observedMs },
        retentionMs: this.#limits.offsetsRetentionMs,
      }
      records.push(...expireOffsets(group, this.#offsets.of(group.groupId), options))
    }
    if (this.#groups.size > 0) records.unshift({ kind: 'clock-observed', observedMs })
    return { records, replies: [], timers: [this.#nextExpiry()] }
  }

  #turn(groupId: string, now: Now): ClassicTurn {
    return new ClassicTurn({
      group: this.#group(groupId),
      soft: this.#soft.get(groupId) ?? newSoftState(),
      exists: this.#groups.has(groupId) || this.#soft.has(groupId),
      mayBegin: Math.max(this.#groups.size, this.#soft.size) < this.#limits.maxGroups,
      limits: this.#limits,
      now,
      nowMs: now.monotonicMs - this.#stalledMs,
      observedMs: this.#observedNow(now),
    })
  }

  #end({ groupId, soft, records, replies, timers }: ClassicTurn): GroupDecision {
    if (isIdle(soft)) this.#soft.delete(groupId)
    else this.#soft.set(groupId, soft)
    return { records, replies, timers }
  }

  #group(groupId: string): ClassicGroup {
    return this.#groups.get(groupId) ?? unknownGroup(groupId)
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

/** Goes on with a group that the journal knows, as if its members had just been heard. */
function resume(turn: ClassicTurn): void {
  const { group, soft } = turn
  for (const { memberId, sessionTimeoutMs } of group.members.values())
    turn.touch(memberId, sessionTimeoutMs)
  if (group.disturbed) {
    beginRound(turn, { cause: 'member_left', memberId: '' }, { initial: false })
    if (soft.round !== null) settle(turn, soft.round)
  } else if (!group.assigned) {
    for (const memberId of group.members.keys()) soft.unsynced.add(memberId)
    armSyncTimeout(turn)
  }
}
