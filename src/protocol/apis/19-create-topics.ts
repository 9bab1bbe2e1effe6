/**
 * CreateTopics (key 19), v2-7 · v4 -1 partitions or replicas take the broker's default (KIP-464) · v5 flexible, the answer
 * tells partitions, replicas and configs (KIP-525) · v6 quota error · v7 topic id (KIP-516).
 *
 * `configs` of the answer must not be null unless `topicConfigErrorCode` says why: Java's admin fails on it.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int8,
  int16,
  int32,
  nullable,
  string,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'
import { ZERO_UUID } from './zero-uuid.ts'

export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleSince: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({ partitionIndex: int32(), brokerIds: array(int32()) }),
      configs: array({ name: string(), value: nullable(string()) }),
    }),
    timeoutMs: int32(),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32(),
    topics: array({
      name: string(),
      topicId: uuid().since(7, ZERO_UUID),
      errorCode: errorCode(),
      errorMessage: nullable(string()),
      topicConfigErrorCode: errorCode().tagged(0, 'NONE', 5),
      numPartitions: int32().since(5, -1),
      replicationFactor: int16().since(5, -1),
      configs: nullable(
        array({
          name: string(),
          value: nullable(string()),
          readOnly: bool(),
          configSource: int8(),
          isSensitive: bool(),
        }),
      ).since(5, []),
    }),
  },
})

export type CreateTopicsRequest = RequestOf<typeof createTopics>
export type CreateTopicsResponse = ResponseOf<typeof createTopics>
