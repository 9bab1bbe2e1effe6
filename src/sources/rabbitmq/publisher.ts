/**
 * Publishing with confirms: a record is appended once the server says that it has it, in a queue.
 *
 * A message that no queue takes comes back before its confirm and is an error. The channel is made anew after a loss; a
 * publish whose confirm was lost fails, and is its caller's to repeat.
 */

import type { ConfirmChannel } from 'amqplib'
import { ShoalError, uuidText } from '../../core/index.ts'
import type { OutgoingRecord, Retried, SourceRecord } from '../../consumer/index.ts'
import { amqpTimestampOf, messageOf, routingKeyOf } from './message-record.ts'
import type { Message } from './message-record.ts'
import type { RabbitSettings } from './options.ts'
import { rabbitError } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'
import { declareDelay, declareTopic, queueExists, queueName } from './topology.ts'

export class Publisher {
  readonly #link: RabbitLink
  readonly #settings: RabbitSettings
  readonly #declared = new Map<string, Promise<void>>()
  readonly #returned = new Set<string>()
  #channel: Promise<ConfirmChannel> | null = null
  #turn = 0

  constructor(link: RabbitLink, settings: RabbitSettings) {
    this.#link = link
    this.#settings = settings
  }

  /** @throws ShoalError when the server did not confirm it */
  async publish(record: OutgoingRecord): Promise<void> {
    try {
      await this.#declare(record.topic)
      await this.#link.limited(this.#send(record))
    } catch (error) {
      // Where its queue is gone the next one makes it again.
      this.#declared.delete(record.topic)
      throw rabbitError(error, `topic ${record.topic}`)
    }
  }

  async close(): Promise<void> {
    const channel = (await this.#channel?.catch(() => null)) ?? null
    this.#channel = null
    if (channel !== null) await this.#link.end(channel)
  }

  /** Once for everybody who asks meanwhile. */
  #declare(topic: string): Promise<void> {
    const known = this.#declared.get(topic)
    if (known !== undefined) return known
    const declared = this.#declareNow(topic).catch((error: unknown) => {
      this.#declared.delete(topic)
      throw error
    })
    this.#declared.set(topic, declared)
    return declared
  }

  async #declareNow(topic: string): Promise<void> {
    // A dead-letter queue may be there with properties of its own.
    const isOurs = this.#settings.topics.includes(topic)
    if (isOurs || !(await queueExists(this.#link, topic)))
      await declareTopic(this.#link, this.#settings, topic, this.#shardCount(topic))
  }

  /** Puts a record off: it comes back to its queue, under its own id, after the time. */
  async delay(
    queue: string,
    record: SourceRecord,
    afterMs: number,
    retried: Retried,
  ): Promise<void> {
    try {
      const routingKey = await declareDelay(this.#link, this.#settings, queue, afterMs)
      const message = messageOf(record, record.timestampMs, retried)
      const address = { exchange: '', routingKey }
      await this.#link.limited(this.#confirmed(message, address, record.id ?? '', queue))
    } catch (error) {
      throw rabbitError(error, `queue ${queue}`)
    }
  }

  #send({ topic, partition, key, value, headers }: OutgoingRecord): Promise<void> {
    const { random, clock } = this.#settings.ports
    const message = messageOf({ key, value, headers }, clock.wallMs())
    const address = this.#address(topic, partition, key)
    return this.#confirmed(message, address, uuidText(random), topic)
  }

  async #confirmed(
    { body, headers: table }: Message,
    { exchange, routingKey }: { readonly exchange: string; readonly routingKey: string },
    messageId: string,
    topic: string,
  ): Promise<void> {
    this.#channel ??= this.#open()
    const channel = await this.#channel
    await new Promise<void>((resolve, reject) => {
      channel.publish(
        exchange,
        routingKey,
        Buffer.from(body.buffer, body.byteOffset, body.byteLength),
        {
          headers: table,
          messageId,
          // By it RabbitMQ tells how old the first message of a queue is.
          timestamp: amqpTimestampOf(table),
          persistent: true,
          mandatory: true,
        },
        (error: unknown) => {
          if (this.#returned.delete(messageId)) reject(unroutable(topic))
          else if (error === null || error === undefined) resolve()
          else reject(error instanceof Error ? error : new Error('not confirmed'))
        },
      )
    })
  }

  #address(topic: string, partition: number | null, key: Uint8Array | null) {
    const count = this.#shardCount(topic)
    if (count === 1 || partition !== null)
      return { exchange: '', routingKey: queueName(topic, partition ?? 0, count) }
    return { exchange: topic, routingKey: key === null ? `${this.#turn++}` : routingKeyOf(key) }
  }

  /** Topics of this source have its shards; any other, a dead-letter topic above all, is one queue. */
  #shardCount(topic: string): number {
    return this.#settings.topics.includes(topic) ? this.#settings.shards : 1
  }

  async #open(): Promise<ConfirmChannel> {
    try {
      const channel = await this.#link.confirmChannel()
      channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)))
      channel.on('close', () => {
        this.#channel = null
        this.#declared.clear()
      })
      return channel
    } catch (error) {
      this.#channel = null
      throw error
    }
  }
}

function unroutable(topic: string): ShoalError {
  return new ShoalError(
    'SHOAL_UNKNOWN_TOPIC',
    `topic ${topic}: no queue took the message (its queue was deleted, or the exchange has no bindings)`,
    { details: { topic } },
  )
}
