/** Something that may be waited for again and again, with a limit; what is raised while nobody waits is not missed. */

import type { Timers } from '../core/index.ts'

export class Signal {
  readonly #timers: Timers
  #isRaised = false
  #wake: (() => void) | null = null

  constructor(timers: Timers) {
    this.#timers = timers
  }

  raise(): void {
    this.#isRaised = true
    this.#wake?.()
  }

  /** Resolves when it is raised (or was, since the last wait), when the time is over or when `signal` aborts. */
  async wait(limitMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isRaised && !signal.aborted && limitMs > 0)
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel()
          signal.removeEventListener('abort', done)
          this.#wake = null
          resolve()
        }
        const timer = this.#timers.schedule(Math.min(limitMs, 2 ** 31 - 1), done)
        signal.addEventListener('abort', done, { once: true })
        this.#wake = done
      })
    this.#isRaised = false
  }
}
