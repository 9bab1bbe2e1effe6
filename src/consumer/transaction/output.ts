/**
 * A record as a handler sends it, and as it travels: texts become UTF-8.
 */

import { ShoalError } from '../../core/index.ts'
import type { OutgoingRecord } from '../source.ts'

export interface Output {
  readonly topic: string
  readonly key?: string | Uint8Array | null
  readonly value: string | Uint8Array | null
  readonly headers?: Readonly<Record<string, string | Uint8Array | null>>
  /** Default: what the key says, as every Kafka producer chooses it. */
  readonly partition?: number
}

const utf8 = new TextEncoder()

/** @throws ShoalError SHOAL_INVALID_ARGUMENT */
export function outputRecord({
  topic,
  key = null,
  value,
  headers = {},
  partition,
}: Output): OutgoingRecord {
  if (typeof topic !== 'string' || topic === '') throw invalid('topic: a name')
  if (partition !== undefined && !(Number.isSafeInteger(partition) && partition >= 0))
    throw invalid('partition: a number from 0')
  return {
    topic,
    partition: partition ?? null,
    key: bytesOf('key', key),
    value: bytesOf('value', value),
    headers: Object.entries(headers).map(([name, text]) => ({
      key: name,
      value: bytesOf(`headers.${name}`, text),
    })),
  }
}

/** About what it takes in memory and on the wire. */
export function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let size = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) size += 2 * header.key.length + (header.value?.length ?? 0) + 10
  return size
}

function bytesOf(name: string, value: string | Uint8Array | null): Uint8Array | null {
  if (value === null) return null
  if (typeof value === 'string') return utf8.encode(value)
  // A copy: the handler may go on to use its buffer, and the transaction is later.
  if (value instanceof Uint8Array) return value.slice()
  throw invalid(`${name}: text, bytes or null (JSON.stringify objects)`)
}

function invalid(words: string): ShoalError {
  return new ShoalError('SHOAL_INVALID_ARGUMENT', `context.send: ${words}`)
}
