/**
 * What a dead letter says of itself, and where it goes when it is sent back. Pure.
 *
 * The headers are those of `core/dead-letter.ts`. Anybody may write a header: what is missing or makes no sense is null, and
 * a letter that does not name its origin goes nowhere by itself. One that is sent back keeps its headers, so that a second
 * failure still knows the first origin, and counts in `shoal-dlq-redriven` how often that was.
 */

import { DEAD_LETTER_PREFIX, type LetterHeader } from '../core/index.ts'
import type { Destination, StoredLetter } from './broker-port.ts'

export interface LetterFacts {
  readonly id: string | null
  readonly reason: string | null
  readonly error: string | null
  readonly attempts: number | null
  readonly group: string | null
  readonly originTopic: string | null
  readonly originPartition: number | null
  readonly originOffset: number | null
  readonly firstFailureMs: number | null
  readonly lastFailureMs: number | null
  /** How often it was sent back before. */
  readonly redriven: number
}

export interface RedriveRules {
  /** Instead of where each came from. */
  readonly to: string | null
  /** Only letters whose reason or error has this in it. */
  readonly reason: string | null
  /** Only letters that this group gave up. */
  readonly group: string | null
  /** Only the letters with these ids or at these places; empty: all. */
  readonly only: ReadonlySet<string>
  /** Letters that were sent back so often stay. */
  readonly maxRedrives: number
}

export type RedriveVerdict =
  | { readonly kind: 'move'; readonly destination: Destination }
  /** Not asked for. */
  | { readonly kind: 'other' }
  | { readonly kind: 'stays'; readonly why: 'no origin' | 'sent back too often' }

const REDRIVEN = `${DEAD_LETTER_PREFIX}redriven`

export function letterFacts({ headers }: Pick<StoredLetter, 'headers'>): LetterFacts {
  const text = (name: string) => textOf(headers, DEAD_LETTER_PREFIX + name)
  const whole = (name: string) => wholeOf(text(name))
  return {
    id: text('id'),
    reason: text('reason'),
    error: text('error'),
    attempts: whole('attempts'),
    group: text('group'),
    originTopic: text('origin-topic'),
    originPartition: whole('origin-partition'),
    originOffset: whole('origin-offset'),
    firstFailureMs: whole('first-failure'),
    lastFailureMs: whole('last-failure'),
    redriven: whole('redriven') ?? 0,
  }
}

/** @param from the dead-letter topic that it stands in: never a destination */
export function redriveVerdict(
  letter: StoredLetter,
  rules: RedriveRules,
  from: string,
): RedriveVerdict {
  const facts = letterFacts(letter)
  if (!isAskedFor(letter, facts, rules)) return { kind: 'other' }
  const topic = rules.to ?? facts.originTopic
  if (topic === null || topic === '' || topic === from) return { kind: 'stays', why: 'no origin' }
  if (facts.redriven >= rules.maxRedrives) return { kind: 'stays', why: 'sent back too often' }
  const count = new TextEncoder().encode(String(facts.redriven + 1))
  const headers = [
    ...letter.headers.filter(({ key }) => key !== REDRIVEN),
    { key: REDRIVEN, value: count },
  ]
  const partition = rules.to === null ? facts.originPartition : null
  return { kind: 'move', destination: { topic, partition, headers } }
}

function isAskedFor(letter: StoredLetter, facts: LetterFacts, rules: RedriveRules): boolean {
  const { only, group, reason } = rules
  if (only.size > 0 && !only.has(letter.place) && !(facts.id !== null && only.has(facts.id)))
    return false
  if (group !== null && facts.group !== group) return false
  return reason === null || `${facts.reason ?? ''} ${facts.error ?? ''}`.includes(reason)
}

function textOf(headers: readonly LetterHeader[], name: string): string | null {
  const value = headers.findLast(({ key }) => key === name)?.value ?? null
  return value === null ? null : new TextDecoder().decode(value)
}

function wholeOf(text: string | null): number | null {
  const value = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}
