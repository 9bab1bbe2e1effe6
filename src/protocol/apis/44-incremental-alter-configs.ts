/**
 * IncrementalAlterConfigs (key 44), v0-1 · v1 flexible (KIP-339). Changes only what is listed.
 *
 * Operations: 0 set, 1 delete (back to the default), 2 append to and 3 subtract from a list.
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

export const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({ name: string(), configOperation: int8(), value: nullable(string()) }),
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

export type IncrementalAlterConfigsRequest = RequestOf<typeof incrementalAlterConfigs>
export type IncrementalAlterConfigsResponse = ResponseOf<typeof incrementalAlterConfigs>
