/**
 * One queue while this member consumes it, on a channel of its own: an epoch ends with its channel.
 *
 *   deliveries ─▶ gathered for a turn ─▶ records        commit ─▶ acknowledgements        release ─▶ the channel closes
 *
 * What is not acknowledged when the channel closes goes back to its place in the queue. A delivery tag means something on its
 * channel alone, so a result of an epoch that is over cannot acknowledge anything. The prefetch bounds what waits here
 * while the partition is paused.
 */

import type { Channel, ConsumeMessage } from 'amqplib'
import { uuidText } from '../../core/index.ts'
import type { OwnedPartition, SourceEvents, SourceRecord } from '../../consumer/index.ts'
import { Ordinals, type Settled } from '../shards/ordinals.ts'
import type { RabbitSettings } from './options.ts'
import { recordOf } from './message-record.ts'

export interface QueueHost {
  readonly settings: RabbitSettings
  readonly events: SourceEvents
  /** The channel ended by itself: by the server, or with its connection. */
  closed(consumer: QueueConsumer): void
}

export class QueueConsumer {
  readonly owned: OwnedPartition
  readonly queue: string
  readonly #channel: Channel
  readonly #host: QueueHost
  readonly #ordinals = new Ordinals<number>()
  /** Names what its producer gave no message id. */
  readonly #name: string
  #waiting: ConsumeMessage[] = []
  #isFlushing = false
  #isPaused = false
  #isReleased = false
  isLeaving = false

  constructor(host: QueueHost, channel: Channel, owned: OwnedPartition, queue: string) {
    this.#host = host
    this.#channel = channel
    this.owned = owned
    this.queue = queue
    this.#name = uuidText(host.settings.ports.random)
    channel.on('close', () => {
      if (this.#isReleased) return
      this.#isReleased = true
      host.closed(this)
    })
  }

  /** Begins to take messages. @throws when the server refuses */
  async consume(): Promise<void> {
    await this.#channel.prefetch(this.#host.settings.prefetch)
    await this.#channel.consume(this.queue, (message) => {
      // Null: the server cancelled, for the queue was deleted or moved.
      if (message === null) void this.release().then(() => this.#host.closed(this))
      else this.#take(message)
    })
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#flush()
  }

  /** Writes the acknowledgements; false when the channel is gone. */
  acknowledge({ below, beyond }: Settled<number>): boolean {
    if (this.#isReleased) return false
    const last = below.at(-1)
    if (last !== undefined) this.#channel.ack(delivered(last), true)
    for (const tag of beyond) this.#channel.ack(delivered(tag))
    return true
  }

  /** Ends one message, alone; false when it ended, or the channel is gone. */
  end(offset: number): boolean {
    if (this.#isReleased) return false
    const tag = this.#ordinals.take(offset)
    if (tag !== null) this.#channel.ack(delivered(tag))
    return tag !== null
  }

  /** Whether a message of this epoch is not acknowledged. */
  has(offset: number): boolean {
    return !this.#isReleased && this.#ordinals.has(offset)
  }

  settle(...args: Parameters<Ordinals<number>['settle']>): Settled<number> {
    return this.#ordinals.settle(...args)
  }

  /** Gives everything back that is not acknowledged. Idempotent. */
  async release(): Promise<void> {
    if (this.#isReleased) return
    this.#isReleased = true
    this.isLeaving = true
    // A channel that the server closed meanwhile has given back all the same.
    await this.#channel.close().catch(() => {})
  }

  #take(message: ConsumeMessage): void {
    this.#waiting.push(message)
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#host.settings.ports.timers.soon(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isPaused || this.isLeaving || this.#waiting.length === 0) return
    const messages = this.#waiting
    this.#waiting = []
    const nowMs = this.#host.settings.ports.clock.wallMs()
    let byteLength = 0
    const records: SourceRecord[] = messages.map(({ content, fields, properties }) => {
      byteLength += content.length
      const offset = this.#ordinals.add(fields.deliveryTag)
      const headers = properties.headers ?? {}
      const record = recordOf(offset, { body: content, headers }, fields.redelivered, nowMs)
      const { messageId } = properties
      const isNamed = typeof messageId === 'string' && messageId !== ''
      return { ...record, id: isNamed ? messageId : `${this.#name}-${offset}` }
    })
    const { next } = this.#ordinals
    this.#host.events.records({
      ...this.owned,
      records,
      byteLength,
      nextOffset: next,
      endOffset: next,
    })
  }
}

/** All that an acknowledgement looks at. */
function delivered(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
