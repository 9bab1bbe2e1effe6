/**
 * TxnOffsetCommit (key 28), v0-5 · v2 leader epoch · v3 flexible, the member and its generation (KIP-447) · v4
 * TRANSACTION_ABORTABLE · v5 adds the group to the transaction by itself (transactions v2, KIP-890).
 *
 * The generation of a KIP-848 member is its member epoch. A producer of transactions v1 sends v3-4 (`txnOffsetCommitV1`):
 * without the generation a member that lost its partitions would not be fenced.
 */

import {
  api,
  array,
  bigint64,
  errorCode,
  int16,
  int32,
  int64,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

const form = {
  key: 28,
  name: 'TxnOffsetCommit',
  flexibleSince: 3,
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: bigint64(),
    producerEpoch: int16(),
    generationId: int32().since(3, -1),
    memberId: string().since(3, ''),
    groupInstanceId: nullable(string()).since(3, null),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32().since(2, -1),
        committedMetadata: nullable(string()),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), errorCode: errorCode() }),
    }),
  },
} as const

export const txnOffsetCommit = api({ ...form, versions: [0, 5] })

/** The same in the versions of transactions v1 that fence by generation. */
export const txnOffsetCommitV1 = api({ ...form, versions: [3, 4] })

export type TxnOffsetCommitRequest = RequestOf<typeof txnOffsetCommit>
export type TxnOffsetCommitResponse = ResponseOf<typeof txnOffsetCommit>
