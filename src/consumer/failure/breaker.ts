/**
 * The circuit breaker: when what is behind the handler is down, consumption pauses, and no record pays for the outage.
 *
 *   closed ──the share of failures in the window reaches the rate──▶ open ──openMs──▶ half-open ──a probe succeeds──▶ closed
 *                                                                     ▲                  │
 *                                                                     └── a probe fails ─┘
 *
 * Closed, every execution counts, success or failure of the class that the breaker looks at; others do not. Open, nothing
 * starts. Half-open, a few executions start as probes. An execution counts for the state in which it began: what ends
 * after the circuit changed is ignored. A failure that opens the circuit, or meets it open, uses up no attempt.
 * Pure: the dispatcher asks and tells.
 */

export interface BreakerPolicy {
  readonly name: string
  /** Share of failures that opens the circuit. */
  readonly failureRate: number
  /** Executions that are looked at, the last ones; fewer never open it. */
  readonly window: number
  readonly openMs: number
  /** Executions that run at once while half-open. */
  readonly probes: number
  /** Whether an error says that what is behind the handler is down. */
  readonly counts: (error: unknown) => boolean
}

export type CircuitState = 'closed' | 'open' | 'half-open'

export class Breaker {
  readonly policy: BreakerPolicy
  #state: CircuitState = 'closed'
  /** Rises with every change of state: the ticket of what begins in it. */
  #epoch = 0
  /** Outcomes of the window, 1 for a failure, as a ring. */
  readonly #outcomes: Uint8Array
  #seen = 0
  #failures = 0
  #openUntilMs = 0
  #probing = 0

  constructor(policy: BreakerPolicy) {
    this.policy = policy
    this.#outcomes = new Uint8Array(policy.window)
  }

  get state(): CircuitState {
    return this.#state
  }

  /** Until when nothing starts, while it is open. */
  get openUntilMs(): number {
    return this.#openUntilMs
  }

  /** Failures among the executions of the window. */
  get failures(): number {
    return this.#failures
  }

  mayStart(nowMs: number): boolean {
    if (this.#state === 'closed') return true
    if (this.#state === 'open') {
      if (nowMs < this.#openUntilMs) return false
      this.#become('half-open')
    }
    return this.#probing < this.policy.probes
  }

  /** An execution begins. Gives the ticket with which it ends. */
  start(): number {
    if (this.#state === 'half-open') this.#probing++
    return this.#epoch
  }

  /** True when the failure belongs to an outage: the circuit is not closed now. */
  ended(ticket: number, outcome: 'succeeded' | 'failed' | 'ignored', nowMs: number): boolean {
    if (ticket !== this.#epoch) return outcome === 'failed' && this.#state !== 'closed'
    if (this.#state === 'half-open') this.#probing--
    if (outcome === 'ignored') return false
    if (this.#state === 'half-open') {
      if (outcome === 'failed') this.#open(nowMs)
      else this.#become('closed')
    } else {
      this.#count(outcome === 'failed' ? 1 : 0)
      const { window, failureRate } = this.policy
      if (this.#seen >= window && this.#failures >= window * failureRate) this.#open(nowMs)
    }
    return outcome === 'failed' && this.#isNotClosed()
  }

  #count(failed: 0 | 1): void {
    const index = this.#seen % this.#outcomes.length
    this.#failures += failed - (this.#outcomes[index] ?? 0)
    this.#outcomes[index] = failed
    this.#seen++
  }

  #open(nowMs: number): void {
    this.#openUntilMs = nowMs + this.policy.openMs
    this.#become('open')
  }

  #become(state: CircuitState): void {
    this.#state = state
    this.#epoch++
    this.#probing = 0
    if (state !== 'closed') return
    this.#outcomes.fill(0)
    this.#seen = 0
    this.#failures = 0
  }

  #isNotClosed(): boolean {
    return this.#state !== 'closed'
  }
}
