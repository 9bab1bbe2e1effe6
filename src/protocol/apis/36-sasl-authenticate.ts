/**
 * SaslAuthenticate (key 36), v0-2 · v1 session lifetime (KIP-368) · v2 flexible.
 */

import {
  api,
  bytes,
  errorCode,
  int64,
  nullable,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const saslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
  request: { authBytes: bytes() },
  response: {
    errorCode: errorCode(),
    errorMessage: nullable(string()),
    authBytes: bytes(),
    sessionLifetimeMs: int64().since(1, 0),
  },
})

export type SaslAuthenticateRequest = RequestOf<typeof saslAuthenticate>
export type SaslAuthenticateResponse = ResponseOf<typeof saslAuthenticate>
