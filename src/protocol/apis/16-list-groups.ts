/**
 * ListGroups (key 16), v0-5 · v1 throttle time · v3 flexible · v4 states (KIP-518) · v5 types (KIP-848).
 *
 * An empty filter lets every group through.
 */

import { api, array, errorCode, int32, string, type RequestOf, type ResponseOf } from '../schema.ts'

export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexibleSince: 3,
  request: {
    statesFilter: array(string()).since(4, []),
    typesFilter: array(string()).since(5, []),
  },
  response: {
    throttleTimeMs: int32().since(1, 0),
    errorCode: errorCode(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string().since(4, ''),
      groupType: string().since(5, ''),
    }),
  },
})

export type ListGroupsRequest = RequestOf<typeof listGroups>
export type ListGroupsResponse = ResponseOf<typeof listGroups>
