/**
 * JoinGroup v0-9 · v1 rebalance timeout · v4 the member id is handed out first · v5 static membership (KIP-345) · v9 a
 * static leader that comes back is told to skip the assignment.
 *
 * Who joins: an unknown dynamic member, an unknown or a known static one, or a member by its id. In every state each of
 * them either is answered now, or waits in the round that its join begins or finds.
 */

import { EMPTY_BYTES } from '../../core/index.ts'
import type { GroupProtocol, JoinRequest } from '../messages.ts'
import type { MemberRecord } from '../records.ts'
import { causedBy, saidByClient } from '../timeline/causes.ts'
import { sameProtocols, selectProtocol, supportsOneOf } from './protocols.ts'
import {
  beginRound,
  dropMember,
  failedSync,
  failJoin,
  forgetJoiner,
  joined,
  joinRound,
  settle,
  whoIs,
} from './rebalance.ts'
import { whyRejoined } from './rejoin-cause.ts'
import type { ClassicTurn } from './turn.ts'

export function join(turn: ClassicTurn, received: JoinRequest): void {
  const request = { ...received, protocols: distinct(received.protocols) }
  const { memberId, sessionTimeoutMs } = request
  const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs } = turn.limits
  if (turn.groupId === '') return failJoin(turn, request, 'INVALID_GROUP_ID', memberId)
  if (sessionTimeoutMs < groupMinSessionTimeoutMs || sessionTimeoutMs > groupMaxSessionTimeoutMs)
    return failJoin(turn, request, 'INVALID_SESSION_TIMEOUT', memberId)
  // Only who has no id yet can begin a group.
  if (!turn.exists && memberId !== '') return failJoin(turn, request, 'UNKNOWN_MEMBER_ID', memberId)
  if (!turn.exists && !turn.mayBegin)
    return failJoin(turn, request, 'COORDINATOR_NOT_AVAILABLE', '')
  if (!hasRoomFor(turn, memberId)) return turnAway(turn, request)
  if (!isCompatible(turn, request))
    return failJoin(turn, request, 'INCONSISTENT_GROUP_PROTOCOL', memberId)
  if (memberId !== '') return joinById(turn, request)
  if (request.groupInstanceId === null) return joinDynamic(turn, request)
  const oldId = turn.memberIdOf(request.groupInstanceId)
  const newId = turn.limits.newMemberId(request.groupInstanceId)
  if (oldId === undefined) addMember(turn, request, newId)
  else replaceStatic(turn, request, { oldId, newId })
}

function joinDynamic(turn: ClassicTurn, request: JoinRequest): void {
  const { soft, limits } = turn
  const newId = limits.newMemberId(request.clientId)
  if (request.apiVersion < 4) return addMember(turn, request, newId)
  if (soft.pending.size >= limits.groupMaxPendingMembers)
    return failJoin(turn, request, 'COORDINATOR_NOT_AVAILABLE', '')
  soft.pending.add(newId)
  turn.touch(newId, request.sessionTimeoutMs)
  failJoin(turn, request, 'MEMBER_ID_REQUIRED', newId)
}

function joinById(turn: ClassicTurn, request: JoinRequest): void {
  const { memberId, groupInstanceId } = request
  if (turn.soft.pending.has(memberId) && groupInstanceId === null)
    return addMember(turn, request, memberId)
  const refusal = turn.refusalOf(memberId, groupInstanceId)
  const member = turn.member(memberId)
  if (refusal !== 'NONE' || member === undefined) return failJoin(turn, request, refusal, memberId)

  const changed = !sameProtocols(member.protocols, request.protocols)
  switch (turn.state) {
    case 'PreparingRebalance':
      return rejoin(turn, request, member)
    case 'CompletingRebalance':
      // It may have missed the answer of its join: the same again.
      if (!changed) return turn.reply(request.replyTo, joined(turn, memberId))
      return rejoin(turn, request, member)
    case 'Stable':
      // The leader watches the topics; when it joins again without a change of its own, they have changed.
      if (changed || memberId === turn.group.leader) return rejoin(turn, request, member)
      return turn.reply(request.replyTo, joined(turn, memberId))
    default:
      return failJoin(turn, request, 'UNKNOWN_MEMBER_ID', memberId)
  }
}

function addMember(turn: ClassicTurn, request: JoinRequest, memberId: string): void {
  const { soft, limits } = turn
  const isFirst = turn.members().length === 0
  const initial = turn.state === 'Empty'
  soft.pending.delete(memberId)
  const why = causedBy({ ...request, memberId }, 'member_joined', saidByClient(request.reason))
  if (soft.round === null) beginRound(turn, why, { initial })
  else soft.round.memberAdded = true
  const { round } = soft
  if (round === null) return
  if (isFirst) round.protocolType = request.protocolType
  joinRound(turn, round, { ...request, member: memberOf(request, memberId), isNew: true })
  // It sends no heartbeats before it is answered, and a connection that breaks meanwhile is not seen.
  turn.touch(memberId, limits.groupNewMemberJoinTimeoutMs)
  settle(turn, round)
}

/** A member of this generation (or round) joins the round, with what it says of itself now. */
function rejoin(turn: ClassicTurn, request: JoinRequest, member: MemberRecord): void {
  const { protocols, sessionTimeoutMs, rebalanceTimeoutMs } = memberOf(request, member.memberId)
  const updated = { ...member, protocols, sessionTimeoutMs, rebalanceTimeoutMs }
  if (turn.soft.round === null)
    beginRound(turn, whyRejoined(turn, request, member), { initial: false })
  const { round } = turn.soft
  if (round === null) return
  joinRound(turn, round, { ...request, member: updated, isNew: false })
  settle(turn, round)
}

/**
 * A static member comes back without its id: a restarted process. It takes its old place under a new id; in a stable
 * group nobody else notices. The old id is fenced from here on, whatever it waits for.
 */
function replaceStatic(
  turn: ClassicTurn,
  request: JoinRequest,
  { oldId, newId }: { oldId: string; newId: string },
): void {
  const { soft, limits } = turn
  const { state } = turn
  const oldLeader = turn.group.leader ?? ''
  const joiner = soft.round?.joined.get(oldId)
  const sync = soft.waitingSyncs.get(oldId)
  if (soft.round !== null && joiner !== undefined) {
    failJoin(turn, joiner, 'FENCED_INSTANCE_ID', oldId)
    forgetJoiner(soft.round, joiner)
  }
  if (sync !== undefined) turn.reply(sync, failedSync('FENCED_INSTANCE_ID'))
  soft.waitingSyncs.delete(oldId)
  if (soft.unsynced.delete(oldId)) soft.unsynced.add(newId)
  turn.endSession(oldId)

  const member = memberOf(request, newId)
  const held = turn.group.members.get(oldId)
  if (held !== undefined) {
    const replacement = { ...member, assignment: held.assignment }
    const { groupId } = turn
    turn.record({ kind: 'member-replaced', groupId, memberId: oldId, replacement })
    soft.round?.missing.delete(oldId)
  }
  const isNew = joiner?.isNew ?? false
  turn.touch(newId, isNew ? limits.groupNewMemberJoinTimeoutMs : member.sessionTimeoutMs)

  if (state === 'Stable' && turn.group.protocolName === selectProtocol(turn.members()))
    return turn.reply(
      request.replyTo,
      request.apiVersion >= 9
        ? joined(turn, newId, { skipAssignment: turn.group.leader === newId })
        : joined(turn, newId, { leader: oldLeader }),
    )
  // Its leader may have the old id already, and would assign to nobody: all join anew, unless they do.
  const detail =
    'a static member came back as another process, with other protocols or while others joined'
  if (soft.round === null)
    beginRound(turn, causedBy(member, 'member_rejoined', detail), { initial: false })
  const { round } = soft
  if (round === null) return
  joinRound(turn, round, { ...request, member, isNew })
  settle(turn, round)
}

/**
 * Existing members are always let in, but while members gather only as many as the limit says: when it was lowered,
 * those who come last have to go.
 */
function hasRoomFor(turn: ClassicTurn, memberId: string): boolean {
  const { round } = turn.soft
  const { groupMaxSize } = turn.limits
  if (round !== null) return round.joined.has(memberId) || round.joined.size < groupMaxSize
  const { members } = turn.group
  return members.size === 0 || members.has(memberId) || members.size < groupMaxSize
}

function turnAway(turn: ClassicTurn, request: JoinRequest): void {
  const { memberId } = request
  const wasMember = turn.member(memberId) !== undefined
  turn.soft.pending.delete(memberId)
  if (wasMember) dropMember(turn, causedBy(whoIs(turn, memberId), 'member_left', FULL))
  else turn.endSession(memberId)
  failJoin(turn, request, 'GROUP_MAX_SIZE_REACHED', '')
  if (turn.soft.round !== null) settle(turn, turn.soft.round)
}

const FULL = 'it was turned away: the group has its most members'

function isCompatible(turn: ClassicTurn, { protocolType, protocols }: JoinRequest): boolean {
  if (turn.state === 'Empty') return protocolType !== '' && protocols.length > 0
  const current = turn.soft.round?.protocolType ?? turn.group.protocolType
  return protocolType === current && supportsOneOf(turn.members(), protocols)
}

function memberOf(request: JoinRequest, memberId: string): MemberRecord {
  return {
    memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    // Copies: the request is a view of its frame, and would keep the whole of it alive.
    protocols: request.protocols.map(({ name, metadata }) => ({
      name,
      metadata: new Uint8Array(metadata),
    })),
    assignment: EMPTY_BYTES,
  }
}

/** A protocol that is listed twice counts where it is listed first. */
function distinct(protocols: readonly GroupProtocol[]): readonly GroupProtocol[] {
  const names = new Set<string>()
  return protocols.filter(({ name }) => !names.has(name) && names.add(name))
}
