/** DeleteShareGroupOffsets (key 92), v0, flexible (KIP-932). */

import {
  api,
  array,
  errorCode,
  int32,
  nullable,
  string,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const deleteShareGroupOffsets = api({
  key: 92,
  name: 'DeleteShareGroupOffsets',
  versions: [0, 0],
  flexibleSince: 0,
  request: {
    groupId: string(),
    topics: array({ topicName: string() }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    responses: array({
      topicName: string(),
      topicId: uuid(),
      errorCode: errorCode(),
      errorMessage: nullable(string()),
    }),
  },
})

export type DeleteShareGroupOffsetsRequest = RequestOf<typeof deleteShareGroupOffsets>
export type DeleteShareGroupOffsetsResponse = ResponseOf<typeof deleteShareGroupOffsets>
