/**
 * SaslHandshake (key 17), v0-1 · v0 is followed by bare SASL bytes, v1 by SaslAuthenticate requests. Never flexible.
 */

import { api, array, errorCode, string, type RequestOf, type ResponseOf } from '../schema.ts'

export const saslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  flexibleSince: null,
  request: { mechanism: string() },
  response: { errorCode: errorCode(), mechanisms: array(string()) },
})

export type SaslHandshakeRequest = RequestOf<typeof saslHandshake>
export type SaslHandshakeResponse = ResponseOf<typeof saslHandshake>
