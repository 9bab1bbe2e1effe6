/**
 * InitProducerId (key 22), v0-5 · v2 flexible · v3 the id and epoch the producer had (KIP-360) · v4 PRODUCER_FENCED ·
 * v5 as v4 (transactions v2, KIP-890).
 */

import {
  api,
  bigint64,
  errorCode,
  int16,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleSince: 2,
  request: {
    transactionalId: nullable(string()),
    transactionTimeoutMs: int32(),
    producerId: bigint64().since(3, -1n),
    producerEpoch: int16().since(3, -1),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    producerId: bigint64(),
    producerEpoch: int16(),
  },
})

export type InitProducerIdRequest = RequestOf<typeof initProducerId>
export type InitProducerIdResponse = ResponseOf<typeof initProducerId>
