/**
 * One queue while this member consumes it, on a channel of its own: an epoch ends with its channel.
 *
 *   deliveries ─▶ gathered for a turn ─▶ records        commit ─▶ acknowledgements        release ─▶ the channel closes
 *
 * What is not acknowledged when the channel closes goes back to its place in the queue. A delivery tag means something on its
 * channel alone, so a result of an epoch that is over cannot acknowledge anything. The prefetch bounds what waits here
 * while the partition is paused. Messages that came back twice are handed out few at a time, after they were written down
 * (`suspicion.ts`, `suspect-register.ts`).
 */

import type { Channel, ConsumeMessage } from 'amqplib'
import { uuidText } from '../../core/index.ts'
import type { OwnedPartition, SourceEvents, SourceRecord } from '../../consumer/index.ts'
import { Ordinals, type Settled } from '../shards/ordinals.ts'
import { admitted, atOnce, suspectFrom } from '../shards/suspicion.ts'
import type { Grades, Hand } from '../shards/suspicion.ts'
import { ended } from './ending.ts'
import type { RabbitSettings } from './options.ts'
import { DELIVERY_COUNT, recordOf } from './message-record.ts'
import type { SuspectRegister } from './suspect-register.ts'

export interface QueueHost {
  readonly settings: RabbitSettings
  readonly events: SourceEvents
  readonly grades: Grades
  /** Suspects in hand, over all queues of the member. */
  hand(): Hand
  /** There may be room for others, in any queue: `goOn`. */
  suspectsEnded(): void
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
  readonly #suspectFrom: number
  /** By delivery tag, suspects in hand and such as are being written down; with deliveries that count against them. */
  readonly #suspects = new Map<number, { readonly id: string; readonly deliveries: number }>()
  /** What is handed out next is being written down. */
  #isStarting = false
  /** No suspect may be next before another one ends. Said while it is asked, too: one that ends meanwhile takes it back. */
  #isHeldBack = false
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
    this.#suspectFrom = suspectFrom(host.grades)
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

  /** Released, or its channel went. */
  get isOver(): boolean {
    return this.#isReleased
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
    this.#ended(below, beyond)
    return true
  }

  /** Of suspects in hand, the deliveries that count against each. */
  deliveries(): readonly number[] {
    return [...this.#suspects.values()].map(({ deliveries }) => deliveries)
  }

  /** Suspects ended somewhere: what waits may go on. */
  goOn(): void {
    this.#isHeldBack = false
    this.#flush()
  }

  /** Ends one message, alone; false when it ended, or the channel is gone. */
  end(offset: number): boolean {
    if (this.#isReleased) return false
    const tag = this.#ordinals.take(offset)
    if (tag === null) return false
    this.#channel.ack(delivered(tag))
    this.#ended([tag])
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
    this.#suspects.clear()
    this.#host.suspectsEnded()
    this.#register.tidy()
    await this.#register.close()
    const { ports, requestTimeoutMs } = this.#host.settings
    // A channel that the server closed meanwhile has given back all the same.
    await ended(this.#channel, ports.timers, requestTimeoutMs)
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
    if (this.#isPaused || this.isLeaving || this.#isReleased || this.#isStarting) return
    const first = this.#waiting.findIndex((message) => this.#isSuspect(message))
    const messages = this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)
    if (messages.length > 0)
      this.#handOut(messages.map((message) => ({ message, deliveries: deliveriesOf(message) })))
    if (first !== -1 && !this.#isHeldBack) this.#startSuspects()
  }

  /** Those that stand first, as many as may run beside what is in hand. */
  #startSuspects(): void {
    const { grades } = this.#host
    const { count, most } = this.#host.hand()
    if (count >= most) return
    const before = this.#suspectFrom
    const others = this.#waiting.findIndex((message) => !this.#isSuspect(message))
    const suspects = this.#waiting
      .slice(0, others === -1 ? this.#waiting.length : others)
      .slice(0, atOnce(before, grades))
    this.#isStarting = true
    this.#isHeldBack = true
    const choose = (starts: readonly number[]): number => {
      if (this.#isReleased) return 0
      const deliveries = starts.map((each) => before + each)
      const chosen = admitted(deliveries, this.#host.hand(), grades)
      for (const [at, message] of suspects.slice(0, chosen).entries())
        this.#suspects.set(message.fields.deliveryTag, {
          id: suspectIdOf(message),
          deliveries: deliveries[at] ?? before,
        })
      return chosen
    }
    this.#register.start(suspects.map(suspectIdOf), choose).then(
      ({ length }) => {
        this.#isStarting = false
        if (!this.#isReleased) this.#started(length)
      },
      // Not written down, they are not started.
      (error: unknown) => {
        if (!this.#isReleased) this.#host.failed(error)
      },
    )
  }

  #started(count: number): void {
    const messages = this.#waiting.splice(0, count).map((message) => ({
      message,
      deliveries: this.#suspects.get(message.fields.deliveryTag)?.deliveries ?? 0,
    }))
    if (count > 0) {
      this.#isHeldBack = false
      this.#handOut(messages)
    }
    if (!this.#isHeldBack) this.#flush()
  }

  /** Acknowledged: where suspects are among them, others may be next. */
  #ended(...acknowledged: (readonly number[])[]): void {
    if (this.#suspects.size > 0) {
      const ended = acknowledged.flat().flatMap((tag) => {
        const suspect = this.#suspects.get(tag)
        this.#suspects.delete(tag)
        return suspect === undefined ? [] : [suspect.id]
      })
      for (const id of ended) this.#register.ended(id)
      const isLast =
        this.#suspects.size === 0 && !this.#waiting.some((each) => this.#isSuspect(each))
      if (isLast) this.#register.tidy()
      if (ended.length > 0) this.#host.suspectsEnded()
    }
    if (this.#waiting.length > 0) this.#flush()
  }

  #isSuspect(message: ConsumeMessage): boolean {
    return deliveriesOf(message) >= this.#suspectFrom
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

/** For messages without an id the same in every delivery as far as their bytes differ. */
function suspectIdOf(message: ConsumeMessage): string {
  return messageIdOf(message) ?? message.content.toString('latin1')
}

/** All that an acknowledgement looks at. */
function delivered(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage
}
