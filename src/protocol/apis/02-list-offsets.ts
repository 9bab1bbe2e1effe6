/**
 * ListOffsets (key 2), v1-11 · v2 isolation level · v4 leader epoch · v6 flexible · v7 max timestamp (-3) · v8 local log
 * start (-4) · v9 last tiered (-5) · v10 timeout (KIP-1075) · v11 earliest pending upload (-6).
 */

import {
  api,
  array,
  errorCode,
  int8,
  int32,
  int64,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 11],
  flexibleSince: 6,
  request: {
    replicaId: int32(),
    isolationLevel: int8().since(2, 0),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32().since(4, -1),
        timestamp: int64(),
      }),
    }),
    timeoutMs: int32().since(10, 0),
  },
  response: {
    throttleTimeMs: int32().since(2, 0),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: errorCode(),
        timestamp: int64(),
        offset: int64(),
        leaderEpoch: int32().since(4, -1),
      }),
    }),
  },
})

export type ListOffsetsRequest = RequestOf<typeof listOffsets>
export type ListOffsetsResponse = ResponseOf<typeof listOffsets>
