/**
 * A hash table from keys, compared byte by byte, to their lanes.
 *
 * A `Map` would need a string for every record; this hashes the bytes where they are and allocates nothing on lookup.
 * Lanes chain through their own `nextInBucket`. The table grows when it is full and shrinks when it is nearly empty, so
 * a million keys that came and went leave nothing behind.
 */

import { bytesEqual } from '../core/index.ts'
import type { Lane } from './lanes.ts'

const SMALLEST = 16

export class KeyTable {
  /** Makes the hash of one process differ from another's, so that colliding keys cannot be prepared. */
  readonly #seed: number
  #buckets: (Lane | null)[] = bucketsOf(SMALLEST)
  #size = 0

  constructor(seed: number) {
    this.#seed = seed | 0
  }

  get size(): number {
    return this.#size
  }

  get bucketCount(): number {
    return this.#buckets.length
  }

  hash(key: Uint8Array): number {
    let hash = this.#seed ^ key.length
    for (let index = 0; index < key.length; index++)
      hash = Math.imul(hash ^ (key[index] as number), 0x01000193)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x85ebca6b)
    return hash ^ (hash >>> 13)
  }

  find(key: Uint8Array, hash: number): Lane | null {
    let lane = this.#buckets[hash & (this.#buckets.length - 1)] as Lane | null
    while (lane !== null && !(lane.hash === hash && bytesEqual(lane.key, key)))
      lane = lane.nextInBucket
    return lane
  }

  /** Adds a lane whose key is not in the table. */
  add(lane: Lane): void {
    if (this.#size >= this.#buckets.length) this.#resize(this.#buckets.length * 2)
    this.#link(lane)
    this.#size++
  }

  remove(lane: Lane): void {
    const bucket = lane.hash & (this.#buckets.length - 1)
    let before: Lane | null = null
    let at = this.#buckets[bucket] as Lane | null
    while (at !== null && at !== lane) {
      before = at
      at = at.nextInBucket
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = lane.nextInBucket
    else before.nextInBucket = lane.nextInBucket
    lane.nextInBucket = null
    this.#size--
    // A quarter of an eighth: far enough from growing that a table does not swing between two sizes.
    if (this.#buckets.length > SMALLEST && this.#size < this.#buckets.length >> 4)
      this.#resize(this.#buckets.length >> 2)
  }

  *[Symbol.iterator](): Generator<Lane> {
    for (const first of this.#buckets)
      for (let lane = first; lane !== null; ) {
        const next: Lane | null = lane.nextInBucket
        yield lane
        lane = next
      }
  }

  #link(lane: Lane): void {
    const bucket = lane.hash & (this.#buckets.length - 1)
    lane.nextInBucket = this.#buckets[bucket] as Lane | null
    this.#buckets[bucket] = lane
  }

  #resize(length: number): void {
    const lanes = [...this]
    this.#buckets = bucketsOf(Math.max(SMALLEST, length))
    for (const lane of lanes) this.#link(lane)
  }
}

function bucketsOf(length: number): (Lane | null)[] {
  return Array.from({ length }, () => null)
}
