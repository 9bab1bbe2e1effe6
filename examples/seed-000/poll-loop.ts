/**
 * Process first, commit afterwards, without waiting for the answer.
 *
 * A commit covers what was handled, never what was polled: the next poll cannot slip a record that is still in work under
 * it, which is how the page's `commit()` loses one.
 */

import { pollConsumer, type Message } from 'shoal'
import { kafka } from 'shoal/kafka'

const consumer = await pollConsumer({
  group: 'my-transaction-processor-group',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['InputTopicName'],
    offsetReset: 'earliest',
  }),
  decode: 'text',
  autoCommit: false, // data safety: nothing is committed that was not processed
})
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

try {
  while (!stop.signal.aborted) {
    const message = await consumer.poll('100ms')
    if (message === null) continue
    if (message.kind === 'partition-end') continue

    // Process first
    processRecord(message)

    // Commit explicitly after successful processing; the loop goes on while the broker stores it.
    await consumer.commit(message, { async: true })
  }
} finally {
  await consumer.close()
}

function processRecord({ partition, offset, value }: Message<string | null>): void {
  console.log(`${partition}/${offset}: ${value}`)
}
