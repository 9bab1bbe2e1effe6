/**
 * What a handler said, by returning or by throwing: pure.
 */

import { ShoalError } from '../../core/index.ts'
import type { Failure } from '../failure/decide.ts'
import { parseDuration } from '../duration.ts'
import { InvalidPayload } from '../payload.ts'

export type Verdict = { readonly kind: 'handled' } | { readonly kind: 'skipped' } | Failure

const HANDLED: Verdict = { kind: 'handled' }
const SKIPPED: Verdict = { kind: 'skipped' }

/** Anything but an outcome object means done: a handler may be an arrow function that returns what it called. */
export function verdictOf(outcome: unknown): Verdict {
  if (typeof outcome !== 'object' || outcome === null) return HANDLED
  if ('retry' in outcome) {
    const afterMs = parseDuration(outcome.retry)
    if (afterMs !== undefined) return { kind: 'asked-retry', afterMs }
    return thrown(
      new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        "the handler returned a retry that is no duration: use milliseconds or a text like '5s'",
      ),
    )
  }
  if ('deadLetter' in outcome)
    return { kind: 'asked-dead-letter', reason: String(outcome.deadLetter) }
  return 'skip' in outcome ? SKIPPED : HANDLED
}

/** Thrown by what stands before the handler: this record has to wait for something, and has not failed. */
export class NotYet extends Error {
  readonly afterMs: number

  constructor(afterMs: number) {
    super('not yet')
    this.afterMs = afterMs
  }
}

export function thrown(error: unknown): Failure {
  if (error instanceof NotYet) return { kind: 'not-yet', afterMs: error.afterMs }
  return { kind: error instanceof InvalidPayload ? 'invalid' : 'threw', error }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value instanceof Promise ||
    (typeof value === 'object' &&
      value !== null &&
      'then' in value &&
      typeof value.then === 'function')
  )
}
