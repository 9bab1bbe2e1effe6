/**
 * Under which leaders the records of one partition were written, as far as they were read: pure.
 *
 *   offset    … 139 │ 140 … 171 │ 172        read until 172, begun at 140 with what the last commit knew
 *   epoch        3  │     5     │            before(140) = 3, before(172) = 5
 *
 * Each leader of a partition has a higher epoch than the one before, and a log that lost records and was written anew has
 * other epochs there. So the epoch of the record before a position lets the broker tell whether its log is still the one
 * that was read (KIP-320): it travels with each fetch and with each commit.
 */

/** Not known: nobody said, or the broker is too old to say. */
export const UNKNOWN_EPOCH = -1

interface Mark {
  readonly from: number
  readonly epoch: number
}

export class EpochTrail {
  /** Rising in both. */
  #marks: Mark[] = []

  /** @param epoch of the record before the first one to be read */
  constructor(epoch: number = UNKNOWN_EPOCH) {
    if (epoch >= 0) this.#marks.push({ from: Number.NEGATIVE_INFINITY, epoch })
  }

  /** A batch was read. */
  note(baseOffset: number, epoch: number): void {
    const last = this.#marks.at(-1)
    if (epoch > (last?.epoch ?? UNKNOWN_EPOCH)) this.#marks.push({ from: baseOffset, epoch })
  }

  /** The epoch of the record before an offset. */
  before(offset: number): number {
    return this.#marks.findLast(({ from }) => from < offset)?.epoch ?? UNKNOWN_EPOCH
  }

  /** What was read from here on is read again. */
  cutAt(offset: number): void {
    this.#marks = this.#marks.filter(({ from }) => from < offset)
  }

  /** Nobody will ask about what lies before this offset any more. */
  forgetBefore(offset: number): void {
    while (this.#marks.length > 1 && (this.#marks[1] as Mark).from < offset) this.#marks.shift()
  }
}
