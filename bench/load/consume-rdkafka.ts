/**
 * node-rdkafka with a pool: it is asked for as many records as the pool has room for, whatever their keys.
 *
 * It is installed by `bench/peers/install`, so its types are not there for everybody: what is used of it stands here.
 */

import { createRequire } from 'node:module'
import { measured } from './keyed-check.ts'
import { Pool } from './pool.ts'

interface Consumer {
  connect(options: object, done: (error: Error | null) => void): void
  subscribe(topics: readonly string[]): void
  setDefaultConsumeTimeout(timeoutMs: number): void
  consume(
    count: number,
    take: (error: Error | null, messages: readonly { readonly value: Buffer }[]) => void,
  ): void
  disconnect(done: () => void): void
}

const { KafkaConsumer } = createRequire(new URL('../peers/package.json', import.meta.url))(
  'node-rdkafka',
) as { readonly KafkaConsumer: new (settings: object, topicSettings: object) => Consumer }

/** Without work there is no pool to fill. */
const AT_ONCE = 1_000
const CONSUME_TIMEOUT_MS = 50

await measured(async ({ bootstrap, topic, group, concurrency, workMs }, check) => {
  const { handler } = check
  const pool = new Pool(concurrency)
  const consumer = new KafkaConsumer(
    { 'bootstrap.servers': bootstrap, 'group.id': group },
    { 'auto.offset.reset': 'earliest' },
  )
  await new Promise<void>((resolve, reject) => {
    consumer.connect({}, (error) => (error === null ? resolve() : reject(error)))
  })
  consumer.subscribe([topic])
  consumer.setDefaultConsumeTimeout(CONSUME_TIMEOUT_MS)
  let isOver = false
  const next = async () => {
    if (pool.free <= 0) await pool.room()
    if (isOver) return
    consumer.consume(workMs === 0 ? AT_ONCE : pool.free, (error, messages) => {
      if (error !== null) throw error
      for (const { value } of messages) void pool.start(() => handler(value))
      void next()
    })
  }
  void next()
  return async () => {
    isOver = true
    await new Promise<void>((resolve) => consumer.disconnect(resolve))
  }
})
