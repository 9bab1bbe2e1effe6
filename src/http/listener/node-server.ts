/**
 * An API server on a port of this machine: Node's HTTP server carries its requests and answers.
 *
 * The one file of the folder that opens sockets. Node ends a connection whose headers or whose request do not come in time,
 * so a slow peer holds a connection and nothing else; a body is read only as far as its limits allow.
 *
 * Closing: no more connections ─▶ long polls end, what runs is answered with `Connection: close` ─▶ who does not take its answer
 * within the grace is cut off.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Address, Logger, Timers } from '../../core/index.ts'
import { concatBytes, messageOf, ShoalError } from '../../core/index.ts'
import type { Answer, ApiRequest, ServedApi, TakeBytes } from '../exchange.ts'

export interface HttpLimits {
  /** Open connections; beyond it new ones are dropped. Default 10,000. */
  readonly maxConnections: number
  /** Bytes of a request's line and headers; beyond it 431. Default 16 KiB. */
  readonly maxHeaderBytes: number
  /** How long the headers may take, milliseconds; default 10,000. */
  readonly headersTimeoutMs: number
  /** How long a whole request may take to come in, milliseconds; default 30,000. */
  readonly requestTimeoutMs: number
  /** How long an idle connection is kept, milliseconds; default 60,000. */
  readonly keepAliveTimeoutMs: number
  /** How long nothing may pass on a connection that works, a poll among them or an answer that nobody reads; default 120,000. */
  readonly idleTimeoutMs: number
  /** How long a peer may take for its last answer when the server closes, milliseconds; default 5,000. */
  readonly closeGraceMs: number
}

export const httpLimitDefaults: HttpLimits = {
  maxConnections: 10_000,
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 60_000,
  idleTimeoutMs: 120_000,
  closeGraceMs: 5_000,
}

export interface HttpListenerOptions {
  readonly address: Address
  readonly api: ServedApi
  readonly limits?: Partial<HttpLimits>
  readonly timers: Timers
  readonly logger: Logger
}

/** How often Node looks for connections that take too long. */
const CONNECTIONS_CHECK_MS = 5_000

export class HttpListener {
  readonly address: Address
  readonly #server: Server
  readonly #options: HttpListenerOptions
  #closing: Promise<void> | null = null

  private constructor(server: Server, options: HttpListenerOptions) {
    const bound = server.address()
    const port = typeof bound === 'object' && bound !== null ? bound.port : options.address.port
    this.address = { host: options.address.host, port }
    this.#server = server
    this.#options = options
  }

  /** @throws ShoalError SHOAL_ADDRESS_UNUSABLE when it cannot be listened on. */
  static async open(options: HttpListenerOptions): Promise<HttpListener> {
    const limits = { ...httpLimitDefaults, ...options.limits }
    const server = createServer(
      {
        maxHeaderSize: limits.maxHeaderBytes,
        headersTimeout: limits.headersTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.keepAliveTimeoutMs,
        connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      },
      (incoming, outgoing) => carry(options, incoming, outgoing),
    )
    server.maxConnections = limits.maxConnections
    server.timeout = limits.idleTimeoutMs
    await listen(server, options.address)
    // What fails from now on is one connection that could not be accepted, never the listener.
    server.on('error', (error) =>
      options.logger.log('error', 'cannot take a connection', { error: error.message }),
    )
    return new HttpListener(server, options)
  }

  /** Takes no more requests; resolves when those that run are answered and every connection is gone. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { api, limits, timers } = this.#options
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const grace = timers.schedule(limits?.closeGraceMs ?? httpLimitDefaults.closeGraceMs, () =>
      this.#server.closeAllConnections(),
    )
    await api.close()
    this.#server.closeIdleConnections()
    await closed
    grace.cancel()
  }
}

function listen(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) =>
      reject(
        new ShoalError(
          'SHOAL_ADDRESS_UNUSABLE',
          `cannot listen on ${host}:${port}: ${reasonOf(cause)}`,
          { cause, details: { host, port } },
        ),
      )
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      resolve()
    })
  })
}

function reasonOf(error: Error): string {
  const code = 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return 'another program listens there'
  if (code === 'EADDRNOTAVAIL') return 'the address is not one of this machine'
  if (code === 'EACCES') return 'the port needs more rights'
  return messageOf(error)
}

/** One request from its headers to its answer. */
function carry(
  { api, logger }: HttpListenerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  const request = new NodeRequest(incoming, outgoing)
  api.answer(request).then(
    (answer) => send(api, answer, incoming, outgoing),
    (error: unknown) => {
      // The peer is gone, and with it whom an answer would be for.
      logger.log('debug', 'a request broke off', { error: messageOf(error) })
      outgoing.destroy()
    },
  )
}

function send(
  api: ServedApi,
  { status, headers, text }: Answer,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): void {
  if (outgoing.destroyed) return
  const isLast = api.isClosing || headers['connection'] === 'close'
  outgoing.writeHead(status, {
    ...headers,
    'content-length': Buffer.byteLength(text),
    ...(isLast ? { connection: 'close' } : {}),
  })
  outgoing.end(incoming.method === 'HEAD' ? '' : text)
  // A body that nobody read: what is small is let pass, what is refused ends with the connection.
  if (!incoming.complete && !isLast) incoming.resume()
}

class NodeRequest implements ApiRequest {
  readonly method: string
  readonly target: string
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  #gone: AbortController | null = null

  constructor(incoming: IncomingMessage, outgoing: ServerResponse) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.method = incoming.method ?? ''
    this.target = incoming.url ?? ''
  }

  get peerHost(): string {
    const address = this.#incoming.socket.remoteAddress ?? ''
    // An IPv4 address that came in over IPv6 is an IPv4 address.
    return address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address
  }

  get signal(): AbortSignal {
    if (this.#gone === null) {
      const gone = new AbortController()
      this.#gone = gone
      if (this.#outgoing.destroyed) gone.abort()
      else this.#outgoing.once('close', () => gone.abort())
    }
    return this.#gone.signal
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  body<Refusal>(take: TakeBytes<Refusal>): Promise<Uint8Array | Refusal> {
    const incoming = this.#incoming
    const announced = incoming.headers['content-length']
    if (announced !== undefined) {
      // The parser reads no more than was announced.
      const refusal = take(Number(announced))
      if (refusal !== null) return Promise.resolve(refusal)
    }
    // Who is gone already, while the API was put together, tells nobody again.
    if (incoming.destroyed)
      return Promise.reject(new Error('the peer went away before its body came'))
    return new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = []
      incoming.on('data', (chunk: Uint8Array) => {
        const refusal = announced === undefined ? take(chunk.byteLength) : null
        if (refusal === null) return void chunks.push(chunk)
        incoming.removeAllListeners('data')
        incoming.pause()
        resolve(refusal)
      })
      incoming.on('end', () => resolve(concatBytes(chunks)))
      incoming.on('error', reject)
    })
  }
}
