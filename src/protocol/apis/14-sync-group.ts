/**
 * SyncGroup (key 14), v0-5 · v1 throttle time · v3 static members (KIP-345) · v4 flexible · v5 protocol type and name in
 * both directions (KIP-559).
 */

import {
  api,
  array,
  bytes,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: nullable(string()).since(3, null),
    protocolType: nullable(string()).since(5, null),
    protocolName: nullable(string()).since(5, null),
    assignments: array({ memberId: string(), assignment: bytes() }),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    errorCode: errorCode(),
    protocolType: nullable(string()).since(5, null),
    protocolName: nullable(string()).since(5, null),
    assignment: bytes(),
  },
})

export type SyncGroupRequest = RequestOf<typeof syncGroup>
export type SyncGroupResponse = ResponseOf<typeof syncGroup>
