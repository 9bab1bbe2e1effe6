/**
 * A record whose output the broker will never take, because it is too large or not what the topic allows: its dead letter
 * takes the place of what it sent, in the next transaction.
 */

import { ShoalError } from '../../core/index.ts'
import { deadLetterOf } from '../failure/dead-letter.ts'
import type { Settings } from '../resolve-options.ts'
import type { OutgoingRecord } from '../source.ts'
import type { WorkItem } from '../work.ts'

/** @throws ShoalError SHOAL_HANDLER_FAILED when there is no place for dead letters */
export function refusedLetter(settings: Settings, item: WorkItem, reason: string): OutgoingRecord {
  const { id, topic: from, partition } = item.partition
  const topic = settings.deadLetterTopic?.(from)
  const { offset } = item.record
  if (typeof topic !== 'string' || topic === '' || topic === from)
    throw new ShoalError(
      'SHOAL_HANDLER_FAILED',
      `${id} offset ${offset} sent what the broker does not take (${reason}): mend the handler, or give the consumer a deadLetter topic`,
      { details: { group: settings.group, topic: from, partition, offset } },
    )
  const wallMs = settings.clock.wallMs()
  return deadLetterOf(item, {
    group: settings.group,
    topic,
    reason: 'output-refused',
    error: reason,
    attempts: item.attempts,
    firstFailureMs: wallMs,
    lastFailureMs: wallMs,
  })
}
