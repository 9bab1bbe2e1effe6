/**
 * What was handed out of one partition in one epoch, and how far a commit may go.
 *
 *   in hand   `poll` returned it
 *   waiting   nacked: it will be delivered again
 *   done      acknowledged, committed, or handed back by the next poll; until it is settled it is kept for that
 *
 * Invariant: the position is that of the first record in hand or waiting, or the one after everything handed out. So a
 * record that failed is never covered by the commit of a later one. Pure.
 */

import { assertInvariant } from '../core/index.ts'
import type { OwnedPartition } from '../consumer/index.ts'
import type { Delivery, Settlement, StartingPartition } from './member.ts'

interface Open {
  readonly delivery: Delivery
  state: 'in hand' | 'waiting'
}

export class PartitionBook {
  readonly owned: OwnedPartition
  /** By offset, in the order of first delivery: that of the offsets, but for what others had before. */
  readonly #open = new Map<number, Open>()
  #done: Delivery[] = []
  #nextOffset: number
  #highest = -1
  #isSorted = true
  #inHand = 0
  /** The position moved without anything to acknowledge. */
  #hasMoved = false

  constructor({ topic, partition, epoch, startOffset }: StartingPartition) {
    this.owned = { topic, partition, epoch }
    this.#nextOffset = startOffset ?? 0
  }

  get inHand(): number {
    return this.#inHand
  }

  /** Records that were handed out and are not done. */
  get openCount(): number {
    return this.#open.size
  }

  get hasUnsettled(): boolean {
    return this.#done.length > 0 || this.#hasMoved
  }

  handOut(delivery: Delivery): void {
    const { offset } = delivery.record
    const open = this.#open.get(offset)
    if (open?.state !== 'in hand') this.#inHand++
    if (open === undefined && offset < this.#highest) this.#isSorted = false
    this.#open.set(offset, { delivery, state: 'in hand' })
    this.#highest = Math.max(this.#highest, offset)
    this.#nextOffset = Math.max(this.#nextOffset, offset + 1)
  }

  /** What is in hand of this delivery, or why it is not. */
  stateOf({ record: { offset }, deliveryCount }: Delivery): 'in hand' | 'waiting' | 'done' {
    const open = this.#open.get(offset)
    if (open === undefined) return 'done'
    // An earlier delivery of what has come back since: the later one is the one to answer.
    return open.delivery.deliveryCount === deliveryCount ? open.state : 'waiting'
  }

  finish({ record: { offset } }: Delivery): void {
    const open = this.#open.get(offset)
    assertInvariant(open !== undefined, 'a record finished that was not open')
    if (open.state === 'in hand') this.#inHand--
    this.#open.delete(offset)
    this.#done.push(open.delivery)
    if (this.#open.size === 0) this.#isSorted = true
  }

  /** Takes the record out of hand, to be delivered again. */
  wait({ record: { offset } }: Delivery): void {
    const open = this.#open.get(offset)
    assertInvariant(open?.state === 'in hand', 'a record was released that was not in hand')
    open.state = 'waiting'
    this.#inHand--
  }

  /** Back in hand: its release was refused. */
  keep({ record: { offset } }: Delivery): void {
    const open = this.#open.get(offset)
    if (open?.state !== 'waiting') return
    open.state = 'in hand'
    this.#inHand++
  }

  /** It stands in the dead letters: done, with nothing left to acknowledge. */
  bury({ record: { offset } }: Delivery): void {
    if (this.#open.delete(offset)) this.#hasMoved = true
    if (this.#open.size === 0) this.#isSorted = true
  }

  /** Everything in hand up to this offset is done; what waits stays. */
  finishThrough(offset: number = Number.POSITIVE_INFINITY): void {
    for (const [at, { delivery, state }] of this.#open) {
      if (at > offset && this.#isSorted) break
      if (at <= offset && state === 'in hand') this.finish(delivery)
    }
  }

  position(): number {
    if (this.#open.size === 0) return this.#nextOffset
    if (!this.#isSorted) return Math.min(...this.#open.keys())
    const [first] = this.#open.keys()
    return first ?? this.#nextOffset
  }

  /** What is done and not settled; `putBack` when it could not be. */
  takeDone(): Settlement {
    const done = this.#done
    this.#done = []
    this.#hasMoved = false
    return { ...this.owned, done, position: this.position() }
  }

  /** The settlement did not get through: it belongs to the next one. */
  putBack({ done }: Settlement): void {
    this.#done = [...done, ...this.#done]
    this.#hasMoved = true
  }
}
