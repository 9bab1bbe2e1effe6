/** Which request of a classic group is decided where; and how such a group goes on after a restart, or ends. */

import { assertInvariant, unreachable } from '../../core/index.ts'
import type { GroupRequest } from '../messages.ts'
import {
  commitOffsets,
  type DeleteLimits,
  deleteOffsets,
  type OffsetLimits,
} from '../offsets/commit.ts'
import { classicCommitFence, classicDeleteFence } from '../offsets/fences.ts'
import type { Session } from '../sessions.ts'
import { causedByNobody } from '../timeline/causes.ts'
import { join } from './join.ts'
import { heartbeat, leave, sessionExpired, sync } from './membership.ts'
import { pauseClassic, pauseOver, resumeClassicGroup } from './pause.ts'
import {
  abandonSyncs,
  armSyncTimeout,
  beginRound,
  failJoin,
  initialDelayOver,
  rebalanceTimedOut,
  settle,
  syncTimedOut,
} from './rebalance.ts'
import { timerKey } from './soft-state.ts'
import type { ClassicTurn } from './turn.ts'

export type ClassicRequest = Exclude<
  Extract<GroupRequest, { readonly groupId: string }>,
  { readonly kind: 'consumer-heartbeat' | 'share-heartbeat' }
>

export function decideClassic(
  turn: ClassicTurn,
  request: ClassicRequest,
  limits: OffsetLimits & Pick<DeleteLimits, 'offsets'>,
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
    case 'member-deadline':
      // Of a KIP-848 group that became this one meanwhile.
      return
    case 'pause':
      return pauseClassic(turn, request)
    case 'resume':
      return resumeClassicGroup(turn, request)
    case 'pause-over':
      return pauseOver(turn)
    case 'offset-commit':
      return commitOffsets(turn, request, { ...limits, fence: classicCommitFence(turn, request) })
    case 'offset-delete':
      return deleteOffsets(turn, request, { ...limits, fence: classicDeleteFence(turn) })
    default:
      return unreachable(request)
  }
}

/** Goes on with a group that the journal knows, as if its members had just been heard. */
export function resumeClassic(turn: ClassicTurn): void {
  const { group, soft } = turn
  for (const { memberId, sessionTimeoutMs } of group.members.values())
    turn.touch(memberId, sessionTimeoutMs)
  if (group.disturbed) {
    beginRound(turn, causedByNobody('member_left'), { initial: false })
    if (soft.round !== null) settle(turn, soft.round)
  } else if (!group.assigned) {
    for (const memberId of group.members.keys()) soft.unsynced.add(memberId)
    armSyncTimeout(turn)
  }
}

/** The group becomes a KIP-848 one: who waits comes again, as who is not in any more does; `kept` sessions go on. */
export function dissolve(turn: ClassicTurn, kept: Map<string, Session>): void {
  const { soft, group, groupId } = turn
  const { round } = soft
  if (round !== null) {
    for (const [memberId, joiner] of round.joined)
      failJoin(turn, joiner, 'REBALANCE_IN_PROGRESS', memberId)
    turn.cancel(timerKey.join(groupId))
    soft.round = null
  }
  abandonSyncs(turn, 'REBALANCE_IN_PROGRESS')
  for (const memberId of soft.sessions.keys()) {
    if (group.members.has(memberId)) continue
    turn.endSession(memberId)
    kept.delete(memberId)
  }
  assertInvariant(turn.records.length === 0, 'a group that is dissolved decides nothing')
}
