/**
 * AlterConfigs (key 33), v0-2 · v1 as v0 · v2 flexible. Replaces the whole configuration of a resource: what is not
 * listed goes back to its default.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int8,
  int32,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const alterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleSince: 2,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), value: nullable(string()) }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      errorCode: errorCode(),
      errorMessage: nullable(string()),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
})

export type AlterConfigsRequest = RequestOf<typeof alterConfigs>
export type AlterConfigsResponse = ResponseOf<typeof alterConfigs>
