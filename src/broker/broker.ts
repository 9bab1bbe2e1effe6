/**
 * The broker: log, groups, topics, the Kafka listener and the HTTP API, put together, opened in order and closed in reverse.
 *
 *   settings ─▶ files ─▶ log store (replays the machines: topics, groups, producer ids) ─▶ services ─▶ listeners
 *
 * It serves when `open` resolves: everything is recovered by then. When it cannot go on (a failed sync, a broken invariant)
 * it stops itself, nothing more is acknowledged, and `failed` rejects, so that its process can end with an error.
 * Not here: any decision about records, groups or topics.
 */

import type { Address, Timer } from '../core/index.ts'
import { messageOf } from '../core/index.ts'
import type { BrokerOptions, CheckedOptions } from './broker-options.ts'
import { checkOptions } from './broker-options.ts'
import type { BrokerParts } from './broker-parts.ts'
import { openParts } from './broker-parts.ts'
import type { BrokerContext } from './context.ts'
import type { HttpListener } from '../http/listener/index.ts'
import { kafkaHandlers } from './kafka/handlers/index.ts'
import type { ListenerSnapshot } from './kafka/listener.ts'
import { KafkaListener } from './kafka/listener.ts'
import { TcpNetwork } from './tcp-network.ts'

export interface BrokerSnapshot extends ListenerSnapshot {
  readonly topics: number
  readonly partitions: number
  readonly fetchSessions: number
}

export class Broker {
  /**
   * Rejects once when the broker stopped because it could not go on; never resolves. Nobody has to look at it.
   */
  readonly failed: Promise<never>
  readonly #parts: BrokerParts
  readonly #listener: KafkaListener
  readonly #http: HttpListener | null
  readonly #stop = new AbortController()
  #retentionTimer: Timer | null = null
  #retention: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  private constructor(parts: BrokerParts, listener: KafkaListener, http: HttpListener | null) {
    this.#parts = parts
    this.#listener = listener
    this.#http = http
    this.failed = parts.failure.promise
    this.#scheduleRetention()
    parts.failure.onFailure(() => void this.close())
  }

  /**
   * Opens the broker; clients can connect when it resolves.
   * @throws ShoalError SHOAL_CONFIG_INVALID with every problem of the options; SHOAL_FOLDER_LOCKED; SHOAL_STORAGE_CORRUPT;
   *   SHOAL_ADDRESS_UNUSABLE when the address is taken.
   */
  static async open(options: BrokerOptions = {}): Promise<Broker> {
    const checked = checkOptions(options)
    const parts = await openParts(options, checked)
    let listener: KafkaListener | null = null
    try {
      listener = await openListener(options, checked, parts.context)
      const http = await openHttpListener(checked, parts)
      parts.context.logger.log('info', 'the broker serves', { ...listener.address })
      return new Broker(parts, listener, http)
    } catch (error) {
      await listener?.close()
      parts.context.deliveries.close()
      parts.context.groups.close()
      await parts.context.delayed.close()
      await parts.context.logs.close()
      throw error
    }
  }

  /** Where Kafka clients connect. */
  get kafkaAddress(): Address {
    return this.#listener.address
  }

  /** Where the HTTP API listens; null when it was not asked for. */
  get httpAddress(): Address | null {
    return this.#http?.address ?? null
  }

  /** The id of the cluster, the same for the life of the folder. */
  get clusterId(): string {
    return this.#parts.context.topics.clusterId
  }

  /** What the broker holds at this moment. */
  snapshot(): BrokerSnapshot {
    const { topics, fetchSessions } = this.#parts.context
    return {
      ...this.#listener.snapshot(),
      topics: topics.table.topicCount,
      partitions: topics.table.partitionCount,
      fetchSessions: fetchSessions.size,
    }
  }

  /**
   * Takes no more requests, answers those that are decided, flushes and closes the folder. Idempotent.
   * After a failure it closes what can be closed; the error is told by `failed`.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { deliveries, delayed, groups, logs, logger } = this.#parts.context
    this.#stop.abort()
    this.#retentionTimer?.cancel()
    const listenersClosed = [this.#listener.close(), this.#http?.close()]
    deliveries.close()
    groups.close()
    await Promise.all([...listenersClosed, delayed.close(), this.#retention])
    try {
      await logs.close()
    } catch (error) {
      // After a failure the store has nothing good to say; its error was told before.
      if (!this.#parts.failure.happened) throw error
      logger.log('warn', 'the log store did not close cleanly', { error: messageOf(error) })
    }
  }

  /** Looks for what retention no longer keeps, again and again, one look at a time. */
  #scheduleRetention(): void {
    const { settings, timers } = this.#parts.context
    this.#retentionTimer = timers.schedule(settings.logRetentionCheckIntervalMs, () => {
      this.#retention = this.#applyRetention().catch((error: unknown) =>
        this.#parts.failure.fail(error),
      )
    })
  }

  async #applyRetention(): Promise<void> {
    const { topics, logs } = this.#parts.context
    const { signal } = this.#stop
    await topics.openAll(signal)
    if (signal.aborted) return
    await logs.applyRetention()
    if (!signal.aborted) this.#scheduleRetention()
  }
}

async function openHttpListener(
  { http }: CheckedOptions,
  { context, failure }: BrokerParts,
): Promise<HttpListener | null> {
  if (http === null) return null
  // Who embeds a broker without it does not load it.
  const { openHttp } = await import('./http/http-listener.ts')
  return openHttp({ ...http, context, hasFailed: () => failure.happened })
}

function openListener(
  options: BrokerOptions,
  { address, settings }: CheckedOptions,
  context: BrokerContext,
): Promise<KafkaListener> {
  const { clock, timers, logger } = context
  const idleMs = settings.connectionsMaxIdleMs
  const onAcceptError = (error: Error) =>
    logger.log('error', 'cannot take a connection', { error: error.message })
  return KafkaListener.open({
    network: options.network ?? new TcpNetwork({ onAcceptError }),
    address,
    handlers: kafkaHandlers,
    context,
    buffers: context.buffers,
    limits: {
      maxRequestBytes: settings.socketRequestMaxBytes,
      maxConnections: settings.maxConnections,
      maxConnectionsPerHost: settings.maxConnectionsPerIp,
      maxInFlightBytes: settings.queuedMaxRequestBytes,
      idleTimeoutMs: idleMs < 0 ? Number.POSITIVE_INFINITY : idleMs,
    },
    clock,
    timers,
    logger,
  })
}
