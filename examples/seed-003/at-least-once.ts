/**
 * At least once, with processing that may safely be repeated: the event's id is the key of what is stored.
 */

import { pollConsumer } from 'shoal'
import { kafka } from 'shoal/kafka'

interface Event {
  readonly id: string
}
interface Result {
  readonly success: boolean
  readonly skipped?: boolean
  readonly error?: string
}

const auditLog = new Map<string, Event>()
const consumer = await pollConsumer({
  group: 'at-least-once',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
  }),
  decode: 'json',
})
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

while (!stop.signal.aborted) {
  const message = await consumer.poll('100ms')
  if (message?.kind !== 'message') continue
  // Process message
  const result = processTaskEvent(message.value as Event)
  // Only commit if processing succeeded
  if (result.success) await consumer.commit(message)
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
