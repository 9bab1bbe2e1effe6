/** Seed 002, "Kafka Consumer Groups": three members of a group in one process. Each partition goes to one of them. */

import { open } from 'shoal/open'

const consumers = await Promise.all(
  Array.from({ length: 3 }, () =>
    // KAFKA_BOOTSTRAP_SERVERS, or localhost:9092
    open('kafka:', { topic: 'my-topic', group: 'my-group', offsetReset: 'earliest' }),
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
