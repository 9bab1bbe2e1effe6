/**
 * When positions are committed: at the latest `everyMs` after the first completion, after so many completions, at once
 * when nothing is left to do, and before a partition or the group is left.
 *
 * One request at a time for all partitions, so answers cannot overtake each other. A failed one is sent again, with what
 * has finished meanwhile, after a growing wait. No handler and no heartbeat ever waits for it.
 * What is sent, and what an answer means, is decided in `commit-ledger.ts`.
 */

import type { Clock, Logger, Random, Timers } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'
import { Alarm } from '../dispatch/alarm.ts'
import type { CommitLedger } from './commit-ledger.ts'
import { backoffMs } from '../failure/decide.ts'
import type { PartitionWork } from '../work.ts'
import type { CommitPosition, CommitResult } from '../source.ts'
import { telemetry } from '../telemetry.ts'

const RETRY = { kind: 'exponential', base: 100, max: 5_000, jitter: 'equal' } as const

export interface CommitLoopParts {
  readonly group: string
  readonly ledger: CommitLedger
  readonly everyMs: number
  readonly records: number
  /** Commits that nobody waits for keep this distance. */
  readonly spacingMs: number
  /** False: nothing is sent but what `flush` is asked for. */
  readonly automatic: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Positions are about to be planned. */
  choose(): void
  commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]>
  /** Some of them are stored. */
  stored(): void
}

export class CommitLoop {
  readonly #parts: CommitLoopParts
  #completions = 0
  readonly #alarm: Alarm
  #sending: Promise<boolean> | null = null
  #sentMs = Number.NEGATIVE_INFINITY
  /** Asked for while one was under way. */
  #again = false
  /** Something does not start before the next commit. */
  #waitedFor = false
  #failures = 0
  /** Commits of the user that are under way. */
  #asked = 0
  #closed = false

  constructor(parts: CommitLoopParts) {
    this.#parts = parts
    this.#alarm = new Alarm(parts.clock, parts.timers, () => {
      if (this.#sending === null) void this.#send()
    })
  }

  /** Requests that failed in a row. */
  get failures(): number {
    return this.#failures
  }

  /** How long the request under way has been waiting for its answer. */
  pendingMs(nowMs: number): number {
    return this.#sending === null ? 0 : nowMs - this.#sentMs
  }

  /** Records are done. */
  completed(count = 1): void {
    if (!this.#parts.automatic) return
    const { records, everyMs } = this.#parts
    const before = this.#completions
    this.#completions += count
    if (before === 0) this.#wakeIn(everyMs)
    if (before < records && this.#completions >= records) this.soon()
  }

  /** There is something to commit and no reason to wait for more. */
  soon(): void {
    if (!this.#parts.automatic) return
    if (this.#sending !== null) this.#again = true
    else if (this.#failures === 0)
      this.#wakeIn(
        Math.max(0, this.#sentMs + this.#parts.spacingMs - this.#parts.clock.monotonicMs()),
      )
  }

  /** Something waits for the next commit: it leaves at once, or when the one under way is answered. */
  atOnce(): void {
    if (!this.#parts.automatic) return
    this.#waitedFor = true
    if (this.#sending === null && this.#failures === 0) this.#wakeIn(0)
  }

  /**
   * Commits what is done of these partitions (of all when left out) and waits for the answer, again and again until it
   * is stored, nothing is to be stored, or the deadline has passed. True when nothing is left to be stored.
   */
  async flush(deadlineMs: number, only?: readonly PartitionWork[]): Promise<boolean> {
    const { clock, ledger } = this.#parts
    for (let tries = 1; ; tries++) {
      await this.#before(deadlineMs, this.#sending)
      if (!ledger.isDirty(only)) return true
      if (clock.monotonicMs() >= deadlineMs && tries > 1) return false
      if (this.#sending === null) await this.#before(deadlineMs, this.#send())
      if (this.#failures === 0) continue
      if (clock.monotonicMs() >= deadlineMs) return false
      await this.#pause(Math.min(this.#backoffMs(), deadlineMs - clock.monotonicMs()))
    }
  }

  /** The user's own commit: what is done once `counted` has resolved. A partition that moves meanwhile waits for it. */
  async asked(counted: Promise<void>, withinMs: number): Promise<boolean> {
    this.#asked++
    try {
      await counted
      return await this.flush(this.#parts.clock.monotonicMs() + withinMs)
    } finally {
      this.#asked--
    }
  }

  /** The last chance of these partitions: `flush`, unless commits are the user's and he asked for none. */
  async last(deadlineMs: number, only?: readonly PartitionWork[]): Promise<void> {
    if (this.#parts.automatic || this.#asked > 0) await this.flush(deadlineMs, only)
  }

  close(): void {
    this.#closed = true
    this.#alarm.cancel()
  }

  #wakeIn(delayMs: number): void {
    if (!this.#closed) this.#alarm.by(this.#parts.clock.monotonicMs() + delayMs)
  }

  /** Sends what is dirty. Never rejects; true when nothing has to be sent again. */
  #send(): Promise<boolean> {
    const sending = this.#request().finally(() => {
      this.#sending = null
      if (this.#failures > 0 && this.#parts.automatic) this.#wakeIn(this.#backoffMs())
      else if (this.#waitedFor) this.atOnce()
      else if (this.#again || this.#completions >= this.#parts.records) this.soon()
      else if (this.#completions > 0) this.#wakeIn(this.#parts.everyMs)
    })
    this.#sending = sending
    return sending
  }

  async #request(): Promise<boolean> {
    const { ledger, clock, commit, logger, group } = this.#parts
    this.#completions = 0
    this.#again = false
    this.#waitedFor = false
    this.#parts.choose()
    const positions = ledger.plan()
    if (positions.length === 0) {
      this.#failures = 0
      return true
    }
    this.#sentMs = clock.monotonicMs()
    let results: readonly CommitResult[] = []
    let error: unknown
    try {
      results = await commit(positions)
    } catch (thrown) {
      // Whether it was stored is unknown: no result means that everything is sent again.
      error = thrown
      logger.log('warn', 'a commit failed', { group, error: messageOf(thrown) })
    }
    const summary = ledger.answer(positions, results)
    this.#failures = summary.retry ? this.#failures + 1 : 0
    if (summary.committed.length > 0) this.#parts.stored()
    if (telemetry.commit.hasSubscribers)
      telemetry.commit.publish({
        group,
        ...summary,
        error,
        durationMs: clock.monotonicMs() - this.#sentMs,
      })
    return !summary.retry
  }

  #backoffMs(): number {
    return backoffMs(RETRY, this.#failures, undefined, this.#parts.random.next())
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.schedule(delayMs, resolve)
    })
  }

  /** Waits for something, not beyond the deadline. */
  async #before(deadlineMs: number, something: Promise<unknown> | null): Promise<void> {
    if (something === null) return
    const leftMs = Math.max(0, deadlineMs - this.#parts.clock.monotonicMs())
    await new Promise<void>((resolve) => {
      const timer = this.#parts.timers.schedule(leftMs, resolve)
      void something.finally(() => {
        timer.cancel()
        resolve()
      })
    })
  }
}
