/**
 * How long to wait before trying again: doubling from a first wait to a longest one, spread by a fifth either way so
 * that many clients that lost the same broker do not come back in one moment.
 */

import { sleep } from '../core/index.ts'
import type { Clock, Random, Timers } from '../core/index.ts'

export interface BackoffLimits {
  readonly firstMs: number
  readonly longestMs: number
}

const SPREAD = 0.2

/** The wait after so many failures in a row, milliseconds. */
export function backoffMs(failures: number, limits: BackoffLimits, random: Random): number {
  const doublings = Math.min(Math.max(failures - 1, 0), 30)
  return spread(Math.min(limits.longestMs, limits.firstMs * 2 ** doublings), random)
}

/** The wait with its random part. */
export function spread(waitMs: number, random: Random): number {
  return waitMs * (1 - SPREAD + 2 * SPREAD * random.next())
}

export interface RetryOptions {
  readonly timeoutMs: number
  readonly limits: BackoffLimits
  /** Whether a failure is worth another attempt. */
  readonly retriable: (error: unknown) => boolean
  readonly signal?: AbortSignal
}

export interface RetryPorts {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

/** Runs `attempt` until it succeeds, fails for good, or the time is up; the last failure is what the caller gets. */
export async function retry<Value>(
  { clock, timers, random }: RetryPorts,
  { timeoutMs, limits, retriable, signal }: RetryOptions,
  attempt: (remainingMs: number) => Promise<Value>,
): Promise<Value> {
  const deadlineMs = clock.monotonicMs() + timeoutMs
  for (let failures = 0; ;) {
    try {
      return await attempt(Math.max(1, deadlineMs - clock.monotonicMs()))
    } catch (error) {
      failures++
      const waitMs = backoffMs(failures, limits, random)
      const isLate = clock.monotonicMs() + waitMs >= deadlineMs
      if (isLate || !retriable(error)) throw error
      await sleep(timers, waitMs, signal)
      signal?.throwIfAborted()
    }
  }
}

/** Rejects with `late()` when `promise` has not settled in time; the promise itself goes on. */
export function within<Value>(
  timers: Timers,
  limitMs: number,
  promise: Promise<Value>,
  late: () => Error,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = timers.schedule(limitMs, () => reject(late()))
    promise.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}
