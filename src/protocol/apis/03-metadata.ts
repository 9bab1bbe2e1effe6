/**
 * Metadata (key 3), v0-13 · v1 racks, controller, internal topics · v2 cluster id · v3 throttle time · v4 auto-creation ·
 * v5 offline replicas · v7 leader epoch · v8 authorized operations · v9 flexible · v10 topic ids (KIP-516) · v11 cluster
 * operations moved to DescribeCluster · v12 topics asked for by id · v13 top-level error.
 *
 * All topics are asked for by an empty list in v0 and by null later; an empty list then means none.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  nullable,
  string,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'
import { NO_OPERATIONS } from './no-operations.ts'
import { ZERO_UUID } from './zero-uuid.ts'

export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleSince: 9,
  request: {
    topics: array({
      topicId: uuid().since(10, ZERO_UUID),
      name: string().nullableSince(10),
    }).nullableSince(1),
    allowAutoTopicCreation: bool().since(4, true),
    includeClusterAuthorizedOperations: bool().between(8, 10, false),
    includeTopicAuthorizedOperations: bool().since(8, false),
  },
  response: {
    throttleTimeMs: int32().since(3, 0),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: nullable(string()).since(1, null),
    }),
    clusterId: nullable(string()).since(2, null),
    controllerId: int32().since(1, -1),
    topics: array({
      errorCode: errorCode(),
      name: string().nullableSince(12),
      topicId: uuid().since(10, ZERO_UUID),
      isInternal: bool().since(1, false),
      partitions: array({
        errorCode: errorCode(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32().since(7, -1),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32()).since(5, []),
      }),
      topicAuthorizedOperations: int32().since(8, NO_OPERATIONS),
    }),
    clusterAuthorizedOperations: int32().between(8, 10, NO_OPERATIONS),
    errorCode: errorCode().since(13, 'NONE'),
  },
})

export type MetadataRequest = RequestOf<typeof metadata>
export type MetadataResponse = ResponseOf<typeof metadata>
