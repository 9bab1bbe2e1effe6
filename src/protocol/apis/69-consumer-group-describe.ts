/**
 * ConsumerGroupDescribe (key 69), v0-1, flexible from its first version (KIP-848) · v1 member type (KIP-1099).
 *
 * Member types: 0 classic, 1 consumer, -1 unknown.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int8,
  int32,
  nullable,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

const topicPartitions = () =>
  array({ topicId: uuid(), topicName: string(), partitions: array(int32()) })

export const consumerGroupDescribe = api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      errorCode: errorCode(),
      errorMessage: nullable(string()),
      groupId: string(),
      groupState: string(),
      groupEpoch: int32(),
      assignmentEpoch: int32(),
      assignorName: string(),
      members: array({
        memberId: string(),
        instanceId: nullable(string()),
        rackId: nullable(string()),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        subscribedTopicRegex: nullable(string()),
        assignment: struct({ topicPartitions: topicPartitions() }),
        targetAssignment: struct({ topicPartitions: topicPartitions() }),
        memberType: int8().since(1, -1),
      }),
      authorizedOperations: int32(),
    }),
  },
})

export type ConsumerGroupDescribeRequest = RequestOf<typeof consumerGroupDescribe>
export type ConsumerGroupDescribeResponse = ResponseOf<typeof consumerGroupDescribe>
