/**
 * DeleteGroups (key 42), v0-2 · v1 as v0 · v2 flexible. (The field really is called `groupsNames`.)
 */

import { api, array, errorCode, int32, string, type RequestOf, type ResponseOf } from '../schema.ts'

export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 2],
  flexibleSince: 2,
  request: { groupsNames: array(string()) },
  response: {
    throttleTimeMs: int32(),
    results: array({ groupId: string(), errorCode: errorCode() }),
  },
})

export type DeleteGroupsRequest = RequestOf<typeof deleteGroups>
export type DeleteGroupsResponse = ResponseOf<typeof deleteGroups>
