/**
 * JoinGroup, SyncGroup, Heartbeat and LeaveGroup of classic members in a KIP-848 group: every one of them is mapped to
 * epochs, so that old and new clients share a group while it is upgraded.
 *
 * The generation is the member epoch, the server assigns, and nobody leads: a join is answered at once, with leader ''
 * and no members. A member that has to give partitions up joins with all it owns, syncs a smaller assignment at its old
 * generation, is told by its heartbeat to join again, and so reaches the new one: cooperative clients do that by themselves.
 */

import { EMPTY_BYTES } from '../../core/index.ts'
import {
  CONSUMER_PROTOCOL_TYPE,
  type NamedPartitions,
  readSubscription,
  writeAssignment,
} from '../classic/consumer-protocol.ts'
import { supportsOneOf } from '../classic/protocols.ts'
import type {
  GroupError,
  GroupProtocol,
  HeartbeatRequest,
  JoinRequest,
  LeaveRequest,
  LeaveResponse,
  SyncRequest,
} from '../messages.ts'
import type { MemberProfile } from '../records.ts'
import { touchSession } from '../sessions.ts'
import { saidByClient } from '../timeline/causes.ts'
import type { GroupTopics } from '../topics.ts'
import { type ConsumerMember, isHeldByOther } from './consumer-group.ts'
import { enrol } from './enrol.ts'
import { has, listOf, type PartitionEpochs, type PartitionSet, setOf } from './partitions.ts'
import { keptNames, sortedNames } from './profile.ts'
import { advance, renewTarget } from './rebalance.ts'
import { removeMember } from './leave.ts'
import { type ConsumerTurn, sessionTimeoutOf } from './turn.ts'

export function joinAsClassic(turn: ConsumerTurn, request: JoinRequest): void {
  const { groupInstanceId } = request
  const refusal = joinRefusal(turn, request)
  if (refusal !== 'NONE') return failJoin(turn, request, refusal, request.memberId)
  const isUnknown = request.memberId === ''
  const memberId = isUnknown
    ? turn.limits.newMemberId(groupInstanceId ?? request.clientId)
    : request.memberId
  if (isUnknown && groupInstanceId === null && request.apiVersion >= 4)
    return failJoin(turn, request, 'MEMBER_ID_REQUIRED', memberId)
  const subscription = subscriptionOf(request.protocols)
  if (subscription === null) return failJoin(turn, request, 'INCONSISTENT_GROUP_PROTOCOL', memberId)

  const holderId =
    groupInstanceId === null ? undefined : turn.group.memberIdByInstance.get(groupInstanceId)
  const before = turn.member(holderId ?? memberId) ?? null
  const profile: MemberProfile = {
    memberId,
    groupInstanceId,
    rackId: subscription.rackId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    subscribedTopicNames: keptNames(sortedNames(subscription.topics), before?.profile ?? null),
    subscribedTopicRegex: null,
    serverAssignor: null,
    classic: {
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocols: copied(request.protocols),
    },
    http: null,
  }
  const subscriptionChanged = enrol(turn, { profile, before })
  renewTarget(turn)
  const owned = idsOf(subscription.ownedPartitions, turn.limits.topics)
  const member = advance(turn, memberId, { owned, subscriptionChanged })
  touchSession(turn, memberId, request.sessionTimeoutMs)
  turn.clearDeadline('join', memberId)
  turn.setDeadline('sync', memberId, request.rebalanceTimeoutMs)
  turn.reply(request.replyTo, {
    kind: 'join',
    errorCode: 'NONE',
    generationId: member.memberEpoch,
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName: protocolNameOf(profile),
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  })
}

export function syncAsClassic(turn: ConsumerTurn, request: SyncRequest): void {
  const { memberId } = request
  const refusal = memberRefusal(turn, request)
  const member = turn.member(memberId)
  const fail = (errorCode: GroupError) =>
    turn.reply(request.replyTo, {
      kind: 'sync',
      errorCode,
      protocolType: null,
      protocolName: null,
      assignment: EMPTY_BYTES,
    })
  if (refusal !== 'NONE' || member === undefined) return fail(refusal)
  const { profile, memberEpoch, state } = member
  const protocolName = protocolNameOf(profile)
  if ((request.protocolType ?? CONSUMER_PROTOCOL_TYPE) !== CONSUMER_PROTOCOL_TYPE)
    return fail('INCONSISTENT_GROUP_PROTOCOL')
  if ((request.protocolName ?? protocolName) !== protocolName)
    return fail('INCONSISTENT_GROUP_PROTOCOL')
  // Who is giving partitions up has joined already: it has to hear which, before it joins again.
  if (memberEpoch < turn.group.groupEpoch && state !== 'unrevoked') {
    expectJoin(turn, profile)
    return fail('REBALANCE_IN_PROGRESS')
  }
  turn.clearDeadline('sync', memberId)
  touchSession(turn, memberId, sessionTimeoutOf(turn, profile))
  turn.reply(request.replyTo, {
    kind: 'sync',
    errorCode: 'NONE',
    protocolType: CONSUMER_PROTOCOL_TYPE,
    protocolName,
    assignment: assignmentBytes(member.assigned, turn.limits.topics),
  })
}

export function heartbeatAsClassic(turn: ConsumerTurn, request: HeartbeatRequest): void {
  const refusal = memberRefusal(turn, request)
  const member = turn.member(request.memberId)
  const answer = (errorCode: GroupError) =>
    turn.reply(request.replyTo, { kind: 'heartbeat', errorCode })
  if (refusal !== 'NONE' || member === undefined) return answer(refusal)
  touchSession(turn, request.memberId, sessionTimeoutOf(turn, member.profile))
  if (!mustRejoin(turn, member)) return answer('NONE')
  expectJoin(turn, member.profile)
  answer('REBALANCE_IN_PROGRESS')
}

/** Members of either kind: also how an administrator removes them. */
export function leaveConsumerGroup(turn: ConsumerTurn, request: LeaveRequest): void {
  const hasList = request.apiVersion >= 3
  const leaving = hasList
    ? request.members
    : [{ memberId: request.memberId, groupInstanceId: null, reason: null }]
  const members: LeaveResponse['members'] = leaving.map(
    ({ memberId, groupInstanceId, reason }) => ({
      memberId,
      groupInstanceId,
      errorCode: leaveOne(turn, { memberId, groupInstanceId, reason }),
    }),
  )
  turn.reply(
    request.replyTo,
    hasList
      ? { kind: 'leave', errorCode: 'NONE', members }
      : { kind: 'leave', errorCode: members[0]?.errorCode ?? 'NONE', members: [] },
  )
}

/** The assignment that a classic member reads, of topics that still exist. */
export function assignmentBytes(assigned: PartitionEpochs, topics: GroupTopics): Uint8Array {
  const named: NamedPartitions[] = []
  for (const { topicId, partitions } of listOf(assigned)) {
    const topic = topics.byId(topicId)
    if (topic !== undefined) named.push({ topic: topic.name, partitions })
  }
  return writeAssignment(named)
}

/** Partitions by topic id; those of topics that do not exist are left out. */
export function idsOf(named: readonly NamedPartitions[], topics: GroupTopics): PartitionSet {
  return setOf(
    named.flatMap(({ topic, partitions }) => {
      const found = topics.byName(topic)
      return found === undefined ? [] : [{ topicId: found.topicId, partitions }]
    }),
  )
}

/** What the consumer protocol of a member says; its protocols differ in user data alone. */
export function subscriptionOf(protocols: readonly GroupProtocol[]) {
  const [first] = protocols
  return first === undefined ? null : readSubscription(first.metadata)
}

function leaveOne(
  turn: ConsumerTurn,
  { memberId, groupInstanceId, reason }: LeaveRequest['members'][number],
): GroupError {
  const { memberIdByInstance } = turn.group
  const holderId = groupInstanceId === null ? memberId : memberIdByInstance.get(groupInstanceId)
  if (holderId === undefined || turn.member(holderId) === undefined) return 'UNKNOWN_MEMBER_ID'
  // An administrator knows a static member by its instance id alone.
  if (memberId !== '' && memberId !== holderId) return 'FENCED_INSTANCE_ID'
  removeMember(turn, holderId, 'member_left', saidByClient(reason))
  return 'NONE'
}

function joinRefusal(turn: ConsumerTurn, request: JoinRequest): GroupError {
  const { memberId, groupInstanceId, protocols, protocolType } = request
  const { group, limits } = turn
  const { sessionTimeoutMs } = request
  if (sessionTimeoutMs < limits.groupMinSessionTimeoutMs) return 'INVALID_SESSION_TIMEOUT'
  if (sessionTimeoutMs > limits.groupMaxSessionTimeoutMs) return 'INVALID_SESSION_TIMEOUT'
  if (protocolType !== CONSUMER_PROTOCOL_TYPE || protocols.length === 0)
    return 'INCONSISTENT_GROUP_PROTOCOL'
  if (!supportsOneOf(otherClassics(turn, memberId), protocols)) return 'INCONSISTENT_GROUP_PROTOCOL'
  const holderId =
    groupInstanceId === null ? undefined : group.memberIdByInstance.get(groupInstanceId)
  if (groupInstanceId !== null && memberId !== '') {
    if (holderId === undefined) return 'UNKNOWN_MEMBER_ID'
    if (holderId !== memberId) return 'FENCED_INSTANCE_ID'
  }
  const isIn = group.members.has(holderId ?? memberId)
  if (!isIn && group.members.size >= limits.groupConsumerMaxSize) return 'GROUP_MAX_SIZE_REACHED'
  return 'NONE'
}

/** Why a request that claims to come from this classic member is refused; NONE when it is current. */
function memberRefusal(
  turn: ConsumerTurn,
  request: Pick<HeartbeatRequest, 'memberId' | 'groupInstanceId' | 'generationId'>,
): GroupError {
  const { memberId, groupInstanceId, generationId } = request
  if (groupInstanceId !== null) {
    const holderId = turn.group.memberIdByInstance.get(groupInstanceId)
    if (holderId === undefined) return 'UNKNOWN_MEMBER_ID'
    if (holderId !== memberId) return 'FENCED_INSTANCE_ID'
  }
  const member = turn.member(memberId)
  if (member === undefined || member.profile.classic === null) return 'UNKNOWN_MEMBER_ID'
  return generationId === member.memberEpoch ? 'NONE' : 'ILLEGAL_GENERATION'
}

/** A member has to join again when there is a later epoch, something to give up, or something that became free for it. */
function mustRejoin(turn: ConsumerTurn, member: ConsumerMember): boolean {
  const { group } = turn
  if (member.memberEpoch < group.groupEpoch || member.state === 'unrevoked') return true
  if (member.state === 'stable') return false
  const { memberId } = member.profile
  for (const [topicId, partitions] of group.targets.get(memberId) ?? [])
    for (const partition of partitions) {
      if (has(member.assigned, topicId, partition)) continue
      if (!isHeldByOther(group, memberId, { topicId, partition })) return true
    }
  return false
}

function expectJoin(turn: ConsumerTurn, { memberId, rebalanceTimeoutMs }: MemberProfile): void {
  if (!turn.hasDeadline('join', memberId)) turn.setDeadline('join', memberId, rebalanceTimeoutMs)
}

/** Classic members other than this one, with the protocols that a newcomer must have in common with them. */
function otherClassics(turn: ConsumerTurn, memberId: string) {
  const others: { readonly protocols: readonly GroupProtocol[] }[] = []
  for (const { profile } of turn.group.members.values())
    if (profile.memberId !== memberId && profile.classic !== null) others.push(profile.classic)
  return others
}

function failJoin(
  turn: ConsumerTurn,
  { replyTo, apiVersion }: JoinRequest,
  errorCode: GroupError,
  memberId: string,
): void {
  turn.reply(replyTo, {
    kind: 'join',
    errorCode,
    generationId: -1,
    protocolType: null,
    protocolName: apiVersion < 7 ? '' : null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  })
}

function protocolNameOf({ classic }: MemberProfile): string {
  return classic?.protocols[0]?.name ?? ''
}

/** Copies: the request is a view of its frame, and would keep the whole of it alive. */
function copied(protocols: readonly GroupProtocol[]): readonly GroupProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: new Uint8Array(metadata) }))
}
