/**
 * Time that moves only when a test moves it.
 *
 * Timers fire in order of their due time, ties in the order they were scheduled; while one fires, the clock shows its
 * due time. `advance` lets promises settle between timers, so code that awaits and then schedules behaves as it would
 * in real time. Wall time can be made to jump on its own, monotonic time cannot.
 */

import type { Clock, Timer, Timers } from './clock.ts'

interface Pending {
  readonly dueMs: number
  readonly order: number
  readonly fire: () => void
}

export interface VirtualClockOptions {
  /** Wall time at the start, in milliseconds since the epoch; default 2026-01-01T00:00:00Z. */
  readonly wallMs?: number
  /** Waits until promises that can settle have settled; default: a few turns of the event loop. */
  readonly settle?: () => Promise<void>
}

export class VirtualClock implements Clock, Timers {
  #monotonicMs = 0
  #wallOffsetMs: number
  #order = 0
  readonly #pending = new Set<Pending>()
  readonly #settle: () => Promise<void>

  constructor({ wallMs = Date.UTC(2026, 0, 1), settle = settleTurns }: VirtualClockOptions = {}) {
    this.#wallOffsetMs = wallMs
    this.#settle = settle
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#monotonicMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  schedule(delayMs: number, fire: () => void): Timer {
    const pending: Pending = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      fire,
    }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  soon(fire: () => void): void {
    this.schedule(0, fire)
  }

  /** Timers that have not fired. */
  get pendingCount(): number {
    return this.#pending.size
  }

  /** How long until the next timer is due, or `undefined` when there is none. */
  get nextDelayMs(): number | undefined {
    const next = this.#next()
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs
  }

  /** Sets the machine's clock: wall time jumps, timers and monotonic time do not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** The process stands still: time passes and nothing runs; what is due fires with the next `advance`, too late. */
  stall(byMs: number): void {
    this.#monotonicMs += byMs
  }

  /** Moves time forward, firing every timer that comes due on the way, those scheduled meanwhile included. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#monotonicMs + byMs
    await this.#settle()
    for (
      let next = this.#next();
      next !== undefined && next.dueMs <= untilMs;
      next = this.#next()
    ) {
      this.#pending.delete(next)
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueMs)
      next.fire()
      await this.#settle()
    }
    this.#monotonicMs = untilMs
  }

  #next(): Pending | undefined {
    let next: Pending | undefined
    for (const pending of this.#pending) {
      if (
        next === undefined ||
        pending.dueMs < next.dueMs ||
        (pending.dueMs === next.dueMs && pending.order < next.order)
      )
        next = pending
    }
    return next
  }
}

async function settleTurns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}
