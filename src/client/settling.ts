/**
 * Settles what is done, many records a request: whoever asks while a request is under way shares the next one.
 *
 *   ack ack ack ──▶ [request 1 under way]   ack ack ──▶ [request 2: both]
 *
 * What a request could not settle is kept in its book for the next; what is another member's now is told to whoever asked.
 */

import { ShoalError } from '../core/index.ts'
import type { OwnedPartition } from '../consumer/index.ts'
import type { ConsumerSettings } from './config.ts'
import type { Settlement, SettlementResult } from './member.ts'
import type { PartitionBook } from './partition-book.ts'

type Settle = (settlements: readonly Settlement[]) => Promise<readonly SettlementResult[]>

export class Settling {
  readonly #settle: Settle
  readonly #books: () => Iterable<PartitionBook>
  #underWay: Promise<unknown> = Promise.resolve()
  #next: Promise<ReadonlyMap<PartitionBook, SettlementResult['outcome']>> | null = null

  constructor(books: () => Iterable<PartitionBook>, settle: Settle) {
    this.#books = books
    this.#settle = settle
  }

  /** Durable when it resolves. @throws ShoalError SHOAL_PARTITION_LOST when one of these is not ours any more, SHOAL_LOCK_EXPIRED, SHOAL_REQUEST_TIMEOUT */
  async flush(books: readonly PartitionBook[]): Promise<void> {
    const outcomes = await this.#join()
    for (const book of books) {
      const outcome = outcomes.get(book)
      if (outcome === 'stale') throw partitionLost(book.owned, 'it was not stored')
      if (outcome === 'expired') throw lockExpired(book.owned)
    }
  }

  #join(): Promise<ReadonlyMap<PartitionBook, SettlementResult['outcome']>> {
    if (this.#next !== null) return this.#next
    const start = () => {
      this.#next = null
      return this.#run()
    }
    this.#next = this.#underWay.then(start, start)
    this.#underWay = this.#next
    return this.#next
  }

  async #run(): Promise<ReadonlyMap<PartitionBook, SettlementResult['outcome']>> {
    const books = [...this.#books()].filter((book) => book.hasUnsettled)
    const settlements = books.map((book) => book.takeDone())
    const outcomes = new Map<PartitionBook, SettlementResult['outcome']>()
    if (books.length === 0) return outcomes
    try {
      const results = await this.#settle(settlements)
      for (const result of results) {
        const book = books.find(({ owned }) => isSame(owned, result))
        if (book !== undefined) outcomes.set(book, result.outcome)
      }
      return outcomes
    } catch (error) {
      books.forEach((book, index) => {
        const settlement = settlements[index]
        if (settlement !== undefined) book.putBack(settlement)
      })
      throw error
    }
  }
}

export function partitionLost(
  { topic, partition }: Pick<OwnedPartition, 'topic' | 'partition'>,
  consequence: string,
): ShoalError {
  return new ShoalError(
    'SHOAL_PARTITION_LOST',
    `${topic}/${partition} is not this consumer's any more: ${consequence}, and its new owner gets the record again`,
    { details: { topic, partition } },
  )
}

function lockExpired({ topic, partition }: OwnedPartition): ShoalError {
  return new ShoalError(
    'SHOAL_LOCK_EXPIRED',
    `${topic}/${partition}: a record was held longer than its lock lasts and is delivered again; raise visibilityTimeout`,
    { details: { topic, partition } },
  )
}

/** What a request could not bring to the broker in time goes with the next one. */
export function notStored(
  { groupId, requestTimeoutMs }: ConsumerSettings,
  cause?: unknown,
): ShoalError {
  return new ShoalError(
    'SHOAL_REQUEST_TIMEOUT',
    `group ${groupId}: a commit was not answered within ${requestTimeoutMs} ms; what is done is kept and goes with the next one`,
    { cause },
  )
}

function isSame(left: OwnedPartition, right: OwnedPartition): boolean {
  return (
    left.topic === right.topic && left.partition === right.partition && left.epoch === right.epoch
  )
}
