/**
 * Fills a Redis stream, a BullMQ queue or a RabbitMQ queue: keys in turn, values of 100 bytes that begin with their key's
 * sequence number, as `fill-keyed.ts` does for a topic.
 */

import { createRequire } from 'node:module'
import { connect } from 'amqplib'
import { Redis } from 'ioredis'

export const VALUE_BYTES = 100
const KEYS = 200
const BATCH = 5_000

export interface QueueFill {
  readonly url: string
  readonly topic: string
  readonly count: number
}

interface BullQueue {
  addBulk(jobs: readonly object[]): Promise<unknown>
  close(): Promise<void>
}

export async function fillStream({ url, topic, count }: QueueFill): Promise<void> {
  const redis = new Redis(url)
  for (let from = 0; from < count; from += BATCH) {
    const pipeline = redis.pipeline()
    for (const { key, value } of keyed(from, count))
      pipeline.xadd(topic, '*', 'key', key, 'value', value)
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
  redis.disconnect()
}

/** Job options are those that cost least: done jobs are removed, nothing is tried again. */
export async function fillBullQueue({ url, topic, count }: QueueFill): Promise<void> {
  const { Queue } = createRequire(`${import.meta.dirname}/../peers/`)('bullmq') as {
    Queue: new (name: string, options: object) => BullQueue
  }
  const { hostname: host, port } = new URL(url)
  const queue = new Queue(topic, { connection: { host, port: Number(port) } })
  const opts = { removeOnComplete: true, removeOnFail: true }
  for (let from = 0; from < count; from += BATCH)
    await queue.addBulk(
      keyed(from, count).map(({ key, sequence, value }) => ({
        name: 'r',
        data: { key, sequence, text: value.toString('latin1') },
        opts,
      })),
    )
  await queue.close()
}

/** Into a queue as Shoal's source declares it, so that both read the same kind. */
export async function fillQueue({ url, topic, count }: QueueFill): Promise<void> {
  const connection = await connect(url)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(topic, {
    durable: true,
    arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true },
  })
  for (let from = 0; from < count; from += BATCH) {
    for (const { key, value } of keyed(from, count))
      channel.sendToQueue(topic, value, {
        persistent: true,
        headers: { 'shoal-key': Buffer.from(key) },
      })
    await channel.waitForConfirms()
  }
  await connection.close()
}

function keyed(from: number, count: number) {
  return Array.from({ length: Math.min(BATCH, count - from) }, (_, index) => {
    const sequence = Math.floor((from + index) / KEYS)
    const value = Buffer.alloc(VALUE_BYTES)
    value.writeUInt32BE(sequence)
    return { key: `key-${(from + index) % KEYS}`, sequence, value }
  })
}
