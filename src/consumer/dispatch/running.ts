/**
 * What runs, and the limits of its time.
 *
 *   deadline passed ──▶ aborted (`timeout`) ──▶ a grace to clean up ──▶ detached: others wait for it no longer
 *
 * One timer serves all executions: it rings at the earliest deadline.
 */

import type { Clock, Logger, Timers } from '../../core/index.ts'
import type { AbortCause } from '../options.ts'
import type { PartitionWork } from '../work.ts'
import { Alarm } from './alarm.ts'
import type { Attempt } from './attempt.ts'
import { RunningList } from './run.ts'
import type { Run } from './run.ts'

/** How long a handler may go on after its signal aborted before its slot is taken back. */
const GRACE_MS = 5_000

export interface RunningSettings {
  readonly group: string
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
}

export class Running {
  readonly #list = new RunningList<Attempt>()
  readonly #group: string
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #sweep: Alarm
  readonly #detach: (attempt: Attempt, cause: AbortCause) => void

  /** @param detach a handler ignores its signal: its slot and lane are to be taken back. */
  constructor(
    { group, logger, clock, timers }: RunningSettings,
    detach: (attempt: Attempt, cause: AbortCause) => void,
  ) {
    this.#group = group
    this.#logger = logger
    this.#clock = clock
    this.#sweep = new Alarm(clock, timers, () => this.#sweepDeadlines())
    this.#detach = detach
  }

  get oldestStartedMs(): number | undefined {
    return this.#list.oldest?.startedMs
  }

  add(attempt: Attempt): void {
    this.#list.add(attempt.run)
  }

  remove(attempt: Attempt): void {
    this.#list.remove(attempt.run)
  }

  /** Its time is limited from now on; what returns at once never gets here. */
  watch(deadlineMs: number): void {
    this.#sweep.by(deadlineMs)
  }

  /** Tells the handlers of a partition (of all when null) that their result no longer counts. */
  abort(partition: PartitionWork | null, cause: AbortCause): void {
    for (const run of this.#list)
      if (partition === null || run.attempt.work === partition) this.#abortOne(run, cause)
  }

  close(): void {
    this.#sweep.cancel()
  }

  #abortOne(run: Run<Attempt>, cause: AbortCause): void {
    run.abort(cause)
    run.deadlineMs = this.#clock.monotonicMs() + GRACE_MS
    this.#sweep.by(run.deadlineMs)
  }

  #takeAway(run: Run<Attempt>, cause: AbortCause): void {
    const { work, offset } = run.attempt
    this.#list.remove(run)
    run.detached = true
    const facts = { group: this.#group, partition: work.id, offset, cause }
    this.#logger.log('error', 'a handler goes on although its signal aborted', facts)
    this.#detach(run.attempt, cause)
  }

  #sweepDeadlines(): void {
    const nowMs = this.#clock.monotonicMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const run of this.#list) {
      if (run.deadlineMs <= nowMs) {
        if (run.cause === null) this.#abortOne(run, 'timeout')
        else {
          this.#takeAway(run, run.cause)
        }
      }
      if (!run.detached) nextMs = Math.min(nextMs, run.deadlineMs)
    }
    this.#sweep.by(nextMs)
  }
}
