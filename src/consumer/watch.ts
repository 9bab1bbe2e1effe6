/**
 * Looks after the consumer once a second: has the event loop stood still, and does anything move?
 *
 * A consumer that owns partitions and does nothing looks healthy from outside; here it becomes an event and a line in
 * the log, once when it begins and once when it is over.
 */

import type { Clock, Logger, Timers } from '../core/index.ts'
import { Alarm } from './dispatch/alarm.ts'
import type { Health } from './options.ts'
import { telemetry } from './telemetry.ts'

const TICK_MS = 1_000
/** A tick that comes this much too late means that nothing ran meanwhile, heartbeats included. */
const STALL_MS = 2_000

/** Long enough for the rebalances of a start. */
const IDLE_MS = 30_000

export interface WatchParts {
  readonly group: string
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  health(): Health
  /** Partitions that this member has. */
  owned(): number
}

export class Watch {
  readonly #parts: WatchParts
  readonly #alarm: Alarm
  #dueMs = 0
  #stuck = false
  /** Since when it has had no partition; null: it has, or it was told. */
  #idleSinceMs: number | null = null
  #isIdleTold = false

  constructor(parts: WatchParts) {
    this.#parts = parts
    this.#alarm = new Alarm(parts.clock, parts.timers, () => this.#tick())
  }

  begin(): void {
    this.#dueMs = this.#parts.clock.monotonicMs() + TICK_MS
    this.#alarm.by(this.#dueMs)
  }

  close(): void {
    this.#alarm.cancel()
  }

  /** More members than partitions: the surplus waits as a spare, which somebody should know. */
  #lookIdle(): void {
    const { group, clock, logger, owned } = this.#parts
    if (owned() > 0) {
      this.#idleSinceMs = null
      this.#isIdleTold = false
      return
    }
    this.#idleSinceMs ??= clock.monotonicMs()
    if (this.#isIdleTold || clock.monotonicMs() - this.#idleSinceMs < IDLE_MS) return
    this.#isIdleTold = true
    logger.log(
      'warn',
      'this member has no partition: are there more members than partitions? start fewer, or add partitions',
      { group },
    )
  }

  #tick(): void {
    const { group, clock, logger, health } = this.#parts
    const lateMs = clock.monotonicMs() - this.#dueMs
    if (lateMs >= STALL_MS)
      logger.log('warn', 'the event loop stood still', { group, forMs: Math.round(lateMs) })
    const { status, reasons } = health()
    const stuck = status === 'stuck'
    if (stuck && !this.#stuck) {
      logger.log('error', 'the consumer is stuck', { group, reasons })
      telemetry.stuck.publish({ group, reasons })
    } else if (!stuck && this.#stuck) logger.log('info', 'the consumer moves again', { group })
    this.#stuck = stuck
    this.#lookIdle()
    this.begin()
  }
}
