/**
 * Manual commit: what fails is not committed, and neither is anything behind it in its partition, so that it is there after
 * a restart. On the page the next success would have committed past the failure.
 */

import { newConsumer } from 'shoal/client'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const consumer = await newConsumer({
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'task-audit-service',
  topics: ['task-created'],
  autoOffsetReset: 'earliest',
  autoCommit: false, // disable auto-commit
  sessionTimeout: '6s',
  signal: stop.signal, // ends a poll that waits
})

try {
  while (!stop.signal.aborted)
    for (const message of await consumer.poll({ timeout: '1s' }))
      try {
        // Your business logic, such as a write to a database.
        saveToAuditLog(message.json())
        // Acknowledge after it succeeded: stored when this resolves.
        await consumer.ack(message)
        console.log(`Processed and committed offset ${message.offset}`)
      } catch (error) {
        console.log(`Processing failed: ${(error as Error).message}`)
        // Not acknowledged: the message is processed again after a restart.
      }
} finally {
  await consumer.close()
}

/** A database that is down for the fourth task, until the process was restarted. */
function saveToAuditLog(task: unknown): void {
  const isDown = process.env['DATABASE'] === 'down' && (task as { id: number }).id === 4
  if (isDown) throw new Error('Database connection error')
}
