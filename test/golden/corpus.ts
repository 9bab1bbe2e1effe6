/**
 * The recorded request and response pairs of `corpus.jsonl`, for tests. How they were recorded: README.md.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One request and its response between a real client and a real Kafka, as bytes; frames without their 4-byte length. */
export interface GoldenPair {
  readonly api: number
  readonly version: number
  readonly correlation: number
  /** Library, version and variant, such as `kafkajs-2.2.4-gzip`. */
  readonly client: string
  readonly requestHeader: Uint8Array
  readonly request: Uint8Array
  readonly responseHeader: Uint8Array
  readonly response: Uint8Array
}

interface Line {
  readonly api: number
  readonly version: number
  readonly correlation: number
  readonly client: string
  readonly requestHeader: string
  readonly request: string
  readonly responseHeader: string
  readonly response: string
}

export function goldenPairs(): readonly GoldenPair[] {
  return readFileSync(join(import.meta.dirname, 'corpus.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const pair = JSON.parse(line) as Line
      return {
        ...pair,
        requestHeader: fromHex(pair.requestHeader),
        request: fromHex(pair.request),
        responseHeader: fromHex(pair.responseHeader),
        response: fromHex(pair.response),
      }
    })
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
