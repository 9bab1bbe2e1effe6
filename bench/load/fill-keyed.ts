/**
 * Fills a topic with keyed records of 100 bytes that `keyed-check.ts` can read.
 *
 * `even`: keys in turn. `zipf`: the n-th key gets a share of 1/n^1.1, in an order that is the same every time.
 */

import { KafkaProducer } from 'shoal/kafka'
import { seededRandom } from '../../src/core/index.ts'
import { keyedValue } from './keyed-check.ts'

const VALUE_BYTES = 100
const BATCH = 5_000
const EXPONENT = 1.1
const SEED = 1

export type Spread = 'even' | 'zipf'

export interface Fill {
  readonly bootstrap: string
  readonly topic: string
  readonly count: number
  readonly keys: number
  readonly spread: Spread
}

export interface Filled {
  readonly bytes: number
  /** The share of the records that the most frequent key has. */
  readonly hotShare: number
}

export async function fillKeyed({ bootstrap, topic, count, keys, spread }: Fill): Promise<Filled> {
  await using producer = await KafkaProducer.open({ brokers: bootstrap })
  const next = keysOf(spread, keys)
  const texts = Array.from({ length: keys }, (_, key) => new TextEncoder().encode(`key-${key}`))
  const sent = new Int32Array(keys)
  for (let from = 0; from < count; from += BATCH) {
    const sends = []
    for (let left = Math.min(BATCH, count - from); left > 0; left--) {
      const number = next()
      const key = texts[number] ?? null
      const value = keyedValue(number, sent[number]!++, 0, VALUE_BYTES)
      sends.push(producer.send({ topic, partition: null, key, value, headers: [] }))
    }
    await Promise.all(sends)
  }
  return { bytes: count * VALUE_BYTES, hotShare: Math.max(...sent) / count }
}

/** The keys of one record after the other. */
export function keysOf(spread: Spread, keys: number): () => number {
  if (spread === 'even') {
    let turn = 0
    return () => turn++ % keys
  }
  const random = seededRandom(SEED)
  const weights = Array.from({ length: keys }, (_, key) => (key + 1) ** -EXPONENT)
  let sum = 0
  const bounds = weights.map((weight) => (sum += weight))
  return () => {
    const at = random.next() * sum
    const key = bounds.findIndex((bound) => at < bound)
    return key < 0 ? keys - 1 : key
  }
}
