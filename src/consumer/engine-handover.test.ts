/** Giving partitions up, getting them, and stopping: what is in work is finished, what is not is left to others. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { consumer } from './consumer.ts'
import { GROUP, HeldHandler, TOPIC, World } from './fixtures.test.ts'
import type { OwnedPartition, SourceEvents } from './source.ts'

const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

describe('rebalancing', () => {
  test('a revoked partition waits for what runs, commits it, and its next owner starts there', async () => {
    const world = new World()
    world.produce(keys(4))
    const held = new HeldHandler()
    const running = await world.start({
      handle: held.handle,
      concurrency: 2,
      commit: { every: '1h' },
    })
    world.broker.group(GROUP).churn(TOPIC, 0)
    await world.pass(1_000)
    held.at(1).done()
    await world.pass(1_000)
    // Nothing new begins, and the partition stays until the last handler is through.
    assert.deepEqual(held.offsets, [0])
    held.at(0).done()
    await world.pass(1_000)
    assert.equal(world.committed(), 2)
    assert.deepEqual(held.offsets, [2, 3])
    assert.equal(held.at(2).ctx.fencingToken.epoch, 2)
    assert.deepEqual([running.report().late, running.report().abandoned], [0, 2])
    for (const offset of [2, 3]) held.at(offset).done()
    await world.drain(running)
  })

  test('a handler that outlives the drain is told, and its result changes nothing any more', async () => {
    const world = new World()
    world.produce(keys(2))
    const held = new HeldHandler()
    const running = await world.start({
      handle: held.handle,
      rebalance: { drain: '2s' },
      completionMemory: false,
    })
    const slow = held.at(0)
    const { signal } = slow.ctx
    held.at(1).done()
    world.broker.group(GROUP).churn(TOPIC, 0)
    await world.pass(1_999)
    assert.equal(signal.aborted, false)
    await world.pass(1)
    assert.equal(signal.reason, 'revoked')
    await world.pass(10)
    // The record came back, and waits behind the zombie of its own key.
    assert.deepEqual(held.offsets, [0, 1])
    assert.equal(held.at(0), slow)
    slow.done()
    await world.pass(10)
    assert.deepEqual(held.offsets, [1, 0])
    assert.equal(world.committed(), 0)
    for (const offset of [0, 1]) held.at(offset).done()
    const report = await world.drain(running)
    assert.deepEqual([report.late, report.abandoned, report.handled], [1, 1, 3])
    assert.equal(world.committed(), 2)
  })

  test('a handler that fails while its partition drains is not tried again here', async () => {
    const { world, held, revoke } = await revocable()
    const released = revoke()
    held.at(0).fail()
    await world.until(released)
    assert.equal(held.all.length, 1)
    assert.equal(world.committed(), 0)
  })

  test('a revoke takes no longer than the source says, with time left for its commit', async () => {
    const { world, held, revoke } = await revocable()
    const { signal } = held.at(0).ctx
    const began = world.clock.monotonicMs()
    let released = false
    void revoke(1_000).then(() => (released = true))
    await world.pass(799)
    assert.equal(signal.aborted, false)
    await world.pass(1)
    assert.equal(signal.reason, 'revoked')
    await world.pass(200)
    assert.deepEqual([released, world.clock.monotonicMs() - began], [true, 1_000])
    assert.equal(world.committed(), 0)
  })

  test('a revoke that meets a stop is over when the commit of the stop is answered, and not before', async () => {
    const { world, held, revoke, running } = await revocable()
    world.broker.faults.commit = () => ({ beforeMs: 50 })
    const stopped = running.drain()
    const released = revoke().then(() => world.committed())
    held.at(0).done()
    assert.equal(await world.until(released), 1)
    await world.until(stopped)
  })

  test('only the partitions that go drain, the others run on', async () => {
    const world = new World(2)
    world.produce(keys(3), 0)
    world.produce(keys(3), 1)
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, concurrency: 4 })
    world.broker.group(GROUP).churn(TOPIC, 0)
    await world.pass(10)
    held.open.find(({ ctx }) => ctx.partition === 1)!.done()
    await world.pass(10)
    const begun = held.all.filter(({ ctx }) => ctx.partition === 1).length
    assert.equal(begun, 2)
    void running.drain(0)
  })

  test('a lost partition is dropped at once and commits nothing', async () => {
    const world = new World()
    world.produce(keys(3))
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, commit: { every: '1h' } })
    const signals = held.open.map(({ ctx }) => ctx.signal)
    const [before] = [...held.open]
    held.at(1).done()
    const commits: number[] = []
    world.broker.onCommit = ({ epoch }) => void commits.push(epoch)
    world.broker.group(GROUP).expire(world.memberIds[0]!)
    await world.pass(5)
    assert.deepEqual(
      signals.map(({ reason }) => reason as unknown),
      ['revoked', undefined, 'revoked'],
    )
    before!.done()
    await world.pass(2_000)
    assert.deepEqual(
      commits.filter((epoch) => epoch === 1),
      [],
    )
    assert.equal(running.report().late, 1)
    void running.drain(0)
  })

  test('records of an epoch that is over are not taken', async () => {
    const world = new World()
    const source = world.broker.source({ topics: [TOPIC] })
    let deliver = (_epoch: number) => {}
    const handled: number[] = []
    const running = await consumer({
      group: GROUP,
      source: {
        ...source,
        open: async (context) => {
          deliver = (epoch) =>
            context.events.records({
              topic: TOPIC,
              partition: 0,
              epoch,
              records: [{ offset: 0, timestampMs: 0, key: null, value: null, headers: [] }],
              byteLength: 1,
              nextOffset: 1,
              endOffset: 1,
            })
          return source.open(context)
        },
      },
      handle: (_, ctx) => void handled.push(ctx.fencingToken.epoch),
      clock: world.clock,
      timers: world.clock,
    }).start()
    await world.pass(10)
    for (const epoch of [0, 1, 2, 1]) deliver(epoch)
    await world.pass(10)
    // Once: the same offset of the same epoch is not taken twice either.
    assert.deepEqual(handled, [1])
    await world.drain(running)
  })

  test('a partition that appears later is taken from its start', async () => {
    const world = new World()
    const handled: string[] = []
    const running = await world.start({ handle: (_, ctx) => void handled.push(ctx.id) })
    world.broker.createTopic(TOPIC, 2)
    world.produce(['a'], 1)
    await world.pass(10)
    assert.deepEqual(handled, ['orders/1/0'])
    await world.drain(running)
  })

  test('what somebody else wrote beside the position is no reason to fail', async () => {
    for (const metadata of ['', '{', '\u0000\uffff', 'x'.repeat(100_000)]) {
      const world = new World()
      world.produce(keys(5))
      world.broker.group(GROUP).reset(TOPIC, 0, 3, metadata)
      const handled: number[] = []
      const running = await world.start({ handle: (_, ctx) => void handled.push(ctx.offset) })
      await world.pass(10)
      assert.deepEqual(handled, [3, 4])
      await world.drain(running)
    }
  })
})

describe('stopping', () => {
  test('finishes what runs, gives back what waits, commits, leaves', async () => {
    const world = new World()
    world.produce(['a', 'a', 'b', 'c'])
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, concurrency: 2 })
    const drained = running.drain('10s')
    await world.pass(100)
    held.at(0).done()
    held.at(2).done()
    const report = await world.until(drained)
    assert.deepEqual([report.handled, report.abandoned, world.committed()], [2, 2, 1])
    assert.deepEqual(world.memberIds, [])
    assert.equal(world.clock.pendingCount, 0)
  })

  test('a record that waits for its retry is not committed', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const running = await world.start({
      handle: (_, ctx) => {
        if (ctx.offset === 0) throw new Error('not now')
      },
      retry: { backoff: { kind: 'fixed', base: '1h', jitter: 'none' } },
    })
    const report = await world.drain(running)
    assert.deepEqual([report.handled, report.abandoned, world.committed()], [1, 1, 0])
  })

  test('at the deadline handlers are told, get a moment, and do not count', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle })
    const { signal } = held.at(0).ctx
    const began = world.clock.monotonicMs()
    const drained = running.drain('3s')
    await world.pass(3_000)
    assert.equal(signal.reason, 'shutdown')
    held.at(0).done()
    const report = await world.until(drained)
    assert.deepEqual([report.handled, report.abandoned, world.committed()], [0, 2, 0])
    assert.ok(world.clock.monotonicMs() - began < 5_000)
  })

  test('a second drain with a shorter deadline shortens the first', async () => {
    const world = new World()
    world.produce(['a'])
    const running = await world.start({ handle: new HeldHandler().handle })
    const began = world.clock.monotonicMs()
    const first = running.drain('1h')
    await world.pass(10)
    const [one, two] = [await world.until(running.drain(0)), await first]
    assert.deepEqual(one, two)
    assert.ok(world.clock.monotonicMs() - began < 5_000)
  })

  test('each step is taken even when the one before it failed', async () => {
    const world = new World()
    world.produce(['a'])
    world.broker.faults.commit = () => ({ outcome: 'thrown' })
    const running = await world.start()
    await world.pass(1_100)
    const report = await world.drain(running)
    assert.deepEqual([report.handled, world.memberIds.length], [1, 0])
  })

  test('an aborted signal, and the end of an await using block, stop it', async () => {
    const world = new World()
    const abort = new AbortController()
    const definition = consumer({
      group: GROUP,
      source: world.broker.source({ topics: [TOPIC] }),
      handle: () => {},
      clock: world.clock,
      timers: world.clock,
    })
    const first = await definition.start({ signal: abort.signal })
    await world.pass(10)
    abort.abort()
    await world.until(first.finished)
    await assert.rejects(definition.start({ signal: abort.signal }), { code: 'SHOAL_CLOSED' })

    const second = await definition.start()
    await world.pass(10)
    await world.until(Promise.resolve(second[Symbol.asyncDispose]()))
    assert.deepEqual(world.memberIds, [])
  })

  test('pause starts nothing more, resume goes on', async () => {
    const world = new World()
    const handled: number[] = []
    const running = await world.start({ handle: (_, ctx) => void handled.push(ctx.offset) })
    running.pause('deploy')
    world.produce(keys(3))
    await world.pass(1_000)
    assert.deepEqual([handled, running.health().reasons], [[], ['paused: deploy']])
    running.resume()
    await world.pass(10)
    assert.deepEqual(handled, [0, 1, 2])
    await world.drain(running)
  })

  test('the end of the session ends the consumer with its reason', async () => {
    const world = new World()
    world.produce(['a'])
    const source = world.broker.source({ topics: [TOPIC] })
    let fail = (_error: Error) => {}
    const held = new HeldHandler()
    const running = await world.start({
      source: {
        ...source,
        open: async (context) => {
          fail = (error) => context.events.failed(error)
          return source.open(context)
        },
      },
      handle: held.handle,
    })
    fail(new Error('fenced'))
    held.at(0).done()
    await assert.rejects(world.until(running.finished), {
      code: 'SHOAL_REQUEST_FAILED',
      message: 'fenced',
    })
    assert.equal((await running.drain()).handled, 1)
  })

  test('a source that cannot be opened rejects start', async () => {
    const world = new World()
    const source = {
      ...world.broker.source({ topics: [TOPIC] }),
      open: () => Promise.reject(new Error('no broker')),
    }
    await assert.rejects(consumer({ group: GROUP, source, handle: () => {} }).start(), {
      message: 'no broker',
    })
  })
})

async function revocable() {
  const world = new World()
  world.produce(['a'])
  const held = new HeldHandler()
  const source = world.broker.source({ topics: [TOPIC] })
  const owned: OwnedPartition[] = []
  let events: SourceEvents | null = null
  const running = await world.start({
    source: {
      ...source,
      open: (context) => {
        events = context.events
        const assigned = events.assigned.bind(events)
        events.assigned = (assignments) => {
          owned.push(...assignments)
          assigned(assignments)
        }
        return source.open(context)
      },
    },
    handle: held.handle,
  })
  return { world, held, running, revoke: (limitMs?: number) => events!.revoked(owned, limitMs) }
}
