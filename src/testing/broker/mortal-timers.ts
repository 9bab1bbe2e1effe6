/**
 * Timers of a process that can die: from the moment it does, none of them fires, and none can be set.
 */

import type { Timer, Timers } from '../../core/index.ts'

export class MortalTimers implements Timers {
  readonly #inner: Timers
  readonly #pending = new Set<Timer>()
  #isDead = false

  constructor(inner: Timers) {
    this.#inner = inner
  }

  schedule(delayMs: number, fire: () => void): Timer {
    if (this.#isDead) return { cancel() {} }
    const timer = this.#inner.schedule(delayMs, () => {
      this.#pending.delete(timer)
      fire()
    })
    this.#pending.add(timer)
    return {
      cancel: () => {
        this.#pending.delete(timer)
        timer.cancel()
      },
    }
  }

  soon(fire: () => void): void {
    this.#inner.soon(() => {
      if (!this.#isDead) fire()
    })
  }

  die(): void {
    this.#isDead = true
    for (const timer of this.#pending) timer.cancel()
    this.#pending.clear()
  }
}
