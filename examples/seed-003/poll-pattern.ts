/**
 * The pattern of every consumer: poll, process, commit.
 */

import { newConsumer, type Message } from 'shoal/client'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const consumer = await newConsumer({
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'poll-pattern',
  topics: ['task-created'],
  autoCommit: false,
  signal: stop.signal, // ends a poll that waits
})

while (!stop.signal.aborted) {
  const messages = await consumer.poll({ timeout: '1s' })
  for (const message of messages) {
    handle(message)
    await consumer.commit(message) // or auto-commit
  }
}
await consumer.close()

function handle(message: Message): void {
  console.log(`${message.text()} at ${message.offset}`)
}
