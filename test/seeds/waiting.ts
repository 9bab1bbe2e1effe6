/**
 * Waiting in the tests of the seeds: for an answer that holds, or for a span of time that is itself the row's claim.
 */

import { GENEROUS_LIMIT_MS } from '../real/program.ts'

const LOOK_EVERY_MS = 100

/** Asks until the answer holds, and returns it; what was answered last is part of the error. */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  limitMs: number = GENEROUS_LIMIT_MS,
): Promise<T> {
  const deadline = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (holds(answer)) return answer
    if (performance.now() > deadline)
      throw new Error(`not so within ${limitMs} ms: ${JSON.stringify(answer)}`)
    await elapse(LOOK_EVERY_MS)
  }
}

/** Lets time pass: only where a row says that something does (or does not) happen within such a time. */
export async function elapse(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

/** What a machine that is busy, or stands still for a while, may add to a span of time that a row names. */
export const ROOM_MS = 45_000
/** Where a row says that something does not wait for the session of 45 s to end: it comes before this. */
export const BEFORE_SESSION_END_MS = 38_000

/** Runs a scenario at most once, however many rows ask for what it found. */
export function once<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => (running ??= run())
}

/** Milliseconds that something took. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await run()
  return performance.now() - start
}
