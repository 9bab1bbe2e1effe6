/**
 * A transport whose brokers are functions: what an API answers is said by the test, everything else is real.
 *
 * Requests are decoded and answers encoded with the true codec in the version that the client chose. An API without an
 * answer, and an answer that throws, end the connection, as a broker does that cannot make sense of a request.
 */

import { ShoalError, concatBytes } from '../../core/index.ts'
import type { Address } from '../../core/index.ts'
import { allApis, apiVersions } from '../../protocol/index.ts'
import type {
  Api,
  FieldMap,
  InputsOf,
  KafkaErrorCode,
  RequestOf,
  ResponseInput,
  ValuesOf,
} from '../../protocol/index.ts'
import { unreachable } from './broker-link.ts'
import type {
  ConnectOptions,
  EncodedRequest,
  KafkaConnection,
  KafkaTransport,
} from './transport.ts'

export interface Asked {
  readonly version: number
  readonly address: Address
}

export const NO_ERROR: KafkaErrorCode = 'NONE'

type AnswerOf = (request: never, asked: Asked) => unknown

export class ScriptedTransport implements KafkaTransport {
  readonly #answers = new Map<number, AnswerOf>()
  readonly #connections = new Set<ScriptedConnection>()
  readonly #refused = new Set<string>()
  /** Every request that came in, by the name of its API, in order. */
  readonly log: { readonly name: string; readonly request: unknown; readonly asked: Asked }[] = []
  /** What ApiVersions says; the client's own versions by default. */
  versions: readonly { apiKey: number; minVersion: number; maxVersion: number }[] = allApis.map(
    ({ key, versions }) => ({ apiKey: key, minVersion: versions[0], maxVersion: versions[1] }),
  )

  constructor() {
    this.on(apiVersions, () => ({
      errorCode: NO_ERROR,
      apiKeys: this.versions,
      throttleTimeMs: 0,
      supportedFeatures: [],
      finalizedFeaturesEpoch: -1,
      finalizedFeatures: [],
      zkMigrationReady: false,
    }))
  }

  /** Says how an API is answered from now on. */
  on<A extends Api>(
    api: A,
    answer: (request: RequestOf<A>, asked: Asked) => ResponseInput<A> | Promise<ResponseInput<A>>,
  ): void {
    this.#answers.set(api.key, answer)
  }

  /** How an API is answered now, for an answer that builds on it. */
  answerTo<A extends Api>(
    api: A,
  ): (request: RequestOf<A>, asked: Asked) => Promise<ResponseInput<A>> {
    const answer = this.#answers.get(api.key)
    return async (request, asked) => (await answer?.(request as never, asked)) as ResponseInput<A>
  }

  /** The requests of one API so far. */
  asked<Request extends FieldMap>(api: Api<Request>): readonly ValuesOf<Request>[] {
    return this.log
      .filter(({ name }) => name === api.name)
      .map(({ request }) => request as ValuesOf<Request>)
  }

  /** From now on the address takes no connections, and loses those it has. */
  down(address: string): void {
    this.#refused.add(address)
    for (const connection of this.#connections)
      if (textOf(connection.address) === address) connection.destroy()
  }

  up(address: string): void {
    this.#refused.delete(address)
  }

  async connect(address: Address, options: ConnectOptions): Promise<KafkaConnection> {
    if (this.#refused.has(textOf(address))) throw unreachable(textOf(address), 'refused')
    const connection = new ScriptedConnection(address, options, (request, asked) =>
      this.#answer(request, asked),
    )
    this.#connections.add(connection)
    return connection
  }

  async #answer({ apiKey, apiVersion, body }: EncodedRequest, asked: Asked): Promise<Uint8Array> {
    const api = allApis.find(({ key }) => key === apiKey) as Api | undefined
    const answer = this.#answers.get(apiKey)
    if (api === undefined || answer === undefined)
      throw new ShoalError('SHOAL_INVARIANT', `the script has no answer to API ${apiKey}`)
    const request = api.decodeRequest(apiVersion, concatBytes(body))
    this.log.push({ name: api.name, request, asked })
    const response = await answer(request as never, asked)
    const encoded = api.encodeResponse(apiVersion, response as InputsOf<FieldMap>)
    const header = api.responseHeaderVersion(apiVersion) === 1 ? [Uint8Array.of(0)] : []
    return concatBytes([...header, ...encoded])
  }
}

class ScriptedConnection implements KafkaConnection {
  readonly address: Address
  readonly #options: ConnectOptions
  readonly #answer: (request: EncodedRequest, asked: Asked) => Promise<Uint8Array>
  readonly #waiting = new Set<(error: Error) => void>()
  #isDestroyed = false

  constructor(
    address: Address,
    options: ConnectOptions,
    answer: (request: EncodedRequest, asked: Asked) => Promise<Uint8Array>,
  ) {
    this.address = address
    this.#options = options
    this.#answer = answer
  }

  send(request: EncodedRequest): Promise<Uint8Array> {
    if (this.#isDestroyed) return Promise.reject(unreachable(textOf(this.address), 'closed'))
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      this.#answer(request, { version: request.apiVersion, address: this.address })
        .then(resolve, (error: unknown) => {
          reject(unreachable(textOf(this.address), 'the script ended the connection', error))
          this.destroy()
        })
        .finally(() => this.#waiting.delete(reject))
    })
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    for (const reject of this.#waiting) reject(unreachable(textOf(this.address), 'closed'))
    this.#options.onClose('closed')
  }
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`
}
