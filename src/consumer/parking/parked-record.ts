/**
 * Entries of a parked topic as records, and back.
 *
 * A message keeps key, value and headers of the record as they travelled; what the protocol needs is one more header,
 * `shoal-park`, as JSON. The other entries have the lane's key, so that they lie beside its messages, and no value.
 * Anybody may write to a topic: a record whose header is missing or makes no sense is nobody's entry. Pure.
 */

import type { OutgoingRecord, RecordHeader, SourceRecord } from '../source.ts'
import type { ParkedEntry } from './parked-lanes.ts'

export const PARK_HEADER = 'shoal-park'

/** What a message says of the record it holds, beside its place. */
export interface ParkedOrigin {
  readonly timestampMs: number
  readonly firstFailureMs: number
}

/** An entry as it was read: `id` tells its writer that it has landed. */
export interface ReadEntry {
  readonly id: string
  readonly entry: ParkedEntry
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

export function messageRecord(
  place: Place,
  id: string,
  entry: Extract<ParkedEntry, { kind: 'message' }>,
  record: SourceRecord,
  firstFailureMs: number,
): OutgoingRecord {
  const origin: ParkedOrigin = { timestampMs: record.timestampMs, firstFailureMs }
  const header = headerOf({ id, ...entry, ...origin })
  const headers = [...record.headers.filter(({ key }) => key !== PARK_HEADER), header]
  return { ...place, key: record.key, value: record.value, headers }
}

export function entryRecord(
  place: Place,
  id: string,
  entry: Exclude<ParkedEntry, { kind: 'message' }>,
  key: Uint8Array | null,
): OutgoingRecord {
  return { ...place, key, value: null, headers: [headerOf({ id, ...entry })] }
}

/** null: it is no entry. */
export function readEntry(record: SourceRecord): ReadEntry | null {
  const facts = factsOf(record)
  if (facts === null) return null
  const { id, kind, by, sequence, lane, origin, attempts, dueMs } = facts
  if (typeof id !== 'string' || !isCount(by)) return null
  if (kind === 'fence') return { id, entry: { kind, by } }
  if (typeof lane !== 'string' || !isCount(origin) || !isCount(sequence)) return null
  if (kind === 'done') return { id, entry: { kind, by, sequence, lane, origin } }
  if ((kind !== 'message' && kind !== 'attempt') || !isCount(attempts) || !isCount(dueMs))
    return null
  return { id, entry: { kind, by, sequence, lane, origin, attempts, dueMs } }
}

/** The record as it was in its source partition; null: this is no message. */
export function unparked(
  record: SourceRecord,
): { readonly record: SourceRecord; readonly firstFailureMs: number } | null {
  const facts = factsOf(record)
  if (facts?.['kind'] !== 'message') return null
  const { origin, timestampMs, firstFailureMs } = facts
  if (!isCount(origin) || !isCount(timestampMs) || !isCount(firstFailureMs)) return null
  const headers = record.headers.filter(({ key }) => key !== PARK_HEADER)
  const { key, value } = record
  return { record: { offset: origin, timestampMs, key, value, headers }, firstFailureMs }
}

/** A lane's name in an entry. */
export function laneName(laneKey: Uint8Array | null): string {
  return laneKey === null ? '' : `k${Buffer.from(laneKey).toString('base64url')}`
}

function headerOf(facts: object): RecordHeader {
  return { key: PARK_HEADER, value: new TextEncoder().encode(JSON.stringify(facts)) }
}

function factsOf({ headers }: SourceRecord): Readonly<Record<string, unknown>> | null {
  const value = headers.findLast(({ key }) => key === PARK_HEADER)?.value
  if (value === undefined || value === null) return null
  try {
    const facts: unknown = JSON.parse(new TextDecoder().decode(value))
    return typeof facts === 'object' && facts !== null ? { ...facts } : null
  } catch {
    // Not ours: somebody else's header of the same name.
    return null
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
