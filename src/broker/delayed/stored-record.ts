/**
 * A delayed record as it is stored while it waits: the user's record with one header more, in front.
 *
 *   shoal-delayed: {"topicId":"…","partition":0,"dueMs":1700000000000,"isDelay":true,"timestampMs":null}
 *
 * It is delivered without that header, with the time that its sender gave it, or with the one at which it was due: from then
 * on it can be late, so lag in seconds begins there.
 */

import { ShoalError } from '../../core/index.ts'
import {
  decodeRecords,
  encodeRecordBatch,
  type RecordBatch,
  type RecordInput,
} from '../../protocol/index.ts'
import type { TargetId } from './delayed-records.ts'

const HEADER = 'shoal-delayed'

export interface StoredRecord extends TargetId {
  readonly dueMs: number
  readonly isDelay: boolean
  /** As it goes to its partition. */
  readonly record: RecordInput
}

export interface RecordToStore extends TargetId {
  readonly dueMs: number
  readonly isDelay: boolean
  /** Its timestamp counts when `hasTimestamp`. */
  readonly record: RecordInput
  readonly hasTimestamp: boolean
}

/** One record, one batch: each is read on its own when it is due. */
export function encodeStored(stored: RecordToStore, nowMs: number): Uint8Array {
  const { topicId, partition, dueMs, isDelay, record, hasTimestamp } = stored
  const timestampMs = hasTimestamp ? record.timestampMs : null
  const envelope = JSON.stringify({ topicId, partition, dueMs, isDelay, timestampMs })
  const header = { key: HEADER, value: new TextEncoder().encode(envelope) }
  const headers = [header, ...(record.headers ?? [])]
  return encodeRecordBatch([{ ...record, timestampMs: nowMs, headers }])
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT when it is no such record. */
export function decodeStored(batch: RecordBatch): StoredRecord {
  const [stored] = decodeRecords(batch)
  const [header, ...headers] = stored?.headers ?? []
  const envelope = header?.key === HEADER ? readEnvelope(header.value) : null
  if (stored === undefined || envelope === null)
    throw new ShoalError(
      'SHOAL_STORAGE_CORRUPT',
      `the log of delayed messages holds something else at offset ${batch.baseOffset}`,
    )
  const { topicId, partition, dueMs, isDelay, timestampMs } = envelope
  const { key, value } = stored
  const record = { timestampMs: timestampMs ?? dueMs, key, value, headers }
  return { topicId, partition, dueMs, isDelay, record }
}

interface Envelope extends TargetId {
  readonly dueMs: number
  readonly isDelay: boolean
  readonly timestampMs: number | null
}

function readEnvelope(bytes: Uint8Array | null): Envelope | null {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes ?? new Uint8Array(0)))
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  if (typeof value !== 'object' || value === null) return null
  const { topicId, partition, dueMs, isDelay, timestampMs } = value as Record<string, unknown>
  if (typeof topicId !== 'string' || typeof isDelay !== 'boolean') return null
  if (!isWhole(partition) || !isWhole(dueMs)) return null
  if (timestampMs !== null && !isWhole(timestampMs)) return null
  return { topicId, partition, dueMs, isDelay, timestampMs }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
