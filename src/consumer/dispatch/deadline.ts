/**
 * A moment until which something may go on, and which can be brought forward.
 */

import type { Clock, Timer, Timers } from '../../core/index.ts'

export class Deadline {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #reached = Promise.withResolvers<void>()
  #atMs = Number.POSITIVE_INFINITY
  #timer: Timer | null = null

  constructor(clock: Clock, timers: Timers, delayMs: number) {
    this.#clock = clock
    this.#timers = timers
    this.shorten(delayMs)
  }

  get reached(): Promise<void> {
    return this.#reached.promise
  }

  /** Moves the moment to `delayMs` from now, when that is earlier than it was. */
  shorten(delayMs: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs
    if (atMs >= this.#atMs) return
    this.#atMs = atMs
    this.#timer?.cancel()
    this.#timer = this.#timers.schedule(delayMs, () => this.#reached.resolve())
  }

  /** Waits for something, at most until the moment. */
  async before(something: Promise<unknown>): Promise<void> {
    await Promise.race([something, this.#reached.promise])
  }

  cancel(): void {
    this.#timer?.cancel()
  }
}
