/**
 * Stream entries as records, both ways: pure.
 *
 * An entry of ours has the fields `key`, `value` and `header:<name>`; a field that is not there is null, and
 * `header-null:<name>` is a header that is. Entries of other producers: with a field `value` their other fields are
 * headers, without one the value is a JSON object of all fields, as text.
 */

import type { RecordHeader, SourceRecord } from '../../consumer/index.ts'

/** A stream's answer: fields and values in turn. */
export type EntryFields = readonly Uint8Array[]

export interface Content {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

const HEADER = 'header:'
const NULL_HEADER = 'header-null:'
/** Marks an entry without key and value as ours: a stream takes no entry without a field. */
const NULL_VALUE = 'value-null'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const KEY = encoder.encode('key')
const VALUE = encoder.encode('value')
const NULL_VALUE_BYTES = encoder.encode(NULL_VALUE)
const EMPTY = new Uint8Array(0)
const NO_HEADERS: readonly RecordHeader[] = Object.freeze([])

export function fieldsOf({ key, value, headers }: Content): Uint8Array[] {
  const fields: Uint8Array[] = []
  const add = (name: string, content: Uint8Array) => fields.push(encoder.encode(name), content)
  if (key !== null) fields.push(KEY, key)
  fields.push(value === null ? NULL_VALUE_BYTES : VALUE, value ?? EMPTY)
  for (const header of headers)
    if (header.value === null) add(`${NULL_HEADER}${header.key}`, new Uint8Array(0))
    else add(`${HEADER}${header.key}`, header.value)
  return fields
}

export function contentOf(fields: EntryFields): Content {
  let headers: RecordHeader[] | null = null
  let key: Uint8Array | null = null
  let value: Uint8Array | null = null
  let isOurs = false
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] ?? EMPTY
    const content = fields[index + 1] ?? EMPTY
    // Compared as bytes: nearly all fields of nearly all entries are these two.
    if (isSame(name, KEY)) key = content
    else if (isSame(name, VALUE)) {
      value = content
      isOurs = true
    } else if (isSame(name, NULL_VALUE_BYTES)) isOurs = true
    else (headers ??= []).push(headerOf(decoder.decode(name), content))
  }
  return isOurs ? { key, value, headers: headers ?? NO_HEADERS } : foreign(pairs(fields))
}

function headerOf(name: string, content: Uint8Array): RecordHeader {
  if (name.startsWith(NULL_HEADER)) return { key: name.slice(NULL_HEADER.length), value: null }
  return { key: name.startsWith(HEADER) ? name.slice(HEADER.length) : name, value: content }
}

function isSame(name: Uint8Array, expected: Uint8Array): boolean {
  if (name.length !== expected.length) return false
  for (let index = 0; index < name.length; index++)
    if (name[index] !== expected[index]) return false
  return true
}

export function recordOf(
  offset: number,
  fields: EntryFields,
  deliveryCount: number | undefined,
): SourceRecord {
  // The milliseconds of the id: when the server took it.
  const timestampMs = Math.floor((offset + 1) / 4_096)
  const { key, value, headers } = contentOf(fields)
  const record = { offset, timestampMs, key, value, headers }
  return deliveryCount === undefined ? record : { ...record, deliveryCount }
}

export function byteLengthOf(fields: EntryFields): number {
  let total = 0
  for (const field of fields) total += field.length
  return total
}

function foreign(named: readonly Field[]): Content {
  const document = Object.fromEntries(
    named.map(({ name, content }) => [name, decoder.decode(content)]),
  )
  return { key: null, value: encoder.encode(JSON.stringify(document)), headers: [] }
}

interface Field {
  readonly name: string
  readonly content: Uint8Array
}

function pairs(fields: EntryFields): Field[] {
  const named: Field[] = []
  for (let index = 0; index + 1 < fields.length; index += 2)
    named.push({
      name: decoder.decode(fields[index]),
      content: fields[index + 1] ?? new Uint8Array(0),
    })
  return named
}
