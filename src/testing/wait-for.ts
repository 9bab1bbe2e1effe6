/**
 * Waiting for something to become true, without guessing how long it takes.
 *
 * The condition is looked at again whenever the runtime of this process told something (a handler ended, a commit was
 * stored, partitions moved), and after a while for what tells nobody. The limit is for hangs: generous, and told in the
 * error with what was waited for.
 */

import { telemetry } from '../consumer/index.ts'
import type { Timers } from '../core/index.ts'
import { ShoalError, systemTimers } from '../core/index.ts'

export interface WaitForOptions {
  /** What is waited for, for the error: `all records are committed`. */
  readonly what?: string
  /** Default 60,000. */
  readonly limitMs?: number
  /** How soon to look again when nothing is told; default 20. */
  readonly lookAgainMs?: number
  readonly timers?: Timers
}

/**
 * Resolves with the first value of `look` that is neither false, null nor undefined; rejects with what `look` throws.
 * @throws ShoalError SHOAL_REQUEST_TIMEOUT
 *
 * @example
 * await waitFor(async () => (await broker.committed('billing', 'orders')).get(0) === 10, { what: 'ten records are committed' })
 */
export async function waitFor<T>(
  look: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const { what = 'a condition', limitMs = 60_000, lookAgainMs = 20 } = options
  const { timers = systemTimers } = options
  let late = false
  let wake = () => {}
  const onEvent = () => wake()
  const limit = timers.schedule(limitMs, () => {
    late = true
    wake()
  })
  const channels = [telemetry.commit, telemetry.rebalance, telemetry.deadLetter] as const
  for (const channel of channels) channel.subscribe(onEvent)
  telemetry.handle.asyncEnd.subscribe(onEvent)
  try {
    for (;;) {
      const news = new Promise<void>((resolve) => {
        wake = resolve
      })
      const value = await look()
      if (value !== false && value !== null && value !== undefined)
        return value as NonNullable<Exclude<T, false>>
      if (late)
        throw new ShoalError('SHOAL_REQUEST_TIMEOUT', `waited ${limitMs} ms in vain until ${what}`)
      const again = timers.schedule(lookAgainMs, onEvent)
      await news
      again.cancel()
    }
  } finally {
    limit.cancel()
    for (const channel of channels) channel.unsubscribe(onEvent)
    telemetry.handle.asyncEnd.unsubscribe(onEvent)
  }
}
