/**
 * ConsumerGroupHeartbeat (key 68), v0-1, flexible from its first version (KIP-848) · v1 subscription by regular expression,
 * the client makes its member id (KIP-1082).
 *
 * Null, or -1 for the rebalance timeout, means "as in my last heartbeat". librdkafka always sends an empty expression,
 * which means none. Member epochs: 0 joins, -1 leaves, -2 leaves for a while (static members).
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

export const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: nullable(string()),
    rackId: nullable(string()),
    rebalanceTimeoutMs: int32(),
    subscribedTopicNames: nullable(array(string())),
    subscribedTopicRegex: nullable(string()).since(1, null),
    serverAssignor: nullable(string()),
    topicPartitions: nullable(array({ topicId: uuid(), partitions: array(int32()) })),
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

export type ConsumerGroupHeartbeatRequest = RequestOf<typeof consumerGroupHeartbeat>
export type ConsumerGroupHeartbeatResponse = ResponseOf<typeof consumerGroupHeartbeat>
