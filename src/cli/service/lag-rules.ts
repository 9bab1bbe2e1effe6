/**
 * Alerts on lag: when a threshold is crossed for long enough, and when that is over. A pure machine.
 *
 *   quiet ──over──▶ pending ──over for `for`──▶ firing ──under──▶ quiet (resolved)
 *                      └──under──▶ quiet
 *
 * A rule is over while records or seconds are at or above what it names; one that names both is over when either is. A
 * sample that is missing (the broker did not answer) changes nothing: it neither starts nor ends an alert.
 */

export interface LagRule {
  readonly name: string
  readonly records?: number | undefined
  readonly seconds?: number | undefined
  /** How long it has to hold, milliseconds. */
  readonly for: number
}

export interface LagSample {
  readonly records: number
  readonly seconds: number
}

/** What hooks are told. */
export interface LagAlert {
  readonly kind: 'firing' | 'resolved'
  readonly rule: LagRule
  readonly sample: LagSample
  /** How long the threshold has been crossed, or had been, milliseconds. */
  readonly forMs: number
}

type State =
  | { readonly kind: 'quiet' }
  | { readonly kind: 'pending' | 'firing'; readonly sinceMs: number }

export class LagRules {
  readonly #rules: readonly LagRule[]
  readonly #states: State[]

  constructor(rules: readonly LagRule[]) {
    this.#rules = rules
    this.#states = rules.map(() => ({ kind: 'quiet' }))
  }

  /** Names of the rules that fire now. */
  get firing(): readonly string[] {
    return this.#rules
      .filter((_, index) => this.#states[index]?.kind === 'firing')
      .map(({ name }) => name)
  }

  /** Takes one look at the group; returns what changed. @param nowMs monotonic */
  take(sample: LagSample, nowMs: number): readonly LagAlert[] {
    return this.#rules.flatMap((rule, index): readonly LagAlert[] => {
      const before = this.#states[index] ?? { kind: 'quiet' }
      const after = nextState(before, rule, isOver(rule, sample), nowMs)
      this.#states[index] = after
      const sinceMs = 'sinceMs' in before ? before.sinceMs : nowMs
      const alert = { rule, sample, forMs: nowMs - sinceMs }
      if (after.kind === 'firing' && before.kind !== 'firing') return [{ kind: 'firing', ...alert }]
      if (after.kind === 'quiet' && before.kind === 'firing')
        return [{ kind: 'resolved', ...alert }]
      return []
    })
  }
}

function nextState(state: State, rule: LagRule, over: boolean, nowMs: number): State {
  if (!over) return { kind: 'quiet' }
  if (state.kind === 'firing') return state
  const sinceMs = state.kind === 'pending' ? state.sinceMs : nowMs
  return { kind: nowMs - sinceMs >= rule.for ? 'firing' : 'pending', sinceMs }
}

function isOver(rule: LagRule, sample: LagSample): boolean {
  return (
    (rule.records !== undefined && sample.records >= rule.records) ||
    (rule.seconds !== undefined && sample.seconds >= rule.seconds)
  )
}
