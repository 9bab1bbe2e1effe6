/**
 * OffsetCommit (key 8), v2-9 · v3 throttle time · v5 no retention time any more · v6 leader epoch · v7 static members
 * (KIP-345) · v8 flexible · v9 KIP-848 members: the generation may be a member epoch.
 * Not served: v10, which names topics by id.
 */

import {
  api,
  array,
  errorCode,
  int32,
  int64,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 9],
  flexibleSince: 8,
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32(),
    memberId: string(),
    groupInstanceId: nullable(string()).since(7, null),
    retentionTimeMs: int64().until(4, -1),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(6, -1),
        committedMetadata: nullable(string()),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32().since(3, 0),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), errorCode: errorCode() }),
    }),
  },
})

export type OffsetCommitRequest = RequestOf<typeof offsetCommit>
export type OffsetCommitResponse = ResponseOf<typeof offsetCommit>
