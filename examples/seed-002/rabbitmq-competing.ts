/** Seed 002, "RabbitMQ Competing Consumers": three workers on one queue, each message to one of them. */

import { setTimeout as sleep } from 'node:timers/promises'
import { open } from 'shoal/open'

const consumers = await Promise.all(
  Array.from({ length: 3 }, () =>
    // RABBITMQ_URL, or amqp://localhost:5672; a prefetch of one: who is busy gets nothing more
    open('amqp:', { topic: 'shared-queue', group: 'workers', prefetch: 1 }),
  ),
)
process.once('SIGINT', () => void Promise.all(consumers.map((consumer) => consumer.close())))

async function consume(client: (typeof consumers)[number], consumerId: number): Promise<void> {
  for await (const message of client.receive()) {
    console.log(`Worker ${consumerId} processing: ${message.value}`)
    await sleep(1_000) // Simulate work
    await client.ack(message)
  }
}

await Promise.all(consumers.map((consumer, id) => consume(consumer, id)))
