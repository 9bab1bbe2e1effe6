/**
 * DescribeGroups (key 15), v0-6 · v1 throttle time · v3 authorized operations · v4 static members (KIP-345) · v5 flexible ·
 * v6 error message, and GROUP_ID_NOT_FOUND for a group that is not there (KIP-1043).
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
import { NO_OPERATIONS } from './no-operations.ts'

export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexibleSince: 5,
  request: {
    groups: array(string()),
    includeAuthorizedOperations: bool().since(3, false),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    groups: array({
      errorCode: errorCode(),
      errorMessage: nullable(string()).since(6, null),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: nullable(string()).since(4, null),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32().since(3, NO_OPERATIONS),
    }),
  },
})

export type DescribeGroupsRequest = RequestOf<typeof describeGroups>
export type DescribeGroupsResponse = ResponseOf<typeof describeGroups>
