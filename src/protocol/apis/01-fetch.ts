/**
 * Fetch (key 1), v4-17 · v4 isolation level · v5 log start offset · v7 sessions (KIP-227) · v9 leader epoch (KIP-320) ·
 * v10 zstd · v11 rack and preferred replica (KIP-392) · v12 flexible, diverging epoch · v13 topics by id (KIP-516) ·
 * v15 replica state instead of replica id · v16 node endpoints (KIP-951) · v17 replica directory id.
 *
 * Up to v12 a topic has its name and the id is zero, from v13 on it has its id and the name is empty.
 */

import {
  api,
  array,
  bigint64,
  errorCode,
  int8,
  int32,
  int64,
  nullable,
  records,
  string,
  struct,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'
import { ZERO_UUID } from './zero-uuid.ts'

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: [4, 17],
  flexibleSince: 12,
  request: {
    clusterId: nullable(string()).tagged(0, null, 12),
    replicaId: int32().until(14, -1),
    replicaState: struct({ replicaId: int32(), replicaEpoch: int64() }).tagged(
      1,
      { replicaId: -1, replicaEpoch: -1 },
      15,
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32(),
    isolationLevel: int8(),
    sessionId: int32().since(7, 0),
    sessionEpoch: int32().since(7, -1),
    topics: array({
      topic: string().until(12, ''),
      topicId: uuid().since(13, ZERO_UUID),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32().since(9, -1),
        fetchOffset: int64(),
        lastFetchedEpoch: int32().since(12, -1),
        logStartOffset: int64().since(5, -1),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid().tagged(0, ZERO_UUID, 17),
      }),
    }),
    forgottenTopicsData: array({
      topic: string().until(12, ''),
      topicId: uuid().since(13, ZERO_UUID),
      partitions: array(int32()),
    }).since(7, []),
    rackId: string().since(11, ''),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: errorCode().since(7, 'NONE'),
    sessionId: int32().since(7, 0),
    responses: array({
      topic: string().until(12, ''),
      topicId: uuid().since(13, ZERO_UUID),
      partitions: array({
        partitionIndex: int32(),
        errorCode: errorCode(),
        highWatermark: int64(),
        lastStableOffset: int64(),
        logStartOffset: int64().since(5, -1),
        divergingEpoch: struct({ epoch: int32(), endOffset: int64() }).tagged(
          0,
          { epoch: -1, endOffset: -1 },
          12,
        ),
        currentLeader: struct({ leaderId: int32(), leaderEpoch: int32() }).tagged(
          1,
          { leaderId: -1, leaderEpoch: -1 },
          12,
        ),
        snapshotId: struct({ endOffset: int64(), epoch: int32() }).tagged(
          2,
          { endOffset: -1, epoch: -1 },
          12,
        ),
        abortedTransactions: nullable(array({ producerId: bigint64(), firstOffset: int64() })),
        preferredReadReplica: int32().since(11, -1),
        records: nullable(records()),
      }),
    }),
    nodeEndpoints: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: nullable(string()),
    }).tagged(0, [], 16),
  },
})

export type FetchRequest = RequestOf<typeof fetch>
export type FetchResponse = ResponseOf<typeof fetch>
