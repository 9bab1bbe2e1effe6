/**
 * Whether a handler may start: ownership is fresh, no circuit is open, the rate allows it, a slot is free.
 *
 * Asked before every start, so each question that has no policy costs nothing; ownership is looked at every 50 ms.
 * Who is told no is asked again: by a timer where a moment is known, else when an execution ends.
 */

import { Circuits } from '../failure/circuits.ts'
import type { Ended } from '../failure/circuits.ts'
import type { Settings } from '../resolve-options.ts'
import { telemetry } from '../telemetry.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { Alarm } from './alarm.ts'
import type { Attempt } from './attempt.ts'
import { TokenBucket } from './token-bucket.ts'

/** How often ownership is looked at while handlers start, and how soon again when it was in doubt. */
const FRESHNESS_MS = 50

export class Gate {
  readonly #settings: Settings
  readonly #circuits: Circuits | null
  readonly #rate: TokenBucket | null
  readonly #adaptive: AdaptiveLimit | null
  readonly #ownershipIsFresh: () => boolean
  readonly #again: Alarm
  /** Whether it wants to know of executions; mostly nobody does, and then they are not told. */
  readonly watches: boolean
  #checkedMs = Number.NEGATIVE_INFINITY
  #inDoubt = false

  /** @param again what to call when it is worth asking again. */
  constructor(settings: Settings, ownershipIsFresh: () => boolean, again: () => void) {
    this.#settings = settings
    this.#circuits =
      settings.breakers.length === 0 ? null : new Circuits(settings.breakers, settings)
    this.#rate = settings.rate === null ? null : new TokenBucket(settings.rate)
    this.#adaptive = settings.adaptive === null ? null : new AdaptiveLimit(settings.adaptive)
    this.#ownershipIsFresh = ownershipIsFresh
    this.watches = this.#circuits !== null || settings.adaptive !== null || settings.rate !== null
    this.#again = new Alarm(settings.clock, settings.timers, again)
  }

  /** Handlers that may run at once. */
  get concurrency(): number {
    return this.#adaptive === null ? this.#settings.concurrency : this.#adaptive.limit
  }

  /** Whether heartbeats have gone unanswered for too long, and what holds everything up, for people. */
  facts(): { readonly ownershipInDoubt: boolean; readonly heldBy: readonly string[] } {
    return { ownershipInDoubt: this.#inDoubt, heldBy: this.#circuits?.reasons() ?? [] }
  }

  isOpen(nowMs: number): boolean {
    if (nowMs - this.#checkedMs >= FRESHNESS_MS && !this.#checkOwnership(nowMs)) return false
    if (this.#rate !== null && !this.#rate.has(nowMs)) {
      this.askAgain(this.#rate.nextMs(nowMs))
      return false
    }
    if (this.#circuits === null || this.#circuits.mayStart(nowMs)) return true
    this.askAgain(this.#circuits.askAgainMs)
    return false
  }

  askAgain(atMs: number): void {
    if (atMs < Number.POSITIVE_INFINITY) this.#again.by(atMs)
  }

  /** An execution begins. */
  started(attempt: Attempt): void {
    this.#rate?.take()
    if (this.#circuits !== null) attempt.run.tickets = this.#circuits.start()
  }

  /** It ended. Gives how long its record has to wait when it failed because of an outage, else null. */
  ended(attempt: Attempt, ended: Ended, nowMs: number, used: number): number | null {
    this.#adaptive?.ended(nowMs - attempt.run.startedMs, ended.kind === 'succeeded', used)
    return this.#circuits === null ? null : this.#circuits.ended(attempt.run.tickets, ended)
  }

  close(): void {
    this.#again.cancel()
  }

  #checkOwnership(nowMs: number): boolean {
    const fresh = this.#ownershipIsFresh()
    if (fresh) this.#checkedMs = nowMs
    else this.#again.by(nowMs + FRESHNESS_MS)
    if (fresh === this.#inDoubt) this.#doubt(!fresh)
    return fresh
  }

  #doubt(inDoubt: boolean): void {
    this.#inDoubt = inDoubt
    const words = inDoubt
      ? 'no answered heartbeat lately: no handler starts'
      : 'heartbeats are answered again: handlers start'
    const { group, logger } = this.#settings
    logger.log('warn', words, { group })
    const kind = inDoubt ? 'paused' : 'resumed'
    telemetry.pause.publish({ group, kind, partition: null, reason: 'ownership' })
  }
}
