/** How a consumer says that it stops over a record. */

import { ShoalError } from '../../core/index.ts'
import type { WorkItem } from '../work.ts'
import type { Failure } from './decide.ts'

export function errorOf(failure: Failure): unknown {
  return failure.kind === 'threw' || failure.kind === 'invalid' ? failure.error : undefined
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
