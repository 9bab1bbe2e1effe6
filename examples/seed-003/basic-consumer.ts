/**
 * The basic configuration, and the line that the page shows for it.
 */

import { newConsumer } from 'shoal/client'

const consumer = await newConsumer({
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'task-notification-service',
  topics: ['task-created'],
  autoOffsetReset: 'earliest',
  autoCommit: true,
  autoCommitInterval: '5s',
})
console.log('Consumer created with group.id: task-notification-service')
await consumer.close()
