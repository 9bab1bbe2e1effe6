/**
 * The dispatcher's time: the slice of each turn of the event loop in which handlers start, and a clock that is looked at
 * no oftener than it has to be.
 *
 * Handlers that never wait would keep the event loop to themselves: every turn has a slice, then I/O comes first. Within
 * a slice one look at the clock serves some starts and ends, while they take next to no time: fewer than `LONGEST_STRIDE`
 * handlers that suddenly take long can follow one another unseen.
 */

import type { Clock, Timers } from '../../core/index.ts'

/** How long handlers are started in one go before I/O gets its turn. */
const SLICE_MS = 10
/** Starts and ends that one look serves at most, and how long they may take together for that. */
const LONGEST_STRIDE = 8
const SHORT_MS = 0.5

export class Pace {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #resume: () => void
  #nowMs = 0
  /** Starts and ends since the last look, and how many may go by until the next. */
  #unseen = 0
  #stride = 1
  /** When this turn of the event loop began to start handlers; null: none has started in it. */
  #sliceMs: number | null = null

  /** @param resume the next turn has come. */
  constructor(
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
    resume: () => void,
  ) {
    this.#clock = clock
    this.#timers = timers
    this.#resume = resume
  }

  /** Monotonic time at the last look. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Something started or ended: looks at the clock when it is time to. */
  look(): void {
    if (this.#sliceMs !== null && ++this.#unseen < this.#stride) return
    const nowMs = this.#clock.monotonicMs()
    if (this.#sliceMs !== null)
      this.#stride = nowMs - this.#nowMs > SHORT_MS ? 1 : Math.min(LONGEST_STRIDE, this.#stride + 1)
    this.#nowMs = nowMs
    this.#unseen = 0
  }

  /** How many may start and end at once before it is time to look at the clock. */
  get run(): number {
    return this.#stride - this.#unseen
  }

  /** They did, all but the last, for which `look` is called. */
  ran(count: number): void {
    if (count > 1) this.#unseen += count - 1
  }

  /** A handler is about to start. */
  begin(): void {
    if (this.#sliceMs !== null) return
    this.#sliceMs = this.#nowMs
    this.#timers.soon(() => {
      this.#sliceMs = null
      this.#resume()
    })
  }

  /** Whether this turn has had its slice. */
  get isOver(): boolean {
    return this.#sliceMs !== null && this.#nowMs - this.#sliceMs >= SLICE_MS
  }
}
