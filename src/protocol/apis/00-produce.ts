/**
 * Produce (key 0), v3-12 · v5 log start offset · v7 zstd allowed · v8 errors by record (KIP-467) · v9 flexible · v10 the
 * current leader beside a leadership error (KIP-951) · v11, v12 as v10 (transactions v2, KIP-890).
 *
 * Advertised from 0, though 0-2 are refused: old librdkafka asks for v0 before it compresses (see `advertisedMin`).
 * Not served: v13, which names topics by id. `acks` 0 has no response at all.
 */

import {
  api,
  array,
  errorCode,
  int16,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

const form = {
  key: 0,
  name: 'Produce',
  flexibleSince: 9,
  request: {
    transactionalId: nullable(string()),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string(),
      partitionData: array({ index: int32(), records: nullable(records()) }),
    }),
  },
  response: {
    responses: array({
      name: string(),
      partitionResponses: array({
        index: int32(),
        errorCode: errorCode(),
        baseOffset: int64(),
        logAppendTimeMs: int64(),
        logStartOffset: int64().since(5, -1),
        recordErrors: array({
          batchIndex: int32(),
          batchIndexErrorMessage: nullable(string()),
        }).since(8, []),
        errorMessage: nullable(string()).since(8, null),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }).tagged(
          0,
          { leaderId: -1, leaderEpoch: -1 },
          10,
        ),
      }),
    }),
    throttleTimeMs: int32(),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: nullable(string()),
    }).tagged(0, [], 10),
  },
} as const

export const produce = api({ ...form, versions: [3, 12] })

/** The same in the versions of transactions v1: v12 tells the broker that its sender speaks v2. */
export const produceV1 = api({ ...form, versions: [3, 11] })

export type ProduceRequest = RequestOf<typeof produce>
export type ProduceResponse = ResponseOf<typeof produce>
