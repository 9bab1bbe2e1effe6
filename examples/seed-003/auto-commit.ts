/**
 * Auto-commit, and the page's timeline of how it loses a message, which does not happen here: the message at offset 100 is
 * in work when the timer commits, so the commit stops before it.
 */

import { newConsumer } from 'shoal/client'
import { openKafkaOffsets } from './committed.ts'

const address = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const config = {
  brokers: `kafka://${address}`,
  groupId: 'my-service',
  topics: ['timeline'],
  autoCommit: true,
  autoCommitInterval: '50ms',
} as const
const offsets = openKafkaOffsets(address, 'my-service', 'timeline')

const consumer = await newConsumer(config)
let messages = await consumer.poll({ max: 100 })
while (messages.length === 0) messages = await consumer.poll({ max: 100 })
let [inWork] = await consumer.poll({ max: 1 })
while (inWork === undefined) [inWork] = await consumer.poll({ max: 1 })
console.log(`T=0  poll() returns the message at offset ${inWork.offset}`)
console.log('T=1  processing starts')
while ((await offsets()) !== 100);
console.log(`T=2  auto-commit happens: the group has committed ${await offsets()}`)
console.log('T=3  processing fails, the consumer crashes')
await consumer.close()

const restarted = await newConsumer(config)
let [again] = await restarted.poll({ max: 1 })
while (again === undefined) [again] = await restarted.poll({ max: 1 })
console.log(`T=4  the consumer restarts and gets the message at offset ${again.offset} again`)
await restarted.close()
