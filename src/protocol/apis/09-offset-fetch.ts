/**
 * OffsetFetch (key 9), v1-9 · v2 all topics, top-level error · v3 throttle time · v5 leader epoch · v6 flexible · v7 only
 * stable offsets (KIP-447) · v8 many groups in one request · v9 member id and epoch (KIP-848).
 *
 * Up to v7 there is one group in `groupId` and `topics`, from v8 on a list in `groups`; the response follows.
 * Not served: v10, which names topics by id.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  int64,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 9],
  flexibleSince: 6,
  request: {
    groupId: string().until(7, ''),
    topics: array({ name: string(), partitionIndexes: array(int32()) })
      .nullableSince(2)
      .until(7, []),
    groups: array({
      groupId: string(),
      memberId: nullable(string()).since(9, null),
      memberEpoch: int32().since(9, -1),
      topics: nullable(array({ name: string(), partitionIndexes: array(int32()) })),
    }).since(8, []),
    requireStable: bool().since(7, false),
  },
  response: {
    throttleTimeMs: int32().since(3, 0),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(5, -1),
        metadata: nullable(string()),
        errorCode: errorCode(),
      }),
    }).until(7, []),
    errorCode: errorCode().between(2, 7, 'NONE'),
    groups: array({
      groupId: string(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32(),
          metadata: nullable(string()),
          errorCode: errorCode(),
        }),
      }),
      errorCode: errorCode(),
    }).since(8, []),
  },
})

export type OffsetFetchRequest = RequestOf<typeof offsetFetch>
export type OffsetFetchResponse = ResponseOf<typeof offsetFetch>
