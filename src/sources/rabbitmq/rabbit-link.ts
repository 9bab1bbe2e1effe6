/**
 * The connection to one RabbitMQ, shared by all members of the process that name the same address.
 *
 * amqplib connects once and does not come back: this does, with backoff, when somebody asks. What was on a connection that
 * went (channels, consumers, unacknowledged messages) is gone with it; its owners are told and begin anew.
 */

import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { ShoalError } from '../../core/index.ts'
import { retry, within } from '../backoff.ts'
import { ended, type Closable } from './ending.ts'
import type { RabbitSettings } from './options.ts'
import { rabbitError, troubleOf } from './rabbit-errors.ts'

type Amqplib = typeof import('amqplib')

export class RabbitLink {
  readonly #settings: RabbitSettings
  readonly #amqplib: Amqplib
  readonly #downs = new Set<(reason: string) => void>()
  #uses = 0
  #connection: Promise<ChannelModel> | null = null

  private constructor(settings: RabbitSettings, amqplib: Amqplib) {
    this.#settings = settings
    this.#amqplib = amqplib
  }

  /** The process's link to this address, connected. Every `open` has its `close`. */
  static async open(settings: RabbitSettings): Promise<RabbitLink> {
    const amqplib = await loadAmqplib()
    const link = links.get(settings.url) ?? new RabbitLink(settings, amqplib)
    links.set(settings.url, link)
    link.#uses++
    try {
      await link.reach()
      return link
    } catch (error) {
      await link.close()
      throw error
    }
  }

  async close(): Promise<void> {
    if (--this.#uses > 0) return
    if (links.get(this.#settings.url) === this) links.delete(this.#settings.url)
    const connection = this.#connection
    this.#connection = null
    // A connection that failed is closed.
    const model = (await connection?.catch(() => null)) ?? null
    if (model !== null) await this.end(model)
  }

  /** Waits for a connection, trying again for as long as the settings say. */
  async reach(): Promise<void> {
    const { bootstrapTimeoutMs: timeoutMs, ports, url } = this.#settings
    const { reconnectBackoffMs: firstMs, reconnectBackoffMaxMs: longestMs } = this.#settings
    try {
      await retry(
        ports,
        {
          timeoutMs,
          limits: { firstMs, longestMs },
          retriable: (error) => this.#uses > 0 && troubleOf(error) === 'away',
        },
        () => this.#model(),
      )
    } catch (error) {
      throw rabbitError(error, `rabbitmq at ${new URL(url).host}`)
    }
  }

  /** Calls back each time the connection is lost. */
  onDown(down: (reason: string) => void): () => void {
    this.#downs.add(down)
    return () => void this.#downs.delete(down)
  }

  /** A channel; what becomes of it is told by its `close` event. */
  channel(): Promise<Channel> {
    return this.#opened((model) => model.createChannel())
  }

  confirmChannel(): Promise<ConfirmChannel> {
    return this.#opened((model) => model.createConfirmChannel())
  }

  /** Closes a channel, or a connection. Never rejects, and takes no longer than any answer may. */
  end(closable: Closable): Promise<void> {
    const { ports, requestTimeoutMs } = this.#settings
    return ended(closable, ports.timers, requestTimeoutMs)
  }

  limited<Value>(answer: Promise<Value>): Promise<Value> {
    const { ports, requestTimeoutMs } = this.#settings
    return within(
      ports.timers,
      requestTimeoutMs,
      answer,
      () =>
        new ShoalError(
          'SHOAL_REQUEST_TIMEOUT',
          `rabbitmq did not answer within ${requestTimeoutMs} ms`,
        ),
    )
  }

  async #opened<Opened extends Channel>(
    open: (model: ChannelModel) => Promise<Opened>,
  ): Promise<Opened> {
    const connection = this.#model()
    const channel = await this.#inTime(open(await connection))
    // The `close` that follows is what is dealt with.
    channel.on('error', () => {})
    // It went before anybody could listen for that.
    if (this.#connection !== connection) throw new Error('the connection was closed')
    return channel
  }

  /** What comes after its time is nobody's: closed, and its errors with it. */
  async #inTime<Opened extends Channel | ChannelModel>(opening: Promise<Opened>): Promise<Opened> {
    try {
      return await this.limited(opening)
    } catch (error) {
      opening.then(
        (late) => {
          late.on('error', () => {})
          void this.end(late)
        },
        // That is the error.
        () => {},
      )
      throw error
    }
  }

  #model(): Promise<ChannelModel> {
    if (this.#uses === 0)
      return Promise.reject(new ShoalError('SHOAL_CLOSED', 'the link to rabbitmq is closed'))
    this.#connection ??= this.#connect()
    return this.#connection
  }

  async #connect(): Promise<ChannelModel> {
    const { url, consumerName, requestTimeoutMs } = this.#settings
    try {
      const model = await this.#inTime(
        this.#amqplib.connect(url, {
          clientProperties: { connection_name: `shoal ${consumerName}` },
          // Ends the socket of a server that says nothing.
          timeout: requestTimeoutMs,
        }),
      )
      model.on('error', (error) => {
        this.#settings.ports.logger.log('debug', 'rabbitmq connection', { error: error.message })
      })
      model.on('close', (error) => {
        this.#connection = null
        for (const down of this.#downs) down(error?.message ?? 'the connection was closed')
      })
      return model
    } catch (error) {
      this.#connection = null
      throw error
    }
  }
}

const links = new Map<string, RabbitLink>()

/** amqplib is the application's to install: who reads from Kafka alone does without. */
async function loadAmqplib(): Promise<Amqplib> {
  try {
    return await import('amqplib')
  } catch (cause) {
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      'rabbitmq() needs the package amqplib: npm install amqplib',
      { cause },
    )
  }
}
