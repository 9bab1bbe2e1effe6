/**
 * CreatePartitions (key 37), v0-3 · v1 as v0 · v2 flexible · v3 quota error. `count` is the new total.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleSince: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: nullable(array({ brokerIds: array(int32()) })),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      name: string(),
      errorCode: errorCode(),
      errorMessage: nullable(string()),
    }),
  },
})

export type CreatePartitionsRequest = RequestOf<typeof createPartitions>
export type CreatePartitionsResponse = ResponseOf<typeof createPartitions>
