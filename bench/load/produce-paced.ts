/**
 * Produces on a schedule that waits for nobody: so many records a second, each with the moment at which it was due in it.
 *
 * `produce-paced.ts {bootstrap, topic, keys, perSecond, count}`; says `done` when the broker has all of them. A timer that
 * comes late sends everything that is due: the schedule, and with it what a record's delay is counted from, stays.
 */

import { KafkaProducer } from 'shoal/kafka'
import { keysOf } from './fill-keyed.ts'
import { keyedValue, monotonicMs } from './keyed-check.ts'

export interface Pace {
  readonly bootstrap: string
  readonly topic: string
  readonly keys: number
  readonly perSecond: number
  readonly count: number
}

const VALUE_BYTES = 100
/** The first record is due so long after the start: the connection is there by then. */
const LEAD_MS = 200

const { bootstrap, topic, keys, perSecond, count } = JSON.parse(process.argv[2] ?? '') as Pace
await using producer = await KafkaProducer.open({ brokers: bootstrap, lingerMs: 0 })
const next = keysOf('even', keys)
const encoder = new TextEncoder()
const sequences = new Int32Array(keys)
const sends: Promise<unknown>[] = []
const startMs = monotonicMs() + LEAD_MS
while (sends.length < count) {
  const dueCount = Math.min(count, Math.floor(((monotonicMs() - startMs) / 1_000) * perSecond))
  while (sends.length < dueCount) {
    const dueMs = startMs + (sends.length / perSecond) * 1_000
    const number = next()
    const value = keyedValue(number, sequences[number]!++, dueMs, VALUE_BYTES)
    const key = encoder.encode(`key-${number}`)
    sends.push(producer.send({ topic, partition: null, key, value, headers: [] }))
  }
  await new Promise((resolve) => setTimeout(resolve, 1))
}
await Promise.all(sends)
process.stdout.write('done\n')
