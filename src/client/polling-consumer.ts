/**
 * The consumer of seed 001: `poll`, `ack`, `nack`, `commit`, `commitAll`, `close`, over HTTP and over Kafka alike.
 *
 * Membership runs in the background, so a slow loop loses nothing; records move only by `poll`. A revoke ends a waiting
 * poll early, and is over when the records in hand are done, at the latest when the next poll begins: from there on they
 * are their new owner's, and an `ack` for one of them is refused.
 * Invariant: a position is stored only when every record below it was acknowledged, committed or handed back; what was
 * nacked holds it.
 */

import { ShoalError, messageOf } from '../core/index.ts'
import type { Logger, Timer, Timers } from '../core/index.ts'
import { parseDuration } from '../consumer/index.ts'
import type { Duration, OwnedPartition } from '../consumer/index.ts'
import type { ConsumerSettings, Rebalance } from './config.ts'
import type { Delivery, Member, MemberEvents, NackOutcome, OpenMember } from './member.ts'
import type { StartingPartition } from './member.ts'
import { Message } from './message.ts'
import { PartitionBook } from './partition-book.ts'
import { Patience } from './patience.ts'
import { partitionLost, Settling } from './settling.ts'

export interface PollOptions {
  /** At most so many messages, over all partitions; default 100. */
  readonly max?: number
  /** How long to wait for a first one; default 1 s, 0 does not wait. */
  readonly timeout?: Duration
  /** Ends the wait; the poll then resolves with what there is. */
  readonly signal?: AbortSignal
}

export interface NackOptions {
  /** When to deliver it again; without one, after the backoff. */
  readonly delay?: Duration
  readonly reason?: string
}

export interface PollingConsumerParts {
  readonly settings: ConsumerSettings
  readonly timers: Timers
  readonly logger: Logger
  readonly onRebalance: ((rebalance: Rebalance) => void) | null
  readonly signal: AbortSignal | null
}

const DEFAULT_MAX = 100
const DEFAULT_TIMEOUT_MS = 1_000

export class PollingConsumer implements AsyncDisposable, MemberEvents {
  readonly #parts: PollingConsumerParts
  readonly #books = new Map<string, PartitionBook>()
  readonly #settling: Settling
  /** What the last poll returned, for `commit(offset)`. */
  #polled: readonly Message[] = []
  /** Ends the poll that waits. */
  #waiting: AbortController | null = null
  /** Revokes that wait for what is in hand. */
  readonly #patience: Patience
  #member: Member | null = null
  #autoCommit: Timer | null = null
  #closing: Promise<void> | null = null

  private constructor(parts: PollingConsumerParts) {
    this.#parts = parts
    this.#patience = new Patience(parts.timers)
    this.#settling = new Settling(
      () => this.#books.values(),
      async (settlements) => this.#joined().settle(settlements),
    )
  }

  /** @throws ShoalError SHOAL_BROKER_UNREACHABLE, or what the broker says against the group, the topics or the member */
  static async open(parts: PollingConsumerParts, join: OpenMember): Promise<PollingConsumer> {
    const consumer = new PollingConsumer(parts)
    const { settings, logger } = parts
    for (const warning of settings.warnings)
      logger.log('warn', warning, { group: settings.groupId })
    consumer.#member = await join(consumer)
    if (settings.autoCommit) consumer.#commitLater()
    return consumer
  }

  /** Who this consumer is in its group. */
  get memberId(): string {
    return this.#member?.memberId ?? ''
  }

  /** The partitions that it owns now. */
  get assignment(): readonly { readonly topic: string; readonly partition: number }[] {
    return [...this.#books.values()].map(({ owned }) => pairOf(owned))
  }

  /**
   * The next messages: at most `max` over all partitions, in the order of each partition. Waits for a first one up to
   * `timeout`; empty when the time is over, when a signal aborted, when partitions are being taken away, or the
   * consumer is closed meanwhile.
   *
   * Calling it hands back what the poll before returned: with `autoCommit` that counts as handled.
   *
   * @example
   * for (const message of await consumer.poll(100)) await consumer.ack(message)
   * @throws ShoalError SHOAL_NO_OFFSET, SHOAL_MEMBER_FENCED, … when the membership is over for good; SHOAL_CLOSED
   */
  async poll(options: number | PollOptions = {}): Promise<readonly Message[]> {
    let messages: readonly Message[] = []
    try {
      messages = await this.#poll(options)
      return messages
    } finally {
      // A loop around a poll that has nothing, or is refused, must leave its process room for anything else.
      if (messages.length === 0) await this.#turnOfTheLoop()
    }
  }

  async #poll(options: number | PollOptions): Promise<readonly Message[]> {
    const { max, timeoutMs, signal } = pollLimits(options)
    if (this.#closing !== null) throw closed()
    if (this.#waiting !== null)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'poll() was called while another one waits')
    this.#handBack()
    const waiting = new AbortController()
    this.#waiting = waiting
    const given = [waiting.signal, signal, this.#parts.signal].filter((one) => one != null)
    try {
      const deliveries = await this.#joined().fetch({
        maxRecords: max,
        timeoutMs,
        signal: AbortSignal.any(given),
        isFull: (owned) => this.#isFull(owned),
      })
      this.#polled = this.#handOut(deliveries)
      return this.#polled
    } finally {
      this.#waiting = null
    }
  }

  /**
   * The message was processed. Stored when it resolves: it is not delivered again, also when an earlier one of its
   * partition is not done. Acknowledging twice is no error.
   * @throws ShoalError SHOAL_PARTITION_LOST when the partition has moved
   */
  async ack(message: Message | readonly Message[]): Promise<void> {
    const books = new Set<PartitionBook>()
    for (const one of Array.isArray(message) ? message : [message as Message]) {
      const delivery = Message.deliveryOf(one)
      const book = this.#bookOf(delivery, 'the acknowledgement has no effect')
      const state = book.stateOf(delivery)
      if (state === 'waiting') throw outOfHand(delivery)
      if (state === 'in hand') book.finish(delivery)
      books.add(book)
    }
    this.#patience.look()
    await this.#settling.flush([...books])
  }

  /**
   * The message failed: it is delivered again, with its count one higher, after `delay` or the backoff; after the last
   * attempt it goes to the dead letters. The others flow on; the position waits for it.
   * @throws ShoalError SHOAL_PARTITION_LOST when the partition has moved
   */
  async nack(message: Message, { delay, reason }: NackOptions = {}): Promise<NackOutcome> {
    const delayMs = delay === undefined ? null : durationOf('delay', delay)
    return this.#giveUp(message, (delivery) =>
      this.#joined().release(delivery, delayMs, reason ?? null),
    )
  }

  /** The message will never work: to the dead letters with it, at once. @throws ShoalError SHOAL_PARTITION_LOST */
  async reject(message: Message, reason: string): Promise<NackOutcome> {
    return this.#giveUp(message, (delivery) => this.#joined().reject(delivery, reason))
  }

  /**
   * Everything of the message's partition up to it was handled, but for what was nacked: the position after it is stored.
   *
   * An offset alone means the message of the last poll that has it; where several partitions have one, the first that is
   * not done, as a loop goes through them. @throws ShoalError SHOAL_INVALID_ARGUMENT when that is not to be told
   */
  async commit(what: number | Message): Promise<void> {
    const message = typeof what === 'number' ? this.#messageAt(what) : what
    const delivery = Message.deliveryOf(message)
    const book = this.#bookOf(delivery, 'nothing is committed')
    if (book.stateOf(delivery) === 'waiting') throw outOfHand(delivery)
    book.finishThrough(delivery.record.offset)
    this.#patience.look()
    await this.#settling.flush([book])
  }

  /** Everything that was handed out was handled, but for what was nacked. */
  async commitAll(): Promise<void> {
    const books = [...this.#books.values()]
    for (const book of books) book.finishThrough()
    this.#patience.look()
    await this.#settling.flush(books)
  }

  /** Leaves the group, so that its partitions move at once. With `autoCommit` what was handed back is committed before. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#autoCommit?.cancel()
    this.#waiting?.abort()
    this.#patience.end()
    try {
      await this.#settling.flush([])
    } catch (error) {
      this.#tell('what was handled could not be committed before the end', error)
    } finally {
      await this.#member?.close()
      this.#books.clear()
    }
  }

  // --- what the member tells ---

  assigned(partitions: readonly StartingPartition[], generation: number | null): void {
    for (const partition of partitions)
      this.#books.set(idOf(partition), new PartitionBook(partition))
    this.#rebalanced('assigned', partitions, generation)
  }

  async revoked(partitions: readonly OwnedPartition[], limitMs: number): Promise<void> {
    const books = this.#ours(partitions)
    if (books.length === 0) return
    const isGivenBack = () => books.every((book) => book.inHand === 0)
    if (!isGivenBack() && this.#closing === null) {
      this.#waiting?.abort()
      await this.#patience.until(isGivenBack, limitMs)
    }
    try {
      await this.#settling.flush([])
    } catch (error) {
      this.#tell('what was handled could not be committed before its partition moved', error)
    }
    this.#drop(books)
    this.#rebalanced('revoked', partitions, null)
  }

  lost(partitions: readonly OwnedPartition[]): void {
    const books = this.#ours(partitions)
    this.#drop(books)
    if (books.length > 0) this.#rebalanced('lost', partitions, null)
  }

  // --- books ---

  #handOut(deliveries: readonly Delivery[]): readonly Message[] {
    return deliveries.flatMap((delivery) => {
      const book = this.#books.get(idOf(delivery))
      if (book?.owned.epoch !== delivery.epoch) return []
      book.handOut(delivery)
      return [new Message(delivery)]
    })
  }

  /** The next poll begins: what the last one returned is out of the loop's hands. */
  #handBack(): void {
    if (this.#parts.settings.autoCommit)
      for (const book of this.#books.values()) book.finishThrough()
    this.#polled = []
    this.#patience.end()
  }

  #bookOf(delivery: Delivery, consequence: string): PartitionBook {
    if (this.#closing !== null) throw closed()
    const book = this.#books.get(idOf(delivery))
    if (book?.owned.epoch !== delivery.epoch) throw partitionLost(delivery, consequence)
    return book
  }

  async #giveUp(
    message: Message,
    ask: (delivery: Delivery) => Promise<NackOutcome>,
  ): Promise<NackOutcome> {
    const delivery = Message.deliveryOf(message)
    const book = this.#bookOf(delivery, 'it cannot be given back')
    if (book.stateOf(delivery) !== 'in hand') throw outOfHand(delivery)
    book.wait(delivery)
    this.#patience.look()
    try {
      const outcome = await ask(delivery)
      if (outcome.kind !== 'released') await this.#bury(book, delivery)
      return outcome
    } catch (error) {
      book.keep(delivery)
      throw error
    }
  }

  /** It stands in the dead letters: nothing holds the position any more, if the partition still is ours. */
  async #bury(book: PartitionBook, delivery: Delivery): Promise<void> {
    if (this.#books.get(idOf(delivery)) !== book) return
    book.bury(delivery)
    await this.#settling.flush([book])
  }

  /** @throws ShoalError SHOAL_INVALID_ARGUMENT */
  #messageAt(offset: number): Message {
    const candidates = this.#polled.filter((message) => message.offset === offset)
    const [only] = candidates
    if (only === undefined)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `commit(${offset}): the last poll returned no message with this offset; hand over the message`,
      )
    if (candidates.length === 1) return only
    const first = this.#polled.find((message) => {
      const delivery = Message.deliveryOf(message)
      return this.#bookOf(delivery, 'nothing is committed').stateOf(delivery) === 'in hand'
    })
    if (first?.offset === offset) return first
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `commit(${offset}): ${candidates.length} partitions have a message with this offset and the first open one is another; hand over the message`,
    )
  }

  #isFull(owned: OwnedPartition): boolean {
    const { maxOpenRecords } = this.#parts.settings
    return (this.#books.get(idOf(owned))?.openCount ?? 0) >= maxOpenRecords
  }

  #ours(partitions: readonly OwnedPartition[]): readonly PartitionBook[] {
    return partitions.flatMap((owned) => {
      const book = this.#books.get(idOf(owned))
      return book?.owned.epoch === owned.epoch ? [book] : []
    })
  }

  #drop(books: readonly PartitionBook[]): void {
    for (const book of books)
      if (this.#books.get(idOf(book.owned)) === book) this.#books.delete(idOf(book.owned))
    this.#patience.look()
  }

  // --- small things ---

  #commitLater(): void {
    const { timers, settings } = this.#parts
    this.#autoCommit = timers.schedule(settings.autoCommitIntervalMs, () => {
      if (this.#closing !== null) return
      this.#settling
        .flush([])
        .catch((error: unknown) => this.#tell('an automatic commit failed', error))
        .finally(() => this.#closing === null && this.#commitLater())
    })
  }

  #rebalanced(
    kind: Rebalance['kind'],
    partitions: readonly OwnedPartition[],
    generation: number | null,
  ): void {
    const { logger, settings, onRebalance } = this.#parts
    const pairs = partitions.map(pairOf)
    logger.log('info', `partitions ${kind}`, {
      group: settings.groupId,
      partitions: pairs.map(idOf),
    })
    try {
      onRebalance?.({ kind, partitions: pairs, generation })
    } catch (error) {
      this.#tell('onRebalance threw', error)
    }
  }

  #tell(what: string, error: unknown): void {
    const { logger, settings } = this.#parts
    logger.log('error', what, { group: settings.groupId, error: messageOf(error) })
  }

  async #turnOfTheLoop(): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.timers.soon(resolve))
  }

  #joined(): Member {
    if (this.#member === null)
      throw new ShoalError('SHOAL_CLOSED', 'the consumer is not in its group yet')
    return this.#member
  }
}

type Pair = Pick<OwnedPartition, 'topic' | 'partition'>

function pollLimits(options: number | PollOptions) {
  const {
    max = DEFAULT_MAX,
    timeout = DEFAULT_TIMEOUT_MS,
    signal,
  } = typeof options === 'number' ? { max: options } : options
  if (!Number.isSafeInteger(max) || max < 1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `poll: max is ${max}; give a whole number from 1`,
    )
  return { max, timeoutMs: durationOf('timeout', timeout), signal }
}

function durationOf(name: string, duration: Duration): number {
  const ms = parseDuration(duration)
  if (ms === undefined)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `${name} is '${String(duration)}'; give milliseconds or a text such as '30s'`,
    )
  return ms
}

function closed(): ShoalError {
  return new ShoalError('SHOAL_CLOSED', 'the consumer was closed')
}

function outOfHand({ topic, partition, record }: Delivery): ShoalError {
  return new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `${topic}/${partition} at ${record.offset} was given back and is delivered again; answer that delivery`,
    { details: { topic, partition, offset: record.offset } },
  )
}

function idOf({ topic, partition }: Pair): string {
  return `${topic}/${partition}`
}

function pairOf({ topic, partition }: Pair): Pair {
  return { topic, partition }
}
