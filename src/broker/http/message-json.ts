/**
 * Messages between JSON and records: text, any JSON, or base64 on the way in; text where the bytes are UTF-8, else base64, on
 * the way out. Nothing is lost either way: what is not text is never turned into text.
 */

import { isUtf8 } from 'node:buffer'
import type { z } from 'zod'
import type { KafkaRecord, RecordHeader, RecordInput } from '../../protocol/index.ts'
import { type BrokerRoutes, type FieldProblem, LAST_TIME_MS } from '../../http/index.ts'

/** A message as polls and reads give it. */
export type JsonMessage = z.output<BrokerRoutes['readPartition']['response']>['messages'][number]

type PublishBody = z.output<BrokerRoutes['publish']['body']>
/** A message as a publish says it. */
export type SentMessage = Extract<PublishBody, { readonly messages: unknown }>['messages'][number]

export function messageJson(
  { topic, partition }: { readonly topic: string; readonly partition: number },
  record: Pick<KafkaRecord, 'offset' | 'timestampMs' | 'key' | 'value' | 'headers'>,
): JsonMessage {
  const { offset, timestampMs, key, value, headers } = record
  const isTextKey = key === null || isUtf8(key)
  const isText = value === null || isUtf8(value)
  return {
    topic,
    partition,
    offset,
    timestamp: timestampText(timestampMs),
    key: key === null ? null : textOf(key, isTextKey),
    ...(isTextKey ? {} : { key_encoding: 'base64' }),
    value: value === null ? null : textOf(value, isText),
    encoding: isText ? 'utf8' : 'base64',
    ...(headers.length === 0 ? {} : { headers: headers.map(headerJson) }),
  }
}

/** The record of a message, or what is wrong with it; `nowMs` where it has no time of its own. */
export function recordOf(message: SentMessage, nowMs: number): RecordInput | FieldProblem {
  const { key, key_encoding: keyEncoding = 'utf8', timestamp, headers } = message
  const value = valueBytes(message)
  if (typeof value === 'string') return { path: 'value', message: value }
  const keyBytes =
    key === null || key === undefined
      ? null
      : keyEncoding === 'utf8'
        ? Buffer.from(key)
        : base64(key)
  if (keyBytes === undefined) return { path: 'key', message: 'is not base64' }
  const given = headerList(headers)
  if ('path' in given) return given
  return {
    timestampMs: timestampMs(timestamp) ?? nowMs,
    key: keyBytes,
    value,
    headers: given,
  }
}

/** RFC 3339. A foreign client may give its records any number for a time: what no such text can say is told as the nearest one. */
export function timestampText(timestampMs: number): string {
  return new Date(Math.min(Math.max(0, timestampMs), LAST_TIME_MS)).toISOString()
}

function timestampMs(given: string | number | undefined): number | undefined {
  return typeof given === 'string' ? Date.parse(given) : given
}

/** Bytes, null, or a sentence about what is wrong. */
function valueBytes({ value, encoding }: SentMessage): Uint8Array | null | string {
  if (encoding === 'base64' || (encoding === 'utf8' && value !== null)) {
    if (typeof value !== 'string') return `is not text, and the encoding is ${encoding}`
    return encoding === 'utf8' ? Buffer.from(value) : (base64(value) ?? 'is not base64')
  }
  if (value === null && encoding !== 'json') return null
  if (typeof value === 'string' && encoding === undefined) return Buffer.from(value)
  try {
    return Buffer.from(JSON.stringify(value))
  } catch (error) {
    if (error instanceof RangeError) return 'is nested too deeply'
    throw error
  }
}

/** Strict: `Buffer.from` leaves out what it cannot read. */
function base64(text: string): Uint8Array | undefined {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
  return isBase64 ? Buffer.from(text, 'base64') : undefined
}

function headerList(headers: SentMessage['headers']): readonly RecordHeader[] | FieldProblem {
  if (headers === undefined) return NO_HEADERS
  if (!Array.isArray(headers))
    return Object.entries(headers).map(([key, value]) => ({ key, value: Buffer.from(value) }))
  const list: RecordHeader[] = []
  for (const [index, [key, value, encoding]] of headers.entries()) {
    const bytes = value === null ? null : encoding === 'base64' ? base64(value) : Buffer.from(value)
    if (bytes === undefined) return { path: `headers.${index}`, message: 'is not base64' }
    list.push({ key, value: bytes })
  }
  return list
}

const NO_HEADERS: readonly RecordHeader[] = []

function headerJson({ key, value }: RecordHeader): NonNullable<JsonMessage['headers']>[number] {
  if (value === null) return [key, null]
  return isUtf8(value) ? [key, textOf(value, true)] : [key, textOf(value, false), 'base64']
}

function textOf(bytes: Uint8Array, isText: boolean): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(
    isText ? 'utf8' : 'base64',
  )
}
