/**
 * A member that reads numbers and writes each to two topics, exactly once. Says when it has partitions, how many handlers
 * ended, in tens, and why it ended itself.
 */

import { setTimeout } from 'node:timers/promises'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import { kafka } from '../../src/sources/kafka/index.ts'

const [, , brokers = '', group = '', instance = ''] = process.argv
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
let ended = 0

telemetry.rebalance.subscribe(({ kind, partitions }) => {
  if (kind === 'assigned' && partitions.length > 0) process.stdout.write('assigned\n')
})

try {
  const running = await consumer({
    group,
    exactlyOnce: true,
    source: kafka({
      brokers,
      topics: ['in'],
      groupProtocol: 'classic',
      groupInstanceId: instance,
      sessionTimeoutMs: 6_000,
      heartbeatIntervalMs: 500,
    }),
    decode: 'text',
    concurrency: 6,
    commit: { every: 50 },
    // The test kills innocents.
    retry: { crashes: false },
    handle: async (value, ctx) => {
      await setTimeout(5 + ((ctx.offset * 7) % 10))
      const output = { key: ctx.key, value: `${ctx.partition}/${ctx.offset} ${value}` }
      ctx.send({ topic: 'out-a', ...output })
      ctx.send({ topic: 'out-b', ...output })
      if (++ended % 10 === 0) process.stdout.write(`${ended}\n`)
    },
  }).start({ signal: stop.signal })
  await running.finished
} catch (error) {
  process.stdout.write(`ended by ${String(error)}\n`)
  process.exitCode = 3
}
