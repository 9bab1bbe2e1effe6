/** Seed 002, "Redis Stream Consumer Groups": three named consumers of one group, with acknowledgement. */

import { open } from 'shoal/open'

const consumers = await Promise.all(
  Array.from({ length: 3 }, (_, i) =>
    // REDIS_URL, or redis://localhost:6379; a few entries at a time, so that each gets some
    open('redis:', {
      topic: 'my-stream',
      group: 'my-group',
      consumerName: `consumer-${i}`,
      count: 2,
    }),
  ),
)
process.once('SIGINT', () => void Promise.all(consumers.map((consumer) => consumer.close())))

async function consume(client: (typeof consumers)[number], consumerId: number): Promise<void> {
  for await (const message of client.receive()) {
    console.log(`Consumer ${consumerId} received: ${message.value}`)
    await client.ack(message)
  }
}

await Promise.all(consumers.map((consumer, id) => consume(consumer, id)))
