/**
 * ListPartitionReassignments (key 46), v0, flexible from its first version (KIP-455).
 */

import {
  api,
  array,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const listPartitionReassignments = api({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    timeoutMs: int32(),
    topics: nullable(array({ name: string(), partitionIndexes: array(int32()) })),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        replicas: array(int32()),
        addingReplicas: array(int32()),
        removingReplicas: array(int32()),
      }),
    }),
  },
})

export type ListPartitionReassignmentsRequest = RequestOf<typeof listPartitionReassignments>
export type ListPartitionReassignmentsResponse = ResponseOf<typeof listPartitionReassignments>
