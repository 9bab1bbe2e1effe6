import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/index.ts'
import { consumer } from '../consumer.ts'
import { GROUP, LETTERS, TOPIC, World, letterHeader } from '../fixtures.test.ts'
import type { Ctx, WithBatch } from '../options.ts'

type Items = readonly { readonly value: unknown; readonly ctx: Ctx }[]

const offsetsOf = (items: Items) => items.map(({ ctx }) => ctx.offset)

async function start(
  world: World,
  batch: WithBatch<unknown>['batch'],
  handle: (items: Items) => Promise<void> | void,
) {
  const running = await consumer({
    group: GROUP,
    source: world.broker.source({ topics: [TOPIC] }),
    batch,
    handle,
    deadLetter: LETTERS,
    retry: { attempts: 3, backoff: { kind: 'exponential', base: 100 } },
    random: seededRandom(1),
    clock: world.clock,
    timers: world.clock,
    logger: world.logger,
  }).start()
  await world.pass(0)
  return running
}

describe('a batch handler', () => {
  test('gets full batches at once and a rest after its wait, in order, one partition in each', async () => {
    const world = new World(2)
    world.produce(
      Array.from({ length: 25 }, () => 'a'),
      0,
    )
    world.produce(
      Array.from({ length: 3 }, () => 'b'),
      1,
    )
    const batches: (readonly [number, number[]])[] = []
    const running = await start(world, { max: 10, wait: 200 }, (items) => {
      batches.push([items[0]?.ctx.partition ?? -1, offsetsOf(items)])
    })
    await world.pass(100)
    assert.deepEqual(
      batches.map(([partition, offsets]) => [partition, offsets.length]),
      [
        [0, 10],
        [0, 10],
      ],
    )
    await world.pass(1_000)
    const first = batches.filter(([partition]) => partition === 0).flatMap(([, offsets]) => offsets)
    assert.deepEqual(
      first,
      Array.from({ length: 25 }, (_, index) => index),
    )
    assert.equal(batches.length, 4)
    assert.deepEqual([world.committed(0), world.committed(1)], [25, 3])
    await world.drain(running)
  })

  test('of one key holds that key alone; of any, what there is', async () => {
    for (const [by, expected] of [
      [
        'key',
        [
          [0, 2, 4],
          [1, 3],
        ],
      ],
      ['any', [[0, 1, 2, 3, 4]]],
    ] as const) {
      const world = new World()
      world.produce(['a', 'b', 'a', 'b', 'a'])
      const batches: number[][] = []
      const running = await start(world, { max: 5, wait: 50, by }, (items) => {
        batches.push(offsetsOf(items))
      })
      await world.pass(500)
      assert.deepEqual(batches, expected)
      await world.drain(running)
    }
  })

  test('that fails is tried record by record, in order; only the culprit goes to the dead letters', async () => {
    const world = new World()
    world.produce(Array.from({ length: 12 }, () => 'a'))
    const done: number[] = []
    const running = await start(world, { max: 6, wait: 50 }, (items) => {
      if (items.some(({ ctx }) => ctx.offset === 2)) throw new Error('the third')
      done.push(...offsetsOf(items))
    })
    await world.pass(60_000)
    assert.deepEqual(done, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    const letters = world.broker.records(LETTERS, 0)
    assert.deepEqual(
      letters.map((letter) => letterHeader(letter, 'origin-offset')),
      ['2'],
    )
    assert.equal(world.committed(), 12)
    await world.drain(running)
  })

  test('a rebalance waits for the batch that runs and gives back what only waits', async () => {
    const world = new World()
    world.produce(Array.from({ length: 5 }, () => 'a'))
    const begun: number[][] = []
    let finish: () => void = () => {}
    const running = await start(world, { max: 3, wait: 60_000 }, (items) => {
      begun.push(offsetsOf(items))
      return new Promise<void>((resolve) => (finish = resolve))
    })
    assert.deepEqual(begun, [[0, 1, 2]])
    world.broker.group(GROUP).churn(TOPIC, 0)
    await world.pass(1_000)
    assert.equal(world.committed(), 0)
    finish()
    await world.pass(1_000)
    assert.equal(world.committed(), 3)
    assert.equal(running.report().abandoned, 2)
    await world.drain(running, 0)
  })

  test('what a batch cannot have is refused', () => {
    const source = new World().broker.source({ topics: [TOPIC] })
    assert.throws(
      () => consumer({ group: 'g', source, batch: { max: 0, by: 'x' }, handle: () => {} } as never),
      /batch\.by: 'any', 'partition' or 'key'; batch\.max: a whole number/,
    )
  })
})
