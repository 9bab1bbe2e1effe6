/**
 * Up to which offset each flush of the journal brings a partition.
 *
 *   append append │ append         │
 *   round 1 ─▶ 12 │ round 2 ─▶ 13  │       a round is told from the next by the promise that the journal gives for it
 *
 * One callback a partition and round, whatever the number of appends; nothing is made for an append alone.
 */

import type { JournalPort } from './journal-port.ts'

interface Round {
  readonly flushed: Promise<void>
  endOffset: number
}

const FLUSHED: Promise<void> = Promise.resolve()

export class FlushRounds {
  readonly #journal: JournalPort
  readonly #advance: (endOffset: number) => void
  readonly #rounds: Round[] = []

  /** @param advance told the end offset of each round that is flushed, in order */
  constructor(journal: JournalPort, advance: (endOffset: number) => void) {
    this.#journal = journal
    this.#advance = advance
  }

  /** Everything below `endOffset` was handed to the journal; resolves after `advance` was told of it. */
  add(endOffset: number): Promise<void> {
    const flushed = this.#journal.flushed()
    const last = this.#rounds.at(-1)
    if (last?.flushed === flushed) last.endOffset = endOffset
    else {
      this.#rounds.push({ flushed, endOffset })
      this.#journal.onFlushed(this.#onFlushed)
    }
    return flushed
  }

  /** Resolves when everything below `endOffset` is flushed. */
  reach(endOffset: number): Promise<void> {
    return this.#rounds.find((round) => round.endOffset >= endOffset)?.flushed ?? FLUSHED
  }

  readonly #onFlushed = (): void => {
    const round = this.#rounds.shift()
    if (round !== undefined) this.#advance(round.endOffset)
  }
}
