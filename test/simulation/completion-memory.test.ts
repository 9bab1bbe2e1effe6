/**
 * What a crash repeats, with completion memory and without: 4,000 records of 200 keys in 4 partitions, work of 200 ms on
 * average, one commit every 500 ms, and three crashes in the middle of it.
 *
 * Counted is every record whose handler had ended and that was handled again. What is under way at a crash is repeated
 * by anybody and does not count. Virtual time: under a second for all seeds.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock, randomBelow, seededRandom } from '../../src/core/index.ts'
import { consumerWith } from '../../src/consumer/consumer.ts'
import { engineParts } from '../../src/consumer/engine-parts.ts'
import { MemoryBroker } from '../../src/consumer/index.ts'
import type { Ctx } from '../../src/consumer/index.ts'
import { mortalTimers } from './mortal-timers.ts'

const RECORDS = 4_000
const KEYS = 200
const PARTITIONS = 4
const CRASHES = 3

async function repeats(seed: number, completionMemory: boolean): Promise<number> {
  const random = seededRandom(seed)
  const clock = new VirtualClock()
  const broker = new MemoryBroker({ clock, timers: clock })
  broker.createTopic('orders', PARTITIONS)
  for (let index = 0; index < RECORDS; index++) {
    const key = randomBelow(random, KEYS)
    broker.append({
      topic: 'orders',
      partition: key % PARTITIONS,
      key: Uint8Array.of(key),
      value: null,
    })
  }
  const done = new Set<string>()
  let repeated = 0
  for (let life = 0; life <= CRASHES; life++) {
    let crashed = false
    const handle = (_value: unknown, { id }: Ctx) =>
      new Promise<void>((resolve) => {
        // Most work is short, some is long: the mean is 200 ms.
        clock.schedule(-200 * Math.log(1 - random.next()), () => {
          if (crashed) return
          if (done.has(id)) repeated++
          done.add(id)
          resolve()
        })
      })
    const running = await consumerWith(
      {
        group: 'billing',
        source: broker.source({ topics: ['orders'] }),
        commit: { every: 500 },
        completionMemory,
        handle,
        clock,
        timers: mortalTimers(clock, () => crashed),
        random,
      },
      engineParts,
    ).start()
    if (life === CRASHES) {
      for (let left = 1_000; done.size < RECORDS && left > 0; left--) await clock.advance(1_000)
      assert.equal(done.size, RECORDS)
      running.pause('the end')
    } else {
      await clock.advance(1_000 + randomBelow(random, 800))
      crashed = true
      const [memberId = ''] = broker.group('billing').memberIds
      broker.group('billing').crash(memberId)
    }
  }
  return repeated
}

describe('what a crash repeats', () => {
  test('with completion memory is at most a quarter of what it is without', async (context) => {
    let [withMemory, without] = [0, 0]
    for (let seed = 1; seed <= 5; seed++) {
      withMemory += await repeats(seed, true)
      without += await repeats(seed, false)
    }
    context.diagnostic(`repeated: ${withMemory} with memory, ${without} without`)
    assert.ok(without > 0)
    assert.ok(withMemory * 4 <= without, `${withMemory} with memory, ${without} without`)
  })
})
