/**
 * ShareAcknowledge (key 79), v1-2, flexible (KIP-932; v0 was early access) · v2 renewals (KIP-1222), lock timeout.
 *
 * Acknowledge types as in ShareFetch.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int32,
  int64,
  int8,
  nullable,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const shareAcknowledge = api({
  key: 79,
  name: 'ShareAcknowledge',
  versions: [1, 2],
  flexibleSince: 0,
  request: {
    groupId: nullable(string()),
    memberId: nullable(string()),
    shareSessionEpoch: int32(),
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
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    acquisitionLockTimeoutMs: int32().since(2, 0),
    responses: array({
      topicId: uuid(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: errorCode(),
        errorMessage: nullable(string()),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }),
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

export type ShareAcknowledgeRequest = RequestOf<typeof shareAcknowledge>
export type ShareAcknowledgeResponse = ResponseOf<typeof shareAcknowledge>
