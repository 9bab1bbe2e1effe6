/**
 * ApiVersions (key 18), v0-4 · v1 throttle time · v3 flexible, client software, features (KIP-511, KIP-584) · v4 features
 * may start at 0.
 *
 * The one API whose response header is never flexible, so that a client can read the answer before it knows what the
 * broker speaks.
 */

import {
  api,
  array,
  bool,
  errorCode,
  int16,
  int32,
  int64,
  string,
  type RequestOf,
  type ResponseOf,
} from '../schema.ts'

export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexibleSince: 3,
  request: {
    clientSoftwareName: string().since(3, ''),
    clientSoftwareVersion: string().since(3, ''),
  },
  response: {
    errorCode: errorCode(),
    apiKeys: array({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
    throttleTimeMs: int32().since(1, 0),
    supportedFeatures: array({
      name: string(),
      minVersion: int16(),
      maxVersion: int16(),
    }).tagged(0, [], 3),
    finalizedFeaturesEpoch: int64().tagged(1, -1, 3),
    finalizedFeatures: array({
      name: string(),
      maxVersionLevel: int16(),
      minVersionLevel: int16(),
    }).tagged(2, [], 3),
    zkMigrationReady: bool().tagged(3, false, 3),
  },
})

export type ApiVersionsRequest = RequestOf<typeof apiVersions>
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>
