/**
 * A sign of life of an HTTP member, as the coordinator takes it: who it is, whether its generation is stale, what it gives up by
 * having read that. Heartbeat and poll both begin with it.
 *
 * The member is looked up, told and looked at again in one turn: nothing comes between. Refusals rest on what is looked up,
 * so they wait for the flush like any answer.
 */

import {
  type ConsumerGroup,
  type ConsumerMember,
  hasMoved,
  httpBeat,
  partitionListOf,
  partitionSetOf,
  type TopicIdPartitions,
} from '../../group/index.ts'
import { type Problem, problem, type ProblemCode } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'

/** Topic names to partitions, as JSON has them. */
export type PartitionsByName = Readonly<Record<string, readonly number[]>>

export interface BeatRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generation: number | undefined
  /** What it still owns, where it says so. */
  readonly owned: PartitionsByName | undefined
  /** Says nothing for the member: it only shows that somebody still listens. Default false. */
  readonly isSilent?: boolean
}

export interface Beat {
  readonly group: ConsumerGroup
  readonly member: ConsumerMember
  /** Whether it has to look at its assignment and generation. */
  readonly hasMoved: boolean
}

export async function beat(context: BrokerContext, request: BeatRequest): Promise<Beat | Problem> {
  const { groups, topics } = context
  const { groupId, memberId, generation, owned, isSilent = false } = request
  const before = memberOf(context, groupId, memberId)
  if ('code' in before) return afterFlush(context, before)
  const said = httpBeat(before.member, {
    generation: generation ?? null,
    owned: owned === undefined ? null : idsOf(context, owned),
  })
  if (said === null) return afterFlush(context, staleGeneration(before, generation))
  const { profile } = before.member
  const reply = groups.request<'consumer-heartbeat'>({
    kind: 'consumer-heartbeat',
    apiVersion: 1,
    clientId: profile.clientId,
    clientHost: profile.clientHost,
    groupId,
    memberId,
    memberEpoch: said.memberEpoch,
    instanceId: profile.groupInstanceId,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: isSilent ? null : said.topicPartitions,
  })
  const after = memberOf(context, groupId, memberId)
  const { errorCode, errorMessage } = await reply
  if (errorCode !== 'NONE') return memberRefusal(errorCode, errorMessage ?? errorCode)
  if ('code' in after) return afterFlush(context, after)
  await topics.flushed()
  return { ...after, hasMoved: hasMoved(before.member, after.member) }
}

/** The member as it is in this turn. */
export function memberOf(
  { groups }: BrokerContext,
  groupId: string,
  memberId: string,
): { readonly group: ConsumerGroup; readonly member: ConsumerMember } | Problem {
  const group = groups.peek((coordinator) => coordinator.consumerGroup(groupId))
  const member = group?.members.get(memberId)
  if (group !== undefined && member !== undefined && member.profile.http !== null)
    return { group, member }
  if (groups.peek((coordinator) => coordinator.isEmptyShareGroup(groupId)) !== undefined)
    return problem(
      'GROUP_TYPE',
      `the group ${groupId} is a share group; its members are Kafka clients`,
    )
  const exists = groups.peek((coordinator) => coordinator.timeline(groupId)) !== undefined
  return exists
    ? problem('UNKNOWN_MEMBER', `${memberId} is not a member of group ${groupId}; join it again`)
    : problem('UNKNOWN_GROUP', `the group ${groupId} does not exist; join it to make it`)
}

export function staleGeneration(
  { group, member }: { readonly group: ConsumerGroup; readonly member: ConsumerMember },
  generation: number | undefined,
): Problem {
  const { memberEpoch, profile } = member
  return problem(
    'STALE_GENERATION',
    `the generation ${generation} of member ${profile.memberId} in group ${group.groupId} is not the present one, ${memberEpoch}`,
    { extras: { generation: memberEpoch, current_generation: memberEpoch } },
  )
}

const REFUSALS: Readonly<Record<string, ProblemCode>> = {
  UNKNOWN_MEMBER_ID: 'UNKNOWN_MEMBER',
  FENCED_MEMBER_EPOCH: 'STALE_GENERATION',
  GROUP_ID_NOT_FOUND: 'GROUP_TYPE',
  INCONSISTENT_GROUP_PROTOCOL: 'GROUP_TYPE',
  UNRELEASED_INSTANCE_ID: 'MEMBER_FENCED',
  FENCED_INSTANCE_ID: 'MEMBER_FENCED',
  GROUP_MAX_SIZE_REACHED: 'GROUP_FULL',
  COORDINATOR_NOT_AVAILABLE: 'UNAVAILABLE',
}

/** What the coordinator refuses with, over HTTP. */
export function memberRefusal(errorCode: string, sentence: string): Problem {
  return problem(REFUSALS[errorCode] ?? 'INVALID_REQUEST', sentence)
}

/** A refusal rests on what may not be flushed yet. */
export async function afterFlush<Answer>(
  { topics }: BrokerContext,
  answer: Answer,
): Promise<Answer> {
  await topics.flushed()
  return answer
}

/** Topics that are gone are left out: nobody owns them. */
function idsOf({ topics }: BrokerContext, owned: PartitionsByName): readonly TopicIdPartitions[] {
  const list = Object.entries(owned).flatMap(([name, partitions]) => {
    const topicId = topics.table.byName(name)?.topicId
    return topicId === undefined ? [] : [{ topicId, partitions }]
  })
  return partitionListOf(partitionSetOf(list))
}
