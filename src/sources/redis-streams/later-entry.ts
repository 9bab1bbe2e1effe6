/**
 * A record that waits for its next attempt as fields of an entry, both ways: pure.
 *
 * What has to be known of it stands in front, as JSON in the field `shoal-retry`; its key, value and headers follow as in any
 * entry. The entry's own id is of no use to handlers: the record keeps the one of the entry that it came from.
 */

import type { Retried, SourceRecord } from '../../consumer/index.ts'
import { fieldsOf, recordOf, type EntryFields } from './entry-record.ts'
import { textOf } from './reply-text.ts'

const RETRY = 'shoal-retry'

const encoder = new TextEncoder()
const RETRY_BYTES = encoder.encode(RETRY)

/** @param id of the record for good */
export function laterFields(record: SourceRecord, id: string, retried: Retried): Uint8Array[] {
  const { attempts, firstFailureMs } = retried
  const { timestampMs } = record
  const facts = JSON.stringify({ id, timestampMs, attempts, firstFailureMs })
  return [RETRY_BYTES, encoder.encode(facts), ...fieldsOf(record)]
}

/** An entry that no member of ours wrote is a record like any other, without an id of its own. */
export function retriedRecordOf(
  offset: number,
  fields: EntryFields,
  deliveryCount: number | undefined,
): SourceRecord {
  const facts = textOf(fields[0]) === RETRY ? factsOf(textOf(fields[1])) : null
  if (facts === null) return recordOf(offset, fields, deliveryCount)
  return { ...recordOf(offset, fields.slice(2), deliveryCount), ...facts }
}

function factsOf(json: string): Pick<SourceRecord, 'id' | 'timestampMs' | 'retried'> | null {
  try {
    const parsed: unknown = JSON.parse(json)
    if (typeof parsed !== 'object' || parsed === null) return null
    const { id, timestampMs, attempts, firstFailureMs } = parsed as Readonly<
      Record<string, unknown>
    >
    if (typeof id !== 'string' || id === '') return null
    if (!isCount(timestampMs) || !isCount(attempts) || !isCount(firstFailureMs)) return null
    return { id, timestampMs, retried: { attempts, firstFailureMs } }
  } catch {
    // Not JSON: somebody else wrote it.
    return null
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
