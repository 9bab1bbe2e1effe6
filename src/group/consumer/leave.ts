/**
 * The ways out of a KIP-848 group: a heartbeat of epoch -1 or -2, the end of a session, a deadline that was missed.
 *
 * Who is out is fenced at once, and what it had is free. A static member that leaves with -2 stays in the books: its
 * successor takes over what it had, if it comes before the session ends.
 */

import type { ConsumerHeartbeatRequest, MemberDeadline } from '../messages.ts'
import type { RebalanceCause } from '../records.ts'
import { endSession, isSessionOver, silenceOf } from '../sessions.ts'
import { causedBy, silentFor } from '../timeline/causes.ts'
import { LEFT_FOR_A_WHILE } from './consumer-group.ts'
import { fencedInstance, type Refusal, unknownMember } from './refusal.ts'
import { mustDowngrade } from './downgrade-rule.ts'
import { NO_PARTITIONS } from './partitions.ts'
import { move } from './rebalance.ts'
import { type ConsumerTurn, sessionTimeoutOf } from './turn.ts'

/** Null when it is done. */
export function leaveByHeartbeat(
  turn: ConsumerTurn,
  { memberId, instanceId, memberEpoch }: ConsumerHeartbeatRequest,
): Refusal | null {
  if (instanceId !== null) {
    const holderId = turn.group.memberIdByInstance.get(instanceId)
    if (holderId === undefined) return unknownMember(turn, memberId)
    if (holderId !== memberId) return fencedInstance(memberId, instanceId)
  }
  const member = turn.member(memberId)
  if (member === undefined) return unknownMember(turn, memberId)
  if (memberEpoch === LEFT_FOR_A_WHILE)
    move(turn, memberId, {
      memberEpoch: LEFT_FOR_A_WHILE,
      previousMemberEpoch: member.memberEpoch,
      state: 'stable',
      assigned: member.assigned,
      // It is gone: what it was to give up is given up.
      pendingRevocation: NO_PARTITIONS,
    })
  else removeMember(turn, memberId, 'member_left')
  return null
}

export function consumerSessionExpired(turn: ConsumerTurn, memberId: string): void {
  const profile = turn.member(memberId)?.profile
  const timeoutMs = profile === undefined ? 0 : sessionTimeoutOf(turn, profile)
  const silentMs = silenceOf(turn, memberId, timeoutMs)
  if (isSessionOver(turn, memberId))
    removeMember(turn, memberId, 'session_timeout', silentFor(silentMs, timeoutMs))
}

export function deadlineMissed(turn: ConsumerTurn, memberId: string, what: MemberDeadline): void {
  if (turn.isLate(what, memberId))
    removeMember(turn, memberId, 'rebalance_timeout', DEADLINES[what])
}

const DEADLINES: Readonly<Record<MemberDeadline, string>> = {
  revoke: 'it did not give up in its rebalance timeout what it was told to',
  join: 'it did not join again in its rebalance timeout',
  sync: 'it did not ask for its assignment in its rebalance timeout',
}

export function removeMember(
  turn: ConsumerTurn,
  memberId: string,
  cause: RebalanceCause,
  detail = '',
): void {
  endSession(turn, memberId)
  for (const what of ['revoke', 'join', 'sync'] as const) turn.clearDeadline(what, memberId)
  const profile = turn.member(memberId)?.profile
  if (profile === undefined) return
  // A group that becomes classic by this rebalances anyway, and an epoch that nobody was told would fence who stays.
  if (!isLastOfItsKind(turn, memberId)) turn.raiseEpoch(causedBy(profile, cause, detail))
  turn.record({
    kind: 'consumer-member-left',
    groupId: turn.groupId,
    memberId,
    at: turn.stamp,
    durationMs: turn.rebalanceDurationMs(),
  })
}

/** Whether the group changes its kind when this member is gone. */
function isLastOfItsKind({ group, limits }: ConsumerTurn, memberId: string): boolean {
  const members = new Map(group.members)
  members.delete(memberId)
  return mustDowngrade({ ...group, members }, limits)
}
