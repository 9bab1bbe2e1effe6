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

export interface WatchParts {
  readonly group: string
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  health(): Health
}

export class Watch {
  readonly #parts: WatchParts
  readonly #alarm: Alarm
  #dueMs = 0
  #stuck = false

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
    this.begin()
  }
}
