/**
 * A handler far slower than the session timeout: the member stays, because heartbeats do not wait for handlers.
 */

import { setTimeout } from 'node:timers/promises'
import { consumer, telemetry } from 'shoal'
import { kafka } from 'shoal/kafka'

let rebalances = 0
telemetry.rebalance.subscribe(({ kind }) => {
  if (kind === 'assigned') rebalances++
})

const running = await consumer({
  group: 'slow-http',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['requests'],
    sessionTimeoutMs: 1_000,
    heartbeatIntervalMs: 100,
  }),
  handle: async () => {
    await setTimeout(3_000) // "a 30 s HTTP request", beside a session timeout of a third of it
    console.log(`Done after three session timeouts, assigned ${rebalances} time`)
    void running.drain()
  },
}).start()

const { handled } = await running.finished
console.log(`Handled once: ${handled === 1}`)
