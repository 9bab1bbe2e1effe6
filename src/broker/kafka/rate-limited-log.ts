/**
 * Log lines that a peer can cause as often as it likes: one of a kind each second, with the number that was held back.
 *
 * A kind's count is told by its next line, so nothing here needs a timer; kinds are few and constant.
 */

import type { Clock, LogFields, Logger, LogLevel } from '../../core/index.ts'

const INTERVAL_MS = 1_000

export class RateLimitedLog {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #kinds = new Map<string, { lastMs: number; heldBack: number }>()

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs()
    const kind = this.#kinds.get(message)
    if (kind !== undefined && nowMs - kind.lastMs < INTERVAL_MS) {
      kind.heldBack++
      return
    }
    const heldBack = kind?.heldBack ?? 0
    this.#kinds.set(message, { lastMs: nowMs, heldBack: 0 })
    this.#logger.log(level, message, heldBack === 0 ? fields : { ...fields, heldBack })
  }
}
