/**
 * The circuit breakers of a consumer, one for each class of error: any that is open pauses it.
 *
 * Every breaker counts every execution: one that fails with another breaker's error says nothing about it.
 */

import type { Clock, Logger } from '../../core/index.ts'
import { telemetry } from '../telemetry.ts'
import { Breaker } from './breaker.ts'
import type { BreakerPolicy, CircuitState } from './breaker.ts'

/** How an execution ended, to those who watch for outages. */
export type Ended =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Aborted, or a payload that could not be read: nothing behind the handler was asked. */
  | { readonly kind: 'ignored' }

export class Circuits {
  readonly #group: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #breakers: readonly Breaker[]

  constructor(
    policies: readonly BreakerPolicy[],
    { group, clock, logger }: { group: string; clock: Clock; logger: Logger },
  ) {
    this.#group = group
    this.#clock = clock
    this.#logger = logger
    this.#breakers = policies.map((policy) => new Breaker(policy))
  }

  mayStart(nowMs: number): boolean {
    let may = true
    for (const breaker of this.#breakers) {
      const before = breaker.state
      may = breaker.mayStart(nowMs) && may
      this.#tell(breaker, before)
    }
    return may
  }

  /** When to ask again; infinity: when a probe ends. */
  get askAgainMs(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { state, openUntilMs } of this.#breakers)
      if (state === 'open') earliest = Math.min(earliest, openUntilMs)
    return earliest
  }

  start(): readonly number[] {
    return this.#breakers.map((breaker) => breaker.start())
  }

  /** How long the record has to wait, when it failed because of an outage; null: it did not. */
  ended(tickets: readonly number[], ended: Ended): number | null {
    const nowMs = this.#clock.monotonicMs()
    let waitMs: number | null = null
    for (const [index, breaker] of this.#breakers.entries()) {
      const before = breaker.state
      const isOutage = breaker.ended(tickets[index] ?? -1, outcomeFor(breaker, ended), nowMs)
      this.#tell(breaker, before)
      if (isOutage) waitMs = Math.max(waitMs ?? 0, breaker.openUntilMs - nowMs)
    }
    return waitMs
  }

  /** What is open, in words for people. */
  reasons(): string[] {
    return this.#breakers
      .filter(({ state }) => state !== 'closed')
      .map(({ policy, state }) => `circuit ${policy.name} is ${state}: consumption is paused`)
  }

  #tell({ policy, state, failures }: Breaker, before: CircuitState): void {
    if (state === before) return
    const facts = { group: this.#group, name: policy.name, state, failures }
    this.#logger.log(state === 'open' ? 'error' : 'info', `the circuit is ${state}`, facts)
    if (telemetry.breaker.hasSubscribers) telemetry.breaker.publish(facts)
  }
}

function outcomeFor({ policy }: Breaker, ended: Ended): 'succeeded' | 'failed' | 'ignored' {
  if (ended.kind !== 'failed') return ended.kind
  return policy.counts(ended.error) ? 'failed' : 'ignored'
}
