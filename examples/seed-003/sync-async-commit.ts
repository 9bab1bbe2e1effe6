/**
 * Synchronous and asynchronous commits. Who needs certainty awaits the broker's answer; who does not, goes on, and a commit
 * that fails is logged and repaired by the next one instead of failing silently.
 */

import { setTimeout } from 'node:timers/promises'
import { pollConsumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import { openKafkaOffsets } from './committed.ts'

const brokers = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const committed = openKafkaOffsets(brokers, 'sync-async', 'task-created')
const consumer = await pollConsumer({
  group: 'sync-async',
  source: kafka({ brokers, topics: ['task-created'] }),
  partitionEnds: false,
})
const next = async () => {
  let message = await consumer.poll()
  while (message?.kind !== 'message') message = await consumer.poll()
  return message
}

// Synchronous: the broker has confirmed when it resolves.
await consumer.commit(await next(), { async: false })
console.log(`synchronous: committed ${await committed()}`)

// Asynchronous: the loop goes on, the commit happens in the background.
await consumer.commit(await next(), { async: true })
console.log('asynchronous: the loop goes on')
while ((await committed()) !== 2) await setTimeout(10)
console.log(`asynchronous: committed ${await committed()}`)
await consumer.close()
