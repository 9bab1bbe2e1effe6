/**
 * DescribeConfigs (key 32), v1-4 · v1 source and synonyms · v3 type and documentation · v4 flexible.
 *
 * Resource types: 2 topic, 4 broker, 8 broker logger, 32 group. Sources: 1 topic, 4 broker, 5 default, 8 group.
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

export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleSince: 4,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: nullable(array(string())),
    }),
    includeSynonyms: bool(),
    includeDocumentation: bool().since(3, false),
  },
  response: {
    throttleTimeMs: int32(),
    results: array({
      errorCode: errorCode(),
      errorMessage: nullable(string()),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: nullable(string()),
        readOnly: bool(),
        configSource: int8(),
        isSensitive: bool(),
        synonyms: array({ name: string(), value: nullable(string()), source: int8() }),
        configType: int8().since(3, 0),
        documentation: nullable(string()).since(3, null),
      }),
    }),
  },
})

export type DescribeConfigsRequest = RequestOf<typeof describeConfigs>
export type DescribeConfigsResponse = ResponseOf<typeof describeConfigs>
