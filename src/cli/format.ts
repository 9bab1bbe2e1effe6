/**
 * Record format strings of `consume -f` and `produce`: `%t` topic, `%p` partition, `%o` offset, `%k` key, `%s` value,
 * `%T` timestamp in milliseconds, `%h` headers, `%%` a percent sign; `\n`, `\t`, `\0`, `\\` as usual. The letters are kcat's.
 */

import { ShoalError } from '../core/index.ts'

export interface PrintableRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

export type Format = (record: PrintableRecord) => string

const decoder = new TextDecoder()
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
}

const directives: Readonly<Record<string, Format>> = {
  t: (record) => record.topic,
  p: (record) => String(record.partition),
  o: (record) => String(record.offset),
  k: (record) => text(record.key),
  s: (record) => text(record.value),
  T: (record) => String(record.timestampMs),
  h: (record) => record.headers.map(({ key, value }) => `${key}=${text(value)}`).join(','),
  '%': () => '%',
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT that names an unknown directive and lists the known ones. */
export function compileFormat(pattern: string): Format {
  const parts = [...pattern.matchAll(/%(.?)|\\(.)|[^%\\]+|\\$/gs)].map((match): Format => {
    const [whole, directive, escape] = match
    if (escape !== undefined) return () => escapes[escape] ?? escape
    if (directive === undefined) return () => whole
    const known = directives[directive]
    if (known === undefined)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `format: unknown directive %${directive}; known are ${Object.keys(directives)
          .map((name) => `%${name}`)
          .join(' ')}`,
      )
    return known
  })
  return (record) => parts.map((part) => part(record)).join('')
}

/** A record as one JSON object; bytes that are not UTF-8 travel as base64 and say so. */
export function recordJson(record: PrintableRecord): string {
  return JSON.stringify({
    schema: 'shoal.record/1',
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    key: jsonBytes(record.key),
    value: jsonBytes(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: jsonBytes(value) })),
  })
}

const strict = new TextDecoder('utf-8', { fatal: true })

function jsonBytes(bytes: Uint8Array | null): string | { readonly base64: string } | null {
  if (bytes === null) return null
  try {
    return strict.decode(bytes)
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') }
  }
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? '' : decoder.decode(bytes)
}
