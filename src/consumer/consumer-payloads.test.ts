/** What a payload is read as, and where one goes that cannot be read. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { GROUP, LETTERS, TOPIC, World, bytes, letterHeader, text } from './fixtures.test.ts'

describe('payloads', () => {
  const Order = z.object({ index: z.number() })

  test('a handler gets what its schema made of the value', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const seen: unknown[] = []
    for (const schema of [Order, Order.refine(async () => true)]) {
      const running = await world.start({ schema, handle: (order) => void seen.push(order) })
      await world.pass(10)
      await world.drain(running)
      world.broker.group(GROUP).reset(TOPIC, 0, 0)
    }
    assert.deepEqual(seen, [{ index: 0 }, { index: 1 }, { index: 0 }, { index: 1 }])
  })

  test('an invalid payload goes to the dead letters at once, with its raw bytes, and its key goes on', async () => {
    for (const order of ['key', { by: (value: unknown) => String(value) }] as const) {
      const world = new World()
      const raw = Uint8Array.of(0xff, 0x00)
      world.broker.append({ topic: TOPIC, partition: 0, key: bytes('a'), value: raw })
      world.produce(['a'])
      const attempts: number[] = []
      const running = await world.start({
        schema: Order,
        order,
        deadLetter: LETTERS,
        handle: (_, ctx) => void attempts.push(ctx.offset),
      })
      await world.pass(100)
      assert.deepEqual(attempts, [1])
      const [letter] = world.broker.records(LETTERS, 0)
      assert.deepEqual([letter?.value, text(letter?.key)], [raw, 'a'])
      assert.equal(letterHeader(letter, 'reason'), 'invalid-payload')
      assert.equal(world.committed(), 2)
      assert.equal((await world.drain(running)).deadLettered, 1)
    }
  })

  test('malformed JSON with nowhere to go stops the consumer, and is not committed past', async () => {
    const world = new World()
    world.produce(['a'])
    world.broker.append({ topic: TOPIC, partition: 0, key: bytes('b'), value: bytes('{"index":') })
    world.produce(['c'])
    const handled: number[] = []
    const running = await world.start({
      decode: 'json',
      handle: (_, ctx) => void handled.push(ctx.offset),
    })
    await assert.rejects(world.until(running.finished), {
      code: 'SHOAL_HANDLER_FAILED',
      message: /orders\/0 offset 1 failed for good .*not JSON/,
    })
    assert.deepEqual([handled.includes(1), world.committed()], [false, 1])
    assert.equal(running.report().failed, 1)
  })
})
