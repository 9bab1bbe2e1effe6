/**
 * A rate limit: so many starts in a period, with a burst of at most so many at once. Pure.
 *
 *   tokens   burst ┤▔▔▔╲    ╱▔▔▔▔      one start takes one; they come back evenly
 *                0 ┤    ╲__╱
 */

export interface RatePolicy {
  readonly records: number
  readonly perMs: number
  readonly burst: number
}

export class TokenBucket {
  readonly #policy: RatePolicy
  #tokens: number
  #atMs: number | null = null

  constructor(policy: RatePolicy) {
    this.#policy = policy
    this.#tokens = policy.burst
  }

  /** Whether one may start now. */
  has(nowMs: number): boolean {
    this.#refill(nowMs)
    return this.#tokens >= 1
  }

  take(): void {
    this.#tokens--
  }

  /** It did not start after all. */
  giveBack(): void {
    this.#tokens++
  }

  /** When the next one may start. */
  nextMs(nowMs: number): number {
    this.#refill(nowMs)
    const { records, perMs } = this.#policy
    // A hair later than computed: a timer that rings a rounding error too early finds no token.
    return this.#tokens >= 1 ? nowMs : nowMs + ((1 - this.#tokens) * perMs) / records + 0.001
  }

  #refill(nowMs: number): void {
    const { records, perMs, burst } = this.#policy
    const passedMs = nowMs - (this.#atMs ?? nowMs)
    this.#atMs = nowMs
    this.#tokens = Math.min(burst, this.#tokens + (passedMs * records) / perMs)
  }
}
