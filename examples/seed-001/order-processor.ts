/**
 * Lines 386-452, "Setting Up a Consumer Group", in TypeScript: the same shape, call by call.
 */

import { setTimeout } from 'node:timers/promises'
import { newConsumer, type Message } from 'shoal/client'

// Handle shutdown
const shutdown = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => shutdown.abort())

// Create consumer
await using consumer = await newConsumer({
  brokers: [process.env['SHOAL_BROKERS'] ?? 'localhost:8080'],
  groupId: 'order-processor',
  topics: ['orders'],
  autoCommit: false, // Manual commit for at-least-once
  signal: shutdown.signal,
})

// Consume loop
while (!shutdown.signal.aborted) {
  let messages: readonly Message[]
  try {
    messages = await consumer.poll(100)
  } catch (error) {
    console.log('Poll error:', error)
    if (!isPassing(error)) throw error
    await setTimeout(1_000, undefined, { signal: shutdown.signal })
    continue
  }

  for (const message of messages) {
    // Process message
    try {
      await processOrder(message)
    } catch (error) {
      console.log(`Process error: ${(error as Error).message}`)
      await consumer.nack(message) // Will retry
      continue
    }
    await consumer.ack(message) // Commit offset
  }
}
console.log('Left the group')

async function processOrder(message: Message): Promise<void> {
  // Your processing logic
  if (message.text() === 'flaky' && message.deliveryCount === 1) throw new Error('no stock')
  console.log(`Processed ${message.text()}, delivery ${message.deliveryCount}`)
}

/** Whether it may work another time: a broker that restarts, not a group that refuses. */
function isPassing(error: unknown): boolean {
  return error instanceof Error && 'retriable' in error && error.retriable === true
}
