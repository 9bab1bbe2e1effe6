/**
 * ShareGroupHeartbeat (key 76), v1, flexible (KIP-932; v0 was early access).
 *
 * The client makes its member id. Null names mean "as in my last heartbeat". Member epochs: 0 joins, -1 leaves.
 */

import {
  api,
  array,
  errorCode,
  int32,
  nullable,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const shareGroupHeartbeat = api({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: [1, 1],
  flexibleSince: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    rackId: nullable(string()),
    subscribedTopicNames: nullable(array(string())),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    memberId: nullable(string()),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: nullable(
      struct({ topicPartitions: array({ topicId: uuid(), partitions: array(int32()) }) }),
    ),
  },
})

export type ShareGroupHeartbeatRequest = RequestOf<typeof shareGroupHeartbeat>
export type ShareGroupHeartbeatResponse = ResponseOf<typeof shareGroupHeartbeat>
