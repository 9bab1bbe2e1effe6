/** What a consumer promises its handler and its topics, seen from outside: no faults of the broker here. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  GROUP,
  HeldHandler,
  LETTERS,
  TOPIC,
  World,
  bytes,
  letterHeader,
  text,
} from './fixtures.test.ts'
import type { Ctx } from './options.ts'

describe('handling', () => {
  test('every record is handled once and committed; nothing comes again after a drain', async () => {
    const world = new World(3)
    for (const partition of [0, 1, 2]) world.produce(['a', 'b', null, 'a'], partition)
    const ids: string[] = []
    const handle = (_: unknown, ctx: Ctx) => void ids.push(ctx.id)
    const running = await world.start({ handle })
    await world.pass(100)
    assert.deepEqual(
      [0, 1, 2].map((partition) => world.committed(partition)),
      [4, 4, 4],
    )
    const report = await world.drain(running)
    assert.deepEqual(
      { ...report, committed: null },
      {
        delivered: 12,
        handled: 12,
        failed: 0,
        deadLettered: 0,
        skipped: 0,
        abandoned: 0,
        late: 0,
        parked: 0,
        recovered: 0,
        remembered: 0,
        retried: 0,
        committed: null,
      },
    )
    assert.deepEqual(report.committed, { 'orders/0': 4, 'orders/1': 4, 'orders/2': 4 })
    assert.deepEqual(await running.finished, report)

    const again = await world.start({ handle })
    await world.pass(1_000)
    await world.drain(again)
    assert.equal(ids.length, 12)
    assert.equal(new Set(ids).size, 12)
  })

  test('records of a key run one after the other, other keys meanwhile, never more than concurrency says', async () => {
    const world = new World()
    world.produce(['a', 'a', 'b', 'c', 'b', 'd'])
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, concurrency: 3 })
    assert.deepEqual(held.offsets, [0, 2, 3])
    held.at(2).done()
    await world.pass(0)
    assert.deepEqual(held.offsets, [0, 3, 5])
    held.at(3).done()
    await world.pass(0)
    assert.deepEqual(held.offsets, [0, 5, 4])
    held.at(0).done()
    await world.pass(0)
    assert.deepEqual(held.offsets, [5, 4, 1])
    for (const offset of [5, 4, 1]) held.at(offset).done()
    await world.drain(running)
    assert.equal(world.committed(), 6)
  })

  test('a position waits for the oldest open record, and gaps at the end count as read', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    world.broker.log.skip(TOPIC, 0, 2)
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, commit: { every: 100 } })
    held.at(1).done()
    held.at(2).done()
    await world.pass(500)
    assert.equal(world.committed(), 0)
    held.at(0).done()
    await world.pass(500)
    assert.equal(world.committed(), 5)
    await world.drain(running)
  })

  test('the same key in two topics, no key, and an empty key are different lanes', async () => {
    const world = new World()
    world.broker.createTopic('refunds', 1)
    world.produce(['a', null, '', null])
    world.broker.append({ topic: 'refunds', key: bytes('a'), value: null })
    const held = new HeldHandler()
    const source = world.broker.source({ topics: [TOPIC, 'refunds'] })
    const running = await world.start({ handle: held.handle, source })
    const began = held.open.map(({ ctx }) => `${ctx.topic}/${ctx.offset}`)
    assert.deepEqual(began.sort(), ['orders/0', 'orders/1', 'orders/2', 'refunds/0'])
    while (held.open.length > 0) {
      held.open[0]!.done()
      await world.pass(0)
    }
    await world.drain(running)
  })

  test('order can be none, by partition, or by what the value says', async () => {
    const began = async (order: 'none' | 'partition' | 'by') => {
      const world = new World(2)
      for (const partition of [0, 1]) world.produce(['a', 'a', 'b'], partition)
      const held = new HeldHandler()
      const by = (value: unknown) => ((value as { index: number }).index < 2 ? 'low' : 'high')
      const running = await world.start({
        handle: held.handle,
        decode: 'json',
        order: order === 'by' ? { by } : order,
      })
      const ids = held.open.map(({ ctx }) => `${ctx.partition}/${ctx.offset}`).sort()
      void running.drain(0)
      return ids
    }
    assert.deepEqual(await began('none'), ['0/0', '0/1', '0/2', '1/0', '1/1', '1/2'])
    assert.deepEqual(await began('partition'), ['0/0', '1/0'])
    assert.deepEqual(await began('by'), ['0/0', '0/2', '1/0', '1/2'])
  })

  test('the context says where a record comes from, and who owns it', async () => {
    const world = new World()
    world.broker.append({
      topic: TOPIC,
      partition: 0,
      key: bytes('käse'),
      value: bytes('x'),
      headers: [
        { key: 'a', value: bytes('1') },
        { key: 'a', value: bytes('2') },
        { key: 'none', value: null },
      ],
    })
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    const { ctx } = held.at(0)
    assert.deepEqual(
      [ctx.id, ctx.topic, ctx.partition, ctx.offset, ctx.key, ctx.attempt, ctx.redelivered],
      ['orders/0/0', TOPIC, 0, 0, 'käse', 1, false],
    )
    assert.deepEqual([...ctx.headers.keys()], ['a'])
    assert.equal(text(ctx.headers.get('a')), '2')
    assert.equal(ctx.timestamp.getTime(), world.clock.wallMs())
    assert.deepEqual(ctx.fencingToken, { group: GROUP, topic: TOPIC, partition: 0, epoch: 1 })
    held.at(0).done()
    await world.drain(running)
  })

  test('handlers that never wait leave the event loop its turns', async () => {
    const world = new World()
    world.produce(Array.from({ length: 100 }, (_, index) => `k${index}`))
    let nowMs = 0
    const clock = { wallMs: () => 0, monotonicMs: () => nowMs }
    const begun: (() => void)[] = []
    const timers = {
      schedule: (delayMs: number, fire: () => void) => world.clock.schedule(delayMs, fire),
      soon: (fire: () => void) => void begun.push(fire),
    }
    let handled = 0
    const handle = () => {
      handled++
      nowMs += 1
    }
    const running = await world.start({ handle, clock, timers })
    const turns: number[] = []
    for (let fire = begun.shift(); fire !== undefined; fire = begun.shift()) {
      turns.push(handled)
      fire()
    }
    assert.equal(handled, 100)
    assert.deepEqual(turns.slice(0, 3), [10, 20, 30])
    void running.drain(0)
  })
})

describe('failing', () => {
  test('a failed record is tried again after its backoff while its key waits and all others flow', async () => {
    const world = new World()
    world.produce(['bad', 'bad', 'good', 'good'])
    const log: string[] = []
    const handle = (_: unknown, ctx: Ctx) => {
      log.push(`${ctx.offset}#${ctx.attempt}${ctx.redelivered ? ' again' : ''}`)
      if (ctx.offset === 0 && ctx.attempt < 3) throw new Error('not yet')
    }
    const backoff = { kind: 'exponential', base: 100, jitter: 'none' } as const
    const running = await world.start({ handle, retry: { attempts: 3, backoff } })
    assert.deepEqual(log, ['0#1', '2#1', '3#1'])
    assert.deepEqual(running.health().reasons, ['1 records wait for another attempt'])
    await world.pass(100)
    assert.deepEqual(log.slice(3), ['0#2 again'])
    await world.pass(199)
    assert.equal(log.length, 4)
    await world.pass(1)
    assert.deepEqual(log.slice(4), ['0#3 again', '1#1'])
    const report = await world.drain(running)
    assert.deepEqual([report.handled, report.retried, world.committed()], [4, 2, 4])
  })

  test('a waiting retry holds no slot', async () => {
    const world = new World()
    world.produce(['bad', 'good'])
    const handled: number[] = []
    const running = await world.start({
      concurrency: 1,
      handle: (_, ctx) => {
        handled.push(ctx.offset)
        if (ctx.offset === 0) throw new Error('never')
      },
    })
    assert.deepEqual(handled, [0, 1])
    await world.drain(running)
  })

  test('what fails for good goes to the dead letters, and only then is committed', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const running = await world.start({
      handle: (_, ctx) => {
        if (ctx.offset === 0) throw new TypeError('no unit')
      },
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 50, jitter: 'none' } },
      deadLetter: (topic) => `${topic}.dlq`,
    })
    await world.pass(200)
    const [letter] = world.broker.records(LETTERS, 0)
    assert.deepEqual(
      ['id', 'reason', 'error', 'attempts'].map((name) => letterHeader(letter, name)),
      ['billing/orders/0/0', 'TypeError', 'no unit', '2'],
    )
    assert.equal(world.committed(), 2)
    const report = await world.drain(running)
    assert.deepEqual([report.deadLettered, report.handled, report.retried], [1, 1, 1])
  })

  test('a handler can ask for a retry, a dead letter, or to skip', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const outcomes = [{ retry: '1s' }, { deadLetter: 'fraud' }, { skip: 'old' }] as const
    const running = await world.start({
      deadLetter: LETTERS,
      handle: (_, ctx) => (ctx.attempt === 1 ? outcomes[ctx.offset] : undefined),
    })
    await world.pass(999)
    assert.equal(running.report().handled, 0)
    await world.pass(1)
    const report = await world.drain(running)
    assert.deepEqual(
      [report.handled, report.deadLettered, report.skipped, report.retried],
      [1, 1, 1, 1],
    )
    assert.equal(letterHeader(world.broker.records(LETTERS, 0)[0], 'reason'), 'fraud')
  })

  test('with nowhere to go the consumer stops with the error, and nothing of the key runs after it', async () => {
    const world = new World()
    world.produce(['a', 'a', 'b', 'a'])
    const handled: number[] = []
    const boom = new RangeError('too far')
    const running = await world.start({
      retry: { attempts: 1 },
      handle: (_, ctx) => {
        handled.push(ctx.offset)
        if (ctx.offset === 1) throw boom
      },
    })
    await assert.rejects(world.until(running.finished), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SHOAL_HANDLER_FAILED')
      assert.match(error.message, /orders\/0 offset 1 failed for good after 1 attempts/)
      assert.equal(error.cause, boom)
      return true
    })
    assert.deepEqual(handled, [0, 2, 1])
    assert.equal(world.committed(), 1)
    const { failed, abandoned, handled: done, delivered } = running.report()
    assert.deepEqual([delivered, done, failed, abandoned], [4, 2, 1, 1])
    assert.deepEqual(world.memberIds, [])
  })

  test('skip is an answer to failing for good only when it is asked for', async () => {
    const world = new World()
    world.produce(['a', 'a'])
    const running = await world.start({
      retry: { attempts: 1, finally: 'skip' },
      handle: () => Promise.reject(new Error('no')),
    })
    await world.pass(100)
    const report = await world.drain(running)
    assert.deepEqual([report.skipped, world.committed()], [2, 2])
  })

  test('a dead letter that cannot be written holds its key, never commits past it, and is tried until it is', async () => {
    const world = new World()
    world.produce(['bad', 'bad', 'good'])
    let down = true
    world.broker.faults.produce = () => (down ? { outcome: 'thrown' } : undefined)
    const handled: number[] = []
    const running = await world.start({
      deadLetter: LETTERS,
      retry: { attempts: 1 },
      handle: (_, ctx) => {
        handled.push(ctx.offset)
        if (ctx.offset === 0) throw new Error('no')
      },
    })
    await world.pass(60_000)
    assert.deepEqual([handled, world.committed()], [[0, 2], 0])
    assert.ok(running.health().reasons.includes('1 dead letters could not be written yet'))
    down = false
    await world.pass(60_000)
    assert.deepEqual([handled, world.committed()], [[0, 2, 1], 3])
    assert.equal(world.broker.records(LETTERS, 0).length, 1)
    await world.drain(running)
  })

  test('a dead letter that is not written when the consumer stops is left to the next owner', async () => {
    const world = new World()
    world.produce(['bad', 'good'])
    world.broker.faults.produce = () => ({ outcome: 'thrown' })
    const running = await world.start({
      deadLetter: LETTERS,
      handle: (_, ctx) => (ctx.offset === 0 ? { deadLetter: 'why' } : undefined),
    })
    await world.pass(5_000)
    const { handled, deadLettered, abandoned } = await world.drain(running)
    assert.deepEqual([handled, deadLettered, abandoned, world.committed()], [1, 0, 1, 0])
  })

  test('a letter whose answer was lost may be there twice, with one id', async () => {
    const world = new World()
    world.produce(['a'])
    let answers = 0
    world.broker.faults.produce = () => (answers++ === 0 ? { outcome: 'lost' } : undefined)
    const running = await world.start({
      deadLetter: LETTERS,
      handle: () => ({ deadLetter: 'why' }),
    })
    await world.pass(60_000)
    const ids = world.broker.records(LETTERS, 0).map((letter) => letterHeader(letter, 'id'))
    assert.deepEqual(ids, ['billing/orders/0/0', 'billing/orders/0/0'])
    await world.drain(running)
  })

  test('dead letters of a dead-letter topic go in no circle', async () => {
    const world = new World()
    world.produce(['a'])
    const running = await world.start({
      deadLetter: TOPIC,
      handle: () => ({ deadLetter: 'why' }),
    })
    await assert.rejects(world.until(running.finished), {
      code: 'SHOAL_HANDLER_FAILED',
      message: /cannot go to 'orders'/,
    })
  })

  test('a retry policy that throws stops the consumer instead of losing the record', async () => {
    const world = new World()
    world.produce(['a'])
    const running = await world.start({
      deadLetter: LETTERS,
      retry: {
        when: () => {
          throw new Error('bug')
        },
      },
      handle: () => {
        throw new Error('no')
      },
    })
    await assert.rejects(world.until(running.finished), { message: /the retry policy threw: bug/ })
    assert.equal(world.committed(), 0)
  })
})

describe('time limits', () => {
  test('an execution that takes too long is aborted and counts as failed, whatever it returns', async () => {
    const world = new World()
    world.produce(['a'])
    const reasons: unknown[] = []
    const running = await world.start({
      timeout: '1s',
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 0 } },
      deadLetter: LETTERS,
      handle: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            resolve()
          })
        }),
    })
    await world.pass(3_000)
    assert.deepEqual(reasons, ['timeout', 'timeout'])
    assert.equal(letterHeader(world.broker.records(LETTERS, 0)[0], 'reason'), 'handler-timeout')
    await world.drain(running)
  })

  test('a handler that is deaf to its signal loses its slot after a grace', async () => {
    const world = new World()
    world.produce(['a', 'a'])
    const held = new HeldHandler()
    const running = await world.start({
      timeout: '1s',
      concurrency: 1,
      retry: { attempts: 1 },
      deadLetter: LETTERS,
      handle: held.handle,
    })
    await world.pass(5_999)
    assert.deepEqual(held.offsets, [0])
    await world.pass(1)
    assert.deepEqual(held.offsets, [0, 1])
    assert.ok(running.health().reasons.includes('1 handlers go on although their signal aborted'))
    while (held.open.length > 0) held.open[0]!.done()
    await world.pass(0)
    const report = await world.drain(running)
    assert.deepEqual([report.deadLettered, report.handled, world.committed()], [1, 1, 2])
    assert.deepEqual(running.health().reasons, [])
  })

  test('extend gives a handler more time', async () => {
    const world = new World()
    world.produce(['a'])
    const held = new HeldHandler()
    const running = await world.start({ timeout: '1s', handle: held.handle })
    const { ctx } = held.at(0)
    const { signal } = ctx
    await world.pass(900)
    await ctx.extend('10s')
    await world.pass(9_999)
    assert.equal(signal.aborted, false)
    await world.pass(1)
    assert.equal(signal.reason, 'timeout')
    await assert.rejects(ctx.extend('soon' as '1s'), { code: 'SHOAL_INVALID_ARGUMENT' })
    held.at(0).done()
    await world.drain(running, 0)
  })
})
