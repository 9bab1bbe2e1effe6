/** Joining, staying and leaving over HTTP: see `src/http/routes-members.ts`. */

import { uuidText } from '../../core/index.ts'
import {
  type ConsumerMember,
  LEFT_FOR_A_WHILE,
  ownedAtJoin,
  type StartPolicy,
  stateOfConsumer,
} from '../../group/index.ts'
import type { BrokerRoutes, Caller, Handlers, RequestOf } from '../../http/index.ts'
import { Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import { topicNameProblem } from '../topics/topic-name.ts'
import { assignmentOf, groupWarnings, stateText } from './group-json.ts'
import type { HttpContext } from './http-context.ts'
import { afterFlush, beat, memberOf, memberRefusal } from './member-beat.ts'
import { noOffsetProblem, openForStart, startOffsets, type TopicStart } from './start-offsets.ts'
import { wantedTopic } from './topic-lookup.ts'

type MemberHandlers = Pick<Handlers<BrokerRoutes>, 'joinGroup' | 'heartbeat' | 'leaveGroup'>
type JoinBody = RequestOf<BrokerRoutes['joinGroup']>['body']

const DEFAULT_SESSION_MS = 30_000
const DEFAULT_HEARTBEAT_MS = 10_000
/** A session should outlast so many heartbeats. */
const HEARTBEATS_A_SESSION = 3

export function memberHandlers({ context }: HttpContext): MemberHandlers {
  return {
    joinGroup: ({ params, body }, caller) => join(context, params.groupId, body, caller),
    heartbeat: async ({ params: { groupId }, body }) => {
      const { member_id: memberId, generation, owned_partitions: owned } = body
      const answer = await beat(context, { groupId, memberId, generation, owned })
      if (answer instanceof Problem) return answer
      const { group, member } = answer
      return {
        status: 'ok',
        state: stateText(stateOfConsumer(group)),
        generation: member.memberEpoch,
        rebalance_required: answer.hasMoved,
        assigned_partitions: assignmentOf(context.topics, member),
      }
    },
    leaveGroup: async ({ params: { groupId }, body: { member_id: memberId } }) => {
      const known = memberOf(context, groupId, memberId)
      if (known instanceof Problem) return afterFlush(context, known)
      const { profile } = known.member
      const { errorCode, errorMessage } = await context.groups.request<'consumer-heartbeat'>({
        ...unchanged(groupId, memberId),
        clientId: profile.clientId,
        clientHost: profile.clientHost,
        memberEpoch: -1,
      })
      if (errorCode !== 'NONE') return memberRefusal(errorCode, errorMessage ?? errorCode)
      return { status: 'left', left: true }
    },
  }
}

async function join(context: BrokerContext, groupId: string, body: JoinBody, caller: Caller) {
  const { groups, topics } = context
  const wanted = wish(context, body)
  const { memberId, names, start } = wanted
  const instanceId = body.instance_id ?? null
  const refusal =
    joinProblem(context, groupId, wanted) ?? placeProblem(context, groupId, memberId, instanceId)
  if (refusal !== null) return afterFlush(context, refusal)
  for (const name of names) {
    const topic = wantedTopic(context, name)
    if (topic instanceof Problem) return afterFlush(context, topic)
  }
  await openForStart(context, groupId, memberId, names)
  // From here to the commit nothing comes between: what is refused has no start committed.
  const taken = placeProblem(context, groupId, memberId, instanceId)
  if (taken !== null) return afterFlush(context, taken)
  const starts = startOffsets(context, groupId, memberId, names, start)
  const before = memberOf(context, groupId, memberId)
  const joined = groups.request<'consumer-heartbeat'>({
    ...unchanged(groupId, memberId),
    clientId: body.client_id ?? memberId,
    clientHost: `/${caller.host}`,
    memberEpoch: 0,
    instanceId,
    rebalanceTimeoutMs: wanted.rebalanceTimeoutMs,
    subscribedTopicNames: names,
    serverAssignor: body.assignor ?? 'cooperative-sticky',
    topicPartitions: ownedAtJoin(before instanceof Problem ? null : before.member),
    http: { sessionTimeoutMs: wanted.sessionTimeoutMs, start },
  })
  const known = memberOf(context, groupId, memberId)
  const committed =
    known instanceof Problem ? null : commitStarts(context, groupId, known.member, starts)
  const { errorCode, errorMessage } = await joined
  await committed
  if (errorCode !== 'NONE') return memberRefusal(errorCode, errorMessage ?? errorCode)
  if (known instanceof Problem) return known
  await topics.flushed()
  const { group, member } = known
  const warnings = [...sessionWarnings(wanted), ...groupWarnings(group)]
  return {
    member_id: memberId,
    generation: member.memberEpoch,
    assigned_partitions: assignmentOf(topics, member),
    heartbeat_interval_ms: wanted.heartbeatIntervalMs,
    rebalance_required: member.state !== 'stable',
    members: [...group.members.keys()],
    ...(warnings.length === 0 ? {} : { warnings }),
  }
}

interface Wish {
  readonly memberId: string
  readonly names: readonly string[]
  readonly start: StartPolicy
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatIntervalMs: number
  /** As the member said it, or as the page of GoQueue has it. */
  readonly announcedIntervalMs: number
}

/** What the body asks for, in any of its spellings. */
function wish({ random }: BrokerContext, body: JoinBody): Wish {
  const sessionTimeoutMs = body.session_timeout_ms ?? body.session_timeout ?? DEFAULT_SESSION_MS
  const announced = body.heartbeat_interval_ms ?? body.heartbeat_interval
  const third = Math.floor(sessionTimeoutMs / HEARTBEATS_A_SESSION)
  return {
    memberId: body.member_id ?? `${body.client_id ?? 'member'}-${uuidText(random)}`,
    names: [...new Set(body.topics)],
    start: body.auto_offset_reset ?? body.offset_reset ?? 'latest',
    sessionTimeoutMs,
    rebalanceTimeoutMs: body.rebalance_timeout_ms ?? body.rebalance_timeout ?? sessionTimeoutMs,
    heartbeatIntervalMs: Math.min(announced ?? DEFAULT_HEARTBEAT_MS, third),
    announcedIntervalMs: announced ?? DEFAULT_HEARTBEAT_MS,
  }
}

/** What refuses a join before anything is made or changed. */
function joinProblem(context: BrokerContext, groupId: string, wanted: Wish): Problem | null {
  const errors = wanted.names.flatMap((name, index) => {
    const message = topicNameProblem(name)
    return message === null ? [] : [{ path: `body.topics.${index}`, message }]
  })
  if (errors.length > 0)
    return problem('INVALID_REQUEST', errors.map(({ message }) => message).join('; '), { errors })
  const group = context.groups.peek((coordinator) => coordinator.consumerGroup(groupId))
  const known = group?.members.get(wanted.memberId)
  if (known !== undefined && known.profile.http === null)
    return problem(
      'MEMBER_FENCED',
      `the member id ${wanted.memberId} of group ${groupId} is that of a Kafka client; choose another`,
    )
  return wanted.start === 'none' ? noOffsetProblem(context, groupId, wanted.names) : null
}

/** Why the group has no place for the member: asked before topics are made for it, and again in the turn of the join. */
function placeProblem(
  { groups, settings }: BrokerContext,
  groupId: string,
  memberId: string,
  instanceId: string | null,
): Problem | null {
  if (groups.isShareGroup(groupId))
    return problem('GROUP_TYPE', `the group ${groupId} is a share group of Kafka clients`)
  const group = groups.peek((coordinator) => coordinator.consumerGroup(groupId))
  if (group === undefined) return null
  const holderId = instanceId === null ? undefined : group.memberIdByInstance.get(instanceId)
  const holder = holderId === undefined ? undefined : group.members.get(holderId)
  if (holder !== undefined && holderId !== memberId) {
    // A Kafka client's place may be taken over, and one that was left for a while.
    const isReleased = holder.memberEpoch === LEFT_FOR_A_WHILE || holder.profile.classic !== null
    return isReleased && !group.members.has(memberId)
      ? null
      : problem(
          'MEMBER_FENCED',
          `the member ${holderId} of group ${groupId} holds the instance id ${instanceId}; it has to leave first`,
        )
  }
  const most = settings.groupConsumerMaxSize
  const isIn = instanceId === null ? group.members.has(memberId) : holder !== undefined
  return isIn || group.members.size < most
    ? null
    : problem('GROUP_FULL', `the group ${groupId} has its most members, ${most}`)
}

function sessionWarnings(wanted: Wish): readonly string[] {
  const { sessionTimeoutMs, announcedIntervalMs } = wanted
  const least = HEARTBEATS_A_SESSION * announcedIntervalMs
  if (sessionTimeoutMs >= least) return []
  return [
    `the session timeout of ${sessionTimeoutMs} ms is below three heartbeat intervals of ${announcedIntervalMs} ms: one late ` +
      `heartbeat ends the membership; send heartbeats every ${Math.floor(sessionTimeoutMs / HEARTBEATS_A_SESSION)} ms, or raise it to ${least} ms`,
  ]
}

async function commitStarts(
  { groups }: BrokerContext,
  groupId: string,
  { profile, memberEpoch }: ConsumerMember,
  starts: readonly TopicStart[],
): Promise<void> {
  if (starts.length === 0) return
  await groups.request<'offset-commit'>({
    kind: 'offset-commit',
    apiVersion: 9,
    groupId,
    generationIdOrMemberEpoch: memberEpoch,
    memberId: profile.memberId,
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: starts.map(({ name, offsets }) => ({
      name,
      partitions: offsets.map((committedOffset, partitionIndex) => ({
        partitionIndex,
        committedOffset,
        committedLeaderEpoch: -1,
        committedMetadata: null,
      })),
    })),
  })
}

/** A heartbeat that says nothing new. */
function unchanged(groupId: string, memberId: string) {
  return {
    kind: 'consumer-heartbeat',
    apiVersion: 1,
    groupId,
    memberId,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
  } as const
}
