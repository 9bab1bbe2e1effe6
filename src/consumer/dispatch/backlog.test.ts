/** Records that are looked at when there is room for them, and what that leaves of those whose handler ends at once. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeldHandler, World, workOf, recordOf } from '../fixtures.test.ts'
import type { Ctx } from '../options.ts'
import type { SourceRecord } from '../source.ts'
import { Backlog, type BacklogBatch } from './backlog.ts'

const keys = (count: number, prefix = 'k') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

function batchOf(partition: number, offsets: readonly number[]) {
  const work = workOf({ partition })
  const records = offsets.map((offset) => recordOf(offset))
  const chunk = { byteLength: 100, remaining: records.length }
  return { work, records, chunk, nextOffset: (offsets.at(-1) ?? -1) + 1, at: 0 }
}

function onlookerOf(isOver: (batch: BacklogBatch) => boolean) {
  const seen: BacklogBatch[] = []
  const ended: BacklogBatch[] = []
  const onlooker = {
    isInterrupted: false,
    lookAt(_: SourceRecord, batch: BacklogBatch) {
      seen.push(batch)
      return isOver(batch)
    },
    lookedAt: (batch: BacklogBatch) => void ended.push(batch),
  }
  return { seen, ended, onlooker }
}

describe('the backlog', () => {
  test('gives partitions turns, and the batches of each in their order', () => {
    const backlog = new Backlog()
    const [first, other] = [batchOf(0, [0, 1]), batchOf(1, [0, 1])]
    const second = { ...batchOf(0, [2]), work: first.work }
    for (const batch of [first, second, other]) backlog.push(batch)
    assert.deepEqual([first.work.waitingBatches, first.work.waitingRecords], [2, 3])
    const { seen, ended, onlooker } = onlookerOf((batch) => batch === other)
    const counts = [1, 2, 3, 4].map(() => backlog.look(9, onlooker))
    assert.deepEqual(seen, [first, other, other, first, second])
    assert.deepEqual(
      [ended, counts],
      [
        [other, first, second],
        [1, 2, 1, 1],
      ],
    )
    assert.deepEqual(
      [backlog.isEmpty, first.work.waitingBatches, first.work.waitingRecords],
      [true, 0, 0],
    )
    assert.equal(backlog.look(9, onlooker), 0)
  })

  test('stops a run when it is long enough, when something else comes first, and when its partition goes', () => {
    const backlog = new Backlog()
    const batch = batchOf(0, [0, 1, 2, 3, 4, 5])
    backlog.push(batch)
    const { seen, ended, onlooker } = onlookerOf(() => true)
    assert.equal(backlog.look(2, onlooker), 2)
    onlooker.isInterrupted = true
    assert.equal(backlog.look(9, onlooker), 1)
    onlooker.isInterrupted = false
    onlooker.lookAt = (_, { work }) => {
      backlog.drop(work)
      return true
    }
    assert.equal(backlog.look(9, onlooker), 1)
    assert.deepEqual([seen.length, ended, backlog.isEmpty], [3, [], true])
    assert.deepEqual([batch.work.waitingBatches, batch.work.waitingRecords], [0, 0])
  })

  test('makes the source rest while more waits than is looked at, and lets it go on', async () => {
    const world = new World()
    world.produce(keys(2_000))
    const held = new HeldHandler()
    const running = await world.start({
      completionMemory: false,
      handle: held.handle,
      concurrency: 10,
      maxBatchRecords: 600,
    })
    await world.pass(100)
    assert.equal(running.report().delivered, 600)
    while (running.report().handled < 600) {
      for (const one of held.open.slice()) one.done()
      await world.pass(1)
    }
    await world.pass(10)
    assert.equal(running.report().delivered, 1_200)
    void running.drain(0)
  })
})

describe('a handler that ends at once', () => {
  test('is called in the order of its partition, whatever the keys, and all of it is committed', async () => {
    const world = new World()
    world.produce([...keys(50), ...keys(50)])
    const offsets: number[] = []
    const running = await world.start({
      completionMemory: false,
      handle: (_, ctx) => void offsets.push(ctx.offset),
    })
    await world.pass(100)
    assert.deepEqual(
      offsets,
      Array.from({ length: 100 }, (_, offset) => offset),
    )
    assert.equal(world.committed(), 100)
    const { delivered, handled } = await world.drain(running)
    assert.deepEqual([delivered, handled], [100, 100])
  })

  test('sees the counts of all that ended before it, however many are called in one go', async () => {
    const world = new World()
    const late: { handled?: () => number } = {}
    const seen: (number | undefined)[] = []
    const running = await world.start({
      completionMemory: false,
      handle: () => void seen.push(late.handled?.()),
    })
    late.handled = () => running.report().handled
    world.produce(keys(50))
    await world.pass(100)
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, index) => index),
    )
    await world.drain(running)
  })

  test('may stop the consumer: its own record counts, nothing starts after it', async () => {
    const offsets: number[] = []
    const world = new World()
    const late: { drain?: () => void } = {}
    const running = await world.start({
      completionMemory: false,
      handle: (_: unknown, ctx: Ctx) => {
        offsets.push(ctx.offset)
        if (ctx.offset === 3) late.drain?.()
      },
    })
    late.drain = () => void running.drain()
    world.produce(keys(10))
    const report = await world.until(running.finished)
    assert.deepEqual(offsets, [0, 1, 2, 3])
    assert.deepEqual([report.delivered, report.handled, report.abandoned], [10, 4, 6])
    assert.equal(world.committed(), 4)
  })

  test('and one of the same key that does not end: those behind it wait, others go on', async () => {
    const world = new World()
    world.produce(['a', 'b', 'a', 'b', 'c'])
    const begun: number[] = []
    const first = Promise.withResolvers<void>()
    const running = await world.start({
      completionMemory: false,
      handle: (_, ctx) => {
        begun.push(ctx.offset)
        return ctx.offset === 0 ? first.promise : undefined
      },
    })
    await world.pass(1)
    assert.deepEqual(begun, [0, 1, 3, 4])
    first.resolve()
    await world.pass(1)
    assert.deepEqual(begun, [0, 1, 3, 4, 2])
    await world.drain(running)
    assert.equal(world.committed(), 5)
  })
})
