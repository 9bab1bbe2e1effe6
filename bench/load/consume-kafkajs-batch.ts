/**
 * kafkajs `eachBatch` with a pool: all partitions at once, as many records as the concurrency says, whatever their keys;
 * a batch ends when all of its records have.
 */

import { Kafka, logLevel } from 'kafkajs'
import { measured } from './keyed-check.ts'
import { Pool } from './pool.ts'

const PARTITIONS_AT_ONCE = 8

await measured(async ({ bootstrap, topic, group, concurrency }, check) => {
  const { handler } = check
  const pool = new Pool(concurrency)
  const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).consumer({
    groupId: group,
  })
  const joined = new Promise<void>((resolve) => {
    consumer.on(consumer.events.GROUP_JOIN, () => resolve())
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
    eachBatch: async ({ batch, heartbeat }) => {
      const running: Promise<void>[] = []
      for (const { value } of batch.messages) {
        if (pool.free <= 0) await pool.room()
        const task = pool.start(() => handler(value!))
        if (task !== undefined) running.push(task)
      }
      await Promise.all(running)
      await heartbeat()
    },
  })
  await joined
  return () => consumer.disconnect()
})
