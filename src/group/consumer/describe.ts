/** ListGroups and ConsumerGroupDescribe v0-1: how a KIP-848 group looks from outside. Topics that are gone are left out. */

import type { DescribedConsumerGroup, ListedGroup, NamedTopicPartitions } from '../queries.ts'
import type { GroupTopics } from '../topics.ts'
import { type ConsumerGroup, stateOfConsumer } from './consumer-group.ts'
import { type AnyPartitions, listOf, NO_PARTITIONS } from './partitions.ts'
import { DEFAULT_ASSIGNOR } from './target.ts'

export function listedConsumer(group: ConsumerGroup): ListedGroup {
  return {
    groupId: group.groupId,
    protocolType: 'consumer',
    groupState: stateOfConsumer(group),
    groupType: 'consumer',
  }
}

export function describeConsumer(
  group: ConsumerGroup,
  topics: GroupTopics,
): DescribedConsumerGroup {
  const named = (set: AnyPartitions) => ({ topicPartitions: namesOf(set, topics) })
  return {
    groupId: group.groupId,
    errorCode: 'NONE',
    errorMessage: null,
    groupState: stateOfConsumer(group),
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: group.assignor === '' ? DEFAULT_ASSIGNOR : group.assignor,
    members: Array.from(group.members.values(), ({ profile, memberEpoch, assigned }) => ({
      memberId: profile.memberId,
      instanceId: profile.groupInstanceId,
      rackId: profile.rackId,
      memberEpoch,
      clientId: profile.clientId,
      clientHost: profile.clientHost,
      subscribedTopicNames: profile.subscribedTopicNames,
      subscribedTopicRegex: profile.subscribedTopicRegex,
      assignment: named(assigned),
      targetAssignment: named(group.targets.get(profile.memberId) ?? NO_PARTITIONS),
      memberType: profile.classic === null ? 1 : 0,
    })),
  }
}

export function noConsumerGroup(groupId: string, errorMessage: string): DescribedConsumerGroup {
  return {
    groupId,
    errorCode: 'GROUP_ID_NOT_FOUND',
    errorMessage,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  }
}

function namesOf(set: AnyPartitions, topics: GroupTopics): readonly NamedTopicPartitions[] {
  return listOf(set).flatMap(({ topicId, partitions }) => {
    const topic = topics.byId(topicId)
    return topic === undefined ? [] : [{ topicId, topicName: topic.name, partitions }]
  })
}
