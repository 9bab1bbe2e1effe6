/**
 * A hash table of entries by their key, compared byte by byte.
 *
 * A `Map` would need a string for every record; this hashes the bytes where they are and allocates nothing on lookup.
 * Entries chain through their own `nextInBucket`. The table grows when it is full and shrinks when it is nearly empty, so
 * a million keys that came and went leave nothing behind.
 */

import { bytesEqual } from '../../core/index.ts'

export interface KeyEntry<E> {
  readonly key: Uint8Array
  readonly hash: number
  nextInBucket: E | null
}

const SMALLEST = 16

export class KeyTable<E extends KeyEntry<E>> {
  /** Makes the hash of one process differ from another's, so that colliding keys cannot be prepared. */
  readonly #seed: number
  #buckets: (E | null)[] = bucketsOf<E>(SMALLEST)
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

  find(key: Uint8Array, hash: number): E | null {
    let entry = this.#buckets[hash & (this.#buckets.length - 1)] as E | null
    while (entry !== null && !(entry.hash === hash && bytesEqual(entry.key, key)))
      entry = entry.nextInBucket
    return entry
  }

  /** Adds an entry whose key is not in the table. */
  add(entry: E): void {
    if (this.#size >= this.#buckets.length) this.#resize(this.#buckets.length * 2)
    this.#link(entry)
    this.#size++
  }

  remove(entry: E): void {
    const bucket = entry.hash & (this.#buckets.length - 1)
    let before: E | null = null
    let at = this.#buckets[bucket] as E | null
    while (at !== null && at !== entry) {
      before = at
      at = at.nextInBucket
    }
    if (at === null) return
    if (before === null) this.#buckets[bucket] = entry.nextInBucket
    else before.nextInBucket = entry.nextInBucket
    entry.nextInBucket = null
    this.#size--
    // A quarter of an eighth: far enough from growing that a table does not swing between two sizes.
    if (this.#buckets.length > SMALLEST && this.#size < this.#buckets.length >> 4)
      this.#resize(this.#buckets.length >> 2)
  }

  *[Symbol.iterator](): Generator<E> {
    for (const first of this.#buckets)
      for (let entry = first; entry !== null;) {
        const next: E | null = entry.nextInBucket
        yield entry
        entry = next
      }
  }

  #link(entry: E): void {
    const bucket = entry.hash & (this.#buckets.length - 1)
    entry.nextInBucket = this.#buckets[bucket] as E | null
    this.#buckets[bucket] = entry
  }

  #resize(length: number): void {
    const entries = [...this]
    this.#buckets = bucketsOf<E>(Math.max(SMALLEST, length))
    for (const entry of entries) this.#link(entry)
  }
}

function bucketsOf<E>(length: number): (E | null)[] {
  return Array.from({ length }, () => null)
}
