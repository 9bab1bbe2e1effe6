/**
 * What a former owner of a partition had finished beyond the committed offset: asked once for each record, in order of
 * offset.
 *
 * Pure. It holds the open offsets of the map and a place in them, so a question costs next to nothing.
 */

import type { Completions } from './completion-map.ts'

export class Remembered {
  readonly #open: readonly number[]
  /** The first open offset that is not below what was last asked about. */
  #cursor = 0
  /** Offsets from here on are not remembered. */
  readonly end: number

  constructor({ end, open }: Completions) {
    this.end = end
    this.#open = open
  }

  /** Whether the record was finished before. Offsets have to come in ascending order. */
  isDone(offset: number): boolean {
    if (offset >= this.end) return false
    this.#seek(offset)
    return this.#open[this.#cursor] !== offset
  }

  /** Open offsets that are not below this one. */
  openFrom(offset: number): readonly number[] {
    this.#seek(offset)
    return this.#cursor === 0 ? this.#open : this.#open.slice(this.#cursor)
  }

  #seek(offset: number): void {
    while (this.#cursor < this.#open.length && (this.#open[this.#cursor] as number) < offset)
      this.#cursor++
  }
}
