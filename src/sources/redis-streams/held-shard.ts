/**
 * One shard while this member holds its lease: how far it was read, what was handed out and is not acknowledged. Pure.
 *
 *   takeOver (what others left) … until nothing is left ─▶ take (new entries) ─▶ … ─▶ a lost answer: takeOver again
 *
 * Offsets are handed out rising. An entry that is taken over a second time, because an answer was lost, is known by its
 * offset and not handed out twice in an epoch.
 */

import type { Assignment, OwnedPartition, SourceBatch } from '../../consumer/index.ts'
import { entryAtOffset } from './entry-id.ts'
import { byteLengthOf, recordOf } from './entry-record.ts'
import { FIRST_PENDING } from './pending-claim.ts'
import type { Entry, TakenOver } from './pending-claim.ts'
import type { Claimed, Lease, ShardKeys, Taken } from './shard-store.ts'

export class HeldShard implements Lease {
  readonly keys: ShardKeys
  readonly epoch: number
  readonly assignment: Assignment
  /** What the runtime calls it. */
  readonly owned: OwnedPartition
  isPaused = false
  /** From the revoke on nothing is read. */
  isLeaving = false
  /** Suspects are next, and too many are in hand. Said while it is asked, too: a suspect that ends meanwhile takes it back. */
  isHeldBack = false
  /** Where the taking over goes on; null when nothing is left by others. */
  #cursor: string | null = FIRST_PENDING
  /** Whether taking over counts as a delivery: not for what an answer of ours held that was lost. */
  #raises = true
  /** Of what is open, how often it was handed out, where more than once. */
  readonly #counts = new Map<number, number>()
  #position: number
  #isAtEnd = false
  /** Handed out, not acknowledged, rising. */
  #open: number[] = []

  constructor({ keys, epoch, committed }: Claimed, oldestOpen: number) {
    this.keys = keys
    this.epoch = epoch
    const startOffset = Math.min(committed?.offset ?? oldestOpen, oldestOpen)
    this.#position = startOffset
    const { topic, shard } = keys
    this.owned = { topic, partition: shard, epoch }
    this.assignment = { ...this.owned, committed, startOffset, generation: epoch }
  }

  get isReadable(): boolean {
    return !this.isPaused && !this.isLeaving && !this.isHeldBack
  }

  /** Of what is open, how often each was handed out before, where it was. */
  deliveries(): readonly number[] {
    return [...this.#counts.values()].map((count) => count - 1)
  }

  get raises(): boolean {
    return this.#raises
  }

  /** Where to take over next, or null: new entries are next. */
  get cursor(): string | null {
    return this.#cursor
  }

  /** The id after which there may be something new. */
  get lastId(): string {
    return entryAtOffset(this.#position - 1)
  }

  /** An answer was lost: what it held is ours on the server and nobody's here. */
  answerLost(): void {
    this.#cursor = FIRST_PENDING
    this.#raises = false
    this.isHeldBack = false
  }

  tookOver({ entries, cursor, isHeldBack }: TakenOver): SourceBatch | null {
    this.#cursor = cursor
    if (!isHeldBack) this.isHeldBack = false
    const fresh = entries.filter(({ offset }) => !this.#isOpen(offset))
    const last = fresh.at(-1)
    return last === undefined ? null : this.#batch(fresh, Math.max(last.offset + 1, this.#position))
  }

  /** @param count how many were asked for: fewer means that there was nothing more */
  took({ entries, endOffset }: Taken, count: number): SourceBatch | null {
    const last = entries.at(-1)
    const next = entries.length < count ? endOffset : (last?.offset ?? -1) + 1
    if (last !== undefined) this.#isAtEnd = false
    this.#position = Math.max(this.#position, next)
    return last === undefined ? null : this.#batch(entries, endOffset)
  }

  /** True once per arrival at the end. */
  arrivedAtEnd(endOffset: number): boolean {
    if (this.#isAtEnd || this.#position < endOffset) return false
    this.#isAtEnd = true
    return true
  }

  /** What a commit acknowledges. */
  doneBelow(offset: number): readonly number[] {
    return this.#open.slice(0, this.#countBelow(offset))
  }

  acknowledged(offset: number): void {
    this.#open = this.#open.slice(this.#countBelow(offset))
    for (const counted of this.#counts.keys()) if (counted < offset) this.#counts.delete(counted)
  }

  /** Ids and counts in turn, for entries that go back unfinished: this delivery does not count, that there was one does. */
  givenBack(): readonly (string | number)[] {
    return [...this.#counts].flatMap(([offset, count]) => [entryAtOffset(offset), count - 1])
  }

  /** One of them was ended alone. */
  ended(offset: number): void {
    if (this.#isOpen(offset)) this.#open.splice(this.#countBelow(offset), 1)
    this.#counts.delete(offset)
  }

  #batch(entries: readonly Entry[], endOffset: number): SourceBatch {
    let byteLength = 0
    const records = entries.map(({ offset, fields, deliveryCount }) => {
      byteLength += byteLengthOf(fields)
      return recordOf(offset, fields, deliveryCount)
    })
    for (const { offset, deliveryCount = 1 } of entries) {
      this.#open.push(offset)
      if (deliveryCount > 1) this.#counts.set(offset, deliveryCount)
    }
    const last = entries.at(-1)?.offset ?? -1
    this.#position = Math.max(this.#position, last + 1)
    return { ...this.owned, records, byteLength, nextOffset: this.#position, endOffset }
  }

  #isOpen(offset: number): boolean {
    return this.#open[this.#countBelow(offset)] === offset
  }

  #countBelow(offset: number): number {
    let low = 0
    let high = this.#open.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#open[middle] ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return low
  }
}
