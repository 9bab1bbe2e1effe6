import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { VirtualClock, seededRandom } from '../../core/index.ts'
import { consumer } from '../consumer.ts'
import { HeldHandler, World } from '../fixtures.test.ts'
import { MemoryBroker } from '../memory-broker/memory-broker.ts'
import type { Ctx, UntypedOptions } from '../options.ts'
import { AdaptiveLimit } from './adaptive-limit.ts'
import { TokenBucket } from './token-bucket.ts'

describe('a rate limit', () => {
  test('never lets more start than its rate and burst allow, and no fewer', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 50 }),
        (records, burst, waits) => {
          const bucket = new TokenBucket({ records, perMs: 1_000, burst })
          let [nowMs, taken] = [0, 0]
          for (const wait of waits) {
            nowMs += wait
            while (bucket.has(nowMs)) {
              bucket.take()
              taken++
            }
            assert.ok(taken <= burst + (nowMs * records) / 1_000 + 1e-6)
            assert.ok(bucket.has(bucket.nextMs(nowMs)) || bucket.nextMs(nowMs) > nowMs)
          }
        },
      ),
    )
  })

  test('holds for the consumer as a whole', async () => {
    const world = new World()
    world.produce(Array.from({ length: 100 }, (_, index) => `k${index}`))
    let handled = 0
    const running = await world.start({
      rate: { records: 10, burst: 5 },
      handle: () => void handled++,
    })
    assert.equal(handled, 5)
    await world.pass(2_000)
    assert.deepEqual([24, 25].includes(handled), true, `${handled}`)
    await world.pass(10_000)
    assert.equal(handled, 100)
    await world.drain(running)
  })
})

describe('topics that are not alike', () => {
  async function two(options: Partial<UntypedOptions>) {
    const clock = new VirtualClock()
    const broker = new MemoryBroker({ clock, timers: clock })
    for (const topic of ['alerts', 'bulk']) broker.createTopic(topic, 1)
    const produce = (topic: string, count: number) => {
      for (let index = 0; index < count; index++)
        broker.append({ topic, key: new TextEncoder().encode(`${index}`), value: null })
    }
    const held = new HeldHandler()
    const start = async () => {
      const running = await consumer({
        group: 'g',
        source: broker.source({ topics: ['bulk', 'alerts'] }),
        clock,
        timers: clock,
        random: seededRandom(1),
        handle: held.handle,
        ...options,
      } as UntypedOptions).start()
      // The first commit says that somebody is at work; then records start.
      await clock.advance(1)
      return running
    }
    return { clock, produce, held, start }
  }
  const topicsOf = (held: HeldHandler) => held.open.map(({ ctx }) => ctx.topic)

  test('reserved slots are there when their topic comes, and only then taken', async () => {
    const { clock, produce, held, start } = await two({
      concurrency: 5,
      topics: { alerts: { reservedSlots: 2 } },
    })
    produce('bulk', 20)
    const running = await start()
    assert.deepEqual(topicsOf(held), ['bulk', 'bulk', 'bulk'])
    produce('alerts', 5)
    await clock.advance(1)
    assert.deepEqual(topicsOf(held).toSorted(), ['alerts', 'alerts', 'bulk', 'bulk', 'bulk'])
    held.open.find(({ ctx }) => ctx.topic === 'bulk')?.done()
    await clock.advance(1)
    assert.equal(held.open.length, 5)
    await Promise.race([running.drain(0), clock.advance(20_000)])
  })

  test('the topic with the higher priority goes first', async () => {
    const { clock, produce, held, start } = await two({
      concurrency: 1,
      topics: { alerts: { priority: 10 } },
    })
    produce('bulk', 3)
    produce('alerts', 3)
    const running = await start()
    const order: string[] = []
    for (let left = 6; left > 0; left--) {
      order.push(...topicsOf(held))
      held.open[0]?.done()
      await clock.advance(1)
    }
    assert.deepEqual(order.slice(0, 3), ['alerts', 'alerts', 'alerts'])
    assert.equal(order.length, 6)
    await Promise.race([running.drain(0), clock.advance(20_000)])
  })

  test('a rate of one topic does not slow the other', async () => {
    const handled: Record<string, number> = { alerts: 0, bulk: 0 }
    const { clock, produce, start } = await two({
      topics: { bulk: { rate: { records: 1, burst: 1 } } },
      handle: (_: unknown, { topic }: Ctx) => void (handled[topic] = (handled[topic] ?? 0) + 1),
    })
    produce('bulk', 20)
    produce('alerts', 50)
    const running = await start()
    await clock.advance(5_500)
    assert.deepEqual(handled, { alerts: 50, bulk: 6 })
    await Promise.race([running.drain(0), clock.advance(20_000)])
  })
})

/** A service that takes 10 ms for up to `capacity` at once, and queues the rest. */
function settledLimit(policy: { targetMs: number | null }, capacity: number): number {
  const limit = new AdaptiveLimit({ start: 5, min: 1, max: 500, ...policy })
  const seen: number[] = []
  for (let count = 0; count < 40_000; count++) {
    const used = limit.limit
    limit.ended(10 * Math.max(1, used / capacity), true, used)
    if (count > 30_000) seen.push(limit.limit)
  }
  return seen.reduce((sum, each) => sum + each, 0) / seen.length
}

describe('adaptive concurrency', () => {
  test('settles near what the service behind it can take, with a target and without', () => {
    for (const capacity of [10, 50, 200]) {
      const aimed = settledLimit({ targetMs: 12 }, capacity)
      assert.ok(aimed > capacity * 0.8 && aimed < capacity * 1.4, `${capacity}: ${aimed}`)
      const found = settledLimit({ targetMs: null }, capacity)
      assert.ok(found > capacity * 0.6 && found < capacity * 2.5, `${capacity}: ${found}`)
    }
  })

  test('stays where it is while executions fail, and where it was never reached', () => {
    const limit = new AdaptiveLimit({ start: 20, min: 1, max: 100, targetMs: 50 })
    for (let count = 0; count < 500; count++) limit.ended(1, count % 2 === 0, 20)
    assert.equal(limit.limit, 20)
    for (let count = 0; count < 500; count++) limit.ended(1, true, 7)
    assert.equal(limit.limit, 20)
  })

  test('runs as many handlers as it has found', async () => {
    const world = new World()
    world.produce(Array.from({ length: 3_000 }, (_, index) => `k${index}`))
    let [open, most] = [0, 0]
    const running = await world.start({
      concurrency: { start: 2, max: 50, target: '20ms' },
      handle: async () => {
        most = Math.max(most, ++open)
        await new Promise<void>((resolve) => {
          world.clock.schedule(10 * Math.max(1, open / 8), resolve)
        })
        open--
      },
    })
    await world.pass(60_000)
    assert.equal(world.committed(), 3_000)
    assert.ok(most > 8 && most < 40, `${most}`)
    await world.drain(running)
  })
})
