/**
 * Queues and exchanges behind topics: their names, and making them. Declared again on every connection, which changes
 * nothing when they are there.
 *
 *   one shard        publisher ─▶ default exchange ─▶ queue `orders`
 *   several shards   publisher ─▶ exchange `orders` (consistent hash of the routing key) ─▶ `orders.0` `orders.1` …
 */

import type { Channel } from 'amqplib'
import type { RabbitSettings } from './options.ts'
import { troubleOf } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'

/** Equal shares of the keys. */
const WEIGHT = '1'

export function queueName(topic: string, shard: number, shardCount: number): string {
  return shardCount === 1 ? topic : `${topic}.${shard}`
}

/** Makes what is missing of a topic. @throws when something of the name is there with other properties */
export async function declareTopic(
  link: RabbitLink,
  settings: RabbitSettings,
  topic: string,
  shardCount: number,
): Promise<void> {
  const channel = await link.channel()
  try {
    const isOrdered = settings.sharing === 'ordered'
    for (let shard = 0; shard < shardCount; shard++)
      await link.limited(
        channel.assertQueue(queueName(topic, shard, shardCount), {
          durable: true,
          arguments: {
            'x-queue-type': settings.queueType,
            ...(isOrdered ? { 'x-single-active-consumer': true } : {}),
          },
        }),
      )
    if (shardCount > 1) await bind(link, channel, topic, shardCount)
  } finally {
    // A channel that was closed by an error is closed.
    await channel.close().catch(() => {})
  }
}

export async function queueExists(link: RabbitLink, queue: string): Promise<boolean> {
  const channel = await link.channel()
  try {
    await link.limited(channel.checkQueue(queue))
    return true
  } catch (error) {
    if (troubleOf(error) === 'refused') return false
    throw error
  } finally {
    // Asking for a queue that is not there closes the channel.
    await channel.close().catch(() => {})
  }
}

async function bind(link: RabbitLink, channel: Channel, topic: string, shardCount: number) {
  await link.limited(channel.assertExchange(topic, 'x-consistent-hash', { durable: true }))
  for (let shard = 0; shard < shardCount; shard++)
    await link.limited(channel.bindQueue(queueName(topic, shard, shardCount), topic, WEIGHT))
}
