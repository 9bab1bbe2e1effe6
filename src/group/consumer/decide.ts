/** Which request of a KIP-848 group is decided where; and how such a group goes on after a restart. */

import { unreachable } from '../../core/index.ts'
import type { ClassicRequest } from '../classic/decide.ts'
import {
  commitOffsets,
  type DeleteLimits,
  deleteOffsets,
  type OffsetLimits,
} from '../offsets/commit.ts'
import { consumerCommitFence, consumerDeleteFence } from '../offsets/fences.ts'
import { touchSession } from '../sessions.ts'
import {
  heartbeatAsClassic,
  joinAsClassic,
  leaveConsumerGroup,
  syncAsClassic,
} from './classic-members.ts'
import { consumerSessionExpired, deadlineMissed } from './leave.ts'
import { consumerPauseOver, pauseConsumer, resumeConsumerGroup } from './pause.ts'
import { type ConsumerTurn, sessionTimeoutOf } from './turn.ts'

export function decideConsumer(
  turn: ConsumerTurn,
  request: ClassicRequest,
  limits: OffsetLimits & Pick<DeleteLimits, 'offsets'>,
): void {
  switch (request.kind) {
    case 'join':
      return joinAsClassic(turn, request)
    case 'sync':
      return syncAsClassic(turn, request)
    case 'heartbeat':
      return heartbeatAsClassic(turn, request)
    case 'leave':
      return leaveConsumerGroup(turn, request)
    case 'session-expired':
      return consumerSessionExpired(turn, request.memberId)
    case 'member-deadline':
      return deadlineMissed(turn, request.memberId, request.what)
    case 'initial-delay-over':
    case 'rebalance-timeout':
    case 'sync-timeout':
      // Of a classic group that became this one meanwhile.
      return
    case 'pause':
      return pauseConsumer(turn, request)
    case 'resume':
      return resumeConsumerGroup(turn, request)
    case 'pause-over':
      return consumerPauseOver(turn)
    case 'offset-commit':
      return commitOffsets(turn, request, { ...limits, fence: consumerCommitFence(turn, request) })
    case 'offset-delete':
      return deleteOffsets(turn, request, { ...limits, fence: consumerDeleteFence(turn) })
    default:
      return unreachable(request)
  }
}

/** Everybody has a whole session again, and a whole rebalance timeout to give up what it has to. */
export function resumeConsumer(turn: ConsumerTurn): void {
  for (const { profile, state } of turn.group.members.values()) {
    touchSession(turn, profile.memberId, sessionTimeoutOf(turn, profile))
    if (state === 'unrevoked')
      turn.setDeadline('revoke', profile.memberId, profile.rebalanceTimeoutMs)
  }
}
