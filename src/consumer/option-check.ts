/**
 * Collects what is wrong with the options, so that it can be told at once.
 */

import { ShoalError } from '../core/index.ts'
import { parseDuration } from './duration.ts'

export class OptionCheck {
  readonly #problems: string[] = []

  that(holds: boolean, problem: string): void {
    if (!holds) this.#problems.push(problem)
  }

  text(name: string, value: unknown): void {
    this.that(typeof value === 'string' && value !== '', `${name}: a text that is not empty`)
  }

  count(name: string, value: number | undefined, fallback: number): number {
    const count = value ?? fallback
    this.that(Number.isSafeInteger(count) && count >= 1, `${name}: a whole number of at least 1`)
    return count
  }

  duration(name: string, value: unknown, fallback: number): number {
    const ms = value === undefined ? fallback : parseDuration(value)
    this.that(ms !== undefined, `${name}: milliseconds, or a text like '200ms', '5s', '2m', '1h'`)
    return ms ?? fallback
  }

  /** A share of a whole, above 0. */
  share(name: string, value: number | undefined, fallback: number): number {
    const share = value ?? fallback
    this.that(share > 0 && share <= 1, `${name}: a number above 0, at most 1`)
    return share
  }

  done(): void {
    if (this.#problems.length > 0)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `consumer: ${this.#problems.length === 1 ? '' : `${this.#problems.length} problems: `}${this.#problems.join('; ')}`,
      )
  }
}
