/**
 * A KIP-848 group is paused: its next target gives nobody anything, and its members give up what they have, one step a heartbeat.
 * Resumed, the assignor shares everything out again.
 */

import { armPause, pausedFor } from '../classic/pause.ts'
import { timerKey } from '../classic/soft-state.ts'
import type { PauseRequest, ResumeRequest } from '../messages.ts'
import type { Ownership } from '../records.ts'
import { causedByNobody } from '../timeline/causes.ts'
import { type ConsumerGroup, LEFT_FOR_A_WHILE, ownersOf } from './consumer-group.ts'
import type { ConsumerTurn } from './turn.ts'

export function pauseConsumer(turn: ConsumerTurn, request: PauseRequest): void {
  const { group, groupId, now } = turn
  const { reason, untilMs } = request
  const sinceMs = group.pause?.sinceMs ?? now.wallMs
  const isNew = group.pause === null
  turn.record({
    kind: 'group-paused',
    groupId,
    pause: { sinceMs, untilMs, reason },
    rebalance: null,
  })
  if (isNew) turn.raiseEpoch(causedByNobody('paused', reason))
  armPause(turn, groupId, untilMs)
  turn.reply(request.replyTo, { kind: 'pause', errorCode: 'NONE' })
}

export function resumeConsumerGroup(turn: ConsumerTurn, { replyTo }: ResumeRequest): void {
  endPause(turn)
  turn.reply(replyTo, { kind: 'resume', errorCode: 'NONE' })
}

export function consumerPauseOver(turn: ConsumerTurn): void {
  const untilMs = turn.group.pause?.untilMs ?? null
  if (untilMs === null) return
  if (untilMs <= turn.now.wallMs) endPause(turn)
  else armPause(turn, turn.groupId, untilMs)
}

/** Who still works on what although the group is paused. A static member that is away works on nothing. */
export function heldInConsumer(group: ConsumerGroup): readonly Ownership[] {
  return ownersOf(group).filter(
    ({ memberId }) => group.members.get(memberId)?.memberEpoch !== LEFT_FOR_A_WHILE,
  )
}

function endPause(turn: ConsumerTurn): void {
  const { pause } = turn.group
  if (pause === null) return
  turn.record({ kind: 'group-resumed', groupId: turn.groupId, rebalance: null })
  turn.raiseEpoch(causedByNobody('resumed', pausedFor(turn, pause)))
  turn.cancel(timerKey.pause(turn.groupId))
}
