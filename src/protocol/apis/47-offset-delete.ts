/**
 * OffsetDelete (key 47), v0, not flexible (KIP-496).
 */

import { api, array, errorCode, int32, string, type RequestOf, type ResponseOf } from '../schema.ts'

export const offsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  versions: [0, 0],
  flexibleSince: null,
  request: {
    groupId: string(),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32() }) }),
  },
  response: {
    errorCode: errorCode(),
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), errorCode: errorCode() }),
    }),
  },
})

export type OffsetDeleteRequest = RequestOf<typeof offsetDelete>
export type OffsetDeleteResponse = ResponseOf<typeof offsetDelete>
