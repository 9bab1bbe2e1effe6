/** AlterShareGroupOffsets (key 91), v0, flexible (KIP-932). */

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

export const alterShareGroupOffsets = api({
  key: 91,
  name: 'AlterShareGroupOffsets',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    groupId: string(),
    topics: array({
      topicName: string(),
      partitions: array({ partitionIndex: int32(), startOffset: int64() }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    responses: array({
      topicName: string(),
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: errorCode(),
        errorMessage: nullable(string()),
      }),
    }),
  },
})

export type AlterShareGroupOffsetsRequest = RequestOf<typeof alterShareGroupOffsets>
export type AlterShareGroupOffsetsResponse = ResponseOf<typeof alterShareGroupOffsets>
