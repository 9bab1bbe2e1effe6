/**
 * ConsumerGroupHeartbeat v0-1 (KIP-848) · v1 regular expressions, the client makes its member id (KIP-1082).
 *
 * A heartbeat joins, leaves, tells what changed and what is owned, and brings back what to own. Who may send it:
 *
 *   epoch sent        │ member            │ answer
 *   ──────────────────┼───────────────────┼──────────────────────────────────────────────────────────────
 *   0                 │ unknown or known  │ (re)joins; a static one only where its instance was released
 *   -1, -2            │ known             │ leaves
 *   any but 0         │ unknown           │ UNKNOWN_MEMBER_ID; GROUP_ID_NOT_FOUND when the group is
 *   its own           │                   │ goes on
 *   the one before    │                   │ goes on if it owns no more than it should: an answer got lost
 *   another           │                   │ FENCED_MEMBER_EPOCH
 */

import type { ConsumerHeartbeatRequest, GroupReply } from '../messages.ts'
import type { MemberProfile } from '../records.ts'
import { touchSession } from '../sessions.ts'
import { type ConsumerMember, LEFT_FOR_A_WHILE } from './consumer-group.ts'
import { leaveByHeartbeat } from './leave.ts'
import { enrol } from './enrol.ts'
import { contains, listOf, type PartitionSet, samePartitions, setOf } from './partitions.ts'
import { profileOf } from './profile.ts'
import { advance, renewTarget } from './rebalance.ts'
import { fencedInstance, type Refusal, unknownMember } from './refusal.ts'
import { isServerAssignor } from './target.ts'
import { topicPattern } from './topic-pattern.ts'
import { type ConsumerTurn, sessionTimeoutOf } from './turn.ts'

/** A request in which `requestProblem` found nothing. */
export function consumerHeartbeat(turn: ConsumerTurn, request: ConsumerHeartbeatRequest): void {
  const refusal = beginProblem(turn, request)
  if (refusal !== null) return refuse(turn, request, refusal)
  if (request.memberEpoch >= 0) return beat(turn, request)
  const left = leaveByHeartbeat(turn, request)
  if (left !== null) return refuse(turn, request, left)
  const { memberId, memberEpoch } = request
  turn.reply(request.replyTo, { ...answer(turn), memberId, memberEpoch, assignment: null })
}

export function refusedHeartbeat(
  { replyTo }: ConsumerHeartbeatRequest,
  { errorCode, errorMessage }: Refusal,
): GroupReply {
  return {
    to: replyTo,
    response: {
      kind: 'consumer-heartbeat',
      errorCode,
      errorMessage,
      memberId: null,
      memberEpoch: 0,
      heartbeatIntervalMs: 0,
      assignment: null,
    },
  }
}

function refuse(turn: ConsumerTurn, request: ConsumerHeartbeatRequest, refusal: Refusal): void {
  turn.replies.push(refusedHeartbeat(request, refusal))
}

function beat(turn: ConsumerTurn, received: ConsumerHeartbeatRequest): void {
  const { limits } = turn
  const isJoin = received.memberEpoch === 0
  const owned = received.topicPartitions === null ? null : setOf(received.topicPartitions)
  const known = identify(turn, received, owned)
  if ('errorCode' in known) return refuse(turn, received, known)
  // Only v0 leaves it to the broker to name a member.
  const memberId =
    received.memberId === '' ? limits.newMemberId(received.clientId) : received.memberId
  const before = known.member
  const profile = profileOf({ ...received, memberId }, before?.profile ?? null)
  const problem = profileProblem(profile, before?.profile ?? null)
  if (problem !== null) return refuse(turn, received, problem)

  const changed = enrol(turn, { profile, before })
  // What another subscription takes away over HTTP has to have a number of its own: that of a new target.
  renewTarget(turn, { isUrgent: changed && before !== null && profile.http !== null })
  const enrolled = turn.member(memberId) ?? null
  const member = advance(turn, memberId, { owned, subscriptionChanged: changed })
  touchSession(turn, memberId, sessionTimeoutOf(turn, profile))
  const isFull =
    received.rebalanceTimeoutMs !== -1 &&
    (received.subscribedTopicNames !== null || received.subscribedTopicRegex !== null) &&
    owned !== null
  const isBehind = received.memberEpoch !== before?.memberEpoch
  const assignmentChanged = enrolled === null || !samePartitions(enrolled.assigned, member.assigned)
  turn.reply(received.replyTo, {
    ...answer(turn),
    memberId,
    memberEpoch: member.memberEpoch,
    assignment:
      isJoin || isFull || isBehind || assignmentChanged
        ? { topicPartitions: listOf(member.assigned) }
        : null,
  })
}

/** Who sends this; `member` is null for one that joins, and the predecessor of a static one that takes a place over. */
function identify(
  turn: ConsumerTurn,
  request: ConsumerHeartbeatRequest,
  owned: PartitionSet | null,
): { readonly member: ConsumerMember | null } | Refusal {
  const { memberId, instanceId, memberEpoch } = request
  const isJoin = memberEpoch === 0
  const holderId = instanceId === null ? undefined : turn.group.memberIdByInstance.get(instanceId)
  const member = turn.member(instanceId === null ? memberId : (holderId ?? ''))
  if (member === undefined) return isJoin ? admit(turn) : unknownMember(turn, memberId)
  if (holderId !== undefined && holderId !== memberId) {
    if (!isJoin) return fencedInstance(memberId, instanceId ?? '')
    const isReleased = member.memberEpoch === LEFT_FOR_A_WHILE || member.profile.classic !== null
    if (!isReleased) return unreleasedInstance(memberId, instanceId ?? '')
    return turn.member(memberId) === undefined ? { member } : takenMemberId(memberId)
  }
  if (isJoin || memberEpoch === member.memberEpoch) return { member }
  const mayHaveMissedAnswer =
    memberEpoch === member.previousMemberEpoch && owned !== null && contains(member.assigned, owned)
  return memberEpoch < member.memberEpoch && mayHaveMissedAnswer ? { member } : fencedEpoch(member)
}

function admit({ group, limits }: ConsumerTurn): { readonly member: null } | Refusal {
  if (group.members.size < limits.groupConsumerMaxSize) return { member: null }
  return {
    errorCode: 'GROUP_MAX_SIZE_REACHED',
    errorMessage: `The group has its most members, ${limits.groupConsumerMaxSize}.`,
  }
}

function unreleasedInstance(memberId: string, instanceId: string): Refusal {
  return {
    errorCode: 'UNRELEASED_INSTANCE_ID',
    errorMessage: `Static member ${memberId} cannot join with instance id ${instanceId}: another member holds it.`,
  }
}

function takenMemberId(memberId: string): Refusal {
  return {
    errorCode: 'INVALID_REQUEST',
    errorMessage: `The member id ${memberId} is that of another member.`,
  }
}

function fencedEpoch({ memberEpoch }: ConsumerMember): Refusal {
  return {
    errorCode: 'FENCED_MEMBER_EPOCH',
    errorMessage: `The member epoch is not the current one, ${memberEpoch}; the member must rejoin.`,
  }
}

function beginProblem(turn: ConsumerTurn, request: ConsumerHeartbeatRequest): Refusal | null {
  if (turn.exists) return null
  if (request.memberEpoch !== 0)
    return {
      errorCode: 'GROUP_ID_NOT_FOUND',
      errorMessage: `Group ${request.groupId} not found.`,
    }
  return turn.mayBegin
    ? null
    : {
        errorCode: 'COORDINATOR_NOT_AVAILABLE',
        errorMessage: 'The broker has its most groups.',
      }
}

/** What is wrong with a request whoever sends it; null when nothing is. */
export function requestProblem(request: ConsumerHeartbeatRequest): Refusal | null {
  const errorMessage = requestFault(request)
  return errorMessage === null ? null : { errorCode: 'INVALID_REQUEST', errorMessage }
}

function requestFault(request: ConsumerHeartbeatRequest): string | null {
  const { memberEpoch } = request
  if (request.groupId === '') return 'GroupId must not be empty.'
  if (request.memberId === '' && (request.apiVersion >= 1 || memberEpoch !== 0))
    return 'MemberId must not be empty.'
  if (request.instanceId === '') return 'InstanceId must not be empty.'
  if (request.rackId === '') return 'RackId must not be empty.'
  if (memberEpoch < LEFT_FOR_A_WHILE) return 'MemberEpoch is invalid.'
  if (memberEpoch === LEFT_FOR_A_WHILE && request.instanceId === null)
    return 'InstanceId must be given by a static member that leaves for a while.'
  if (memberEpoch !== 0) return null
  if (request.rebalanceTimeoutMs === -1) return 'RebalanceTimeoutMs must be given to join.'
  // Who joins again over HTTP may still work on what it had.
  if (
    request.http === undefined &&
    (request.topicPartitions === null || request.topicPartitions.length > 0)
  )
    return 'TopicPartitions must be empty to join.'
  if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null)
    return 'SubscribedTopicNames or SubscribedTopicRegex must be given to join.'
  return null
}

function profileProblem(profile: MemberProfile, before: MemberProfile | null): Refusal | null {
  const { serverAssignor, subscribedTopicRegex: regex } = profile
  if (serverAssignor !== null && !isServerAssignor(serverAssignor))
    return {
      errorCode: 'UNSUPPORTED_ASSIGNOR',
      errorMessage: `The assignor ${serverAssignor} is not supported.`,
    }
  if (regex === null || regex === before?.subscribedTopicRegex) return null
  const pattern = topicPattern(regex)
  return typeof pattern === 'function'
    ? null
    : {
        errorCode: 'INVALID_REGULAR_EXPRESSION',
        errorMessage: `SubscribedTopicRegex is not a regular expression: ${pattern.problem}`,
      }
}

function answer({ config }: ConsumerTurn) {
  return {
    kind: 'consumer-heartbeat',
    errorCode: 'NONE',
    errorMessage: null,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
  } as const
}
