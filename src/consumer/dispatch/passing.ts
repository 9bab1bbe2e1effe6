/**
 * Records whose handlers ended at once, one after the other, are counted together: what has to be said of them is said
 * once for a run, and always before anybody asks.
 */

import type { Chunk, PartitionWork } from '../work.ts'

export class Passing {
  readonly #passed: (work: PartitionWork, chunk: Chunk, count: number) => void
  #work: PartitionWork | null = null
  #chunk: Chunk | null = null
  #count = 0

  constructor(passed: (work: PartitionWork, chunk: Chunk, count: number) => void) {
    this.#passed = passed
  }

  /** A record of the chunk is done. */
  add(work: PartitionWork, chunk: Chunk): void {
    if (this.#chunk !== chunk) {
      this.tell()
      this.#work = work
      this.#chunk = chunk
    }
    this.#count++
  }

  tell(): void {
    if (this.#count === 0 || this.#work === null || this.#chunk === null) return
    const count = this.#count
    this.#count = 0
    this.#passed(this.#work, this.#chunk, count)
  }

  /** Forgets the chunk, which may hold memory. */
  end(): void {
    this.tell()
    this.#work = null
    this.#chunk = null
  }
}
