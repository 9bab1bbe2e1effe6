/**
 * Manual commit: what fails is not committed, and neither is anything behind it in its partition, so that it is there after
 * a restart. On the page the next success would have committed past the failure.
 */

import { pollConsumer } from 'shoal'
import { kafka } from 'shoal/kafka'

const consumer = await pollConsumer({
  group: 'task-audit-service',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
    offsetReset: 'earliest',
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 1_000,
  }),
  decode: 'json',
  autoCommit: false, // disable auto-commit
})
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

try {
  while (!stop.signal.aborted) {
    const message = await consumer.poll('100ms')
    if (message?.kind !== 'message') continue
    try {
      // Your business logic, such as a write to a database.
      saveToAuditLog(message.value)
      // Commit after it succeeded: stored when this resolves.
      await consumer.commit(message)
      console.log(`Processed and committed offset ${message.offset}`)
    } catch (error) {
      console.log(`Processing failed: ${(error as Error).message}`)
      // Not committed: the message is processed again after a restart.
    }
  }
} finally {
  await consumer.close()
}

/** A database that is down for the fourth task, until the process was restarted. */
function saveToAuditLog(task: unknown): void {
  const isDown = process.env['DATABASE'] === 'down' && (task as { id: number }).id === 4
  if (isDown) throw new Error('Database connection error')
}
