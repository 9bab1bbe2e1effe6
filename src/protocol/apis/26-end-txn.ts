/**
 * EndTxn (key 26), v0-5 · v2 PRODUCER_FENCED · v3 flexible · v4 TRANSACTION_ABORTABLE · v5 the producer's next epoch in the
 * answer (transactions v2, KIP-890).
 *
 * A producer of transactions v1 sends v4 at most (`endTxnV1`): v5 tells the broker that it speaks v2.
 */

import {
  api,
  bigint64,
  bool,
  errorCode,
  int16,
  int32,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

const form = {
  key: 26,
  name: 'EndTxn',
  flexibleSince: 3,
  request: {
    transactionalId: string(),
    producerId: bigint64(),
    producerEpoch: int16(),
    committed: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    producerId: bigint64().since(5, -1n),
    producerEpoch: int16().since(5, -1),
  },
} as const

export const endTxn = api({ ...form, versions: [0, 5] })

/** The same in the versions of transactions v1. */
export const endTxnV1 = api({ ...form, versions: [0, 4] })

export type EndTxnRequest = RequestOf<typeof endTxn>
export type EndTxnResponse = ResponseOf<typeof endTxn>
