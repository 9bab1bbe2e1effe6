/** What becomes of a failed record by its policy, and how a consumer says that it stops over one. */

import { ShoalError, messageOf } from '../../core/index.ts'
import type { ErrorCode } from '../../core/index.ts'
import type { EngineParts } from '../engine-parts.ts'
import type { Settings } from '../resolve-options.ts'
import type { WorkItem } from '../work.ts'
import type { Decision, Failure } from './decide.ts'

/** A policy that throws is no reason to lose a record: the consumer stops. */
export function decideFor(
  { retry, parkedRetry, random }: Settings,
  parts: EngineParts,
  item: WorkItem,
  failure: Failure,
): Decision {
  const isLater = item.parked !== null || item.record.retried !== undefined
  const policy = isLater ? parkedRetry : retry
  try {
    return parts.decide(failure, item.attempts, policy, random.next())
  } catch (error) {
    return { kind: 'stop', reason: 'the retry policy threw', error: messageOf(error) }
  }
}

export function errorOf(failure: Failure): unknown {
  return failure.kind === 'threw' || failure.kind === 'invalid' ? failure.error : undefined
}

/** The error as it is told to the user: ours as it is, another one as the cause of one of ours. */
export function asShoalError(error: unknown, code: ErrorCode, prefix = ''): ShoalError {
  if (error instanceof ShoalError) return error
  return new ShoalError(code, `${prefix}${messageOf(error)}`, { cause: error })
}

export function gaveUp(group: string, item: WorkItem, why: string, cause: unknown): ShoalError {
  const { id, topic, partition } = item.partition
  const { offset } = item.record
  return new ShoalError(
    'SHOAL_HANDLER_FAILED',
    `${id} offset ${offset} failed for good after ${item.attempts} attempts (${why}): mend the handler, or give the consumer a deadLetter topic`,
    { cause, details: { group, topic, partition, offset } },
  )
}
