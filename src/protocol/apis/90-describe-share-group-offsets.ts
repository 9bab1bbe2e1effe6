/** DescribeShareGroupOffsets (key 90), v0-1, flexible (KIP-932) · v1 lag (KIP-1226). Null topics ask for all. */

import {
  api,
  array,
  errorCode,
  int32,
  int64,
  nullable,
  string,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const describeShareGroupOffsets = api({
  key: 90,
  name: 'DescribeShareGroupOffsets',
  versions: [0, 1],
  flexibleSince: 0,
  request: {
    groups: array({
      groupId: string(),
      topics: nullable(array({ topicName: string(), partitions: array(int32()) })),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    groups: array({
      groupId: string(),
      topics: array({
        topicName: string(),
        topicId: uuid(),
        partitions: array({
          partitionIndex: int32(),
          startOffset: int64(),
          leaderEpoch: int32(),
          lag: int64().since(1, -1),
          errorCode: errorCode(),
          errorMessage: nullable(string()),
        }),
      }),
      errorCode: errorCode(),
      errorMessage: nullable(string()),
    }),
  },
})

export type DescribeShareGroupOffsetsRequest = RequestOf<typeof describeShareGroupOffsets>
export type DescribeShareGroupOffsetsResponse = ResponseOf<typeof describeShareGroupOffsets>
