/**
 * Shoal's runtime over a topic: as many records at a time as the concurrency says, in the order of their keys. Its defaults
 * but for `decode`, for the values are no JSON.
 */

import { subscribe } from 'node:diagnostics_channel'
import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'
import { measured } from './keyed-check.ts'

const NOTHING = new Uint8Array(0)

await measured(async ({ bootstrap, topic, group, concurrency }, check) => {
  const { handler } = check
  const joined = new Promise<void>((resolve) => subscribe('shoal:rebalance', () => resolve()))
  const running = await consumer({
    group,
    source: kafka({ brokers: bootstrap, topics: [topic], offsetReset: 'earliest' }),
    concurrency,
    decode: 'bytes',
    handle: (value) => handler(value ?? NOTHING),
  }).start()
  await joined
  return () => running.drain()
})
