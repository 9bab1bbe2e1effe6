/**
 * DescribeCluster (key 60), v0-2, flexible from its first version (KIP-700) · v1 endpoint type (KIP-919) · v2 fenced brokers.
 *
 * Endpoint types: 1 brokers, 2 controllers.
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
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleSince: 0,
  request: {
    includeClusterAuthorizedOperations: bool(),
    endpointType: int8().since(1, 1),
    includeFencedBrokers: bool().since(2, false),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    endpointType: int8().since(1, 1),
    clusterId: string(),
    controllerId: int32(),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: nullable(string()),
      isFenced: bool().since(2, false),
    }),
    clusterAuthorizedOperations: int32(),
  },
})

export type DescribeClusterRequest = RequestOf<typeof describeCluster>
export type DescribeClusterResponse = ResponseOf<typeof describeCluster>
