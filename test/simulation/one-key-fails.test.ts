/**
 * One key that fails for ever, among a hundred: what it costs the others, and what it takes of memory.
 *
 * A million records in ten minutes of virtual time, four partitions; the failing key is parked. Measured is how far the
 * other keys got, beside the same run without a failing key, and again and again what the consumer holds. Some 8 s.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock, seededRandom } from '../../src/core/index.ts'
import { MemoryBroker, consumer } from '../../src/consumer/index.ts'
import type { Ctx, Running } from '../../src/consumer/index.ts'

const RECORDS = 1_000_000
const KEYS = 100
const PARTITIONS = 4
const RUN_MS = 600_000
const STEP_MS = 1_000
const BUFFER = 2_000

interface Outcome {
  readonly others: number
  readonly mostBuffered: number
  readonly mostParked: number
  readonly disordered: number
}

async function run(failing: number | null): Promise<Outcome> {
  const clock = new VirtualClock()
  const broker = new MemoryBroker({ clock, timers: clock })
  broker.createTopic('orders', PARTITIONS)
  broker.createTopic('g.orders.parked', PARTITIONS)
  const keys = Array.from({ length: KEYS }, (_, key) => Uint8Array.of(key))
  let [others, disordered, produced] = [0, 0, 0]
  const last = new Float64Array(KEYS).fill(-1)
  let [mostBuffered, mostParked] = [0, 0]
  const look = () => {
    if (running === null) return
    const { delivered, handled, parked, recovered } = running.report()
    mostBuffered = Math.max(mostBuffered, delivered - handled - parked)
    mostParked = Math.max(mostParked, parked - recovered)
  }
  let running: Running | null = null
  running = await consumer({
    group: 'g',
    source: broker.source({ topics: ['orders'] }),
    clock,
    timers: clock,
    random: seededRandom(1),
    buffer: { records: BUFFER },
    retry: { attempts: 2, backoff: { kind: 'fixed', base: 50 }, finally: 'park-key' },
    handle: (_: unknown, { keyBytes, offset }: Ctx) => {
      const key = keyBytes?.[0] ?? 0
      if (offset % 50 === 0) look()
      if (key === failing) throw new Error('for ever')
      if (offset <= (last[key] ?? -1)) disordered++
      last[key] = offset
      others++
    },
  }).start()
  for (let passedMs = 0; passedMs < RUN_MS; passedMs += STEP_MS) {
    for (let left = (RECORDS * STEP_MS) / RUN_MS; left > 0; left--) {
      const key = keys[produced % KEYS] as Uint8Array
      broker.append({ topic: 'orders', partition: produced % PARTITIONS, key, value: null })
      produced++
    }
    await clock.advance(STEP_MS)
    look()
  }
  running.pause('the end')
  return { others, mostBuffered, mostParked, disordered }
}

describe('one key that fails for ever', () => {
  test('costs the others less than a twentieth, and memory has a bound', async (context) => {
    const healthy = await run(null)
    const sick = await run(7)
    // In the healthy run the key's own records count too.
    const share = sick.others / (healthy.others * (1 - 1 / KEYS))
    context.diagnostic(
      `others ${sick.others} of ${RECORDS}, share ${share.toFixed(3)}; at most ${sick.mostBuffered} in memory, ${sick.mostParked} parked`,
    )
    assert.ok(share >= 0.95, `${share}`)
    assert.deepEqual([sick.disordered, healthy.disordered], [0, 0])
    assert.ok(sick.mostBuffered <= BUFFER + 500 * PARTITIONS, `${sick.mostBuffered}`)
    assert.ok(sick.mostParked > 9_000, `${sick.mostParked}`)
  })
})
