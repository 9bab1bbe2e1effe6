/**
 * Queues and exchanges behind topics: their names, and making them. Declared again on every connection, which changes
 * nothing when they are there.
 *
 *   one shard        publisher ─▶ default exchange ─▶ queue `orders`
 *   put off          publisher ─▶ queue `orders.shoal-later.60000` ─ its time is up: dead-letter exchange ─▶ queue `orders`
 *   several shards   publisher ─▶ exchange `orders` (consistent hash of the routing key) ─▶ `orders.0` `orders.1` …
 */

import type { Channel } from 'amqplib'
import type { RabbitSettings } from './options.ts'
import { troubleOf } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'

/** A queue of waiting messages that nobody has asked for so much longer than they wait is empty, and goes. */
const UNUSED_MS = 3_600_000
/** The protocol's own limit of a time, seven weeks. */
const LONGEST_MS = 2 ** 32 - 1

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
    await link.end(channel)
  }
}

/**
 * The queue in which messages wait for so long before they come back to their own. Declared before each message: what was
 * declared last expires long after the last of them has left.
 */
export async function declareDelay(
  link: RabbitLink,
  { queueType }: RabbitSettings,
  queue: string,
  afterMs: number,
): Promise<string> {
  const channel = await link.channel()
  const name = `${queue}.shoal-later.${Math.ceil(afterMs)}`
  try {
    await link.limited(
      channel.assertQueue(name, {
        durable: true,
        arguments: {
          'x-queue-type': queueType,
          'x-message-ttl': Math.ceil(afterMs),
          'x-expires': Math.min(2 * Math.ceil(afterMs) + UNUSED_MS, LONGEST_MS),
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': queue,
          // The message stays until its own queue has it; quorum queues alone can do that.
          ...(queueType === 'quorum'
            ? { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' }
            : {}),
        },
      }),
    )
    return name
  } finally {
    await link.end(channel)
  }
}

export function queueExists(link: RabbitLink, queue: string): Promise<boolean> {
  return isThere(link, (channel) => channel.checkQueue(queue))
}

export function exchangeExists(link: RabbitLink, exchange: string): Promise<boolean> {
  return isThere(link, (channel) => channel.checkExchange(exchange))
}

async function isThere(
  link: RabbitLink,
  ask: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
  const channel = await link.channel()
  try {
    await link.limited(ask(channel))
    return true
  } catch (error) {
    if (troubleOf(error) === 'gone') return false
    throw error
  } finally {
    await link.end(channel)
  }
}

async function bind(link: RabbitLink, channel: Channel, topic: string, shardCount: number) {
  await link.limited(channel.assertExchange(topic, 'x-consistent-hash', { durable: true }))
  for (let shard = 0; shard < shardCount; shard++)
    await link.limited(channel.bindQueue(queueName(topic, shard, shardCount), topic, WEIGHT))
}
