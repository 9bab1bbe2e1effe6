/**
 * Where Kafka clients connect: takes connections up to its limits, hands their requests to the handlers, and sweeps
 * those that are idle or drip.
 *
 * Closing is graceful: no new connections, no new requests, long polls end, answers leave; what is not done after
 * `closeTimeoutMs` is cut off. A handler's work goes on until it ends by itself; its context outlives the listener.
 * Not here: which APIs there are (the handlers that are given), and TLS and SASL.
 */

import type {
  Address,
  BufferPool,
  Clock,
  Connection,
  Listener,
  Logger,
  Network,
  Timer,
  Timers,
} from '../../core/index.ts'
import { KafkaConnection } from './connection.ts'
import type { ConnectionHost } from './connection.ts'
import { Dispatcher } from './dispatch.ts'
import type { Handler } from './handler.ts'
import { InFlightBudget } from './in-flight-budget.ts'
import type { ListenerLimits } from './limits.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { RateLimitedLog } from './rate-limited-log.ts'

export interface KafkaListenerOptions<Context> {
  readonly network: Network
  /** Port 0 takes any free one. */
  readonly address: Address
  /** One for each API that is served. */
  readonly handlers: readonly Handler<Context>[]
  /** What every handler gets. */
  readonly context: Context
  readonly limits?: Partial<ListenerLimits>
  /** Where the buffers of large requests come from; whoever keeps a part of a Produce request has to retain it there. */
  readonly buffers?: BufferPool
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** What the listener holds at this moment, and what it has seen since it opened. */
export interface ListenerSnapshot {
  readonly connections: number
  readonly requestsInFlight: number
  /** Bytes that have arrived and are not answered. */
  readonly bytesInFlight: number
  readonly acceptedConnections: number
  readonly refusedConnections: number
}

const LONGEST_SWEEP_INTERVAL_MS = 5_000

export class KafkaListener {
  readonly #listener: Listener
  readonly #connections: ConnectionSet

  private constructor(listener: Listener, connections: ConnectionSet) {
    this.#listener = listener
    this.#connections = connections
  }

  /** @throws ShoalError SHOAL_ADDRESS_UNUSABLE when the address cannot be listened on. */
  static async open<Context>(options: KafkaListenerOptions<Context>): Promise<KafkaListener> {
    const connections = new ConnectionSet(options)
    const listener = await options.network.listen(options.address, (wire) =>
      connections.accept(wire),
    )
    return new KafkaListener(listener, connections)
  }

  /** Where clients connect. */
  get address(): Address {
    return this.#listener.address
  }

  snapshot(): ListenerSnapshot {
    return this.#connections.snapshot()
  }

  /** Resolves when every connection is closed. Idempotent. */
  async close(): Promise<void> {
    await this.#listener.close()
    await this.#connections.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The open connections of a listener, and the limits that they share. */
class ConnectionSet {
  readonly #host: ConnectionHost
  readonly #timers: Timers
  /** With the host that each came from. */
  readonly #open = new Map<KafkaConnection, string>()
  readonly #perHost = new Map<string, number>()
  #accepted = 0
  #refused = 0
  #sweep: Timer | null = null
  #closing: PromiseWithResolvers<void> | null = null

  constructor(options: KafkaListenerOptions<unknown>) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits }
    const log = new RateLimitedLog(options.logger, options.clock)
    this.#timers = options.timers
    this.#host = {
      dispatcher: new Dispatcher(options.handlers, options.context, limits.maxRequestElements),
      limits,
      budget: new InFlightBudget(limits.maxInFlightBytes),
      buffers: options.buffers,
      monotonicMs: () => options.clock.monotonicMs(),
      soon: (fire) => options.timers.soon(fire),
      log: (level, message, fields) => log.log(level, message, fields),
      closed: (connection) => this.#forget(connection),
    }
  }

  accept(wire: Connection): void {
    const { host } = wire.remote
    const { maxConnections, maxConnectionsPerHost } = this.#host.limits
    const fromHost = this.#perHost.get(host) ?? 0
    const full = this.#open.size >= maxConnections || fromHost >= maxConnectionsPerHost
    if (full || this.#closing !== null) {
      this.#refused++
      if (full)
        this.#host.log('warn', 'refused a connection: there are too many', {
          client: host,
          maxConnections,
          maxConnectionsPerHost,
        })
      return wire.destroy()
    }
    this.#accepted++
    this.#perHost.set(host, fromHost + 1)
    this.#open.set(new KafkaConnection(this.#accepted, wire, this.#host), host)
    this.#sweepLater()
  }

  snapshot(): ListenerSnapshot {
    let requestsInFlight = 0
    for (const connection of this.#open.keys()) requestsInFlight += connection.requestsInFlight
    return {
      connections: this.#open.size,
      requestsInFlight,
      bytesInFlight: this.#host.budget.bytes,
      acceptedConnections: this.#accepted,
      refusedConnections: this.#refused,
    }
  }

  async close(): Promise<void> {
    if (this.#closing !== null) return this.#closing.promise
    this.#closing = Promise.withResolvers<void>()
    this.#sweep?.cancel()
    for (const connection of this.#open.keys()) connection.drain()
    const cutOff = this.#timers.schedule(this.#host.limits.closeTimeoutMs, () => {
      for (const connection of this.#open.keys()) connection.destroy()
    })
    if (this.#open.size === 0) this.#closing.resolve()
    await this.#closing.promise
    cutOff.cancel()
  }

  #forget(connection: KafkaConnection): void {
    const host = this.#open.get(connection)
    if (host === undefined) return
    this.#open.delete(connection)
    const left = (this.#perHost.get(host) ?? 1) - 1
    if (left === 0) this.#perHost.delete(host)
    else this.#perHost.set(host, left)
    if (this.#open.size > 0) return
    this.#sweep?.cancel()
    this.#sweep = null
    this.#closing?.resolve()
  }

  /** One timer for all connections, while there are any. */
  #sweepLater(): void {
    const { idleTimeoutMs, frameTimeoutMs, closeTimeoutMs } = this.#host.limits
    this.#sweep ??= this.#timers.schedule(
      Math.min(idleTimeoutMs, frameTimeoutMs, closeTimeoutMs, LONGEST_SWEEP_INTERVAL_MS),
      () => {
        this.#sweep = null
        const nowMs = this.#host.monotonicMs()
        for (const connection of this.#open.keys()) connection.sweep(nowMs)
        if (this.#open.size > 0 && this.#closing === null) this.#sweepLater()
      },
    )
  }
}
