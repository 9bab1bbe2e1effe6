/**
 * Notices that the process stood still (a busy handler of the host, a sleeping laptop), so that nobody is expired for it.
 *
 * While somebody has deadlines, a beat measures the event loop. A beat that comes much too late means that what clients
 * said in time may wait unread in the sockets: whoever keeps deadlines moves them by the time that was lost. Whoever is
 * about to look at a deadline calls `notice` first, since its own timer may fire before the beat's.
 */

import type { Clock, Timer, Timers } from '../core/index.ts'

/** How often the event loop is measured while deadlines run. */
const BEAT_MS = 500
/** Lateness above which the process counts as having stood still. */
const STALL_MS = 500

export interface StallWatchOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** Whether there are deadlines. */
  readonly isNeeded: () => boolean
  /** @param durationMs by how much every deadline has to move */
  readonly onStall: (durationMs: number) => void
}

export class StallWatch {
  readonly #options: StallWatchOptions
  #beat: Timer | null = null
  #beatDueMs = 0
  #isClosed = false

  constructor(options: StallWatchOptions) {
    this.#options = options
  }

  /** There is a deadline: measures from now on, as long as it is needed. */
  watch(): void {
    if (this.#beat === null && !this.#isClosed) this.#scheduleBeat()
  }

  notice(): void {
    if (this.#beat === null) return
    const nowMs = this.#options.clock.monotonicMs()
    const lateMs = nowMs - this.#beatDueMs
    if (lateMs <= STALL_MS) return
    this.#beatDueMs = nowMs + BEAT_MS
    this.#options.onStall(lateMs)
  }

  close(): void {
    this.#isClosed = true
    this.#beat?.cancel()
  }

  #scheduleBeat(): void {
    const { clock, timers, isNeeded } = this.#options
    this.#beatDueMs = clock.monotonicMs() + BEAT_MS
    this.#beat = timers.schedule(BEAT_MS, () => {
      this.notice()
      this.#beat = null
      if (isNeeded()) this.watch()
    })
  }
}
