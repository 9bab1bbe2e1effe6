/**
 * ShareGroupHeartbeat v1 (KIP-932): joins, leaves, tells what changed, and brings back what to read from.
 *
 *   epoch sent     │ member           │ answer
 *   ───────────────┼──────────────────┼───────────────────────────────────────────────────────
 *   0              │ unknown or known │ (re)joins
 *   -1             │ known            │ leaves
 *   any but 0      │ unknown          │ UNKNOWN_MEMBER_ID; GROUP_ID_NOT_FOUND when the group is
 *   its own, or    │                  │
 *   the one before │                  │ goes on: an answer may have got lost
 *   another        │                  │ FENCED_MEMBER_EPOCH
 *
 * There is nothing to give up first and there are no static members: a member has its target at once.
 */

import type { Refusal } from '../consumer/refusal.ts'
import { unknownMember } from '../consumer/refusal.ts'
import { fingerprint } from '../consumer/target.ts'
import type { GroupReply, ShareHeartbeatRequest, ShareHeartbeatResponse } from '../messages.ts'
import { endSession, isSessionOver, touchSession } from '../sessions.ts'
import type { GroupTopic } from '../topics.ts'
import type { ShareGroupProfile } from './records.ts'
import { assignSimply } from './simple-assignor.ts'
import type { ShareGroupTurn } from './turn.ts'

const LEAVE = -1

/** A request in which `shareRequestProblem` found nothing. */
export function shareHeartbeat(turn: ShareGroupTurn, request: ShareHeartbeatRequest): void {
  const refusal = refusalOf(turn, request)
  if (refusal !== null) {
    turn.replies.push(refusedShareHeartbeat(request, refusal))
    return
  }
  const { memberId, memberEpoch } = request
  if (memberEpoch === LEAVE) {
    removeShareMember(turn, memberId)
    const gone = { heartbeatIntervalMs: 0, assignment: null }
    return turn.reply(request.replyTo, { ...ANSWER, memberId, memberEpoch, ...gone })
  }
  beat(turn, request)
}

/** What is wrong with a request whoever sends it; null when nothing is. */
export function shareRequestProblem(request: ShareHeartbeatRequest): Refusal | null {
  const errorMessage = requestFault(request)
  return errorMessage === null ? null : { errorCode: 'INVALID_REQUEST', errorMessage }
}

export function refusedShareHeartbeat(
  { replyTo }: ShareHeartbeatRequest,
  { errorCode, errorMessage }: Refusal,
): GroupReply {
  const response: ShareHeartbeatResponse = {
    kind: 'share-heartbeat',
    errorCode,
    errorMessage,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  }
  return { to: replyTo, response }
}

export function shareSessionExpired(turn: ShareGroupTurn, memberId: string): void {
  if (isSessionOver(turn, memberId)) removeShareMember(turn, memberId)
}

/** After a restart: everybody has a whole session again. */
export function resumeShareGroup(turn: ShareGroupTurn): void {
  for (const memberId of turn.group.members.keys())
    touchSession(turn, memberId, turn.config.sessionTimeoutMs)
}

function beat(turn: ShareGroupTurn, request: ShareHeartbeatRequest): void {
  const { memberId } = request
  const before = turn.member(memberId)
  enrol(turn, request)
  renewTarget(turn)
  const { assignmentEpoch, groupId } = turn.group
  if ((turn.member(memberId)?.memberEpoch ?? 0) < assignmentEpoch)
    turn.record({
      kind: 'share-group-member-epoch',
      groupId,
      memberId,
      memberEpoch: assignmentEpoch,
    })
  const { sessionTimeoutMs, heartbeatIntervalMs } = turn.config
  touchSession(turn, memberId, sessionTimeoutMs)
  const { assigned = [], memberEpoch = 0 } = turn.member(memberId) ?? {}
  // A whole heartbeat asks for a whole answer; so does one that missed the last.
  const isTold =
    request.subscribedTopicNames !== null ||
    request.memberEpoch !== before?.memberEpoch ||
    JSON.stringify(before.assigned) !== JSON.stringify(assigned)
  turn.reply(request.replyTo, {
    ...ANSWER,
    memberId,
    memberEpoch,
    heartbeatIntervalMs,
    assignment: isTold ? { topicPartitions: assigned } : null,
  })
}

/** Takes in who the member is now. A group begins at epoch 1, and its first subscription is a change already. */
function enrol(turn: ShareGroupTurn, request: ShareHeartbeatRequest): void {
  const { memberId, clientId, clientHost, rackId } = request
  const before = turn.member(memberId)
  const names = request.subscribedTopicNames ?? before?.subscribedTopicNames ?? []
  const profile: ShareGroupProfile = {
    memberId,
    rackId: rackId ?? before?.rackId ?? null,
    clientId,
    clientHost,
    subscribedTopicNames: [...new Set(names)].sort(),
  }
  const isSame = before !== undefined && sameNames(profile, before)
  if (isSame && sameAddress(profile, before)) {
    if (topicsChanged(turn)) raiseEpoch(turn)
    return
  }
  const { groupId, groupEpoch } = turn.group
  const by = isSame ? 0 : groupEpoch === 0 ? 2 : 1
  turn.record({ kind: 'share-group-member', groupId, groupEpoch: groupEpoch + by, profile })
}

function renewTarget(turn: ShareGroupTurn): void {
  const { group, limits, soft } = turn
  const { groupId, groupEpoch } = group
  if (groupEpoch <= group.assignmentEpoch) return
  const members = Array.from(group.members.values(), (member) => ({
    memberId: member.memberId,
    assigned: group.targets.get(member.memberId) ?? [],
    topics: member.subscribedTopicNames.flatMap((name) => limits.topics.byName(name) ?? []),
  }))
  const targets = Array.from(assignSimply(members), ([memberId, partitions]) => ({
    memberId,
    partitions,
  }))
  soft.topicsVersion = limits.topics.version
  turn.record({
    kind: 'share-group-target',
    groupId,
    assignmentEpoch: groupEpoch,
    topicsHash: fingerprint(wantedTopics(turn)),
    targets,
  })
}

function removeShareMember(turn: ShareGroupTurn, memberId: string): void {
  endSession(turn, memberId)
  if (turn.member(memberId) === undefined) return
  const { groupId, groupEpoch } = turn.group
  turn.record({
    kind: 'share-group-member-left',
    groupId,
    groupEpoch: groupEpoch + 1,
    memberId,
  })
}

function raiseEpoch(turn: ShareGroupTurn): void {
  const { groupId, groupEpoch } = turn.group
  turn.record({ kind: 'share-group-epoch', groupId, groupEpoch: groupEpoch + 1 })
}

/** Whether the topics that the group wants are others, or have more partitions, than at its last target. */
function topicsChanged(turn: ShareGroupTurn): boolean {
  const { soft, group, limits } = turn
  if (soft.topicsVersion === limits.topics.version) return false
  soft.topicsVersion = limits.topics.version
  if (group.groupEpoch > group.assignmentEpoch) return false
  return fingerprint(wantedTopics(turn)) !== group.topicsHash
}

function wantedTopics({ group, limits }: ShareGroupTurn): readonly GroupTopic[] {
  const names = new Set(
    [...group.members.values()].flatMap(({ subscribedTopicNames }) => subscribedTopicNames),
  )
  return [...names].flatMap((name) => limits.topics.byName(name) ?? [])
}

function refusalOf(turn: ShareGroupTurn, request: ShareHeartbeatRequest): Refusal | null {
  const { groupId, memberId, memberEpoch } = request
  const isJoin = memberEpoch === 0
  if (!turn.exists) {
    if (!isJoin)
      return { errorCode: 'GROUP_ID_NOT_FOUND', errorMessage: `Group ${groupId} not found.` }
    if (!turn.mayBegin)
      return {
        errorCode: 'COORDINATOR_NOT_AVAILABLE',
        errorMessage: 'The broker has its most groups.',
      }
  }
  const member = turn.member(memberId)
  const { groupShareMaxSize } = turn.limits
  if (member === undefined) {
    if (!isJoin) return unknownMember(turn, memberId)
    return turn.group.members.size < groupShareMaxSize
      ? null
      : {
          errorCode: 'GROUP_MAX_SIZE_REACHED',
          errorMessage: `The share group has its most members, ${groupShareMaxSize}.`,
        }
  }
  const { memberEpoch: current, previousMemberEpoch } = member
  if (memberEpoch <= 0 || memberEpoch === current || memberEpoch === previousMemberEpoch)
    return null
  return {
    errorCode: 'FENCED_MEMBER_EPOCH',
    errorMessage: `The member epoch is not the current one, ${current}; the member must rejoin.`,
  }
}

function requestFault(request: ShareHeartbeatRequest): string | null {
  const { memberEpoch, subscribedTopicNames: names } = request
  if (request.groupId === '') return 'GroupId must not be empty.'
  if (request.memberId === '') return 'MemberId must not be empty.'
  if (request.rackId === '') return 'RackId must not be empty.'
  if (memberEpoch < LEAVE) return `MemberEpoch ${memberEpoch} is invalid.`
  if (memberEpoch === 0 && (names === null || names.length === 0))
    return 'SubscribedTopicNames must be given to join.'
  return null
}

function sameNames(
  { subscribedTopicNames: left }: ShareGroupProfile,
  { subscribedTopicNames: right }: ShareGroupProfile,
): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index])
}

function sameAddress(left: ShareGroupProfile, right: ShareGroupProfile): boolean {
  const { rackId, clientId, clientHost } = left
  return rackId === right.rackId && clientId === right.clientId && clientHost === right.clientHost
}

const ANSWER = { kind: 'share-heartbeat', errorCode: 'NONE', errorMessage: null } as const
