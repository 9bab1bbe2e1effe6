/**
 * From a frame to its handler: one handler an API key, built from a list.
 *
 * What cannot be served is a refusal with its reason (unknown key, unsupported version, undecodable body); the connection
 * then closes, as Kafka does. One exception: a newer ApiVersions gets a version 0 answer with UNSUPPORTED_VERSION and
 * exactly one entry, its own range, which franz-go and others rely on to find a common version.
 */

import { messageOf, ShoalError } from '../../core/index.ts'
import {
  apiVersions,
  encodeResponseFrame,
  Reader,
  readRequestHeader,
} from '../../protocol/index.ts'
import type { ClientConnection, EncodeFrame, Handler } from './handler.ts'

export type Dispatched =
  | {
      readonly kind: 'started'
      readonly api: string
      readonly version: number
      readonly correlationId: number
      readonly pipelined: boolean
      readonly answer: Promise<EncodeFrame | null>
    }
  | { readonly kind: 'refused'; readonly reason: string }

export class Dispatcher<Context> {
  readonly #handlers = new Map<number, Handler<Context>>()
  readonly #context: Context
  readonly #maxElements: number

  constructor(handlers: readonly Handler<Context>[], context: Context, maxElements: number) {
    for (const handler of handlers) {
      if (this.#handlers.has(handler.key))
        throw new ShoalError('SHOAL_INVALID_ARGUMENT', `two handlers for ${handler.name}`)
      this.#handlers.set(handler.key, handler)
    }
    this.#context = context
    this.#maxElements = maxElements
  }

  /** Why the request that begins with these bytes cannot be served; null when it can, or when they are too few to tell. */
  refusalOf(frame: Uint8Array): string | null {
    if (frame.length < 4) return null
    const [apiKey, version] = [int16At(frame, 0), int16At(frame, 2)]
    const handler = this.#handlers.get(apiKey)
    if (handler === undefined) return `api key ${apiKey} is not served`
    const [first, last] = handler.versions
    if ((version >= first && version <= last) || apiKey === apiVersions.key) return null
    return `${handler.name} version ${version} is not between ${first} and ${last}`
  }

  /** Whether the request may start while others of its kind are under way. */
  isPipelined(frame: Uint8Array): boolean {
    return this.#handlers.get(int16At(frame, 0))?.pipelined === true
  }

  start(frame: Uint8Array, connection: ClientConnection): Dispatched {
    const refusal = this.refusalOf(frame)
    if (refusal !== null) return { kind: 'refused', reason: refusal }
    try {
      return this.#start(new Reader(frame, { maxElements: this.#maxElements }), connection)
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'SHOAL_PROTOCOL_DECODE') throw error
      return { kind: 'refused', reason: messageOf(error) }
    }
  }

  #start(reader: Reader, connection: ClientConnection): Dispatched {
    const { apiKey, version, correlationId, clientId } = readRequestHeader(reader)
    const handler = this.#handlers.get(apiKey)
    if (handler === undefined) return { kind: 'refused', reason: `api key ${apiKey} is not served` }
    const [first, last] = handler.versions
    const answer =
      version < first || version > last
        ? Promise.resolve(unsupportedApiVersions)
        : handler.start(reader, {
            version,
            clientId: clientId ?? '',
            context: this.#context,
            connection,
          })
    const { name: api, pipelined } = handler
    return { kind: 'started', api, version, correlationId, pipelined, answer }
  }
}

const unsupportedApiVersions: EncodeFrame = (correlationId) =>
  encodeResponseFrame(apiVersions, 0, correlationId, {
    errorCode: 'UNSUPPORTED_VERSION',
    apiKeys: [
      {
        apiKey: apiVersions.key,
        minVersion: apiVersions.versions[0],
        maxVersion: apiVersions.versions[1],
      },
    ],
    throttleTimeMs: 0,
    supportedFeatures: [],
    finalizedFeaturesEpoch: -1,
    finalizedFeatures: [],
    zkMigrationReady: false,
  })

function int16At(frame: Uint8Array, position: number): number {
  return ((((frame[position] ?? 0) << 8) | (frame[position + 1] ?? 0)) << 16) >> 16
}
