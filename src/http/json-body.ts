/**
 * A request's body as a value: JSON in UTF-8, read once, by one parser.
 *
 * - Bytes that are not UTF-8 are refused, never replaced: a value would be stored other than it was sent.
 * - A number that a double cannot hold keeps its digits: inside of a message's value it comes out as it came in.
 * - The key `__proto__` is refused wherever it stands. Of any other key that is given twice the last one counts.
 */

import { messageOf } from '../core/index.ts'
import { type Problem, problem } from './problems.ts'

/** What may need the slow way: a key that could be `__proto__`, or digits beyond a double's. */
const mayNeedCare = /__proto__|\\u|\d[\d.]{15}|\d[eE][+-]?\d/

/** Keeps nothing from one text to the next. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

export type ParsedBody = { readonly value: unknown } | Problem

export function parseJsonBody(bytes: Uint8Array): ParsedBody {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return problem('BODY_NOT_JSON', 'the body is not UTF-8; send JSON in UTF-8')
  }
  if (bytes.length === 0)
    return problem('BODY_NOT_JSON', 'the body is empty; this operation takes a JSON object')
  try {
    return { value: mayNeedCare.test(text) ? parseCarefully(text) : JSON.parse(text) }
  } catch (error) {
    return problem('BODY_NOT_JSON', `the body is not JSON: ${messageOf(error)}`)
  }
}

function parseCarefully(text: string): unknown {
  return JSON.parse(text, (key: string, value: unknown, context?: { source?: string }) => {
    if (key === '__proto__') throw new SyntaxError('the key __proto__ is not taken')
    if (typeof value !== 'number') return value
    const { source = '' } = context ?? {}
    return isExact(value, source) ? value : rawJson(source)
  })
}

/** Whether the number, written back, is the same number: a double holds 15 digits of any. */
function isExact(value: number, source: string): boolean {
  if (String(value) === source) return true
  return Number.isFinite(value) && source.replace(/[eE].*|\D/g, '').length <= 15
}

/** Text that `JSON.stringify` writes as it is (the TC39 proposal "JSON.parse source text access", in V8 since 11.4). */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown }
