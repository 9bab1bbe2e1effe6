/** What a consumer commits, what it holds back, and what it tells of itself. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GROUP, HeldHandler, LETTERS, TOPIC, World, bytes } from './fixtures.test.ts'
import type { Ctx } from './options.ts'
import { telemetry } from './telemetry.ts'

const keys = (count: number) => Array.from({ length: count }, (_, index) => `k${index}`)

describe('committing', () => {
  test('happens after an interval, after so many records, and at once when idle', async () => {
    const world = new World()
    world.produce(keys(30))
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, commit: { every: '1s', records: 10 } })
    await world.pass(100)
    for (let offset = 0; offset < 3; offset++) held.at(offset).done()
    await world.pass(999)
    assert.equal(world.committed(), 0)
    await world.pass(1)
    assert.equal(world.committed(), 3)
    for (let offset = 3; offset < 13; offset++) held.at(offset).done()
    await world.pass(50)
    assert.equal(world.committed(), 13)
    for (let offset = 13; offset < 30; offset++) held.at(offset).done()
    await world.pass(50)
    assert.equal(world.committed(), 30)
    await world.drain(running)
  })

  test('happens at a quarter of what the broker hands out before it waits, without a distance between two', async () => {
    const world = new World()
    world.produce(keys(30))
    const held = new HeldHandler()
    const source = { ...world.broker.source({ topics: [TOPIC] }), unacknowledgedLimit: 14 }
    const running = await world.start({ handle: held.handle, source, commit: { every: '1s' } })
    await world.pass(100)
    for (let offset = 0; offset < 3; offset++) held.at(offset).done()
    await world.pass(2)
    assert.equal(world.committed(), 0)
    for (const until of [4, 8, 12]) {
      for (let offset = Math.max(3, until - 4); offset < until; offset++) held.at(offset).done()
      await world.pass(2)
      assert.equal(world.committed(), until)
    }
    for (let offset = 12; offset < 30; offset++) held.at(offset).done()
    await world.drain(running)
  })

  test('is clean only when the broker answered: a failed commit is sent again, one request at a time', async () => {
    const world = new World()
    world.produce(keys(3))
    let [under, most, tries] = [0, 0, 0]
    const source = world.broker.source({ topics: [TOPIC] })
    const running = await world.start({
      source: {
        ...source,
        open: async (context) => {
          const session = await source.open(context)
          const commit = session.commit.bind(session)
          session.commit = async (positions) => {
            tries++
            most = Math.max(most, ++under)
            return commit(positions).finally(() => under--)
          }
          return session
        },
      },
      commit: { every: 10 },
    })
    const outcomes = ['refused', 'thrown', 'lost'] as const
    world.broker.faults.commit = () => {
      const outcome = outcomes[tries % 4]
      return outcome === undefined ? { afterMs: 700 } : { outcome, beforeMs: 300 }
    }
    world.produce(keys(3))
    await world.pass(20_000)
    assert.equal(world.committed(), 6)
    assert.equal(most, 1)
    assert.equal(tries, 3)
    assert.deepEqual(running.health().reasons, [])
    await world.drain(running)
  })

  test('a crash after a refused commit loses nothing', async () => {
    const world = new World()
    world.produce(keys(5))
    world.broker.faults.commit = () => ({ outcome: 'refused' })
    const handled: number[] = []
    const handle = (_: unknown, ctx: Ctx) => void handled.push(ctx.offset)
    await world.start({ handle })
    await world.pass(5_000)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    delete world.broker.faults.commit
    const second = await world.start({ handle })
    await world.pass(5_000)
    assert.deepEqual(handled, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    assert.equal(world.committed(), 5)
    await world.drain(second)
  })

  test('where a group began is committed at once, so that it means the same after a restart', async () => {
    const world = new World(2)
    world.produce(keys(7), 1)
    const running = await world.start({
      source: world.broker.source({ topics: [TOPIC], startAt: 'latest' }),
    })
    await world.pass(10)
    assert.deepEqual([world.committed(0), world.committed(1)], [0, 7])
    await world.drain(running)
  })
})

describe('limits', () => {
  test('a full partition pauses and goes on at 70 %, the others are not touched', async () => {
    const world = new World(2)
    world.produce(keys(100), 0)
    world.produce(keys(5), 1)
    const paused: string[] = []
    const listen = ({
      kind,
      partition,
    }: {
      kind: string
      partition: { partition: number } | null
    }) => void paused.push(`${kind} ${partition?.partition}`)
    telemetry.pause.subscribe(listen)
    const held = new HeldHandler()
    const running = await world.start({
      handle: held.handle,
      maxBatchRecords: 5,
      concurrency: 1_000,
      buffer: { perPartition: { records: 20 } },
    })
    await world.pass(100)
    const held0 = () => held.open.filter(({ ctx }) => ctx.partition === 0)
    assert.ok(held0().length >= 20 && held0().length <= 25)
    assert.equal(held.open.length - held0().length, 5)
    assert.deepEqual(paused, ['paused 0'])
    while (held0().length > 14) held0()[0]!.done()
    await world.pass(10)
    assert.deepEqual(paused, ['paused 0', 'resumed 0', 'paused 0'])
    telemetry.pause.unsubscribe(listen)
    void running.drain(0)
  })

  test('one key that fails for ever holds its own partition only, in bounded memory', async () => {
    const world = new World(2)
    const many = Array.from({ length: 5_000 }, (_, index) =>
      index % 10 === 0 ? 'bad' : `k${index}`,
    )
    for (const partition of [0, 1]) world.produce(partition === 0 ? many : keys(5_000), partition)
    let worst = 0
    const handle = (_: unknown, ctx: Ctx) => {
      const { delivered, handled, deadLettered } = running.report()
      worst = Math.max(worst, delivered - handled - deadLettered)
      if (ctx.key === 'bad') throw new Error('for ever')
    }
    let running = await world.start({ handle: () => {} })
    await world.drain(running)
    for (const partition of [0, 1]) world.broker.group(GROUP).reset(TOPIC, partition, 0)
    running = await world.start({
      handle,
      maxBatchRecords: 50,
      deadLetter: LETTERS,
      retry: { attempts: 1_000, backoff: { kind: 'fixed', base: '10s' } },
      buffer: { perKey: 100, window: 2_000 },
    })
    await world.pass(30_000)
    assert.equal(world.committed(1), 5_000)
    assert.equal(world.committed(0), 0)
    assert.ok(worst <= 150, `${worst} records were held`)
    void running.drain(0)
  })

  test('no handler starts while the ownership is in doubt', async () => {
    const world = new World()
    const handled: number[] = []
    const running = await world.start({ handle: (_, ctx) => void handled.push(ctx.offset) })
    const member = world.broker.group(GROUP).member(world.memberIds[0]!)!
    member.setFresh(false)
    await world.pass(1_000)
    world.produce(keys(3))
    await world.pass(5_000)
    assert.deepEqual(handled, [])
    assert.equal(running.health().status, 'degraded')
    member.setFresh(true)
    await world.pass(100)
    assert.deepEqual(handled, [0, 1, 2])
    assert.equal(running.health().status, 'ok')
    await world.drain(running)
  })

  test('a consumer in which nothing moves says so, once', async () => {
    const world = new World()
    world.produce(keys(2))
    const told: (readonly string[])[] = []
    const listen = ({ reasons }: { reasons: readonly string[] }) => void told.push(reasons)
    telemetry.stuck.subscribe(listen)
    const held = new HeldHandler()
    const running = await world.start({ handle: held.handle, stuckAfter: '10s' })
    await world.pass(9_000)
    assert.equal(running.health().status, 'ok')
    await world.pass(60_000)
    telemetry.stuck.unsubscribe(listen)
    assert.equal(told.length, 1)
    assert.match(told[0]![0]!, /^2 records wait and none has finished for 1\d s$/)
    assert.equal(running.health().oldestInFlightMs, 69_000)
    void running.drain(0)
  })
})

describe('telemetry', () => {
  test('each execution is traced from its start to its end', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const events: string[] = []
    const note = (name: string) => (event: unknown) =>
      void events.push(`${name} ${(event as { ctx: Ctx }).ctx.offset}`)
    const subscribers = {
      start: note('start'),
      end: note('end'),
      asyncStart: note('asyncStart'),
      asyncEnd: note('asyncEnd'),
      error: note('error'),
    }
    telemetry.handle.subscribe(subscribers)
    const running = await world.start({
      handle: (_, ctx) => {
        if (ctx.offset === 1) throw new Error('no')
      },
      retry: { attempts: 1, finally: 'skip' },
    })
    await world.pass(10)
    telemetry.handle.unsubscribe(subscribers)
    assert.deepEqual(
      events.filter((event) => event.endsWith('0')),
      ['start 0', 'end 0', 'asyncStart 0', 'asyncEnd 0'],
    )
    assert.ok(events.includes('error 1'))
    assert.deepEqual([running.report().handled, running.report().skipped], [1, 1])
    await world.drain(running)
  })

  test('commits, rebalances, retries, dead letters, and ends are told', async () => {
    const world = new World()
    world.broker.append({ topic: TOPIC, partition: 0, key: bytes('a'), value: null })
    const told: string[] = []
    const channels = ['commit', 'rebalance', 'retry', 'deadLetter', 'partitionEnd', 'end'] as const
    const listeners = channels.map((name) => [name, () => void told.push(name)] as const)
    for (const [name, listener] of listeners) telemetry[name].subscribe(listener)
    const running = await world.start({
      deadLetter: LETTERS,
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 10 } },
      handle: () => {
        throw new Error('no')
      },
    })
    await world.pass(100)
    await world.drain(running)
    for (const [name, listener] of listeners) telemetry[name].unsubscribe(listener)
    for (const name of channels) assert.ok(told.includes(name), name)
  })
})

/** A consumer whose handler runs one record, and a source that revokes its partition when the test says so. */
