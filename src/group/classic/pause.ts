/**
 * A classic group is paused: its members join anew, and whatever their leader says, they are assigned nothing until it is resumed.
 *
 *   pause ─▶ round (members commit, give up, join) ─▶ nothing assigned ─▶ … resume ─▶ round ─▶ the leader's assignment
 *
 * An eager member has given up everything when it joins. A cooperative one still has what it says it owns, gives that up when it
 * hears that it has nothing, and joins once more; until then its commits count.
 */

import type { GroupError, Now, PauseRequest, ResumeRequest, TimerCommand } from '../messages.ts'
import type { Ownership, Pause } from '../records.ts'
import { causedByNobody } from '../timeline/causes.ts'
import { type ClassicGroup, ownersOf } from './classic-group.ts'
import {
  CONSUMER_PROTOCOL_TYPE,
  type NamedPartitions,
  readSubscription,
} from './consumer-protocol.ts'
import { metadataOf } from './protocols.ts'
import { beginRound, openRebalance, settle } from './rebalance.ts'
import { type SoftState, timerKey } from './soft-state.ts'
import type { ClassicTurn } from './turn.ts'

export function pauseClassic(turn: ClassicTurn, { reason, untilMs, replyTo }: PauseRequest): void {
  const { group, groupId, now } = turn
  const protocolType = turn.soft.round?.protocolType ?? group.protocolType
  const refusal = refusalOf(turn, protocolType)
  if (refusal !== 'NONE') return turn.reply(replyTo, { kind: 'pause', errorCode: refusal })
  const sinceMs = group.pause?.sinceMs ?? now.wallMs
  const isNew = group.pause === null
  const why = causedByNobody('paused', reason)
  const rebalance = isNew && group.members.size > 0 ? openRebalance(turn, why) : null
  turn.record({ kind: 'group-paused', groupId, pause: { sinceMs, untilMs, reason }, rebalance })
  if (rebalance !== null) joinAnew(turn)
  armPause(turn, group.groupId, untilMs)
  turn.reply(replyTo, { kind: 'pause', errorCode: 'NONE' })
}

export function resumeClassicGroup(turn: ClassicTurn, { replyTo }: ResumeRequest): void {
  if (!turn.exists) return turn.reply(replyTo, { kind: 'resume', errorCode: 'GROUP_ID_NOT_FOUND' })
  endPause(turn)
  turn.reply(replyTo, { kind: 'resume', errorCode: 'NONE' })
}

/** Its time is over; a timer that fires early is set anew. */
export function pauseOver(turn: ClassicTurn): void {
  const untilMs = turn.group.pause?.untilMs ?? null
  if (untilMs === null) return
  if (untilMs <= turn.now.wallMs) endPause(turn)
  else armPause(turn, turn.groupId, untilMs)
}

/** What a timer is asked for, in groups of either type. */
export function armPause(
  turn: Pick<ClassicTurn, 'now' | 'schedule' | 'cancel'>,
  groupId: string,
  untilMs: number | null,
): void {
  const key = timerKey.pause(groupId)
  if (untilMs === null) return turn.cancel(key)
  turn.schedule(key, untilMs - turn.now.wallMs, { kind: 'pause-over', groupId })
}

/** The timer of a pause that a restart found. */
export function pauseTimers(
  groupId: string,
  { untilMs }: Pause,
  { wallMs }: Now,
): readonly TimerCommand[] {
  if (untilMs === null) return []
  const request = { kind: 'pause-over', groupId } as const
  const delayMs = Math.max(0, untilMs - wallMs)
  return [{ kind: 'schedule', key: timerKey.pause(groupId), delayMs, request }]
}

/** Who still works on what although the group is paused; empty when its delivery is held. */
export function heldInClassic(
  group: ClassicGroup,
  soft: SoftState | undefined,
): readonly Ownership[] {
  // Between a join and its assignment a member has what it said it owns.
  const isSettled = group.assigned && group.pause !== null && !group.disturbed
  return ownersOf(group).map((owner) => {
    const joined = soft?.round?.joined.get(owner.memberId)?.member
    const member = joined ?? group.members.get(owner.memberId)
    const isSaid = isSettled || !group.assigned || joined !== undefined
    if (member === undefined || !isSaid) return owner
    const said = joined === undefined ? metadataOf(member, group.protocolName) : saidBy(member)
    return { ...owner, partitions: readSubscription(said)?.ownedPartitions ?? [] }
  })
}

/** Whether a commit of this member for the partition comes in time, while the group is paused. */
export function mayStillCommit(
  group: ClassicGroup,
  memberId: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): boolean {
  const member = group.members.get(memberId)
  if (member === undefined) return false
  const { ownedPartitions = [] } = readSubscription(metadataOf(member, group.protocolName)) ?? {}
  return ownedPartitions.some(
    (owned) => owned.topic === topic && owned.partitions.includes(partition),
  )
}

export function hasAny(owners: readonly { readonly partitions: readonly NamedPartitions[] }[]) {
  return owners.some((owner) => owner.partitions.some(({ partitions }) => partitions.length > 0))
}

/** Of a member that joins a round whose protocol is not chosen yet. */
function saidBy({
  protocols,
}: {
  readonly protocols: readonly { readonly metadata: Uint8Array }[]
}) {
  return protocols[0]?.metadata ?? new Uint8Array(0)
}

function refusalOf(turn: ClassicTurn, protocolType: string): GroupError {
  if (turn.groupId === '') return 'INVALID_GROUP_ID'
  if (!turn.exists) return 'GROUP_ID_NOT_FOUND'
  const isForeign = protocolType !== '' && protocolType !== CONSUMER_PROTOCOL_TYPE
  return isForeign ? 'INCONSISTENT_GROUP_PROTOCOL' : 'NONE'
}

function endPause(turn: ClassicTurn): void {
  const { group, groupId } = turn
  if (group.pause === null) return
  const rebalance =
    group.members.size > 0
      ? openRebalance(turn, causedByNobody('resumed', pausedFor(turn, group.pause)))
      : null
  turn.record({ kind: 'group-resumed', groupId, rebalance })
  if (rebalance !== null) joinAnew(turn)
  turn.cancel(timerKey.pause(groupId))
}

export function pausedFor({ now }: Pick<ClassicTurn, 'now'>, { sinceMs, reason }: Pause): string {
  const seconds = Math.max(0, now.wallMs - sinceMs) / 1_000
  return `paused for ${Number(seconds.toFixed(1))} s${reason === '' ? '' : `: ${reason}`}`
}

function joinAnew(turn: ClassicTurn): void {
  const { soft, group } = turn
  if (soft.round === null && group.rebalance !== null)
    beginRound(turn, group.rebalance, { initial: false })
  if (soft.round !== null) settle(turn, soft.round)
}
