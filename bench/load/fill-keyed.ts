/**
 * Fills a topic with keyed records: keys in turn, so in even shares, values that begin with their key's sequence number.
 */

import { KafkaProducer } from 'shoal/kafka'

const VALUE_BYTES = 100
const BATCH = 5_000

export interface Fill {
  readonly bootstrap: string
  readonly topic: string
  readonly count: number
  readonly keys: number
}

export async function fillKeyed({ bootstrap, topic, count, keys }: Fill): Promise<void> {
  await using producer = await KafkaProducer.open({ brokers: bootstrap })
  const encoder = new TextEncoder()
  for (let from = 0; from < count; from += BATCH) {
    const until = Math.min(count, from + BATCH)
    const sends = []
    for (let index = from; index < until; index++) {
      const value = new Uint8Array(VALUE_BYTES)
      new DataView(value.buffer).setUint32(0, Math.floor(index / keys))
      const key = encoder.encode(`key-${index % keys}`)
      sends.push(producer.send({ topic, partition: null, key, value, headers: [] }))
    }
    await Promise.all(sends)
  }
}
