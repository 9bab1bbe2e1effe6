/**
 * How a revoke waits for what the application has in hand: until it is done, until the next poll begins, or until the
 * time is up.
 */

import type { Timers } from '../core/index.ts'

export class Patience {
  readonly #timers: Timers
  readonly #looks = new Set<(isOver: boolean) => void>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  async until(isDone: () => boolean, limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const look = (isOver: boolean) => {
        if (!isOver && !isDone()) return
        timer.cancel()
        this.#looks.delete(look)
        resolve()
      }
      const timer = this.#timers.schedule(limitMs, () => look(true))
      this.#looks.add(look)
    })
  }

  /** Something is done. */
  look(): void {
    for (const look of this.#looks) look(false)
  }

  /** Nobody works on anything any more. */
  end(): void {
    for (const look of this.#looks) look(true)
  }
}
