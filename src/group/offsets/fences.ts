/**
 * Who may commit, delete and fetch offsets, by the kind of the group.
 *
 * Classic group: a member of its present generation; anybody (generation -1) while nobody is in.
 *
 *   generation │ member │ state                      │ answer
 *   ───────────┼────────┼────────────────────────────┼──────────────────────────────
 *   -1         │ any    │ empty, unknown             │ accepted (a simple group begins)
 *   -1         │ ""     │ with members               │ UNKNOWN_MEMBER_ID
 *   any        │ other  │ with members               │ UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID
 *   another    │ member │ with members               │ ILLEGAL_GENERATION
 *   present    │ member │ completing (no assignment) │ REBALANCE_IN_PROGRESS
 *   present    │ member │ preparing, stable          │ accepted; paused and stable: what it still owns, else as completing
 *   -1         │ ""     │ paused, nobody owns any    │ accepted: a reset of a live group
 *   0 or more  │ any    │ empty                      │ UNKNOWN_MEMBER_ID
 *   0 or more  │ any    │ unknown                    │ GROUP_ID_NOT_FOUND; before v9 ILLEGAL_GENERATION
 *
 * KIP-848 group: its members, at their epoch for any partition; with an older epoch for what a member had at that epoch and
 * still has, or has not given up (KIP-1251): work that was under way is not lost when the epoch moves on.
 *
 *   epoch     │ member │ answer
 *   ──────────┼────────┼───────────────────────────────────────────────────────────────
 *   negative  │ any    │ empty: accepted; else "" UNKNOWN_MEMBER_ID, a member's id STALE_MEMBER_EPOCH
 *   any       │ other  │ UNKNOWN_MEMBER_ID
 *   its own   │ member │ accepted; before v9 UNSUPPORTED_VERSION
 *   -1        │ ""     │ paused and nobody has any: accepted
 *   its own   │ member │ paused: for what it has or has not given up, else as larger
 *   larger    │ member │ STALE_MEMBER_EPOCH; a classic member ILLEGAL_GENERATION
 *   smaller   │ member │ by partition: assigned at that epoch or before and still there, else as larger
 */

import { isSubscribed } from '../classic/protocols.ts'
import { CONSUMER_PROTOCOL_TYPE } from '../classic/consumer-protocol.ts'
import { hasAny, heldInClassic, mayStillCommit } from '../classic/pause.ts'
import type { ClassicTurn } from '../classic/turn.ts'
import type { ConsumerGroup } from '../consumer/consumer-group.ts'
import { heldInConsumer } from '../consumer/pause.ts'
import type { ConsumerTurn } from '../consumer/turn.ts'
import type { GroupError, OffsetCommitRequest } from '../messages.ts'
import type { OffsetFetchGroup } from '../queries.ts'

/** Why an offset of this partition is refused; NONE when it may be committed. */
export type CommitFence = (topic: string, partition: number) => GroupError

export interface DeleteFence {
  /** Why nothing may be deleted; NONE when something may. */
  readonly errorCode: GroupError
  readonly isSubscribed: (topic: string) => boolean
}

/** A commit that is let through is also a sign of life of its member. */
export function classicCommitFence(turn: ClassicTurn, request: OffsetCommitRequest): CommitFence {
  const refusal = classicRefusal(turn, request)
  if (refusal === 'NONE') {
    const member = turn.member(request.memberId)
    if (member !== undefined) turn.touch(member.memberId, member.sessionTimeoutMs)
  }
  const { group } = turn
  const { memberId } = request
  const isPaused = group.pause !== null && turn.state === 'Stable'
  if (refusal !== 'NONE' || !isPaused || request.generationIdOrMemberEpoch < 0) return () => refusal
  return (topic, partition) =>
    mayStillCommit(group, memberId, { topic, partition }) ? 'NONE' : 'REBALANCE_IN_PROGRESS'
}

export function classicDeleteFence(turn: ClassicTurn): DeleteFence {
  const protocolType = turn.soft.round?.protocolType ?? turn.group.protocolType
  let errorCode: GroupError = 'NONE'
  if (turn.groupId === '') errorCode = 'INVALID_GROUP_ID'
  else if (!turn.exists) errorCode = 'GROUP_ID_NOT_FOUND'
  else if (turn.state !== 'Empty' && protocolType !== CONSUMER_PROTOCOL_TYPE)
    errorCode = 'NON_EMPTY_GROUP'
  return { errorCode, isSubscribed: (topic) => isSubscribed(turn.group, topic) }
}

export function consumerCommitFence(turn: ConsumerTurn, request: OffsetCommitRequest): CommitFence {
  const { generationIdOrMemberEpoch: epoch, memberId } = request
  const { group, limits } = turn
  if (epoch < 0 && memberId === '' && group.pause !== null && !hasAny(heldInConsumer(group)))
    return () => 'NONE'
  if (epoch < 0 && group.members.size === 0) return () => 'NONE'
  const member = turn.member(memberId)
  if (member === undefined) return () => 'UNKNOWN_MEMBER_ID'
  const isClassic = member.profile.classic !== null
  if (!isClassic && request.apiVersion < 9) return () => 'UNSUPPORTED_VERSION'
  const stale = isClassic ? 'ILLEGAL_GENERATION' : 'STALE_MEMBER_EPOCH'
  if (epoch === member.memberEpoch && group.pause === null) return () => 'NONE'
  if (epoch < 0 || epoch > member.memberEpoch) return () => stale
  return (topic, partition) => {
    const topicId = limits.topics.byName(topic)?.topicId ?? ''
    const since =
      member.assigned.get(topicId)?.get(partition) ??
      member.pendingRevocation.get(topicId)?.get(partition)
    return since !== undefined && since <= epoch ? 'NONE' : stale
  }
}

export function consumerDeleteFence({ group, limits }: ConsumerTurn): DeleteFence {
  const isWanted = (topic: string) => {
    const topicId = limits.topics.byName(topic)?.topicId
    if (topicId === undefined) return false
    for (const { profile } of group.members.values())
      if (limits.subscriptions.wants(profile, topicId)) return true
    return false
  }
  return { errorCode: 'NONE', isSubscribed: isWanted }
}

/** Who asks a KIP-848 group for its offsets: an administrator (no id), or a member at its epoch. */
export function fetchRefusal(
  group: ConsumerGroup | { readonly type: 'classic' } | undefined,
  { memberId, memberEpoch }: OffsetFetchGroup,
): GroupError {
  if (group?.type !== 'consumer') return 'NONE'
  if (memberId === null && memberEpoch < 0) return 'NONE'
  const member = group.members.get(memberId ?? '')
  if (member === undefined) return 'UNKNOWN_MEMBER_ID'
  return memberEpoch === member.memberEpoch ? 'NONE' : 'STALE_MEMBER_EPOCH'
}

/** The group is paused, and everybody has given up everything: its offsets are nobody's. */
function isHeld({ group, soft }: ClassicTurn): boolean {
  return group.pause !== null && !hasAny(heldInClassic(group, soft))
}

function classicRefusal(turn: ClassicTurn, request: OffsetCommitRequest): GroupError {
  const { generationIdOrMemberEpoch: generation, memberId, groupInstanceId } = request
  const { state } = turn
  if (!turn.exists && generation >= 0)
    return request.apiVersion >= 9 ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
  if (!turn.exists && !turn.mayBegin) return 'COORDINATOR_NOT_AVAILABLE'
  if (generation < 0 && state === 'Empty') return 'NONE'
  if (generation < 0 && memberId === '' && state === 'Stable' && isHeld(turn)) return 'NONE'
  const refusal = turn.refusalOf(memberId, groupInstanceId)
  if (refusal !== 'NONE') return refusal
  if (generation !== turn.group.generation) return 'ILLEGAL_GENERATION'
  return state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}
