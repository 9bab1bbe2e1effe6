/**
 * Dead letters in words: where each stands, why it is there, what is in it. Pure.
 *
 *   orders-dlq/0@12  2026-11-21T12:50:58.113Z  from orders/2@854031  group billing  3 attempts
 *     reason  ValidationError
 *     error   amount must be positive
 *     key     48213
 *     value   {"amount":-4.5}
 */

import {
  letterFacts,
  type DeadLetterTopic,
  type PlannedMove,
  type RedrivePlan,
  type StoredLetter,
} from '../../admin/index.ts'
import { DEAD_LETTER_PREFIX } from '../../core/index.ts'
import { ageText } from './backlog-tables.ts'
import { fitting, printable, tableText, type Column } from './columns.ts'

export function deadLetterTable(topics: readonly DeadLetterTopic[]): string {
  const columns: readonly Column<DeadLetterTopic>[] = [
    fitting('TOPIC', ({ topic }) => topic),
    fitting('LETTERS', ({ letterCount }) => String(letterCount)),
    { title: 'OLDEST', width: 'rest', cell: ({ oldestMs }) => ageText(oldestMs) },
  ]
  return tableText(columns, topics)
}

export function letterText(letter: StoredLetter): string {
  const facts = letterFacts(letter)
  const head = [
    letter.place,
    ...(letter.timestampMs === null ? [] : [timeText(letter.timestampMs)]),
    ...(facts.originTopic === null ? [] : [`from ${originText(facts)}`]),
    ...(facts.group === null ? [] : [`group ${facts.group}`]),
    ...(facts.attempts === null
      ? []
      : [`${facts.attempts} attempt${facts.attempts === 1 ? '' : 's'}`]),
    ...(facts.redriven === 0 ? [] : [`sent back ${facts.redriven}x`]),
  ]
  const rows: [string, string | null][] = [
    ['reason', facts.reason],
    ['error', facts.error],
    ['id', facts.id],
    ['failed', failedText(facts.firstFailureMs, facts.lastFailureMs)],
    ['key', bytesText(letter.key)],
    ['value', bytesText(letter.value)],
    ['headers', ownHeaders(letter)],
  ]
  const told = rows.flatMap(([name, text]) =>
    text === null ? [] : [[name, printable(text)] as const],
  )
  const width = Math.max(...told.map(([name]) => name.length))
  const body = told.map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`)
  return `${printable(head.join('  '))}\n${body.join('')}`
}

/** For programs: bytes as text where they are UTF-8, otherwise as base64. */
export function letterJson(letter: StoredLetter): object {
  const { place, timestampMs, key, value, headers } = letter
  return {
    place,
    timestamp: timestampMs === null ? null : timeText(timestampMs),
    ...letterFacts(letter),
    key: bytesJson(key),
    value: bytesJson(value),
    headers: headers.map((header) => ({ key: header.key, value: bytesJson(header.value) })),
  }
}

export function redriveTable({ topic, moves }: RedrivePlan): string {
  const columns: readonly Column<PlannedMove>[] = [
    fitting('FROM', () => topic),
    fitting('TO', ({ to }) => to),
    fitting('LETTERS', ({ letterCount }) => String(letterCount)),
    { title: 'REASON', width: 'rest', cell: ({ reason }) => printable(reason ?? '-') },
  ]
  return tableText(columns, moves)
}

/** `3 letters go back; 1 stays: sent back too often` */
export function redriveSummary(plan: RedrivePlan): string {
  const stays = [
    ...(plan.otherCount > 0 ? [`${counted(plan.otherCount)} not asked for`] : []),
    ...(plan.withoutOriginCount > 0
      ? [`${counted(plan.withoutOriginCount)} without an origin (--to TOPIC sends them somewhere)`]
      : []),
    ...(plan.tooOftenCount > 0
      ? [`${counted(plan.tooOftenCount)} sent back too often (--max-redrives)`]
      : []),
  ]
  const goes = `${counted(plan.moveCount)} ${plan.moveCount === 1 ? 'goes' : 'go'} back`
  const rest = stays.length === 0 ? '' : `; what stays: ${stays.join(', ')}`
  return `${goes}${rest}${plan.isCut ? '; more letters are there than a plan looks at' : ''}`
}

export function counted(count: number): string {
  return `${count.toLocaleString('en-US')} letter${count === 1 ? '' : 's'}`
}

function originText(facts: ReturnType<typeof letterFacts>): string {
  const { originTopic, originPartition, originOffset } = facts
  if (originPartition === null) return originTopic ?? ''
  return `${originTopic}/${originPartition}${originOffset === null ? '' : `@${originOffset}`}`
}

function failedText(firstMs: number | null, lastMs: number | null): string | null {
  if (lastMs === null) return null
  if (firstMs === null || firstMs === lastMs) return timeText(lastMs)
  return `${timeText(firstMs)} first, ${timeText(lastMs)} last`
}

/** Those that are not about the failure. */
function ownHeaders({ headers }: StoredLetter): string | null {
  const own = headers.filter(({ key }) => !key.startsWith(DEAD_LETTER_PREFIX))
  if (own.length === 0) return null
  return own.map(({ key, value }) => `${key}=${bytesText(value) ?? ''}`).join(' ')
}

/** Beyond that nothing is a time of day that anybody meant. */
const LAST_TIME_MS = 8.64e15

function timeText(ms: number): string {
  return ms > LAST_TIME_MS ? String(ms) : new Date(ms).toISOString()
}

function bytesText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  const text = utf8(bytes)
  return text === null ? `${bytes.length} bytes, not UTF-8` : printable(text)
}

function bytesJson(bytes: Uint8Array | null): string | null | { readonly base64: string } {
  if (bytes === null) return null
  return utf8(bytes) ?? { base64: Buffer.from(bytes).toString('base64') }
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
