/**
 * FindCoordinator (key 10), v0-6 · v1 key type, throttle time · v3 flexible · v4 many keys in one request (KIP-699) ·
 * v5 as v4 (transactions v2) · v6 share groups (key type 2, KIP-932).
 *
 * Key types: 0 group, 1 transaction, 2 share. Up to v3 one `key` and its answer at the top level, then lists.
 */

import {
  api,
  array,
  errorCode,
  int8,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleSince: 3,
  request: {
    key: string().until(3, ''),
    keyType: int8().since(1, 0),
    coordinatorKeys: array(string()).since(4, []),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    errorCode: errorCode().until(3, 'NONE'),
    errorMessage: nullable(string()).between(1, 3, null),
    nodeId: int32().until(3, -1),
    host: string().until(3, ''),
    port: int32().until(3, -1),
    coordinators: array({
      key: string(),
      nodeId: int32(),
      host: string(),
      port: int32(),
      errorCode: errorCode(),
      errorMessage: nullable(string()),
    }).since(4, []),
  },
})

export type FindCoordinatorRequest = RequestOf<typeof findCoordinator>
export type FindCoordinatorResponse = ResponseOf<typeof findCoordinator>
