/**
 * Synchronous and asynchronous commits: one method, a promise. Who needs certainty awaits it; who does not, goes on, and
 * hears of a failure all the same.
 */

import { newConsumer } from 'shoal/client'
import { openKafkaOffsets } from './committed.ts'

const address = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const committed = openKafkaOffsets(address, 'sync-async', 'task-created')
const consumer = await newConsumer({
  brokers: `kafka://${address}`,
  groupId: 'sync-async',
  topics: ['task-created'],
  autoCommit: false,
})
let messages = await consumer.poll({ max: 2 })
while (messages.length < 2) messages = [...messages, ...(await consumer.poll({ max: 1 }))]
const [first, second] = messages
if (first === undefined || second === undefined) throw new Error('two messages were polled')

// Synchronous: the broker has confirmed when it resolves.
await consumer.commit(first)
console.log(`synchronous: committed ${await committed()}`)

// Asynchronous: returns at once, and fails by name, not silently.
const storing = consumer.commit(second).catch((error: unknown) => console.log(String(error)))
console.log('asynchronous: the loop goes on')
await storing
console.log(`asynchronous: committed ${await committed()}`)
await consumer.close()
