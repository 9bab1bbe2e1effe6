/**
 * ShareFetch (key 78), v1-2, flexible (KIP-932; v0 was early access) · v1 maximal records and batch size, lock timeout ·
 * v2 acquire mode (KIP-1206: 0 batch-optimized, 1 record-limit), renewals (KIP-1222).
 *
 * Acknowledge types: 0 gap, 1 accept, 2 release, 3 reject, 4 renew; one for a whole range, or one for each offset.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int16,
  int32,
  int64,
  int8,
  nullable,
  records,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const shareFetch = api({
  key: 78,
  name: 'ShareFetch',
  versions: [1, 2],
  flexibleSince: 0,
  request: {
    groupId: nullable(string()),
    memberId: nullable(string()),
    shareSessionEpoch: int32(),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32(),
    maxRecords: int32(),
    batchSize: int32(),
    shareAcquireMode: int8().since(2, 0),
    isRenewAck: bool().since(2, false),
    topics: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        acknowledgementBatches: array({
          firstOffset: int64(),
          lastOffset: int64(),
          acknowledgeTypes: array(int8()),
        }),
      }),
    }),
    forgottenTopicsData: array({ topicId: uuid(), partitions: array(int32()) }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    acquisitionLockTimeoutMs: int32(),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: errorCode(),
        errorMessage: nullable(string()),
        acknowledgeErrorCode: errorCode(),
        acknowledgeErrorMessage: nullable(string()),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }),
        records: nullable(records()),
        acquiredRecords: array({
          firstOffset: int64(),
          lastOffset: int64(),
          deliveryCount: int16(),
        }),
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: nullable(string()),
    }),
  },
})

export type ShareFetchRequest = RequestOf<typeof shareFetch>
export type ShareFetchResponse = ResponseOf<typeof shareFetch>
