/**
 * The life of a rebalance: a round of joins begins, everybody joins or is dropped, the next generation begins and waits
 * for its assignment.
 *
 *   begin ─▶ join, join … ─▶ complete (all are in, or the timeout) ─▶ syncs ─▶ stable
 *              an empty group first waits `groupInitialRebalanceDelayMs`, longer while members keep coming
 *
 * Every member that waits in a round is answered when the round ends, is left or is taken over by a newer request of the
 * same member. A static member that does not join keeps its place until its session ends.
 */

import { EMPTY_BYTES } from '../../core/index.ts'
import type { GroupError, JoinResponse, SyncResponse } from '../messages.ts'
import type { MemberRecord, RebalanceStart } from '../records.ts'
import { type Cause, causedBy, causedByNobody, type CauseMember } from '../timeline/causes.ts'
import { metadataOf, selectProtocol } from './protocols.ts'
import { type Joiner, type JoinRound, timerKey } from './soft-state.ts'
import type { ClassicTurn } from './turn.ts'

/** Opens a round; members are added with `joinRound`, then `settle` sets its timer or ends it. */
export function beginRound(turn: ClassicTurn, cause: Cause, options: { initial: boolean }): void {
  const { soft, group } = turn
  abandonSyncs(turn, 'REBALANCE_IN_PROGRESS')
  soft.round = {
    number: ++soft.roundCount,
    initial: options.initial,
    protocolType: group.protocolType,
    start: group.rebalance ?? openRebalance(turn, cause),
    joined: new Map(),
    joinedByInstance: new Map(),
    missing: new Set(group.members.keys()),
    dueMs: Infinity,
    memberAdded: false,
    delayMs: 0,
    remainingMs: 0,
  }
}

/** The member is in and waits. A request of the same member that waits already is answered: its connection is gone. */
export function joinRound(turn: ClassicTurn, round: JoinRound, joiner: Joiner): void {
  const { memberId, groupInstanceId } = joiner.member
  const earlier = round.joined.get(memberId)
  if (earlier !== undefined) failJoin(turn, earlier, 'REBALANCE_IN_PROGRESS', memberId)
  const { member, replyTo, apiVersion } = joiner
  const isNew = joiner.isNew || (earlier?.isNew ?? false)
  round.joined.set(memberId, { member, replyTo, apiVersion, isNew })
  if (groupInstanceId !== null) round.joinedByInstance.set(groupInstanceId, memberId)
  round.missing.delete(memberId)
}

/** After members joined or left: ends the round when nobody is missing, and sees to it that it ends some time. */
export function settle(turn: ClassicTurn, round: JoinRound): void {
  const { groupId, limits, soft } = turn
  const isFresh = round.dueMs === Infinity
  if (round.initial && isFresh) {
    round.delayMs = limits.groupInitialRebalanceDelayMs
    round.remainingMs = Math.max(0, rebalanceTimeoutMs(turn) - round.delayMs)
    if (round.delayMs === 0) return complete(turn, round)
    round.dueMs = turn.nowMs + round.delayMs
    turn.schedule(timerKey.join(groupId), round.delayMs, {
      kind: 'initial-delay-over',
      groupId,
      round: round.number,
    })
  } else if (!round.initial && round.missing.size === 0 && soft.pending.size === 0) {
    complete(turn, round)
  } else if (isFresh) {
    armRebalanceTimeout(turn, round)
  }
}

/** The delay of an initial round is over: it is drawn out while members keep coming, up to their rebalance timeout. */
export function initialDelayOver(turn: ClassicTurn, number: number): void {
  const round = turn.soft.round
  if (round === null || round.number !== number) return
  if (round.memberAdded && round.remainingMs > 0 && turn.isDue(round.dueMs)) {
    const delayMs = Math.min(turn.limits.groupInitialRebalanceDelayMs, round.remainingMs)
    round.memberAdded = false
    round.remainingMs = Math.max(0, round.remainingMs - round.delayMs)
    round.delayMs = delayMs
    round.dueMs = turn.nowMs + delayMs
  }
  if (turn.isDue(round.dueMs)) return complete(turn, round)
  turn.schedule(timerKey.join(turn.groupId), round.dueMs - turn.nowMs, {
    kind: 'initial-delay-over',
    groupId: turn.groupId,
    round: number,
  })
}

export function rebalanceTimedOut(turn: ClassicTurn, number: number): void {
  const round = turn.soft.round
  if (round === null || round.number !== number) return
  if (turn.isDue(round.dueMs)) return complete(turn, round)
  turn.schedule(timerKey.join(turn.groupId), round.dueMs - turn.nowMs, {
    kind: 'rebalance-timeout',
    groupId: turn.groupId,
    round: number,
  })
}

/** Who has not asked for its assignment in time is dropped, and the others rebalance. */
export function syncTimedOut(turn: ClassicTurn, generation: number): void {
  const { soft, group, groupId } = turn
  if (soft.round !== null || generation !== group.generation || soft.unsynced.size === 0) return
  if (!turn.isDue(soft.syncDueMs)) {
    const delayMs = soft.syncDueMs - turn.nowMs
    turn.schedule(timerKey.sync(groupId), delayMs, { kind: 'sync-timeout', groupId, generation })
    return
  }
  const detail = 'it did not ask for its assignment in the rebalance timeout'
  const late = Array.from(soft.unsynced, (memberId) =>
    causedBy(whoIs(turn, memberId), 'rebalance_timeout', detail),
  )
  for (const cause of late) dropMember(turn, cause)
  rebalanceWithout(turn, late[0] ?? causedByNobody('rebalance_timeout'))
}

/** Members were dropped from the group: those who are left rebalance, or the round that runs may be complete. */
export function rebalanceWithout(turn: ClassicTurn, cause: Cause): void {
  if (turn.soft.round === null) beginRound(turn, cause, { initial: false })
  if (turn.soft.round !== null) settle(turn, turn.soft.round)
}

/** Takes a member out, fences its id and answers what it waits for. What that means for the others is the caller's. */
export function dropMember(turn: ClassicTurn, cause: Cause): void {
  const { soft } = turn
  const { memberId } = cause
  const { round } = soft
  const joiner = round?.joined.get(memberId)
  if (round !== null && joiner !== undefined) {
    // The member id is left out: a client that is still there starts anew.
    failJoin(turn, joiner, 'UNKNOWN_MEMBER_ID', '')
    forgetJoiner(round, joiner)
  }
  round?.missing.delete(memberId)
  const sync = soft.waitingSyncs.get(memberId)
  if (sync !== undefined) turn.reply(sync, failedSync('UNKNOWN_MEMBER_ID'))
  soft.waitingSyncs.delete(memberId)
  if (turn.group.members.has(memberId))
    turn.record({
      kind: 'member-removed',
      groupId: turn.groupId,
      memberId,
      at: turn.stamp,
      rebalance: round?.start ?? turn.group.rebalance ?? openRebalance(turn, cause),
    })
  turn.endSession(memberId)
}

export function forgetJoiner(round: JoinRound, { member }: Joiner): void {
  round.joined.delete(member.memberId)
  if (member.groupInstanceId !== null) round.joinedByInstance.delete(member.groupInstanceId)
}

export function failJoin(
  turn: ClassicTurn,
  to: { readonly replyTo: number; readonly apiVersion: number },
  errorCode: GroupError,
  memberId: string,
): void {
  turn.reply(to.replyTo, {
    kind: 'join',
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: to.apiVersion < 7 ? '' : null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  })
}

/** The answer of a join that worked: this generation, and for its leader everybody's metadata. */
export function joined(
  turn: ClassicTurn,
  memberId: string,
  { leader = turn.group.leader ?? '', skipAssignment = false } = {},
): JoinResponse {
  const { generation, protocolType, protocolName, members } = turn.group
  return {
    kind: 'join',
    errorCode: 'NONE',
    generationId: generation,
    protocolType,
    protocolName,
    leader,
    skipAssignment,
    memberId,
    members:
      leader !== memberId
        ? []
        : Array.from(members.values(), (member) => ({
            memberId: member.memberId,
            groupInstanceId: member.groupInstanceId,
            metadata: metadataOf(member, protocolName),
          })),
  }
}

export function failedSync(errorCode: GroupError): SyncResponse {
  return {
    kind: 'sync',
    errorCode,
    protocolType: null,
    protocolName: null,
    assignment: EMPTY_BYTES,
  }
}

/** How long the rebalance that runs has taken; over a restart only the wall clock knows. */
export function rebalanceDurationMs(turn: ClassicTurn, start: RebalanceStart): number {
  const { rebalanceStartedMs } = turn.soft
  const durationMs =
    rebalanceStartedMs === null
      ? turn.now.wallMs - start.startedMs
      : turn.nowMs - rebalanceStartedMs
  return Math.max(0, Math.round(durationMs))
}

function complete(turn: ClassicTurn, round: JoinRound): void {
  const { soft, group, groupId } = turn
  const waiting = [...round.joined.values()]
  const late = [...round.missing].filter((id) => group.members.get(id)?.groupInstanceId === null)
  if (waiting.length === 0 && round.missing.size > late.length) {
    // Only static members are left and none of them is here: wait for them, or for their sessions to end.
    for (const memberId of late) dropMember(turn, lateToJoin(turn, memberId))
    armRebalanceTimeout(turn, round)
    return
  }

  turn.cancel(timerKey.join(groupId))
  for (const memberId of late) turn.endSession(memberId)
  const isLate = new Set(late)
  const members = turn
    .members()
    .filter(({ memberId }) => !isLate.has(memberId))
    .map((member) => ({ ...member, assignment: EMPTY_BYTES }))
  const [first] = waiting
  turn.record({
    kind: 'generation',
    groupId,
    generation: group.generation + 1,
    protocolType: round.protocolType,
    protocolName: members.length === 0 ? null : selectProtocol(members),
    // The old leader stays, if it is here; else the first that came.
    leader:
      group.leader !== null && round.joined.has(group.leader)
        ? group.leader
        : (first?.member.memberId ?? null),
    members,
    at: turn.stamp,
    rebalance: round.start,
    durationMs: members.length === 0 ? rebalanceDurationMs(turn, round.start) : null,
  })
  soft.round = null
  if (members.length > 0) awaitSyncs(turn, waiting, members)
}

function awaitSyncs(
  turn: ClassicTurn,
  waiting: readonly Joiner[],
  members: readonly MemberRecord[],
): void {
  const { soft } = turn
  for (const { member, replyTo } of waiting) turn.reply(replyTo, joined(turn, member.memberId))
  for (const { memberId, sessionTimeoutMs } of members) {
    turn.touch(memberId, sessionTimeoutMs)
    soft.unsynced.add(memberId)
  }
  armSyncTimeout(turn)
}

/** Everybody has the rebalance timeout to ask for its assignment. Also for a generation that a restart found waiting. */
export function armSyncTimeout(turn: ClassicTurn): void {
  const { soft, groupId, group } = turn
  const delayMs = rebalanceTimeoutMs(turn)
  soft.syncDueMs = turn.nowMs + delayMs
  turn.schedule(timerKey.sync(groupId), delayMs, {
    kind: 'sync-timeout',
    groupId,
    generation: group.generation,
  })
}

function armRebalanceTimeout(turn: ClassicTurn, round: JoinRound): void {
  const delayMs = rebalanceTimeoutMs(turn)
  round.dueMs = turn.nowMs + delayMs
  turn.schedule(timerKey.join(turn.groupId), delayMs, {
    kind: 'rebalance-timeout',
    groupId: turn.groupId,
    round: round.number,
  })
}

/** Answers everybody who waits for an assignment that will not come. */
export function abandonSyncs(turn: ClassicTurn, errorCode: GroupError): void {
  const { soft, group } = turn
  for (const [memberId, replyTo] of soft.waitingSyncs) {
    turn.reply(replyTo, failedSync(errorCode))
    const member = group.members.get(memberId)
    if (member !== undefined) turn.touch(memberId, member.sessionTimeoutMs)
  }
  soft.waitingSyncs.clear()
  if (soft.unsynced.size > 0) turn.cancel(timerKey.sync(turn.groupId))
  soft.unsynced.clear()
}

/** The longest that any member grants. */
function rebalanceTimeoutMs(turn: ClassicTurn): number {
  let longestMs = 0
  for (const member of turn.members()) longestMs = Math.max(longestMs, member.rebalanceTimeoutMs)
  return longestMs
}

/** The member with its names, as far as they are known. */
export function whoIs(turn: ClassicTurn, memberId: string): CauseMember {
  return turn.member(memberId) ?? { memberId, clientId: '', groupInstanceId: null }
}

function lateToJoin(turn: ClassicTurn, memberId: string): Cause {
  const detail = 'it did not join in the rebalance timeout'
  return causedBy(whoIs(turn, memberId), 'rebalance_timeout', detail)
}

export function openRebalance(turn: ClassicTurn, cause: Cause): RebalanceStart {
  turn.soft.rebalanceStartedMs = turn.nowMs
  return { ...cause, startedMs: turn.now.wallMs }
}
