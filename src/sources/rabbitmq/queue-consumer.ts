/**
 * One queue while this member consumes it, on a channel of its own: an epoch ends with its channel.
 *
 *   deliveries ─▶ gathered for a turn ─▶ records        commit ─▶ acknowledgements        release ─▶ the channel closes
 *
 * What is not acknowledged when the channel closes goes back to its place in the queue. A delivery tag means something on its
 * channel alone, so a result of an epoch that is over cannot acknowledge anything. The prefetch bounds what waits here
 * while the partition is paused. A message that came back twice is handed out alone (`suspect-register.ts`).
 */

import type { Channel, ConsumeMessage } from 'amqplib'
import { uuidText } from '../../core/index.ts'
import type { OwnedPartition, SourceEvents, SourceRecord } from '../../consumer/index.ts'
import { Ordinals, type Settled } from '../shards/ordinals.ts'
import type { RabbitSettings } from './options.ts'
import { DELIVERY_COUNT, recordOf } from './message-record.ts'
import { SUSPECT_DELIVERIES } from './suspect-register.ts'
import type { SuspectRegister } from './suspect-register.ts'

export interface QueueHost {
  readonly settings: RabbitSettings
  readonly events: SourceEvents
  /** False: a suspect of another queue is in hand; `goOn` is called when it is no more. */
  takeSuspect(consumer: QueueConsumer): boolean
  suspectEnded(consumer: QueueConsumer): void
  failed(error: unknown): void
  /** RabbitMQ knows no groups: each consumer says the name of its own, for who looks at the queue. */
  readonly group: string
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
  readonly #register: SuspectRegister
  /** The offset of a message that is handed out alone; `starting`: it is being written down. */
  #suspect: number | 'starting' | null = null
  #waiting: ConsumeMessage[] = []
  #isFlushing = false
  #isPaused = false
  #isReleased = false
  isLeaving = false

  constructor(
    host: QueueHost,
    channel: Channel,
    owned: OwnedPartition,
    queue: string,
    register: SuspectRegister,
  ) {
    this.#host = host
    this.#register = register
    this.#channel = channel
    this.owned = owned
    this.queue = queue
    this.#name = uuidText(host.settings.ports.random)
    channel.on('close', () => {
      if (this.#isReleased) return
      this.#isReleased = true
      void this.#register.close()
      host.closed(this)
    })
  }

  /** Begins to take messages. @throws when the server refuses */
  async consume(): Promise<void> {
    const { group, settings } = this.#host
    await this.#channel.prefetch(settings.prefetch)
    const take = (message: ConsumeMessage | null) => {
      // Null: the server cancelled, for the queue was deleted or moved.
      if (message === null) void this.release().then(() => this.#host.closed(this))
      else this.#take(message)
    }
    const said = { 'shoal-group': group, 'shoal-member': settings.consumerName }
    await this.#channel.consume(this.queue, take, { arguments: said })
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
    this.#goOnAfterSuspect()
    return true
  }

  /** Nothing else is in hand any more: what waits may go on. */
  goOn(): void {
    this.#flush()
  }

  /** Ends one message, alone; false when it ended, or the channel is gone. */
  end(offset: number): boolean {
    if (this.#isReleased) return false
    const tag = this.#ordinals.take(offset)
    if (tag === null) return false
    this.#channel.ack(delivered(tag))
    this.#goOnAfterSuspect()
    return true
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
    if (this.#suspect !== null) this.#host.suspectEnded(this)
    await this.#register.close()
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
    if (this.#isPaused || this.isLeaving || this.#suspect !== null) return
    const first = this.#waiting.findIndex(isSuspect)
    const messages = this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)
    if (messages.length > 0)
      this.#handOut(
        messages.map((message) => ({
          message,
          deliveries: deliveriesOf(message),
        })),
      )
    // What stands before it is to end first.
    else if (first === 0 && this.#ordinals.isEmpty) this.#handOutSuspect()
  }

  #handOutSuspect(): void {
    if (!this.#host.takeSuspect(this)) return
    const message = this.#waiting.shift()
    if (message === undefined) return this.#host.suspectEnded(this)
    this.#suspect = 'starting'
    // For messages without an id the same in every delivery as far as their bytes differ.
    const id = messageIdOf(message) ?? message.content.toString('latin1')
    this.#register.start(id).then(
      (starts) => {
        if (this.#isReleased) return
        this.#suspect = this.#ordinals.next
        this.#handOut([{ message, deliveries: SUSPECT_DELIVERIES + starts }])
      },
      // Not written down, it is not started.
      (error: unknown) => {
        if (!this.#isReleased) this.#host.failed(error)
      },
    )
  }

  #goOnAfterSuspect(): void {
    if (typeof this.#suspect === 'number' && !this.#ordinals.has(this.#suspect)) {
      this.#suspect = null
      this.#register.ended()
      this.#host.suspectEnded(this)
    }
    if (this.#waiting.length > 0) this.#flush()
  }

  /** @param messages each with how often it was handed out before */
  #handOut(messages: readonly { message: ConsumeMessage; deliveries: number }[]): void {
    const nowMs = this.#host.settings.ports.clock.wallMs()
    let byteLength = 0
    const records: SourceRecord[] = messages.map(({ message, deliveries }) => {
      const { content, fields, properties } = message
      byteLength += content.length
      const offset = this.#ordinals.add(fields.deliveryTag)
      const headers = properties.headers ?? {}
      const record = recordOf(offset, { body: content, headers }, deliveries, nowMs)
      return { ...record, id: messageIdOf(message) ?? `${this.#name}-${offset}` }
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

function messageIdOf({ properties: { messageId } }: ConsumeMessage): string | null {
  return typeof messageId === 'string' && messageId !== '' ? messageId : null
}

/** How often it was handed out before: quorum queues count, classic ones say that it was. */
function deliveriesOf({ properties, fields }: ConsumeMessage): number {
  const count: unknown = properties.headers?.[DELIVERY_COUNT]
  return typeof count === 'number' ? count : Number(fields.redelivered)
}

function isSuspect(message: ConsumeMessage): boolean {
  return deliveriesOf(message) >= SUSPECT_DELIVERIES
}

/** All that an acknowledgement looks at. */
function delivered(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
