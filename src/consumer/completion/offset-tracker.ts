/**
 * Which records of one partition are done, and how far a commit may go.
 *
 * Records finish out of order, commits must not: the committed offset is that of the first record still open, or, when
 * all are done, the position after everything delivered, gaps at the end included (compaction and transaction markers
 * leave holes; without them the lag would never reach 0).
 *
 *   ordinal    41  42  43  44  45          every delivered record gets the next ordinal: holes cost nothing
 *   offset    100 101 107 108 109  ⋯ 115   next offset 116
 *   open        ·   ·   1   ·   1          a ring of bits; committable = 107
 *
 * A partition may come with what a former owner had finished beyond the committed offset: those records are taken note
 * of and are done at once.
 *
 * Invariants: committable <= every open offset; it never moves back. Ordinals wrap at 32 bits, compared by difference.
 * Pure: the engine calls `deliver` and `finish`, the commit loop `committable` and `completions`.
 */

import { assertInvariant } from '../../core/index.ts'
import type { Completions } from './completion-map.ts'
import type { Remembered } from './remembered.ts'

const SMALLEST = 64
/** A ring larger than this is given back when everything is done. */
const KEPT = 1 << 16

export class OffsetTracker {
  #capacity = SMALLEST
  #open = new Uint32Array(SMALLEST >>> 5)
  #offsets = new Float64Array(SMALLEST)
  /** The first open ordinal, or `#next` when there is none. */
  #first = 0
  #next = 0
  #nextOffset: number
  #openCount = 0
  #remembered: Remembered | null
  /** How many records have finished: tells whether there is something new to commit. */
  finished = 0

  constructor(startOffset: number, remembered: Remembered | null = null) {
    this.#nextOffset = startOffset
    this.#remembered = remembered
  }

  /** The position after everything delivered. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  get openCount(): number {
    return this.#openCount
  }

  /** Records from the first open one to the last delivered one. */
  get span(): number {
    return (this.#next - this.#first) | 0
  }

  /** Up to where a former owner's completions are known; nothing beyond `nextOffset` when the same. */
  get rememberedEnd(): number {
    return this.#remembered?.end ?? 0
  }

  /** The map speaks of offsets that the log does not have: it belongs to another log. */
  forgetRemembered(): void {
    this.#remembered = null
  }

  /** Takes note of a record that a former owner finished. False: it did not, deliver it. */
  skipRemembered(offset: number): boolean {
    const remembered = this.#remembered
    if (remembered === null) return false
    if (offset >= remembered.end) {
      this.#remembered = null
      return false
    }
    if (!remembered.isDone(offset)) return false
    this.finish(this.deliver(offset))
    return true
  }

  /** Takes note of a record; gives the ordinal that `finish` wants. */
  deliver(offset: number): number {
    assertInvariant(offset >= this.#nextOffset, 'an offset was delivered twice or out of order')
    if (this.span === this.#capacity) this.#resize(this.#capacity * 2)
    const ordinal = this.#next
    const index = ordinal & (this.#capacity - 1)
    this.#offsets[index] = offset
    this.#open[index >>> 5] = this.#word(index >>> 5) | (1 << (index & 31))
    this.#next = (ordinal + 1) | 0
    this.#nextOffset = offset + 1
    this.#openCount++
    return ordinal
  }

  /** Takes note of a record that is done already. */
  pass(offset: number): void {
    if (this.#openCount > 0 || this.#remembered !== null) return this.finish(this.deliver(offset))
    assertInvariant(offset >= this.#nextOffset, 'an offset was delivered twice or out of order')
    this.#nextOffset = offset + 1
    this.finished++
  }

  /** A batch ended: nothing below `nextOffset` is left to be delivered. */
  endBatch(nextOffset: number): void {
    if (nextOffset > this.#nextOffset) this.#nextOffset = nextOffset
  }

  finish(ordinal: number): void {
    const index = ordinal & (this.#capacity - 1)
    const word = this.#word(index >>> 5)
    const bit = 1 << (index & 31)
    assertInvariant((word & bit) !== 0, 'a record finished twice')
    this.#open[index >>> 5] = word & ~bit
    this.#openCount--
    this.finished++
    if (ordinal === this.#first) this.#skipDone()
  }

  /** What may be committed now. */
  committable(): number {
    if (this.#first === this.#next) return this.#nextOffset
    return this.#offsets[this.#first & (this.#capacity - 1)] as number
  }

  /** What is done beyond `committable`, a former owner's part included. */
  completions(): Completions {
    const base = this.committable()
    const open: number[] = []
    let end = base
    let belowEnd = 0
    for (let left = this.span, ordinal = this.#first; left > 0; left--, ordinal++) {
      const index = ordinal & (this.#capacity - 1)
      const offset = this.#offsets[index] as number
      if ((this.#word(index >>> 5) & (1 << (index & 31))) !== 0) open.push(offset)
      else {
        end = offset + 1
        belowEnd = open.length
      }
    }
    if (this.#remembered === null || this.#remembered.end <= this.#nextOffset) {
      open.length = belowEnd
      return { base, end, open }
    }
    for (const offset of this.#remembered.openFrom(this.#nextOffset)) open.push(offset)
    return { base, end: this.#remembered.end, open }
  }

  /** Moves `#first` to the next open record, a word at a time: bits beyond `#next` are 0, so it may overshoot and is cut back. */
  #skipDone(): void {
    let left = this.span
    let first = this.#first
    while (left > 0) {
      const index = first & (this.#capacity - 1)
      const rest = this.#word(index >>> 5) >>> (index & 31)
      const step = Math.min(left, rest === 0 ? 32 - (index & 31) : trailingZeros(rest))
      if (step === 0) break
      first = (first + step) | 0
      left -= step
    }
    this.#first = first
    if (left === 0 && this.#capacity > KEPT) this.#resize(SMALLEST)
  }

  #resize(capacity: number): void {
    const open = new Uint32Array(capacity >>> 5)
    const offsets = new Float64Array(capacity)
    for (
      let left = this.span, ordinal = this.#first;
      left > 0;
      left--, ordinal = (ordinal + 1) | 0
    ) {
      const from = ordinal & (this.#capacity - 1)
      const to = ordinal & (capacity - 1)
      offsets[to] = this.#offsets[from] as number
      if ((this.#word(from >>> 5) & (1 << (from & 31))) !== 0)
        open[to >>> 5] = (open[to >>> 5] as number) | (1 << (to & 31))
    }
    this.#capacity = capacity
    this.#open = open
    this.#offsets = offsets
  }

  #word(index: number): number {
    return this.#open[index] as number
  }
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word)
}
