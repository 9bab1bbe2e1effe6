/**
 * Dead letters in a queue. A queue can only be read by taking from it: moving takes one letter after the other from the front,
 * publishes it with a confirm, and acknowledges it then. What stays is published to the same queue again, behind the
 * others. Reading alone is refused unless it may put back what it took, which marks it as delivered.
 */

import type { Channel, ConfirmChannel, GetMessage } from 'amqplib'
import type {
  DeadLetterPort,
  DeadLetterTopic,
  Destination,
  MoveDecision,
  MoveOptions,
  ReadLettersOptions,
  StoredLetter,
} from '../../../admin/index.ts'
import { ShoalError, uuidText } from '../../../core/index.ts'
import { routingKeyOf } from '../message-record.ts'
import type { RabbitSettings } from '../options.ts'
import { rabbitError } from '../rabbit-errors.ts'
import type { RabbitLink } from '../rabbit-link.ts'
import { exchangeExists } from '../topology.ts'
import { letterOfMessage, publishOptions } from './letter-message.ts'
import type { ManagementApi } from './management-api.ts'
import { passiveQueue } from './passive.ts'

/** Letters that a look may hold at once: they are out of the queue meanwhile. */
const MAX_HELD = 1_000

interface Address {
  readonly exchange: string
  readonly routingKey: string
}

export class RabbitDeadLetters implements DeadLetterPort {
  readonly #link: RabbitLink
  readonly #settings: RabbitSettings
  readonly #api: ManagementApi

  constructor(link: RabbitLink, settings: RabbitSettings, api: ManagementApi) {
    this.#link = link
    this.#settings = settings
    this.#api = api
  }

  async list(suffix: string): Promise<readonly DeadLetterTopic[]> {
    const names = (await this.#api.queueNames()).filter((name) => name.endsWith(suffix))
    const listed: DeadLetterTopic[] = []
    for (const name of names.toSorted()) {
      const queue = await passiveQueue(this.#link, name)
      if (queue !== null) listed.push(await this.#described(name, queue.messageCount))
    }
    return listed
  }

  async describe(topic: string): Promise<DeadLetterTopic> {
    return this.#described(topic, await this.#count(topic))
  }

  async *read(
    topic: string,
    { limit = MAX_HELD, requeue = false }: ReadLettersOptions = {},
  ): AsyncGenerator<StoredLetter> {
    const count = await this.#count(topic)
    if (!requeue)
      throw new ShoalError(
        'SHOAL_REQUEST_FAILED',
        `RabbitMQ shows no message of ${topic} without taking it out and putting it back, which marks it as delivered and counts as a delivery; --requeue allows that`,
        { details: { topic, error: 'READING_TAKES' } },
      )
    const channel = await this.#link.channel()
    try {
      const most = Math.min(count, limit, MAX_HELD)
      for (let number = 1; number <= most; number++) {
        const message = await this.#get(channel, topic)
        if (message === false) return
        yield letterOfMessage(topic, number, message)
      }
    } finally {
      // What is not acknowledged goes back to its place.
      await this.#link.end(channel)
    }
  }

  async move(topic: string, decide: MoveDecision, options: MoveOptions = {}): Promise<void> {
    const count = await this.#count(topic)
    const addresses = new Map<string, Address>()
    const outgoing = new Outgoing(await this.#link.confirmChannel(), this.#link, this.#settings)
    const channel = await this.#link.channel()
    try {
      for (let number = 1; number <= count && options.signal?.aborted !== true; number++) {
        const message = await this.#get(channel, topic)
        if (message === false) return
        const letter = letterOfMessage(topic, number, message)
        const destination = decide(letter)
        if (destination === null) {
          const { headers } = letter
          const stay = { exchange: '', routingKey: topic }
          await outgoing.publish(stay, message, publishOptions(message, letter, headers))
        } else {
          await options.pace?.()
          const address = await this.#addressOf(letter, destination, addresses)
          const { headers } = destination
          await outgoing.publish(address, message, publishOptions(message, letter, headers))
        }
        channel.ack(message)
        if (destination !== null) options.onMoved?.()
      }
    } catch (error) {
      throw rabbitError(error, `queue ${topic}`)
    } finally {
      await this.#link.end(channel)
      await outgoing.close()
    }
  }

  async purge(topic: string): Promise<number> {
    await this.#count(topic)
    const channel = await this.#link.channel()
    try {
      return (await this.#link.limited(channel.purgeQueue(topic))).messageCount
    } catch (error) {
      throw rabbitError(error, `queue ${topic}`)
    } finally {
      await this.#link.end(channel)
    }
  }

  /** The age of the first one is a comfort: where it cannot be asked it is not known. */
  async #described(topic: string, letterCount: number): Promise<DeadLetterTopic> {
    const facts = letterCount === 0 ? null : await this.#api.queue(topic).catch(() => null)
    const headMs = facts?.headTimestampMs ?? null
    const nowMs = this.#settings.ports.clock.wallMs()
    return { topic, letterCount, oldestMs: headMs === null ? null : Math.max(0, nowMs - headMs) }
  }

  async #count(topic: string): Promise<number> {
    const queue = await passiveQueue(this.#link, topic)
    if (queue !== null) return queue.messageCount
    throw new ShoalError('SHOAL_UNKNOWN_TOPIC', `queue ${topic} does not exist`, {
      details: { topic },
    })
  }

  async #get(channel: Channel, topic: string): Promise<GetMessage | false> {
    try {
      return await this.#link.limited(channel.get(topic))
    } catch (error) {
      throw rabbitError(error, `queue ${topic}`)
    }
  }

  /** The queue of the topic, or the shard that it came from, or where its key goes now. */
  async #addressOf(
    { key }: StoredLetter,
    { topic, partition }: Destination,
    known: Map<string, Address>,
  ): Promise<Address> {
    const id = `${topic}/${partition}`
    const found = known.get(id) ?? (await this.#find(topic, partition))
    known.set(id, found)
    if (found.exchange === '') return found
    return { ...found, routingKey: key === null ? '' : routingKeyOf(key) }
  }

  async #find(topic: string, partition: number | null): Promise<Address> {
    for (const queue of [topic, ...(partition === null ? [] : [`${topic}.${partition}`])])
      if ((await passiveQueue(this.#link, queue)) !== null)
        return { exchange: '', routingKey: queue }
    if (await exchangeExists(this.#link, topic)) return { exchange: topic, routingKey: '' }
    throw new ShoalError(
      'SHOAL_UNKNOWN_TOPIC',
      `letters cannot go back: there is no queue or exchange ${topic}; name another with --to`,
      { details: { topic } },
    )
  }
}

/** Publishes one message after the other, each confirmed, and in a queue. */
class Outgoing {
  readonly #channel: ConfirmChannel
  readonly #link: RabbitLink
  readonly #settings: RabbitSettings
  #isReturned = false

  constructor(channel: ConfirmChannel, link: RabbitLink, settings: RabbitSettings) {
    this.#channel = channel
    this.#link = link
    this.#settings = settings
    // A message that no queue takes comes back before its confirm.
    channel.on('return', () => (this.#isReturned = true))
  }

  async publish(
    { exchange, routingKey }: Address,
    { content }: GetMessage,
    options: ReturnType<typeof publishOptions>,
  ): Promise<void> {
    this.#isReturned = false
    const named = { messageId: uuidText(this.#settings.ports.random), ...options }
    await this.#link.limited(
      new Promise<void>((resolve, reject) => {
        this.#channel.publish(exchange, routingKey, content, named, (error: unknown) => {
          if (this.#isReturned) reject(unroutable(exchange || routingKey))
          else if (error === null || error === undefined) resolve()
          else reject(error instanceof Error ? error : new Error('not confirmed'))
        })
      }),
    )
  }

  async close(): Promise<void> {
    await this.#link.end(this.#channel)
  }
}

function unroutable(where: string): ShoalError {
  return new ShoalError('SHOAL_UNKNOWN_TOPIC', `no queue of ${where} took the message`, {
    details: { topic: where },
  })
}
