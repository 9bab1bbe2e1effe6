/**
 * One request being decided for one classic group: the draft of its hard state, its soft state, and what comes out.
 *
 * A record emitted here is applied to the draft at once, so that later steps of the same decision see it; the
 * coordinator's own hard state changes only when the shell replays the records.
 */

import type {
  GroupError,
  GroupReply,
  GroupResponse,
  Now,
  ReplyToken,
  TimerCommand,
  TimerRequest,
} from '../messages.ts'
import type { GroupState } from '../queries.ts'
import type { GroupRecord, MemberRecord, Stamp } from '../records.ts'
import { endSession, isDue, touchSession } from '../sessions.ts'
import { applyRecord, type ClassicGroup, type ClassicRecord } from './classic-group.ts'
import type { SoftState } from './soft-state.ts'

/** Limits of classic groups, with every default filled in. */
export interface ClassicLimits {
  readonly groupMinSessionTimeoutMs: number
  readonly groupMaxSessionTimeoutMs: number
  readonly groupInitialRebalanceDelayMs: number
  readonly groupMaxSize: number
  readonly groupMaxPendingMembers: number
  readonly groupNewMemberJoinTimeoutMs: number
  readonly newMemberId: (prefix: string) => string
}

export interface TurnStart {
  readonly group: ClassicGroup
  readonly soft: SoftState
  /** Whether anybody has heard of the group. */
  readonly exists: boolean
  /** Whether there may be one more group. */
  readonly mayBegin: boolean
  readonly limits: ClassicLimits
  readonly now: Now
  /** Monotonic time without the stalls of the host: what deadlines are measured in. */
  readonly nowMs: number
  /** Time that the broker has seen pass, for the stamps of expiry. */
  readonly observedMs: number
}

export class ClassicTurn {
  readonly soft: SoftState
  readonly exists: boolean
  readonly mayBegin: boolean
  readonly limits: ClassicLimits
  readonly now: Now
  readonly nowMs: number
  readonly stamp: Stamp
  readonly records: GroupRecord[] = []
  readonly replies: GroupReply[] = []
  readonly timers: TimerCommand[] = []
  #group: ClassicGroup

  constructor({ group, soft, exists, mayBegin, limits, now, nowMs, observedMs }: TurnStart) {
    this.#group = group
    this.soft = soft
    this.exists = exists
    this.mayBegin = mayBegin
    this.limits = limits
    this.now = now
    this.nowMs = nowMs
    this.stamp = { wallMs: now.wallMs, observedMs }
  }

  /** The hard state as the records of this turn leave it. */
  get group(): ClassicGroup {
    return this.#group
  }

  get groupId(): string {
    return this.#group.groupId
  }

  get state(): GroupState {
    return stateOf(this.#group, this.soft)
  }

  record(record: ClassicRecord): void {
    this.#group = applyRecord(this.#group, record)
    this.records.push(record)
  }

  reply(to: ReplyToken, response: GroupResponse): void {
    this.replies.push({ to, response })
  }

  schedule(key: string, delayMs: number, request: TimerRequest): void {
    this.timers.push({ kind: 'schedule', key, delayMs: Math.max(0, delayMs), request })
  }

  cancel(key: string): void {
    this.timers.push({ kind: 'cancel', key })
  }

  /** A member as it is now: what it said in this round counts before the last generation. */
  member(memberId: string): MemberRecord | undefined {
    return this.soft.round?.joined.get(memberId)?.member ?? this.#group.members.get(memberId)
  }

  /** Everybody who is in: the last generation in its order, then those who are new in this round. */
  members(): readonly MemberRecord[] {
    return membersOf(this.#group, this.soft)
  }

  memberIdOf(groupInstanceId: string): string | undefined {
    return (
      this.soft.round?.joinedByInstance.get(groupInstanceId) ??
      this.#group.memberIdByInstance.get(groupInstanceId)
    )
  }

  /** Why a request that claims to come from this member is refused; NONE when it is current. */
  refusalOf(memberId: string, groupInstanceId: string | null): GroupError {
    if (groupInstanceId !== null) {
      const current = this.memberIdOf(groupInstanceId)
      if (current === undefined) return 'UNKNOWN_MEMBER_ID'
      if (current !== memberId) return 'FENCED_INSTANCE_ID'
    }
    return this.member(memberId) === undefined ? 'UNKNOWN_MEMBER_ID' : 'NONE'
  }

  /** A sign of life: the session ends `timeoutMs` from now. */
  touch(memberId: string, timeoutMs: number): void {
    touchSession(this, memberId, timeoutMs)
  }

  endSession(memberId: string): void {
    endSession(this, memberId)
  }

  isDue(dueMs: number): boolean {
    return isDue(this, dueMs)
  }
}

export function stateOf(group: ClassicGroup, soft: SoftState | undefined): GroupState {
  if (soft !== undefined && soft.round !== null) return 'PreparingRebalance'
  if (group.members.size === 0) return 'Empty'
  return group.assigned ? 'Stable' : 'CompletingRebalance'
}

export function membersOf(
  group: ClassicGroup,
  soft: SoftState | undefined,
): readonly MemberRecord[] {
  const round = soft?.round ?? null
  if (round === null) return [...group.members.values()]
  const members: MemberRecord[] = []
  for (const member of group.members.values())
    members.push(round.joined.get(member.memberId)?.member ?? member)
  for (const { member } of round.joined.values())
    if (!group.members.has(member.memberId)) members.push(member)
  return members
}
