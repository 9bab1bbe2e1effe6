/**
 * What runs, and the limits of its time.
 *
 *   deadline passed ──▶ aborted (`timeout`) ──▶ a grace to clean up ──▶ detached: others wait for it no longer
 *
 * One timer serves all executions: it rings at the earliest deadline.
 */

import type { Clock, Timers } from '../../core/index.ts'
import type { AbortCause } from '../options.ts'
import type { PartitionWork } from '../work.ts'
import { Alarm } from './alarm.ts'
import { RunningList } from './attempt.ts'
import type { Attempt } from './attempt.ts'

/** How long a handler may go on after its signal aborted before its slot is taken back. */
const GRACE_MS = 5_000

export class Running {
  readonly #list = new RunningList()
  readonly #clock: Clock
  readonly #sweep: Alarm
  readonly #detach: (attempt: Attempt, cause: AbortCause) => void

  /** @param detach a handler ignores its signal: its slot and lane are to be taken back. */
  constructor(
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
    detach: (attempt: Attempt, cause: AbortCause) => void,
  ) {
    this.#clock = clock
    this.#sweep = new Alarm(clock, timers, () => this.#sweepDeadlines())
    this.#detach = detach
  }

  get oldestStartedMs(): number | undefined {
    return this.#list.oldest?.startedMs
  }

  add(attempt: Attempt): void {
    this.#list.add(attempt)
  }

  remove(attempt: Attempt): void {
    this.#list.remove(attempt)
  }

  /** Its time is limited from now on; what returns at once never gets here. */
  watch(deadlineMs: number): void {
    this.#sweep.by(deadlineMs)
  }

  /** Tells the handlers of a partition (of all when null) that their result no longer counts. */
  abort(partition: PartitionWork | null, cause: AbortCause): void {
    for (const attempt of this.#list)
      if (partition === null || attempt.work === partition) this.#abortOne(attempt, cause)
  }

  close(): void {
    this.#sweep.cancel()
  }

  #abortOne(attempt: Attempt, cause: AbortCause): void {
    attempt.abort(cause)
    attempt.deadlineMs = this.#clock.monotonicMs() + GRACE_MS
    this.#sweep.by(attempt.deadlineMs)
  }

  #sweepDeadlines(): void {
    const nowMs = this.#clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const attempt of this.#list) {
      if (attempt.deadlineMs <= nowMs) {
        if (attempt.cause === null) this.#abortOne(attempt, 'timeout')
        else {
          this.#list.remove(attempt)
          attempt.detached = true
          this.#detach(attempt, attempt.cause)
        }
      }
      if (!attempt.detached) nextMs = Math.min(nextMs, attempt.deadlineMs)
    }
    this.#sweep.by(nextMs)
  }
}
