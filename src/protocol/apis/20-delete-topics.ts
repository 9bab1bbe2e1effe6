/**
 * DeleteTopics (key 20), v1-6 · v4 flexible · v5 error message, quota error · v6 topics by name or id (KIP-516).
 *
 * Up to v5 the names are in `topicNames`, then name or id in `topics`.
 */

import {
  api,
  array,
  errorCode,
  int32,
  nullable,
  string,
  uuid,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'
import { ZERO_UUID } from './zero-uuid.ts'

export const deleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: [1, 6],
  flexibleSince: 4,
  request: {
    topics: array({ name: nullable(string()), topicId: uuid() }).since(6, []),
    topicNames: array(string()).until(5, []),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    responses: array({
      name: string().nullableSince(6),
      topicId: uuid().since(6, ZERO_UUID),
      errorCode: errorCode(),
      errorMessage: nullable(string()).since(5, null),
    }),
  },
})

export type DeleteTopicsRequest = RequestOf<typeof deleteTopics>
export type DeleteTopicsResponse = ResponseOf<typeof deleteTopics>
