/** ListGroups and ShareGroupDescribe v1: how a share group looks from outside. Topics that are gone are left out. */

import type { DescribedShareGroup, ListedGroup } from '../queries.ts'
import type { GroupTopics } from '../topics.ts'
import type { ShareGroup } from './share-group.ts'

const ASSIGNOR = 'simple'

export function listedShareGroup(group: ShareGroup): ListedGroup {
  return {
    groupId: group.groupId,
    protocolType: 'share',
    groupState: stateOf(group),
    groupType: 'share',
  }
}

export function describeShareGroup(group: ShareGroup, topics: GroupTopics): DescribedShareGroup {
  return {
    groupId: group.groupId,
    errorCode: 'NONE',
    errorMessage: null,
    groupState: stateOf(group),
    groupEpoch: group.groupEpoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: ASSIGNOR,
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribedTopicNames,
      assignment: {
        topicPartitions: member.assigned.flatMap(({ topicId, partitions }) => {
          const topic = topics.byId(topicId)
          return topic === undefined ? [] : [{ topicId, topicName: topic.name, partitions }]
        }),
      },
    })),
  }
}

export function noShareGroup(groupId: string, errorMessage: string): DescribedShareGroup {
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

function stateOf({ members }: ShareGroup): 'Empty' | 'Stable' {
  return members.size === 0 ? 'Empty' : 'Stable'
}
