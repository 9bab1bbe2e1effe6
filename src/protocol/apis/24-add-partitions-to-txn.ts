/**
 * AddPartitionsToTxn (key 24), v0-5 · v2 PRODUCER_FENCED · v3 flexible · v4 many transactions in one request, for brokers ·
 * v5 TRANSACTION_ABORTABLE (KIP-890).
 *
 * Up to v3 one transaction at the top level: what clients send (`addPartitionsToOwnTxn`). From v4 on a broker may ask for the
 * right to act for the cluster.
 */

import {
  api,
  array,
  bigint64,
  bool,
  errorCode,
  int16,
  int32,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

const topics = { name: string(), partitions: array(int32()) }
const topicResults = {
  name: string(),
  resultsByPartition: array({ partitionIndex: int32(), partitionErrorCode: errorCode() }),
}

const form = {
  key: 24,
  name: 'AddPartitionsToTxn',
  flexibleSince: 3,
  request: {
    transactions: array({
      transactionalId: string(),
      producerId: bigint64(),
      producerEpoch: int16(),
      verifyOnly: bool(),
      topics: array(topics),
    }).since(4, []),
    transactionalId: string().until(3, ''),
    producerId: bigint64().until(3, -1n),
    producerEpoch: int16().until(3, -1),
    topics: array(topics).until(3, []),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode().since(4, 'NONE'),
    resultsByTransaction: array({
      transactionalId: string(),
      topicResults: array(topicResults),
    }).since(4, []),
    resultsByTopic: array(topicResults).until(3, []),
  },
} as const

export const addPartitionsToTxn = api({ ...form, versions: [0, 5] })

/** The same in the versions of clients. */
export const addPartitionsToOwnTxn = api({ ...form, versions: [0, 3] })

export type AddPartitionsToTxnRequest = RequestOf<typeof addPartitionsToTxn>
export type AddPartitionsToTxnResponse = ResponseOf<typeof addPartitionsToTxn>
