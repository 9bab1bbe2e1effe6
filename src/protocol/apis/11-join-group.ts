/**
 * JoinGroup (key 11), v0-9 · v1 rebalance timeout · v2 throttle time · v4 the first answer gives the member id · v5 static
 * members (KIP-345) · v6 flexible · v7 protocol type in the answer · v8 reason (KIP-800) · v9 skip-assignment (KIP-814).
 *
 * v0 has no rebalance timeout (-1 here): the session timeout counts for both.
 */

import {
  api,
  array,
  bool,
  bytes,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexibleSince: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32().since(1, -1),
    memberId: string(),
    groupInstanceId: nullable(string()).since(5, null),
    protocolType: string(),
    protocols: array({ name: string(), metadata: bytes() }),
    reason: nullable(string()).since(8, null),
  },
  response: {
    throttleTimeMs: int32().since(2, 0),
    errorCode: errorCode(),
    generationId: int32(),
    protocolType: nullable(string()).since(7, null),
    protocolName: string().nullableSince(7),
    leader: string(),
    skipAssignment: bool().since(9, false),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: nullable(string()).since(5, null),
      metadata: bytes(),
    }),
  },
})

export type JoinGroupRequest = RequestOf<typeof joinGroup>
export type JoinGroupResponse = ResponseOf<typeof joinGroup>
