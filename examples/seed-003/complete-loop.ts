/**
 * The complete loop of the page: subscribes, prints each task with its place, tells the end of each partition, and leaves
 * when it is asked to. A value that is not JSON goes to the dead letters instead of ending the loop.
 */

import { pollConsumer } from 'shoal'
import { kafka } from 'shoal/kafka'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.log('Shutdown signal received...')
    stop.abort()
  })

const consumer = await pollConsumer({
  group: 'task-notification-service',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
    offsetReset: 'earliest',
  }),
  autoCommit: true,
  commit: { every: '5s' },
  decode: 'json',
  deadLetter: 'task-created.dlq',
})
console.log('Subscribed to topic: task-created')

try {
  while (!stop.signal.aborted) {
    const message = await consumer.poll('100ms')
    if (message === null) continue // nothing came within the timeout
    if (message.kind === 'partition-end') {
      // Not an error: everything that there is was read. More may come.
      console.log(`Reached end of partition ${message.partition}`)
      continue
    }
    const { title = 'unknown' } = message.value as { title?: string }
    console.log(`Received task: ${title}`)
    console.log(`  Key: ${message.key}`)
    console.log(`  Partition: ${message.partition}, Offset: ${message.offset}`)
    // Your business logic here: send a notification.
  }
} finally {
  console.log('Closing consumer...')
  await consumer.close()
  console.log('Consumer closed.')
}
