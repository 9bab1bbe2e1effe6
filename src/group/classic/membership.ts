/**
 * SyncGroup v0-5 · v5 checks the protocol. Heartbeat v0-4. LeaveGroup v0-5 · v3 several members, by instance id too.
 * And the end of a session, which is a member's silent way to leave.
 */

import { EMPTY_BYTES } from '../../core/index.ts'
import type {
  GroupError,
  HeartbeatRequest,
  LeaveRequest,
  LeaveResponse,
  SyncRequest,
} from '../messages.ts'
import { type Cause, causedBy, saidByClient, silentFor } from '../timeline/causes.ts'
import {
  dropMember,
  failedSync,
  rebalanceDurationMs,
  rebalanceWithout,
  settle,
  whoIs,
} from './rebalance.ts'
import { writeAssignment } from './consumer-protocol.ts'
import { wantedTopics } from './rejoin-cause.ts'
import { isSessionOver, silenceOf } from '../sessions.ts'
import { timerKey } from './soft-state.ts'
import type { ClassicTurn } from './turn.ts'

export function sync(turn: ClassicTurn, request: SyncRequest): void {
  const { soft, group } = turn
  const { memberId, replyTo } = request
  const refusal = syncRefusal(turn, request)
  if (refusal !== 'NONE') return turn.reply(replyTo, failedSync(refusal))
  if (soft.unsynced.delete(memberId) && soft.unsynced.size === 0)
    turn.cancel(timerKey.sync(turn.groupId))
  if (!group.assigned) {
    const earlier = soft.waitingSyncs.get(memberId)
    if (earlier !== undefined) turn.reply(earlier, failedSync('REBALANCE_IN_PROGRESS'))
    soft.waitingSyncs.set(memberId, replyTo)
    if (memberId !== group.leader) return
    assign(turn, request)
  } else {
    soft.waitingSyncs.set(memberId, replyTo)
  }
  answerSyncs(turn)
}

export function heartbeat(turn: ClassicTurn, request: HeartbeatRequest): void {
  turn.reply(request.replyTo, { kind: 'heartbeat', errorCode: heartbeatError(turn, request) })
}

export function leave(turn: ClassicTurn, request: LeaveRequest): void {
  const { replyTo, groupId } = request
  if (groupId === '')
    return turn.reply(replyTo, { kind: 'leave', errorCode: 'INVALID_GROUP_ID', members: [] })
  const leaving =
    request.apiVersion >= 3
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
  const left: Cause[] = []
  const members: LeaveResponse['members'] = leaving.map((member) => {
    const { memberId, groupInstanceId } = member
    const { errorCode, gone } = leaveOne(turn, member)
    if (gone !== null) left.push(gone)
    return { memberId, groupInstanceId, errorCode }
  })
  turn.reply(
    replyTo,
    request.apiVersion >= 3
      ? { kind: 'leave', errorCode: 'NONE', members }
      : { kind: 'leave', errorCode: members[0]?.errorCode ?? 'NONE', members: [] },
  )
  const [first] = left
  if (first !== undefined) rebalanceWithout(turn, first)
  else if (turn.soft.round !== null) settle(turn, turn.soft.round)
}

export function sessionExpired(turn: ClassicTurn, memberId: string): void {
  const { soft } = turn
  const member = whoIs(turn, memberId)
  const timeoutMs = turn.member(memberId)?.sessionTimeoutMs ?? 0
  const silentMs = silenceOf(turn, memberId, timeoutMs)
  if (!isSessionOver(turn, memberId)) return
  if (soft.pending.delete(memberId)) {
    soft.sessions.delete(memberId)
    if (soft.round !== null) settle(turn, soft.round)
    return
  }
  // Who waits for an answer is alive; its session begins anew with the answer. A new member is not known to be.
  const joiner = soft.round?.joined.get(memberId)
  if (joiner !== undefined ? !joiner.isNew : soft.waitingSyncs.has(memberId)) return
  const why = causedBy(member, 'session_timeout', silentFor(silentMs, timeoutMs))
  dropMember(turn, why)
  rebalanceWithout(turn, why)
}

/** The leader's word: everybody's assignment, empty bytes for those whom it left out. */
function assign(turn: ClassicTurn, request: SyncRequest): void {
  const { group, groupId } = turn
  const given = new Map<string, Uint8Array>()
  for (const { memberId, assignment } of request.assignments)
    given.set(memberId, new Uint8Array(assignment))
  turn.record({
    kind: 'assigned',
    groupId,
    generation: group.generation,
    assignments: Array.from(group.members.keys(), (memberId) => ({
      memberId,
      // The leader does not know that the group is paused.
      assignment: group.pause === null ? (given.get(memberId) ?? EMPTY_BYTES) : NO_PARTITIONS,
    })),
    durationMs: group.rebalance === null ? 0 : rebalanceDurationMs(turn, group.rebalance),
  })
  turn.soft.assignedTopics = wantedTopics(turn, turn.limits.topics)
}

/** What a consumer reads as: nothing. */
const NO_PARTITIONS = writeAssignment([])

function answerSyncs(turn: ClassicTurn): void {
  const { soft, group } = turn
  for (const [memberId, replyTo] of soft.waitingSyncs) {
    const member = group.members.get(memberId)
    turn.reply(replyTo, {
      kind: 'sync',
      errorCode: 'NONE',
      protocolType: group.protocolType,
      protocolName: group.protocolName,
      assignment: member?.assignment ?? EMPTY_BYTES,
    })
    if (member !== undefined) turn.touch(memberId, member.sessionTimeoutMs)
  }
  soft.waitingSyncs.clear()
}

function syncRefusal(turn: ClassicTurn, request: SyncRequest): GroupError {
  const { group, state } = turn
  if (request.groupId === '') return 'INVALID_GROUP_ID'
  const refusal = turn.refusalOf(request.memberId, request.groupInstanceId)
  if (refusal !== 'NONE') return refusal
  if (request.generationId !== group.generation) return 'ILLEGAL_GENERATION'
  if (request.protocolType !== null && request.protocolType !== group.protocolType)
    return 'INCONSISTENT_GROUP_PROTOCOL'
  if (request.protocolName !== null && request.protocolName !== group.protocolName)
    return 'INCONSISTENT_GROUP_PROTOCOL'
  return state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

function heartbeatError(turn: ClassicTurn, request: HeartbeatRequest): GroupError {
  if (request.groupId === '') return 'INVALID_GROUP_ID'
  const { memberId, groupInstanceId } = request
  const refusal = turn.refusalOf(memberId, groupInstanceId)
  if (refusal !== 'NONE') return refusal
  if (request.generationId !== turn.group.generation) return 'ILLEGAL_GENERATION'
  turn.touch(memberId, turn.member(memberId)?.sessionTimeoutMs ?? 0)
  return turn.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

/** `gone` is why a member was taken out; null when nobody was, or only an id that had not joined. */
function leaveOne(
  turn: ClassicTurn,
  { memberId, groupInstanceId, reason }: LeaveRequest['members'][number],
): { errorCode: GroupError; gone: Cause | null } {
  if (turn.soft.pending.delete(memberId)) {
    turn.endSession(memberId)
    return { errorCode: 'NONE', gone: null }
  }
  // An administrator knows a static member by its instance id alone.
  const current =
    memberId === '' && groupInstanceId !== null ? turn.memberIdOf(groupInstanceId) : memberId
  if (current === undefined) return { errorCode: 'UNKNOWN_MEMBER_ID', gone: null }
  const errorCode = turn.refusalOf(current, groupInstanceId)
  if (errorCode !== 'NONE') return { errorCode, gone: null }
  const gone = causedBy(whoIs(turn, current), 'member_left', saidByClient(reason))
  dropMember(turn, gone)
  return { errorCode, gone }
}
