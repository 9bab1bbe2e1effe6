/**
 * Invariants, on in production: a broken one fails this broker or consumer instance, never the host process.
 *
 * For what the types cannot say (order, monotonicity, conservation). Input of users and peers is refused with an error
 * of its own, not asserted.
 */

import { ShoalError } from './errors.ts'

export function assertInvariant(holds: boolean, message: string | (() => string)): asserts holds {
  if (!holds)
    throw new ShoalError('SHOAL_INVARIANT', typeof message === 'string' ? message : message())
}

/** The end of a `switch` that names every case: a compile error when one is missing. */
export function unreachable(value: never): never {
  throw new ShoalError('SHOAL_INVARIANT', `unexpected case ${JSON.stringify(value)}`)
}
