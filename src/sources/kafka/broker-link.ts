/**
 * One connection to one broker, made when it is needed and made again when it was lost.
 *
 *   idle ─request─▶ connecting ─▶ open (versions known) ──lost──▶ idle, not before the backoff is over
 *
 * Each connection asks ApiVersions first, so a broker that came back as another version is spoken to in its own terms.
 * A request that is not answered in time ends the connection: what the broker does with it is not known, and an answer
 * that came late could only confuse. Nothing is sent twice here; who may send again is the caller's to decide.
 */

import { ShoalError, messageOf, sleep } from '../../core/index.ts'
import type { Address } from '../../core/index.ts'
import { Reader, apiVersions } from '../../protocol/index.ts'
import type { Api, FieldMap, InputsOf, ValuesOf } from '../../protocol/index.ts'
import { backoffMs, within } from '../backoff.ts'
import type { ClusterSettings, Ports } from './options.ts'
import type { KafkaConnection } from './transport.ts'

/** The body, or how to make it for the version that both sides speak. */
export type RequestBody<Request extends FieldMap> =
  | InputsOf<Request>
  | ((version: number) => InputsOf<Request>)

export interface Answer<Response extends FieldMap> {
  readonly response: ValuesOf<Response>
  /** The version that was spoken. */
  readonly version: number
  /** Monotonic time at which the request left. */
  readonly sentMs: number
}

export interface LinkEvent {
  readonly kind: 'disconnected' | 'reconnected'
  readonly address: string
  readonly reason: string
}

interface OpenConnection {
  readonly connection: KafkaConnection
  readonly versions: ReadonlyMap<number, { readonly min: number; readonly max: number }>
}

/** The version of ApiVersions that every broker since Kafka 2.4 speaks; older ones answer in version 0. */
const API_VERSIONS_VERSION = 3
const UNSUPPORTED_VERSION_CODE = 35
/** More topics and partitions than any cluster has, and few enough to hold. */
const MAX_RESPONSE_ELEMENTS = 10_000_000

export class BrokerLink {
  readonly address: Address
  readonly #settings: ClusterSettings
  readonly #ports: Ports
  readonly #onEvent: (event: LinkEvent) => void
  #open: OpenConnection | null = null
  #opening: Promise<OpenConnection> | null = null
  #failures = 0
  #notBeforeMs = 0
  #isDown = false
  readonly #closed = new AbortController()

  constructor(
    address: Address,
    settings: ClusterSettings,
    ports: Ports,
    onEvent: (event: LinkEvent) => void,
  ) {
    this.address = address
    this.#settings = settings
    this.#ports = ports
    this.#onEvent = onEvent
  }

  get isOpen(): boolean {
    return this.#open !== null
  }

  /** When it may be tried again, monotonic; in the past for a link that did not fail. */
  get notBeforeMs(): number {
    return this.#notBeforeMs
  }

  get name(): string {
    return `${this.address.host}:${this.address.port}`
  }

  /**
   * @throws ShoalError SHOAL_BROKER_UNREACHABLE, SHOAL_REQUEST_TIMEOUT, SHOAL_REQUEST_FAILED (no common version),
   * SHOAL_PROTOCOL_DECODE, SHOAL_CLOSED
   */
  async request<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    body: RequestBody<Request>,
    timeoutMs: number,
  ): Promise<Answer<Response>> {
    const deadlineMs = this.#ports.clock.monotonicMs() + timeoutMs
    // Without a wait in between when the connection is there: requests leave in the order of the calls.
    const open = this.#open ?? (await this.#within(timeoutMs, api.name, this.#connected()))
    const version = commonVersion(api, open, this.name)
    const value = typeof body === 'function' ? body(version) : body
    const sentMs = this.#ports.clock.monotonicMs()
    const sending = open.connection.send({
      apiKey: api.key,
      apiVersion: version,
      headerVersion: api.requestHeaderVersion(version),
      body: api.encodeRequest(version, value),
    })
    const bytes = await this.#within(deadlineMs - sentMs, api.name, sending, open)
    return { response: decodeAnswer(api, version, bytes), version, sentMs }
  }

  /** The version of an API that both sides speak, or null. */
  async versionOf(
    api: Pick<Api, 'key' | 'name' | 'versions'>,
    timeoutMs: number,
  ): Promise<number | null> {
    const open = this.#open ?? (await this.#within(timeoutMs, api.name, this.#connected()))
    return highestCommon(api, open)
  }

  /** Ends the connection; the next request makes a new one. */
  reset(): void {
    this.#open?.connection.destroy()
  }

  close(): void {
    this.#closed.abort()
    this.#open?.connection.destroy()
  }

  /** One attempt at a time, whoever asks. */
  #connected(): Promise<OpenConnection> {
    this.#opening ??= this.#connect().finally(() => (this.#opening = null))
    return this.#opening
  }

  async #connect(): Promise<OpenConnection> {
    const { clock, timers, random, transport } = this.#ports
    const waitMs = this.#notBeforeMs - clock.monotonicMs()
    if (waitMs > 0) await sleep(timers, waitMs, this.#closed.signal)
    this.#throwIfClosed()
    try {
      let reasonLost: string | null = null
      const connection = await transport.connect(this.address, {
        clientId: this.#settings.clientId,
        timeoutMs: this.#settings.connectTimeoutMs,
        maxResponseBytes: this.#settings.maxResponseBytes,
        onClose: (reason) => {
          reasonLost = reason
          this.#lost(connection, reason)
        },
      })
      const versions = await this.#within(
        this.#settings.connectTimeoutMs,
        apiVersions.name,
        askVersions(connection),
        { connection },
      )
      if (this.#closed.signal.aborted) connection.destroy()
      this.#throwIfClosed()
      if (reasonLost !== null) throw unreachable(this.name, reasonLost)
      return this.#opened({ connection, versions })
    } catch (error) {
      this.#failures++
      const limits = {
        firstMs: this.#settings.reconnectBackoffMs,
        longestMs: this.#settings.reconnectBackoffMaxMs,
      }
      this.#notBeforeMs = clock.monotonicMs() + backoffMs(this.#failures, limits, random)
      this.#down(messageOf(error))
      throw error
    }
  }

  #opened(open: OpenConnection): OpenConnection {
    this.#open = open
    this.#failures = 0
    if (this.#isDown)
      this.#onEvent({ kind: 'reconnected', address: this.name, reason: 'the broker answers again' })
    this.#isDown = false
    return open
  }

  #lost(connection: KafkaConnection, reason: string): void {
    if (this.#open?.connection !== connection) return
    this.#open = null
    if (!this.#closed.signal.aborted) this.#down(reason)
  }

  #down(reason: string): void {
    if (!this.#isDown && !this.#closed.signal.aborted)
      this.#onEvent({ kind: 'disconnected', address: this.name, reason })
    this.#isDown = true
  }

  #throwIfClosed(): void {
    if (this.#closed.signal.aborted)
      throw new ShoalError('SHOAL_CLOSED', `the client was closed, ${this.name} is not asked`)
  }

  #within<Value>(
    limitMs: number,
    apiName: string,
    promise: Promise<Value>,
    used?: { readonly connection: KafkaConnection },
  ): Promise<Value> {
    return within(this.#ports.timers, limitMs, promise, () => {
      used?.connection.destroy()
      return new ShoalError(
        'SHOAL_REQUEST_TIMEOUT',
        `${apiName}: broker ${this.name} did not answer within ${Math.round(limitMs)} ms`,
        { details: { api: apiName, address: this.name, timeoutMs: Math.round(limitMs) } },
      )
    })
  }
}

async function askVersions(connection: KafkaConnection): Promise<OpenConnection['versions']> {
  let version = API_VERSIONS_VERSION
  let bytes = await sendVersions(connection, version)
  // A broker that does not know the version answers with this error in a body of version 0, whatever was asked.
  if (bytes.length >= 2 && ((bytes[0] ?? 0) << 8) + (bytes[1] ?? 0) === UNSUPPORTED_VERSION_CODE) {
    version = 0
    bytes = await sendVersions(connection, version)
  }
  const response = decodeAnswer(apiVersions, version, bytes)
  if (response.errorCode !== 'NONE') throw refusal(apiVersions.name, response.errorCode)
  return new Map(
    response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
      apiKey,
      { min: minVersion, max: maxVersion },
    ]),
  )
}

function sendVersions(connection: KafkaConnection, version: number): Promise<Uint8Array> {
  return connection.send({
    apiKey: apiVersions.key,
    apiVersion: version,
    headerVersion: apiVersions.requestHeaderVersion(version),
    body: apiVersions.encodeRequest(version, {
      clientSoftwareName: 'shoal',
      clientSoftwareVersion: '0',
    }),
  })
}

function decodeAnswer<Response extends FieldMap>(
  api: Api<FieldMap, Response>,
  version: number,
  bytes: Uint8Array,
): ValuesOf<Response> {
  const reader = new Reader(bytes, { maxElements: MAX_RESPONSE_ELEMENTS })
  if (api.responseHeaderVersion(version) === 1) skipHeaderTags(api.name, reader)
  return api.decodeResponse(version, reader)
}

function skipHeaderTags(apiName: string, reader: Reader): void {
  try {
    reader.skipTagged()
  } catch (cause) {
    throw new ShoalError(
      'SHOAL_PROTOCOL_DECODE',
      `${apiName} response header: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}

/** The highest version that both sides speak. */
function highestCommon(
  { key, versions: [least, most] }: Pick<Api, 'key' | 'versions'>,
  { versions }: OpenConnection,
): number | null {
  const theirs = versions.get(key)
  const version = Math.min(most, theirs?.max ?? -1)
  return theirs === undefined || version < Math.max(least, theirs.min) ? null : version
}

function commonVersion(
  api: Pick<Api, 'key' | 'name' | 'versions'>,
  open: OpenConnection,
  address: string,
): number {
  const version = highestCommon(api, open)
  if (version !== null) return version
  const theirs = open.versions.get(api.key)
  throw new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `${api.name}: broker ${address} speaks ${theirs === undefined ? 'no version' : `versions ${theirs.min} to ${theirs.max}`}, Shoal ${api.versions[0]} to ${api.versions[1]}`,
    { details: { api: api.name, address, error: 'UNSUPPORTED_VERSION' } },
  )
}

export function refusal(
  what: string,
  error: string,
  details: Readonly<Record<string, string | number | boolean>> = {},
): ShoalError {
  return new ShoalError('SHOAL_REQUEST_FAILED', `${what}: the broker answered ${error}`, {
    details: { ...details, error },
  })
}

export function unreachable(address: string, reason: string, cause?: unknown): ShoalError {
  return new ShoalError(
    'SHOAL_BROKER_UNREACHABLE',
    `broker ${address} cannot be reached: ${reason}`,
    {
      cause,
      details: { address },
    },
  )
}
