/**
 * At least once, with processing that may safely be repeated: the event's id is the key of what is stored.
 */

import { newConsumer } from 'shoal/client'

interface Event {
  readonly id: string
}
interface Result {
  readonly success: boolean
  readonly skipped?: boolean
  readonly error?: string
}

const auditLog = new Map<string, Event>()
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const consumer = await newConsumer({
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'at-least-once',
  topics: ['task-created'],
  autoCommit: false,
  signal: stop.signal, // ends a poll that waits
})

while (!stop.signal.aborted)
  for (const message of await consumer.poll({ timeout: '1s' })) {
    // Process message
    const result = processTaskEvent(message.json() as Event)
    // Only commit if processing succeeded
    if (result.success) await consumer.ack(message)
    else console.log(`Failed to process: ${result.error}`)
    console.log(`offset ${message.offset}: ${JSON.stringify(result)}`)
  }
await consumer.close()

/** Idempotent: uses the event's id as primary key. */
function processTaskEvent(event: Event): Result {
  if (auditLog.has(event.id)) return { success: true, skipped: true }
  auditLog.set(event.id, event)
  return { success: true }
}
