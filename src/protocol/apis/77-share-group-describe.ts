/** ShareGroupDescribe (key 77), v1, flexible (KIP-932; v0 was early access). */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  nullable,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const shareGroupDescribe = api({
  key: 77,
  name: 'ShareGroupDescribe',
  versions: [1, 1],
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
        rackId: nullable(string()),
        memberEpoch: int32(),
        clientId: string(),
        clientHost: string(),
        subscribedTopicNames: array(string()),
        assignment: struct({
          topicPartitions: array({
            topicId: uuid(),
            topicName: string(),
            partitions: array(int32()),
          }),
        }),
      }),
      authorizedOperations: int32(),
    }),
  },
})

export type ShareGroupDescribeRequest = RequestOf<typeof shareGroupDescribe>
export type ShareGroupDescribeResponse = ResponseOf<typeof shareGroupDescribe>
