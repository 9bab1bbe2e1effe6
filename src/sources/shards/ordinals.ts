/**
 * Offsets for brokers that number nothing we may keep: what is handed out is counted, and the count stands for it. Pure.
 *
 *   handed out    0    1    2    3    4        a commit at 2 with 3 remembered as done:
 *   tag          t7   t8   t9  t12  t13        acknowledge up to t8, and t12 alone
 *
 * Offsets begin at 0 in every epoch. Each tag leaves once: by a position above it, as done beyond the position, or alone.
 */

import type { Completions } from '../../consumer/index.ts'

/** What a commit acknowledges. */
export interface Settled<Tag> {
  /** Below the position, rising; nothing that is handed out before the last of them stays open. */
  readonly below: readonly Tag[]
  /** Done beyond the position. */
  readonly beyond: readonly Tag[]
}

export class Ordinals<Tag> {
  /** Tags from the first open offset on; null was acknowledged alone. */
  #tags: (Tag | null)[] = []
  #base = 0

  /** The offset of the next that is handed out. */
  get next(): number {
    return this.#base + this.#tags.length
  }

  get openCount(): number {
    return this.#tags.length
  }

  /** Hands out the next offset. */
  add(tag: Tag): number {
    this.#tags.push(tag)
    return this.next - 1
  }

  settle(offset: number, completions: Completions | null): Settled<Tag> {
    const count = Math.max(0, Math.min(offset - this.#base, this.#tags.length))
    const below = this.#tags.slice(0, count).filter((tag) => tag !== null)
    this.#tags = this.#tags.slice(count)
    this.#base += count
    return { below, beyond: completions === null ? [] : this.#takeDone(completions) }
  }

  /** Whether it is handed out and has not left. */
  has(offset: number): boolean {
    return (this.#tags[offset - this.#base] ?? null) !== null
  }

  /** Null when it is not handed out, or has left. */
  at(offset: number): Tag | null {
    return this.#tags[offset - this.#base] ?? null
  }

  /** Hands the tag of one out that ends alone; null when it was. */
  take(offset: number): Tag | null {
    const index = offset - this.#base
    const tag = this.#tags[index] ?? null
    if (tag !== null) this.#tags[index] = null
    return tag
  }

  #takeDone({ base, end, open }: Completions): Tag[] {
    const isOpen = new Set(open)
    const done: Tag[] = []
    for (let offset = Math.max(base, this.#base); offset < Math.min(end, this.next); offset++) {
      const tag = this.#tags[offset - this.#base] ?? null
      if (tag === null || isOpen.has(offset)) continue
      done.push(tag)
      this.#tags[offset - this.#base] = null
    }
    return done
  }
}
