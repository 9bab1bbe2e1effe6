/** Groups and their members as JSON: names for ids, states in lower case, hosts without Kafka's slash. */

import type { z } from 'zod'
import {
  type AnyPartitions,
  type ConsumerGroup,
  type ConsumerMember,
  type GroupCoordinator,
  idleMembers,
  type ListedGroup,
  partitionListOf,
  samePartitions,
  stateOfConsumer,
} from '../../group/index.ts'
import type { BrokerRoutes } from '../../http/index.ts'
import type { TopicService } from '../topics/topic-service.ts'

type Topics = Pick<TopicService, 'table'>
export type JsonGroup = z.input<BrokerRoutes['getGroup']['response']>
type JsonMember = JsonGroup['members'][number]
type JsonState = JsonGroup['state']

/** Lower case with underscores: `PreparingRebalance` is `preparing_rebalance`. */
export function stateText(state: string): JsonState {
  return state.replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase() as JsonState
}

/** Partitions by the names of their topics; `names` are there with nothing, too. */
export function partitionsByName(
  { table }: Topics,
  partitions: AnyPartitions,
  names: readonly string[] = [],
): Record<string, number[]> {
  const byName = new Map<string, number[]>(names.map((name) => [name, []]))
  for (const { topicId, partitions: list } of partitionListOf(partitions)) {
    const topic = table.byId(topicId)
    if (topic !== undefined) byName.set(topic.name, [...list])
  }
  return Object.fromEntries([...byName].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** What a member has, with each of its topics. */
export function assignmentOf(topics: Topics, { assigned, profile }: ConsumerMember) {
  return partitionsByName(topics, assigned, profile.subscribedTopicNames)
}

/** A group as the coordinator knows it in this turn; null when there is none. */
export function groupJson(
  coordinator: GroupCoordinator,
  topics: Topics,
  listed: ListedGroup,
): JsonGroup {
  if (listed.groupType === 'share') return shareJson(coordinator, listed.groupId)
  const consumer = coordinator.consumerGroup(listed.groupId)
  return consumer === undefined ? classicJson(coordinator, listed) : consumerJson(consumer, topics)
}

/** What an operator should know of a group: who has nothing to do. */
export function groupWarnings(group: ConsumerGroup): readonly string[] {
  const idle = idleMembers(group)
  if (idle.length === 0) return []
  let partitionCount = 0
  for (const target of group.targets.values())
    for (const partitions of target.values()) partitionCount += partitions.size
  const most = 20
  const names =
    idle.length > most ? `${idle.slice(0, most).join(', ')} and others` : idle.join(', ')
  return [
    `${group.members.size} members share ${partitionCount} partitions: ${names} ${idle.length === 1 ? 'has' : 'have'} none; ` +
      'add partitions, or run fewer members',
  ]
}

function consumerJson(group: ConsumerGroup, topics: Topics): JsonGroup {
  const idle = new Set(idleMembers(group))
  const warnings = groupWarnings(group)
  const subscribed = [...group.members.values()].flatMap(
    ({ profile }) => profile.subscribedTopicNames,
  )
  return {
    group_id: group.groupId,
    state: stateText(stateOfConsumer(group)),
    generation: group.groupEpoch,
    members: Array.from(group.members.values(), (member) =>
      memberJson(group, member, topics, idle.has(member.profile.memberId)),
    ),
    protocol: 'consumer',
    ...(group.assignor === '' ? {} : { assignor: group.assignor }),
    topics: [...new Set(subscribed)].sort(),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
  }
}

function memberJson(
  group: ConsumerGroup,
  member: ConsumerMember,
  topics: Topics,
  idle: boolean,
): JsonMember {
  const { profile, memberEpoch, assigned } = member
  const target = group.targets.get(profile.memberId) ?? new Map<string, ReadonlySet<number>>()
  return {
    member_id: profile.memberId,
    client_host: hostText(profile.clientHost),
    assigned_partitions: assignmentOf(topics, member),
    client_id: profile.clientId,
    instance_id: profile.groupInstanceId,
    protocol: profile.http !== null ? 'http' : profile.classic !== null ? 'classic' : 'consumer',
    generation: Math.max(0, memberEpoch),
    ...(samePartitions(assigned, target)
      ? {}
      : { target_partitions: partitionsByName(topics, target, profile.subscribedTopicNames) }),
    idle,
    ...(profile.http === null ? {} : { session_timeout_ms: profile.http.sessionTimeoutMs }),
  }
}

function classicJson(coordinator: GroupCoordinator, listed: ListedGroup): JsonGroup {
  const { groupId } = listed
  const newest = 6
  const { members, groupState, protocolData } = coordinator.describe(groupId, newest)
  const owners = new Map(
    (coordinator.owners(groupId) ?? []).map(({ memberId, partitions }) => [memberId, partitions]),
  )
  return {
    group_id: groupId,
    state: stateText(groupState),
    generation: coordinator.timeline(groupId)?.generation ?? 0,
    members: members.map(({ memberId, clientHost, clientId, groupInstanceId }) => {
      const partitions = owners.get(memberId) ?? []
      return {
        member_id: memberId,
        client_host: hostText(clientHost),
        assigned_partitions: Object.fromEntries(
          partitions.map(({ topic, partitions: list }) => [topic, [...list]]),
        ),
        client_id: clientId,
        instance_id: groupInstanceId,
        protocol: 'classic' as const,
        generation: coordinator.timeline(groupId)?.generation ?? 0,
        idle: groupState === 'Stable' && partitions.length === 0,
      }
    }),
    protocol: 'classic',
    // What members of a classic group subscribe to is theirs to know; what they have is not.
    topics: [...new Set([...owners.values()].flat().map(({ topic }) => topic))].sort(),
    ...(protocolData === '' ? {} : { assignor: protocolData }),
  }
}

/** Members of a share group share partitions: each has all that is assigned to it, and others may have the same. */
function shareJson(coordinator: GroupCoordinator, groupId: string): JsonGroup {
  const described = coordinator.describeShare(groupId)
  const subscribed = described.members.flatMap((member) => member.subscribedTopicNames)
  return {
    group_id: groupId,
    state: described.groupState === 'Stable' ? 'stable' : 'empty',
    generation: described.groupEpoch,
    members: described.members.map((member) => {
      const { topicPartitions } = member.assignment
      return {
        member_id: member.memberId,
        client_host: hostText(member.clientHost),
        assigned_partitions: Object.fromEntries(
          topicPartitions.map(({ topicName, partitions }) => [topicName, [...partitions]]),
        ),
        client_id: member.clientId,
        instance_id: null,
        protocol: 'share' as const,
        generation: member.memberEpoch,
        idle: topicPartitions.length === 0,
      }
    }),
    protocol: 'share',
    ...(described.assignorName === '' ? {} : { assignor: described.assignorName }),
    topics: [...new Set(subscribed)].sort(),
  }
}

/** Kafka writes a host as `/10.0.0.5`. */
function hostText(clientHost: string): string {
  return clientHost.replace(/^\//, '')
}
