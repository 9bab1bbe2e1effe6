/**
 * Key lanes: records of one key run one after the other, in the order they came; everything else side by side.
 *
 *   lane 'a':  [a1*]─[a4]─[a5]        * busy: it runs, or waits for its retry or its dead letter
 *   lane 'b':  [b2]─[b3]              b2 is the head of an idle lane, so it is in the ready queue
 *   ready:     b2 ─ c7 ─ …            one item a lane at most: nothing is ever scanned
 *
 * An item is ready iff it is the head of its lane, its lane is idle, and it is due. Lanes outlive an assignment: when a
 * partition comes back while a handler of its former epoch still runs, the new records of that key wait behind it.
 * Not here: who is due (`delay-queue.ts`) and how many may run (`engine.ts`).
 */

import { KeyTable } from './key-table.ts'
import type { KeyEntry } from './key-table.ts'

/** What the queues need of an item: it is the node of both. */
export interface Queued<T> {
  /** What decides which items it may not overtake; null: the lane of those without a key. */
  readonly laneKey: Uint8Array | null
  lane: Lane<T> | null
  /** Next in the lane. */
  next: T | null
  /** Next in the ready queue. */
  nextReady: T | null
  /** It runs, or its dead letter is being written: its lane stays when its partition goes. */
  readonly active: boolean
}

const NO_BYTES = new Uint8Array(0)

export class Lane<T> implements KeyEntry<Lane<T>> {
  key: Uint8Array
  readonly hash: number
  nextInBucket: Lane<T> | null = null
  head: T | null = null
  tail: T | null = null
  length = 0
  full = false

  constructor(key: Uint8Array, hash: number) {
    this.key = key
    this.hash = hash
  }
}

export interface LaneLimits {
  /** Seed of the key hash. */
  readonly seed: number
  /** Items of one key from which its lane counts as full; it stops being full at 70 %. */
  readonly perKey: number
}

/** The lanes of one partition. Items without a key share one, which has no limit of its own. */
export class LaneTable<T extends Queued<T>> {
  readonly #keys: KeyTable<Lane<T>>
  readonly #full: number
  readonly #notFull: number
  #keyless: Lane<T> | null = null
  /** Lanes that are full. */
  fullLanes = 0

  constructor({ seed, perKey }: LaneLimits) {
    this.#keys = new KeyTable(seed)
    this.#full = perKey
    this.#notFull = Math.floor(perKey * 0.7)
  }

  get size(): number {
    return this.#keys.size + (this.#keyless === null ? 0 : 1)
  }

  /** Whether an item of this key would have to wait for another. */
  isBusy(key: Uint8Array | null): boolean {
    if (key === null) return this.#keyless !== null
    return this.#keys.size > 0 && this.#keys.find(key, this.#keys.hash(key)) !== null
  }

  /** Puts an item at the end of its lane. True when it is the head: make it ready. */
  append(item: T): boolean {
    const lane = this.#laneOf(item.laneKey)
    item.lane = lane
    lane.length++
    if (!lane.full && lane.length >= this.#full && lane !== this.#keyless) {
      lane.full = true
      this.fullLanes++
    }
    if (lane.tail === null) {
      lane.head = item
      lane.tail = item
      return true
    }
    lane.tail.next = item
    lane.tail = item
    return false
  }

  /** The head of its lane is done. Gives the next head, to be made ready; an empty lane is forgotten. */
  advance(item: T): T | null {
    const lane = item.lane as Lane<T>
    const next = item.next
    item.next = null
    lane.length--
    if (lane.full && lane.length <= this.#notFull) {
      lane.full = false
      this.fullLanes--
    }
    lane.head = next
    if (next === null) {
      lane.tail = null
      if (lane === this.#keyless) this.#keyless = null
      else this.#keys.remove(lane)
    } else if (next.laneKey !== null) {
      // The same bytes in a newer buffer: a lane that is never empty must not keep its first record's batch alive.
      lane.key = next.laneKey
    }
    return next
  }

  /** Forgets every item but the active heads: their lanes stay until they are done. */
  dropInactive(): void {
    const lanes = [...this.#keys]
    for (const lane of lanes) if (!this.#keepActiveHead(lane)) this.#keys.remove(lane)
    if (this.#keyless !== null && !this.#keepActiveHead(this.#keyless)) this.#keyless = null
  }

  #keepActiveHead(lane: Lane<T>): boolean {
    if (lane.full) this.fullLanes--
    lane.full = false
    const head = lane.head
    if (head === null || !head.active) return false
    head.next = null
    lane.tail = head
    lane.length = 1
    return true
  }

  #laneOf(key: Uint8Array | null): Lane<T> {
    if (key === null) return (this.#keyless ??= new Lane<T>(NO_BYTES, 0))
    const hash = this.#keys.hash(key)
    const known = this.#keys.find(key, hash)
    if (known !== null) return known
    const lane = new Lane<T>(key, hash)
    this.#keys.add(lane)
    return lane
  }
}

/** Items that may start, oldest first. */
export class ReadyQueue<T extends Queued<T>> {
  #head: T | null = null
  #tail: T | null = null
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#tail === null) this.#head = item
    else this.#tail.nextReady = item
    this.#tail = item
    this.#length++
  }

  shift(): T | null {
    const item = this.#head
    if (item === null) return null
    this.#head = item.nextReady
    if (this.#head === null) this.#tail = null
    item.nextReady = null
    this.#length--
    return item
  }

  /** Removes the items for which `gone` holds. */
  remove(gone: (item: T) => boolean): void {
    for (let left = this.#length; left > 0; left--) {
      const item = this.shift() as T
      if (!gone(item)) this.push(item)
    }
  }
}
