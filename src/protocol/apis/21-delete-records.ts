/**
 * DeleteRecords (key 21), v0-2 · v1 as v0 · v2 flexible. Offset -1 means the high watermark.
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

export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), offset: int64() }),
    }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        lowWatermark: int64(),
        errorCode: errorCode(),
      }),
    }),
  },
})

export type DeleteRecordsRequest = RequestOf<typeof deleteRecords>
export type DeleteRecordsResponse = ResponseOf<typeof deleteRecords>
