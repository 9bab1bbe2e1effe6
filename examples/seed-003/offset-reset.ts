/**
 * Where a group starts that has committed nothing: all that was ever written, or only what comes from now on.
 */

import { newConsumer } from 'shoal/client'
import { KafkaProducer } from 'shoal/kafka'

const address = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const topics = ['task-created']

// Process all historical events: data pipelines, audit logs.
const history = await newConsumer({
  brokers: `kafka://${address}`,
  groupId: 'audit',
  topics,
  autoOffsetReset: 'earliest',
})
// Only future events: real-time notifications.
const future = await newConsumer({
  brokers: `kafka://${address}`,
  groupId: 'notifications',
  topics,
  autoOffsetReset: 'latest',
})
// Joining takes a moment; a position is taken when the partitions are there.
while (future.assignment.length === 0) await future.poll({ timeout: '100ms' })

await using producer = await KafkaProducer.open({ brokers: address })
const value = new TextEncoder().encode('new')
await producer.send({ topic: 'task-created', partition: 0, key: null, value, headers: [] })

console.log(`earliest: ${(await read(history, 3)).join(', ')}`)
console.log(`latest: ${(await read(future, 1)).join(', ')}`)

async function read(consumer: typeof history, count: number): Promise<readonly string[]> {
  const values: string[] = []
  while (values.length < count)
    for (const message of await consumer.poll()) values.push(message.text())
  await consumer.close()
  return values
}
