/**
 * LeaveGroup (key 13), v0-5 · v1 throttle time · v3 many members, by member or instance id (KIP-345) · v4 flexible ·
 * v5 reason (KIP-800).
 *
 * Up to v2 one `memberId`, then the list `members`, in the answer too.
 */

import {
  api,
  array,
  errorCode,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleSince: 4,
  request: {
    groupId: string(),
    memberId: string().until(2, ''),
    members: array({
      memberId: string(),
      groupInstanceId: nullable(string()),
      reason: nullable(string()).since(5, null),
    }).since(3, []),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    errorCode: errorCode(),
    members: array({
      memberId: string(),
      groupInstanceId: nullable(string()),
      errorCode: errorCode(),
    }).since(3, []),
  },
})

export type LeaveGroupRequest = RequestOf<typeof leaveGroup>
export type LeaveGroupResponse = ResponseOf<typeof leaveGroup>
