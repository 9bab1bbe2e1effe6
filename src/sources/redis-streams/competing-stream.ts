/**
 * One stream that members share entry by entry, as one of them has it: what was handed out under which count, what is still
 * this member's. Pure.
 *
 * A stream has one of retries beside it where records are put off: of the same partition, counted with it.
 *
 * An entry that comes a second time while this member has it (its own claim loop, a lost answer) is not handed out twice.
 */

import type { Completions, OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { Ordinals } from '../shards/ordinals.ts'
import { entryAtOffset } from './entry-id.ts'
import { byteLengthOf, recordOf } from './entry-record.ts'
import { retriedRecordOf } from './later-entry.ts'
import type { Entry } from './pending-claim.ts'

/** An entry that was handed out, where it is. */
export interface HandedOut {
  readonly of: CompetingStream
  readonly id: string
}

export class CompetingStream {
  readonly owned: OwnedPartition
  readonly stream: string
  /** Whether it is the stream of what is tried again: what is handled leaves it. */
  readonly isRetries: boolean
  isPaused = false
  readonly #ordinals: Ordinals<HandedOut>
  /** Ids that are handed out and not acknowledged, with how often they were handed out. */
  readonly #mine = new Map<string, number>()

  /** @param topics the topic's stream, for the one of its retries */
  constructor(owned: OwnedPartition, stream: string, topics: CompetingStream | null = null) {
    this.owned = owned
    this.stream = stream
    this.isRetries = topics !== null
    this.#ordinals = topics === null ? new Ordinals() : topics.#ordinals
  }

  /** What to keep alive on the server. */
  get mine(): readonly string[] {
    return [...this.#mine.keys()]
  }

  /** Of what is this member's, how often each was handed out before. */
  deliveries(): readonly number[] {
    return [...this.#mine.values()].map((count) => count - 1)
  }

  /** Ids and counts for what goes back unfinished: this delivery does not count, that there was one does. */
  givenBack(): readonly (readonly [string, number])[] {
    return [...this.#mine].map(([id, count]) => [id, Math.max(1, count - 1)])
  }

  /** Null when all of it is here already. */
  handOut(entries: readonly Entry[]): SourceBatch | null {
    const fresh = entries.filter(({ offset }) => !this.#mine.has(entryAtOffset(offset)))
    if (fresh.length === 0) return null
    let byteLength = 0
    const records = fresh.map(({ offset, fields, deliveryCount }) => {
      const id = entryAtOffset(offset)
      this.#mine.set(id, deliveryCount ?? 1)
      byteLength += byteLengthOf(fields)
      const make = this.isRetries ? retriedRecordOf : recordOf
      const record = make(offset, fields, deliveryCount)
      return { ...record, offset: this.#ordinals.add({ of: this, id }), id: record.id ?? id }
    })
    const { next } = this.#ordinals
    return { ...this.owned, records, byteLength, nextOffset: next, endOffset: next }
  }

  /** The entry of a record, in this stream or in that of its retries; null when it ended. */
  entryAt(offset: number): HandedOut | null {
    return this.#ordinals.at(offset)
  }

  has(id: string): boolean {
    return this.#mine.has(id)
  }

  /** The entries that a commit acknowledges. */
  settle(offset: number, completions: Completions | null): readonly HandedOut[] {
    const { below, beyond } = this.#ordinals.settle(offset, completions)
    return [...below, ...beyond]
  }

  /** An entry was ended alone: no commit acknowledges it again. */
  ended(offset: number, id: string): void {
    this.#ordinals.take(offset)
    this.gone([id])
  }

  /** The server has the acknowledgements, or another member has the entries. */
  gone(ids: readonly string[]): void {
    for (const id of ids) this.#mine.delete(id)
  }
}
