/**
 * Dead letters: the record as it travelled, and why it is here.
 *
 * | header | |
 * | --- | --- |
 * | `shoal-dlq-id` | `group/topic/partition/offset` of the first delivery: a letter written twice is known by it |
 * | `shoal-dlq-reason`, `-error`, `-attempts`, `-group` | why, in the error's words, after how many executions, whose handler |
 * | `shoal-dlq-origin-topic`, `-origin-partition`, `-origin-offset`, `-origin-timestamp` | where it came from first |
 * | `shoal-dlq-first-failure`, `-last-failure` | wall time, milliseconds since the epoch |
 *
 * Key, value and the record's own headers stay byte for byte. A record that was redriven and fails again keeps its
 * first origin. Pure: the engine writes, and never commits past a record whose letter is not written.
 */

import type { OutgoingRecord, RecordHeader, SourceRecord } from '../source.ts'

export const DEAD_LETTER_PREFIX = 'shoal-dlq-'

export interface Origin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
}

interface Delivered {
  readonly record: SourceRecord
  readonly partition: { readonly topic: string; readonly partition: number }
}

/** Where a record came from first: its dead-letter headers say so after a redrive. */
export function originOf({ record, partition }: Delivered): Origin {
  return (
    storedOrigin(record.headers) ?? {
      topic: partition.topic,
      partition: partition.partition,
      offset: record.offset,
      timestampMs: record.timestampMs,
    }
  )
}

export interface LetterFacts {
  readonly group: string
  readonly topic: string
  readonly reason: string
  readonly error: string
  readonly attempts: number
  readonly firstFailureMs: number
  readonly lastFailureMs: number
}

export function deadLetterOf(delivered: Delivered, facts: LetterFacts): OutgoingRecord {
  const { record } = delivered
  const origin = originOf(delivered)
  const added: Readonly<Record<string, string | number>> = {
    id: `${facts.group}/${origin.topic}/${origin.partition}/${origin.offset}`,
    reason: facts.reason,
    error: facts.error,
    attempts: facts.attempts,
    group: facts.group,
    'origin-topic': origin.topic,
    'origin-partition': origin.partition,
    'origin-offset': origin.offset,
    'origin-timestamp': origin.timestampMs,
    'first-failure': facts.firstFailureMs,
    'last-failure': facts.lastFailureMs,
  }
  const names = new Set(Object.keys(added).map((name) => DEAD_LETTER_PREFIX + name))
  const headers: RecordHeader[] = record.headers.filter(({ key }) => !names.has(key))
  for (const [name, value] of Object.entries(added))
    headers.push({ key: DEAD_LETTER_PREFIX + name, value: bytesOf(String(value)) })
  return { topic: facts.topic, partition: null, key: record.key, value: record.value, headers }
}

function storedOrigin(headers: readonly RecordHeader[]): Origin | null {
  if (headers.length === 0) return null
  const topic = textOf(headers, 'origin-topic')
  const partition = wholeOf(headers, 'origin-partition')
  const offset = wholeOf(headers, 'origin-offset')
  const timestampMs = wholeOf(headers, 'origin-timestamp')
  if (topic === null || partition === null || offset === null || timestampMs === null) return null
  return { topic, partition, offset, timestampMs }
}

function textOf(headers: readonly RecordHeader[], name: string): string | null {
  const value = headers.findLast(({ key }) => key === DEAD_LETTER_PREFIX + name)?.value
  return value === undefined || value === null ? null : new TextDecoder().decode(value)
}

/** Anyone may write a header: what is not a whole number is as good as not there. */
function wholeOf(headers: readonly RecordHeader[], name: string): number | null {
  const text = textOf(headers, name)
  const value = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
