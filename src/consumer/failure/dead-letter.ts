/**
 * The dead letter of a record: its headers are those of `core/dead-letter.ts`, key and value stay byte for byte.
 *
 * Pure: the engine writes, and never commits past a record whose letter is not written.
 */

import {
  deadLetterHeaders,
  firstOrigin,
  type LetterCause,
  type LetterOrigin,
} from '../../core/index.ts'
import type { OutgoingRecord, SourceRecord } from '../source.ts'

export { DEAD_LETTER_PREFIX } from '../../core/index.ts'
export type Origin = LetterOrigin

interface Delivered {
  readonly record: SourceRecord
  readonly partition: { readonly topic: string; readonly partition: number }
}

/** Where a record came from first: its dead-letter headers say so after a redrive. */
export function originOf(delivered: Delivered): Origin {
  return firstOrigin(delivered.record.headers, whereItWas(delivered))
}

export interface LetterFacts extends LetterCause {
  readonly topic: string
}

export function deadLetterOf(delivered: Delivered, facts: LetterFacts): OutgoingRecord {
  const { key, value, headers: own } = delivered.record
  const headers = deadLetterHeaders(own, whereItWas(delivered), facts)
  return { topic: facts.topic, partition: null, key, value, headers }
}

function whereItWas({ record, partition }: Delivered): Origin {
  const { offset, timestampMs, id } = record
  const { topic, partition: index } = partition
  const origin = { topic, partition: index, offset, timestampMs }
  return id === undefined ? origin : { ...origin, id }
}
