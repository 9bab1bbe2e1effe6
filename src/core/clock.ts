/**
 * Time as a parameter: two ports and their real form.
 *
 * Two kinds of time, never mixed: `wallMs` stamps records and may jump; `monotonicMs` measures (sessions, backoff,
 * deadlines) and never goes back. The simulated form is `virtual-clock.ts`.
 * This file is the only place that reads the system's clock or starts its timers; `test/tidy.test.ts` checks it.
 */

export interface Clock {
  /** Milliseconds since the epoch; may jump when the machine's clock is set. */
  wallMs(): number
  /** Milliseconds since some fixed moment; never goes back, keeps fractions. */
  monotonicMs(): number
}

export interface Timer {
  /** Prevents a timer that has not fired from firing; harmless afterwards. */
  cancel(): void
}

export interface Timers {
  /** Calls `fire` once, `delayMs` milliseconds of monotonic time from now or a little later. */
  schedule(delayMs: number, fire: () => void): Timer
  /** Calls `fire` after the I/O that is pending in this turn of the event loop: a place to gather work into batches. */
  soon(fire: () => void): void
}

/** Longest delay that the system's timers take; a longer one is waited for in steps. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

export const systemTimers: Timers = {
  schedule(delayMs, fire) {
    let handle: NodeJS.Timeout
    const wait = (remainingMs: number) => {
      const stepMs = Math.min(remainingMs, LONGEST_DELAY_MS)
      handle = setTimeout(
        () => (remainingMs > stepMs ? wait(remainingMs - stepMs) : fire()),
        Math.max(0, stepMs),
      )
    }
    wait(delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
  soon: (fire) => void setImmediate(fire),
}

/** Resolves after `delayMs`, or at once when `signal` aborts (never rejects: the caller looks at the signal). */
export function sleep(timers: Timers, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = timers.schedule(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
