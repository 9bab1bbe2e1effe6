/**
 * What happens to a record whose execution did not succeed: pure.
 *
 *   failed attempt ── more attempts, and the error may go away ──▶ retry after the backoff
 *         │ none left                                               asked for by the handler ─▶ retry after what it said
 *         ▼
 *   `finally`: dead-letter │ park │ skip │ stop   an invalid payload goes there at once: trying again cannot help
 *
 * Attempts are executions, the first one included. Without a place for dead letters the answer is `stop`: a record is
 * never dropped because nobody said where to.
 */

import type { AbortCause, Backoff } from '../options.ts'
import { parseDuration } from '../duration.ts'

export type Failure =
  | { readonly kind: 'threw'; readonly error: unknown }
  /** Its signal aborted before it was done; what it returned does not count. */
  | { readonly kind: 'aborted'; readonly cause: AbortCause }
  | { readonly kind: 'invalid'; readonly error: unknown }
  /** The process died over it, as often as it may. */
  | { readonly kind: 'died' }
  /** Not now, and not because it failed: the execution does not count. */
  | { readonly kind: 'not-yet'; readonly afterMs: number }
  | { readonly kind: 'asked-retry'; readonly afterMs: number }
  | { readonly kind: 'asked-dead-letter'; readonly reason: string }

export type Decision =
  | { readonly kind: 'retry'; readonly afterMs: number }
  | { readonly kind: 'dead-letter'; readonly reason: string; readonly error: string }
  | { readonly kind: 'skip'; readonly reason: string }
  /** Moved to the topic of what is parked; tried again there after a while. */
  | {
      readonly kind: 'park'
      readonly reason: string
      readonly error: string
      readonly afterMs: number
    }
  | { readonly kind: 'stop'; readonly reason: string; readonly error: string }

export interface RetryPolicy {
  readonly attempts: number
  readonly backoff: Backoff
  readonly when: (error: unknown) => boolean
  readonly finally: 'dead-letter' | 'park' | 'stop' | 'skip'
  /** The first wait of a parked record. */
  readonly parkedBackoff?: Backoff
  /** Whether dead letters have somewhere to go. */
  readonly hasDeadLetters: boolean
}

/** @param chance a number in [0, 1), for the jitter. */
export type Decide = (
  failure: Failure,
  attempt: number,
  policy: RetryPolicy,
  chance: number,
) => Decision

export const decide: Decide = (failure, attempt, policy, chance) => {
  const { reason, error } = wordsOf(failure)
  const cause = failure.kind === 'threw' ? failure.error : undefined
  if (failure.kind === 'invalid' || failure.kind === 'asked-dead-letter')
    return end(policy.finally === 'skip' && !policy.hasDeadLetters ? 'skip' : 'dead-letter')
  // Where parked records run their starts are not counted: it would kill the process from there, for ever.
  if (failure.kind === 'died')
    return end(policy.finally === 'park' ? 'dead-letter' : policy.finally)
  if (attempt >= policy.attempts || (failure.kind === 'threw' && !policy.when(failure.error)))
    return end(policy.finally)
  if (failure.kind === 'asked-retry' || failure.kind === 'not-yet')
    return { kind: 'retry', afterMs: failure.afterMs }
  return { kind: 'retry', afterMs: backoffMs(policy.backoff, attempt, cause, chance) }

  function end(then: RetryPolicy['finally']): Decision {
    if (then === 'skip') return { kind: 'skip', reason }
    if (then === 'park') {
      const afterMs = backoffMs(policy.parkedBackoff ?? policy.backoff, 1, cause, chance)
      return { kind: 'park', reason, error, afterMs }
    }
    if (then === 'stop' || !policy.hasDeadLetters) return { kind: 'stop', reason, error }
    return { kind: 'dead-letter', reason, error }
  }
}

const DEFAULT_MAX_MS = 30_000

/** How long to wait after this attempt. */
export function backoffMs(
  backoff: Backoff,
  attempt: number,
  error: unknown,
  chance: number,
): number {
  if (typeof backoff === 'function') return parseDuration(backoff(attempt, error)) ?? DEFAULT_MAX_MS
  const base = parseDuration(backoff.base) ?? 0
  const max = parseDuration(backoff.max) ?? DEFAULT_MAX_MS
  const grown =
    backoff.kind === 'fixed' ? base : base * (backoff.factor ?? 2) ** Math.min(attempt - 1, 1_000)
  const wait = Math.min(grown, Math.max(base, max))
  switch (backoff.jitter ?? 'full') {
    case 'none':
      return wait
    case 'equal':
      return wait / 2 + (wait / 2) * chance
    default:
      return wait * chance
  }
}

const LONGEST_ERROR = 1_000

function wordsOf(failure: Failure): { readonly reason: string; readonly error: string } {
  switch (failure.kind) {
    case 'threw':
      return { reason: nameOf(failure.error), error: describeError(failure.error) }
    case 'aborted':
      return {
        reason: `handler-${failure.cause}`,
        error: `the handler was aborted: ${failure.cause}`,
      }
    case 'invalid':
      return { reason: 'invalid-payload', error: describeError(failure.error) }
    case 'died':
      return { reason: 'process-died', error: 'the process died each time the record was started' }
    case 'not-yet':
    case 'asked-retry':
      return { reason: 'retries-used-up', error: 'the handler asked for another attempt each time' }
    case 'asked-dead-letter':
      return { reason: failure.reason, error: '' }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error && error.name !== '' ? error.name : 'Error'
}

/** The words of whatever was thrown, cut: an error may quote a whole payload. */
function describeError(error: unknown): string {
  let words: string
  try {
    words = error instanceof Error ? error.message : String(error)
  } catch {
    // An object without a string form can be thrown too.
    words = 'an error without words'
  }
  return words.slice(0, LONGEST_ERROR)
}
