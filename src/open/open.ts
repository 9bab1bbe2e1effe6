/**
 * One door to every broker: the same few calls, whatever the URL says.
 *
 *   open(url, { topic, group }) ─▶ send · receive · ack · close · consumer(…)
 *
 * Nothing connects before it is needed: the first `send` opens a sender, the first `receive` joins the group. Members of
 * one process share connections where the broker's client can (Redis, RabbitMQ).
 */

import { consumer, pollConsumer } from '../consumer/index.ts'
import type {
  Consumer,
  Message,
  PollConsumer,
  RecordHeader,
  Source,
  UntypedOptions,
} from '../consumer/index.ts'
import { ShoalError, sleep, systemTimers } from '../core/index.ts'
import { brokerAddress } from './address.ts'
import type { Environment } from './address.ts'
import { backendParts } from './backends.ts'
import type { BackendParts, Sender } from './backends.ts'
import { checkOptions } from './options.ts'
import type { AnyOpenOptions, OpenOptions } from './options.ts'

/** What is sent: texts are UTF-8, anything that is no text and no bytes is JSON. */
export interface OutgoingMessage {
  readonly key?: string | Uint8Array | null
  readonly value: unknown
  readonly headers?: Readonly<Record<string, string | Uint8Array>>
}

/** One topic of one broker. */
export interface Door extends AsyncDisposable {
  /** Resolves when the broker has the message. */
  send(message: OutgoingMessage): Promise<void>
  /**
   * The messages of this member, as they come; joins the group at the first one. Leaving the loop leaves the group; what was not
   * acknowledged is delivered again, to whoever is there.
   */
  receive(): AsyncIterableIterator<Message<string | null>, void, undefined>
  /** The message was handled; resolves when the broker knows. */
  ack(message: Message<string | null>): Promise<void>
  /** The runtime on this topic and group, with all that it can: `consumer({ handle, order, retry, … })`. */
  consumer(options: Omit<UntypedOptions, 'group' | 'source'>): Consumer
  /**
   * Hands out nothing more, gives the messages in hand 20 s to be acknowledged, leaves the group and closes what was
   * opened. Idempotent.
   */
  close(): Promise<void>
}

/**
 * @throws ShoalError SHOAL_INVALID_ARGUMENT for a URL of another scheme and for options that the broker has no use for
 *
 * @example
 * await using orders = await open('redis://localhost:6379', { topic: 'orders', group: 'billing' })
 * await orders.send({ key: 'customer-7', value: { amount: 12 } })
 * for await (const message of orders.receive()) {
 *   await charge(JSON.parse(message.value ?? ''))
 *   await orders.ack(message)
 * }
 */
export async function open<const Url extends string>(
  url: Url,
  options: OpenOptions<Url>,
  environment: Environment = process.env,
): Promise<Door> {
  const given: AnyOpenOptions = options
  return new BrokerDoor(await partsOf(url, given, environment), given)
}

/**
 * The source alone, for a consumer that is built by other means.
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT as `open` does
 */
export async function openSource(
  url: string,
  options: AnyOpenOptions,
  environment: Environment = process.env,
): Promise<Source> {
  return (await partsOf(url, options, environment)).source()
}

async function partsOf(
  url: string,
  options: AnyOpenOptions,
  environment: Environment,
): Promise<BackendParts> {
  const address = brokerAddress(url, environment)
  checkOptions(address.backend, options)
  if (options.topic === undefined || options.topic === '')
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'open: topic must name a topic, stream or queue')
  return backendParts(address, options)
}

/** How long `close` waits for messages in hand. */
const CLOSE_MS = 20_000

const encoder = new TextEncoder()

class BrokerDoor implements Door {
  readonly #parts: BackendParts
  readonly #options: AnyOpenOptions
  #sender: Promise<Sender> | null = null
  #receiver: Promise<PollConsumer<string | null>> | null = null
  /** Messages whose loop has not come back for the next one, and that are not acknowledged. */
  readonly #inHand = new Set<Message<string | null>>()
  #whenFree: (() => void) | null = null
  #closing: Promise<void> | null = null

  constructor(parts: BackendParts, options: AnyOpenOptions) {
    this.#parts = parts
    this.#options = options
  }

  async send({ key = null, value, headers = {} }: OutgoingMessage): Promise<void> {
    this.#refuseWhenClosed()
    this.#sender ??= this.#parts.sender().catch((error: unknown) => {
      this.#sender = null
      throw error
    })
    await (
      await this.#sender
    ).send({
      topic: this.#options.topic,
      partition: null,
      key: typeof key === 'string' ? encoder.encode(key) : key,
      value: bytesOf(value),
      headers: Object.entries(headers).map(headerOf),
    })
  }

  async *receive(): AsyncIterableIterator<Message<string | null>, void, undefined> {
    const receiver = await this.#receiving()
    let inHand: Message<string | null> | null = null
    try {
      while (this.#closing === null) {
        const polled = await receiver.poll(Number.POSITIVE_INFINITY)
        if (polled === null) return
        if (polled.kind !== 'message') continue
        inHand = polled
        this.#inHand.add(inHand)
        yield inHand
        this.#letGo(inHand)
      }
    } finally {
      if (inHand !== null) this.#letGo(inHand)
      // Leaving the loop leaves the group; `close` does so itself once nothing is in hand.
      if (this.#closing === null) await this.#leave()
    }
  }

  async ack(message: Message<string | null>): Promise<void> {
    if (this.#receiver === null)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'ack: nothing was received through this door')
    await (await this.#receiver).commit(message)
    this.#letGo(message)
  }

  consumer(options: Omit<UntypedOptions, 'group' | 'source'>): Consumer {
    this.#refuseWhenClosed()
    return consumer({ ...options, group: this.#group(), source: this.#parts.source() })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #receiving(): Promise<PollConsumer<string | null>> {
    this.#refuseWhenClosed()
    this.#receiver ??= pollConsumer({
      group: this.#group(),
      source: this.#parts.source(),
      decode: 'text',
      partitionEnds: false,
    }).catch((error: unknown) => {
      this.#receiver = null
      throw error
    })
    return this.#receiver
  }

  #group(): string {
    const { group, topic } = this.#options
    if (group !== undefined && group !== '') return group
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `open(…, { topic: '${topic}' }): receiving needs a group: members of a group share the messages`,
      { details: { topic } },
    )
  }

  async #close(): Promise<void> {
    if (this.#inHand.size > 0) {
      const free = new AbortController()
      this.#whenFree = () => free.abort()
      await sleep(systemTimers, CLOSE_MS, free.signal)
    }
    await this.#leave()
    // What could not be opened has nothing to close; whoever asked for it has the error.
    const sender = await this.#sender?.catch(() => null)
    await sender?.close()
  }

  async #leave(): Promise<void> {
    const receiver = await this.#receiver?.catch(() => null)
    this.#receiver = null
    await receiver?.close()
  }

  #letGo(message: Message<string | null>): void {
    this.#inHand.delete(message)
    if (this.#inHand.size === 0) this.#whenFree?.()
  }

  #refuseWhenClosed(): void {
    if (this.#closing !== null)
      throw new ShoalError('SHOAL_CLOSED', `the door to ${this.#options.topic} is closed`)
  }
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return value
  return encoder.encode(typeof value === 'string' ? value : JSON.stringify(value))
}

function headerOf([key, value]: readonly [string, string | Uint8Array]): RecordHeader {
  return { key, value: typeof value === 'string' ? encoder.encode(value) : value }
}
