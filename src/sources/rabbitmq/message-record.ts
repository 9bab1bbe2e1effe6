/**
 * AMQP messages as records, both ways: pure.
 *
 * A record's value is the body, its key and headers are message headers: `shoal-key`, and each header under its own name.
 * A table of headers has each name once and its order is the client's, so repeated names and nulls travel in the list
 * `shoal-headers` as well, name and value in turn. Headers of other producers become texts. A record that was put off
 * says so in `shoal-retry`; what RabbitMQ adds on its way (`x-death` …) is left out then.
 */

import type { RecordHeader, Retried, SourceRecord } from '../../consumer/index.ts'

export type HeaderTable = Readonly<Record<string, unknown>>

export interface Content {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export interface Message {
  readonly body: Uint8Array
  readonly headers: HeaderTable
}

const KEY = 'shoal-key'
const HEADERS = 'shoal-headers'
const NULL_VALUE = 'shoal-null'
const TIMESTAMP = 'shoal-timestamp'
const RETRY = 'shoal-retry'
const OURS = new Set([KEY, HEADERS, NULL_VALUE, TIMESTAMP, RETRY])
const ON_ITS_WAY = /^x-(?:death|(?:first|last)-death-(?:exchange|queue|reason))$/
/** Set by RabbitMQ itself. */
export const DELIVERY_COUNT = 'x-delivery-count'

const encoder = new TextEncoder()

export function messageOf(
  { key, value, headers }: Content,
  timestampMs: number,
  retried?: Retried,
): Message {
  const table: Record<string, unknown> = { [TIMESTAMP]: timestampMs }
  if (retried !== undefined) table[RETRY] = JSON.stringify(retried)
  if (key !== null) table[KEY] = Buffer.from(key)
  if (value === null) table[NULL_VALUE] = true
  const isPlain =
    new Set(headers.map((header) => header.key)).size === headers.length &&
    headers.every((header) => header.value !== null && !OURS.has(header.key) && header.key !== '')
  if (isPlain)
    for (const header of headers)
      table[header.key] = header.value === null ? null : Buffer.from(header.value)
  else
    table[HEADERS] = headers.flatMap((header) => [
      header.key,
      header.value === null ? null : Buffer.from(header.value),
    ])
  return { body: value ?? new Uint8Array(0), headers: table }
}

export function contentOf({ body, headers: table }: Message): Content {
  const key = table[KEY] === undefined ? null : bytesOf(table[KEY])
  const value = table[NULL_VALUE] === true ? null : body
  const list = table[HEADERS]
  if (Array.isArray(list)) return { key, value, headers: pairs(list) }
  const headers = Object.entries(table)
    .filter(([name]) => !OURS.has(name) && name !== DELIVERY_COUNT)
    .filter(([name]) => table[RETRY] === undefined || !ON_ITS_WAY.test(name))
    .map(([name, header]) => ({ key: name, value: bytesOf(header) }))
  return { key, value, headers }
}

/** When the record was written, in seconds, as AMQP has it. @param table of a message of ours */
export function amqpTimestampOf(table: HeaderTable): number {
  return Math.floor(Number(table[TIMESTAMP]) / 1_000)
}

/** @param deliveries how often the message was handed out before */
export function recordOf(
  offset: number,
  message: Message,
  deliveries: number,
  nowMs: number,
): SourceRecord {
  const stamp = message.headers[TIMESTAMP]
  const retried = retriedOf(message.headers[RETRY])
  return {
    offset,
    timestampMs: typeof stamp === 'number' ? stamp : nowMs,
    ...contentOf(message),
    ...(deliveries === 0 ? {} : { deliveryCount: deliveries + 1 }),
    ...(retried === null ? {} : { retried }),
  }
}

/** Null for what no member of ours wrote. */
function retriedOf(header: unknown): Retried | null {
  if (typeof header !== 'string') return null
  try {
    const parsed: unknown = JSON.parse(header)
    if (typeof parsed !== 'object' || parsed === null) return null
    const { attempts, firstFailureMs } = parsed as Partial<Record<keyof Retried, unknown>>
    return isCount(attempts) && isCount(firstFailureMs) ? { attempts, firstFailureMs } : null
  } catch {
    return null
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Where a consistent-hash exchange is to send a key: the key itself where it can be one. */
export function routingKeyOf(key: Uint8Array): string {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength)
  const text = bytes.toString('utf8')
  return bytes.length <= 255 && Buffer.from(text, 'utf8').equals(bytes)
    ? text
    : bytes.toString('hex').slice(0, 255)
}

function pairs(list: readonly unknown[]): RecordHeader[] {
  const headers: RecordHeader[] = []
  for (let index = 0; index + 1 < list.length; index += 2)
    headers.push({ key: String(list[index]), value: bytesOf(list[index + 1]) })
  return headers
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return value
  return encoder.encode(typeof value === 'string' ? value : JSON.stringify(value))
}
