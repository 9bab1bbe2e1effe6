/** One request being decided for one classic group: what `../turn.ts` says, and who is in while a round runs. */

import type { GroupError } from '../messages.ts'
import type { GroupState } from '../queries.ts'
import type { MemberRecord } from '../records.ts'
import { endSession, isDue, touchSession } from '../sessions.ts'
import type { GroupTopics } from '../topics.ts'
import { Turn, type TurnStart } from '../turn.ts'
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
  readonly topics: GroupTopics
}

export class ClassicTurn extends Turn<ClassicGroup, ClassicRecord, SoftState, ClassicLimits> {
  constructor(start: TurnStart<ClassicGroup, SoftState, ClassicLimits>) {
    super(start, applyRecord)
  }

  get state(): GroupState {
    return stateOf(this.group, this.soft)
  }

  /** A member as it is now: what it said in this round counts before the last generation. */
  member(memberId: string): MemberRecord | undefined {
    return this.soft.round?.joined.get(memberId)?.member ?? this.group.members.get(memberId)
  }

  /** Everybody who is in: the last generation in its order, then those who are new in this round. */
  members(): readonly MemberRecord[] {
    return membersOf(this.group, this.soft)
  }

  memberIdOf(groupInstanceId: string): string | undefined {
    return (
      this.soft.round?.joinedByInstance.get(groupInstanceId) ??
      this.group.memberIdByInstance.get(groupInstanceId)
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
