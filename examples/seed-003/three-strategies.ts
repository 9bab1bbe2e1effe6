/**
 * Three consumers of one topic, three strategies: a dashboard that shows what is live, an audit log that misses nothing,
 * statistics that are counted in batches.
 */

import { newConsumer, type Message } from 'shoal/client'
import { openKafkaOffsets } from './committed.ts'

const address = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const base = { brokers: `kafka://${address}`, topics: ['task-events'] }

// 1. Dashboard: live counts; a lost event is gone with the next refresh. latest, auto-commit.
const dashboard = await newConsumer({
  ...base,
  groupId: 'dashboard',
  autoOffsetReset: 'latest',
  autoCommit: true,
})
while (dashboard.assignment.length === 0) await dashboard.poll({ timeout: '100ms' })
console.log(`dashboard: ${(await dashboard.poll({ timeout: '200ms' })).length} old events`)
await dashboard.close()

// 2. Audit: never miss an event. earliest, manual commit of each message.
const audit = await newConsumer({
  ...base,
  groupId: 'audit',
  autoOffsetReset: 'earliest',
  autoCommit: false,
})
for (const message of await take(audit, 4)) await audit.ack(message)
console.log(`audit: committed ${await openKafkaOffsets(address, 'audit', 'task-events')()}`)
await audit.close()

// 3. Analytics: throughput counts, a batch may repeat. earliest, one commit for each batch.
const analytics = await newConsumer({
  ...base,
  groupId: 'analytics',
  autoOffsetReset: 'earliest',
  autoCommit: false,
})
const batch = await take(analytics, 4)
await analytics.commitAll()
console.log(
  `analytics: ${batch.length} events in one commit of ${await openKafkaOffsets(address, 'analytics', 'task-events')()}`,
)
await analytics.close()

async function take(consumer: typeof audit, count: number): Promise<readonly Message[]> {
  const messages: Message[] = []
  while (messages.length < count)
    messages.push(...(await consumer.poll({ max: count - messages.length })))
  return messages
}
