import type { Timers } from '../../src/core/index.ts'

/** The timers of a process: none fires after it crashed. */
export function mortalTimers(timers: Timers, isCrashed: () => boolean): Timers {
  const unlessCrashed = (fire: () => void) => () => {
    if (!isCrashed()) fire()
  }
  return {
    schedule: (delayMs, fire) => timers.schedule(delayMs, unlessCrashed(fire)),
    soon: (fire) => timers.soon(unlessCrashed(fire)),
  }
}
