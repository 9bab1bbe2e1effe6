/**
 * How many handlers may run at once, found by watching how long they take. Pure.
 *
 *   with a target    the mean of a window is within it ──▶ one more; above it ──▶ a tenth less (AIMD)
 *   without          the mean against the shortest mean seen: as it grows, requests queue behind the handlers, and
 *                    limit ← limit · shortest/mean + √limit (gradient)
 *
 * A window is as many executions as may run at once, 10 at least. It grows only where the limit was reached, for what was
 * not tried was not measured, and never while executions fail: an outage is the breaker's business. Every hundred windows
 * the shortest mean is measured anew at half the limit, so a service that became slower for good is not measured against
 * its youth for ever.
 */

export interface AdaptivePolicy {
  readonly start: number
  readonly min: number
  readonly max: number
  /** Mean time of an execution to aim at, milliseconds; null: none is known. */
  readonly targetMs: number | null
}

const SMALLEST_WINDOW = 10
const SHRINK = 0.9
/** Slower than the shortest mean by this factor is no sign of queueing yet. */
const TOLERANCE = 1.5
/** Windows after which the shortest mean is measured anew. */
const WINDOWS = 100

export class AdaptiveLimit {
  readonly #policy: AdaptivePolicy
  #limit: number
  #count = 0
  #sumMs = 0
  #failures = 0
  #mostUsed = 0
  #windows = 0
  #shortestMs = Number.POSITIVE_INFINITY

  constructor(policy: AdaptivePolicy) {
    this.#policy = policy
    this.#limit = policy.start
  }

  get limit(): number {
    return Math.floor(this.#limit)
  }

  /** @param used how many ran, this one included. */
  ended(tookMs: number, succeeded: boolean, used: number): void {
    this.#count++
    this.#mostUsed = Math.max(this.#mostUsed, used)
    if (succeeded) this.#sumMs += tookMs
    else this.#failures++
    if (this.#count >= Math.max(SMALLEST_WINDOW, this.limit)) this.#decide()
  }

  #decide(): void {
    const succeeded = this.#count - this.#failures
    const failing = this.#failures * 10 > this.#count
    if (succeeded > 0 && !failing) this.#adapt(this.#sumMs / succeeded)
    this.#count = 0
    this.#sumMs = 0
    this.#failures = 0
    this.#mostUsed = 0
  }

  #adapt(meanMs: number): void {
    const { min, max, targetMs } = this.#policy
    if (targetMs === null && ++this.#windows % WINDOWS === 0) {
      this.#shortestMs = Number.POSITIVE_INFINITY
      this.#limit = Math.max(min, this.#limit / 2)
      return
    }
    this.#shortestMs = Math.min(meanMs, this.#shortestMs)
    const next =
      targetMs === null
        ? this.#limit * Math.min(1, (this.#shortestMs * TOLERANCE) / Math.max(meanMs, 1e-3)) +
          Math.sqrt(this.#limit)
        : meanMs <= targetMs
          ? this.#limit + 1
          : this.#limit * SHRINK
    if (next > this.#limit && this.#mostUsed < this.limit) return
    this.#limit = Math.min(max, Math.max(min, next))
  }
}
