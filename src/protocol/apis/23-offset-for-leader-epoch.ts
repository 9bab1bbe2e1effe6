/**
 * OffsetForLeaderEpoch (key 23), v2-4 · v2 current leader epoch, throttle time · v3 replica id · v4 flexible.
 *
 * Replica id -2 is a consumer that debugs, -1 a consumer.
 */

import {
  api,
  array,
  errorCode,
  int32,
  int64,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [2, 4],
  flexibleSince: 4,
  request: {
    replicaId: int32().since(3, -2),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32(),
        leaderEpoch: int32(),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      topic: string(),
      partitions: array({
        errorCode: errorCode(),
        partition: int32(),
        leaderEpoch: int32(),
        endOffset: int64(),
      }),
    }),
  },
})

export type OffsetForLeaderEpochRequest = RequestOf<typeof offsetForLeaderEpoch>
export type OffsetForLeaderEpochResponse = ResponseOf<typeof offsetForLeaderEpoch>
