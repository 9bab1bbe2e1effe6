/**
 * The internal queue: slow work decoupled from consumption, bounded, and nothing committed before it is done.
 *
 * The queue is the runtime's own buffer of 1,000 records: when it is full its partition pauses, while heartbeats go on. The
 * page commits when a record enters its queue, and loses what a crash finds there; here it is committed when it left.
 */

import { setTimeout } from 'node:timers/promises'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const running = await consumer({
  group: 'internal-queue',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['topic'],
  }),
  buffer: { records: 1_000 },
  concurrency: 1,
  decode: 'text',
  handle: (value) => slowApiCall(value ?? ''),
}).start({ signal: stop.signal })

const { handled } = await running.finished
console.log(`Done: ${handled}`)

async function slowApiCall(value: string): Promise<void> {
  await setTimeout(20)
  console.log(`Processed ${value}`)
}
