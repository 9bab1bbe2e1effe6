/**
 * ApiVersions v0-4: which APIs and features this broker has.
 *
 * The ranges come from the handlers, so nothing is advertised that is not served; Produce alone starts lower, see
 * `advertisedMin`. v3+ says who the client is: a name or version that is not a plain word gets INVALID_REQUEST and no
 * keys. A version 3 answer leaves out supported features that start at 0, which older Java clients do not take.
 * A newer version never gets here: the dispatcher answers it.
 */

import { advertisedMin, apiVersions } from '../../../protocol/index.ts'
import type { ApiVersionsResponse } from '../../../protocol/index.ts'
import type { Handler } from '../handler.ts'
import { handlerFor } from '../handler.ts'

export interface Feature {
  readonly name: string
  readonly minVersion: number
  readonly maxVersion: number
  /** The level that is in force, or null when the feature is only known. */
  readonly finalized: number | null
}

export interface ApiVersionsOptions {
  /** What else is served. */
  readonly served: readonly Pick<Handler<never>, 'key' | 'versions'>[]
  readonly features?: readonly Feature[]
  /** Rises when finalized features change; told only when there are any. Default 0. */
  readonly finalizedFeaturesEpoch?: number
}

const PLAIN_WORD = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/
const FIRST_VERSION_WITH_SOFTWARE = 3
const FIRST_VERSION_WITH_MINIMUM_ZERO = 4

export function apiVersionsHandler<Context>(options: ApiVersionsOptions): Handler<Context> {
  const answer = answerOf(options)
  const v3 = {
    ...answer,
    supportedFeatures: answer.supportedFeatures.filter(({ minVersion }) => minVersion > 0),
  }
  return handlerFor<Context>()(apiVersions, ({ request, version, connection }) => {
    if (version < FIRST_VERSION_WITH_SOFTWARE) return Promise.resolve(answer)
    const name = request.clientSoftwareName
    const softwareVersion = request.clientSoftwareVersion
    if (!PLAIN_WORD.test(name) || !PLAIN_WORD.test(softwareVersion)) return Promise.resolve(INVALID)
    connection.identify({ name, version: softwareVersion })
    return Promise.resolve(version < FIRST_VERSION_WITH_MINIMUM_ZERO ? v3 : answer)
  })
}

function answerOf({
  served,
  features = [],
  finalizedFeaturesEpoch = 0,
}: ApiVersionsOptions): ApiVersionsResponse {
  const finalizedFeatures = features.flatMap(({ name, finalized }) =>
    finalized === null ? [] : [{ name, maxVersionLevel: finalized, minVersionLevel: finalized }],
  )
  return {
    errorCode: 'NONE',
    apiKeys: [...served, apiVersions]
      .map(({ key, versions: [first, last] }) => ({
        apiKey: key,
        minVersion: advertisedMin.get(key) ?? first,
        maxVersion: last,
      }))
      .toSorted((left, right) => left.apiKey - right.apiKey),
    throttleTimeMs: 0,
    supportedFeatures: features.map(({ name, minVersion, maxVersion }) => ({
      name,
      minVersion,
      maxVersion,
    })),
    finalizedFeaturesEpoch: finalizedFeatures.length === 0 ? -1 : finalizedFeaturesEpoch,
    finalizedFeatures,
    zkMigrationReady: false,
  }
}

const INVALID: ApiVersionsResponse = {
  errorCode: 'INVALID_REQUEST',
  apiKeys: [],
  throttleTimeMs: 0,
  supportedFeatures: [],
  finalizedFeaturesEpoch: -1,
  finalizedFeatures: [],
  zkMigrationReady: false,
}
