/**
 * Dead letters, whoever writes them (the runtime, or the broker for its groups): the record as it travelled, and why it is
 * here, in headers.
 *
 * | header | |
 * | --- | --- |
 * | `shoal-dlq-id` | `group/topic/partition/offset` of the first delivery: a letter written twice is known by it |
 * | `shoal-dlq-origin-id` | what stands in an id for the offset, where the broker has no offsets that last |
 * | `shoal-dlq-reason`, `-error`, `-attempts`, `-group` | why, in the error's words, after how many executions, whose handler |
 * | `shoal-dlq-origin-topic`, `-origin-partition`, `-origin-offset`, `-origin-timestamp` | where it came from first |
 * | `shoal-dlq-first-failure`, `-last-failure` | wall time, milliseconds since the epoch |
 *
 * The record's own headers stay byte for byte. One that was redriven and fails again keeps its first origin. Pure.
 */

export const DEAD_LETTER_PREFIX = 'shoal-dlq-'

export interface LetterHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface LetterOrigin {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  /** What the record is called for good, where its offset is counted anew in every epoch. */
  readonly id?: string
}

export interface LetterCause {
  readonly group: string
  readonly reason: string
  readonly error: string
  readonly attempts: number
  readonly firstFailureMs: number
  readonly lastFailureMs: number
}

/** The headers of the letter: the record's own, and those of the table. */
export function deadLetterHeaders(
  own: readonly LetterHeader[],
  delivered: LetterOrigin,
  cause: LetterCause,
): readonly LetterHeader[] {
  const origin = firstOrigin(own, delivered)
  const added: Readonly<Record<string, string | number>> = {
    id: `${cause.group}/${originId(origin)}`,
    reason: cause.reason,
    error: cause.error,
    attempts: cause.attempts,
    group: cause.group,
    'origin-topic': origin.topic,
    'origin-partition': origin.partition,
    'origin-offset': origin.offset,
    'origin-timestamp': origin.timestampMs,
    'first-failure': cause.firstFailureMs,
    'last-failure': cause.lastFailureMs,
    ...(origin.id === undefined ? {} : { 'origin-id': origin.id }),
  }
  const names = new Set(Object.keys(added).map((name) => DEAD_LETTER_PREFIX + name))
  const headers = own.filter(({ key }) => !names.has(key))
  for (const [name, value] of Object.entries(added))
    headers.push({ key: DEAD_LETTER_PREFIX + name, value: bytesOf(String(value)) })
  return headers
}

/** Where a record came from first: its dead-letter headers say so after a redrive. */
export function firstOrigin(
  headers: readonly LetterHeader[],
  delivered: LetterOrigin,
): LetterOrigin {
  if (headers.length === 0) return delivered
  const topic = textOf(headers, 'origin-topic')
  const partition = wholeOf(headers, 'origin-partition')
  const offset = wholeOf(headers, 'origin-offset')
  const timestampMs = wholeOf(headers, 'origin-timestamp')
  if (topic === null || partition === null || offset === null || timestampMs === null)
    return delivered
  const id = textOf(headers, 'origin-id')
  return { topic, partition, offset, timestampMs, ...(id === null ? {} : { id }) }
}

/** `topic/partition/offset`, the same for every delivery of a record. */
export function originId({ topic, partition, offset, id }: LetterOrigin): string {
  return `${topic}/${partition}/${id ?? offset}`
}

function textOf(headers: readonly LetterHeader[], name: string): string | null {
  const value = headers.findLast(({ key }) => key === DEAD_LETTER_PREFIX + name)?.value
  return value === undefined || value === null ? null : new TextDecoder().decode(value)
}

/** Anyone may write a header: what is not a whole number is as good as not there. */
function wholeOf(headers: readonly LetterHeader[], name: string): number | null {
  const text = textOf(headers, name)
  const value = text !== null && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
