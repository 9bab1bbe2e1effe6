/**
 * Process first, commit afterwards, without waiting for the answer.
 *
 * A commit names its record, so it never covers one that is still in work: what the page's `commit()` without a message
 * does not promise.
 */

import { newConsumer, type Message } from 'shoal/client'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const consumer = await newConsumer({
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'my-transaction-processor-group',
  topics: ['InputTopicName'],
  autoOffsetReset: 'earliest',
  autoCommit: false, // data safety: nothing is committed that was not processed
  signal: stop.signal, // ends a poll that waits
})

try {
  while (!stop.signal.aborted)
    for (const message of await consumer.poll({ timeout: '1s' })) {
      processRecord(message)
      // Asynchronous: the loop goes on while the broker stores it.
      consumer
        .ack(message)
        .catch((error: unknown) => console.log(`Commit failed: ${String(error)}`))
    }
} finally {
  await consumer.close() // stores what was acknowledged, and leaves the group
}

function processRecord(message: Message): void {
  console.log(`${message.partition}/${message.offset}: ${message.text()}`)
}
