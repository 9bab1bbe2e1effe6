/**
 * Heartbeat (key 12), v0-4 · v1 throttle time · v3 static members (KIP-345) · v4 flexible.
 */

import {
  api,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleSince: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: nullable(string()).since(3, null),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    errorCode: errorCode(),
  },
})

export type HeartbeatRequest = RequestOf<typeof heartbeat>
export type HeartbeatResponse = ResponseOf<typeof heartbeat>
