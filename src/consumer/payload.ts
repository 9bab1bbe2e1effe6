/**
 * From the bytes of a value to what the handler gets.
 *
 *   bytes ──decode: json │ text │ bytes──▶ unknown ──schema──▶ typed value
 *
 * Both steps fail with `InvalidPayload`: such a record goes to the dead letters with its raw bytes and is not tried
 * again. A null value (a tombstone) is not decoded: the schema, or the handler, sees `null`.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ShoalError, messageOf } from '../core/index.ts'
import type { Decode } from './options.ts'

/** Says that the payload is at fault, not the handler: a handler that throws SHOAL_INVALID_PAYLOAD itself is tried again. */
export class InvalidPayload extends ShoalError {
  constructor(message: string, cause?: unknown) {
    super('SHOAL_INVALID_PAYLOAD', message, { cause })
  }
}

/** Throws (or rejects with) `InvalidPayload`; a promise only where the schema checks asynchronously. */
export type PayloadReader = (bytes: Uint8Array | null) => unknown

/**
 * A schema for JSON that is trusted to be a `T`: typed, not checked.
 *
 * @example
 * consumer({ group: 'billing', source, schema: json<Order>(), handle: (order) => charge(order) })
 */
export function json<T>(): StandardSchemaV1<unknown, T> {
  return {
    '~standard': { version: 1, vendor: 'shoal', validate: (value) => ({ value: value as T }) },
  }
}

/** `null` when the handler gets the bytes as they are: nothing to do for each record. */
export function payloadReader(
  decode: Decode,
  schema: StandardSchemaV1 | undefined,
): PayloadReader | null {
  const decoded = decoders[decode]
  if (schema === undefined) return decode === 'bytes' ? null : decoded
  const validate = schema['~standard'].validate
  return (bytes) => {
    const input = decoded(bytes)
    let result: ReturnType<typeof validate>
    try {
      result = validate(input)
    } catch (error) {
      throw new InvalidPayload(`the schema failed: ${messageOf(error)}`, error)
    }
    return result instanceof Promise ? result.then(valueOf, refuse) : valueOf(result)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

const decoders: Readonly<Record<Decode, PayloadReader>> = {
  bytes: (bytes) => bytes,
  text: (bytes) => (bytes === null ? null : textOf(bytes)),
  json: (bytes) => {
    if (bytes === null) return null
    const text = textOf(bytes)
    try {
      return JSON.parse(text) as unknown
    } catch (error) {
      // Its own words may quote the payload, which belongs in no log.
      const [position = ''] = / at position \d+/.exec(messageOf(error)) ?? []
      throw new InvalidPayload(`the value is not JSON${position}`, error)
    }
  },
}

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new InvalidPayload('the value is not UTF-8 text', error)
  }
}

function valueOf(result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.slice(0, 10).map(({ message, path = [] }) => {
    const where = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return where === '' ? message : `${where}: ${message}`
  })
  throw new InvalidPayload(issues.join('; '))
}

function refuse(error: unknown): never {
  throw new InvalidPayload(`the schema failed: ${messageOf(error)}`, error)
}
