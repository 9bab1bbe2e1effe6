import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  GROUP,
  LETTERS,
  PARKED,
  RETRIES,
  TOPIC,
  World,
  bytes,
  letterHeader,
} from '../fixtures.test.ts'
import type { WorldOptions } from '../fixtures.test.ts'
import type { Ctx } from '../options.ts'
import { readEntry } from './parked-record.ts'

const PARKS = {
  retry: {
    attempts: 2,
    backoff: { kind: 'fixed', base: 100, jitter: 'none' },
    finally: 'park-key',
  },
  parked: { backoff: { kind: 'fixed', base: 10_000, jitter: 'none' } },
} as const satisfies WorldOptions

/** A handler that fails for some records until it is told otherwise, and says what it did. */
class Downstream {
  readonly handled: number[] = []
  readonly attempts: number[] = []
  failing: (offset: number) => boolean

  constructor(failing: (offset: number) => boolean) {
    this.failing = failing
  }

  readonly handle = (_value: unknown, { offset, attempt }: Ctx): void => {
    if (this.failing(offset)) {
      this.attempts.push(attempt)
      throw new Error(`${offset} fails`)
    }
    this.handled.push(offset)
  }
}

function entries(world: World, topic = PARKED): string[] {
  return world.broker.records(topic, 0).map((record) => {
    const entry = readEntry(record)?.entry
    return entry?.kind === 'fence' || entry === undefined
      ? 'fence'
      : `${entry.kind} ${entry.origin}`
  })
}

describe('a parked key', () => {
  test('holds what follows it, in order, while everything else flows and is committed', async () => {
    const world = new World()
    world.produce(['a', 'b', 'a', 'c', 'a', 'b'])
    const downstream = new Downstream((offset) => [0, 2, 4].includes(offset))
    const running = await world.start({ handle: downstream.handle, ...PARKS })
    await world.pass(2_000)
    assert.deepEqual(downstream.handled, [1, 3, 5])
    assert.equal(world.committed(), 6)
    assert.deepEqual(entries(world), ['fence', 'message 0', 'message 2', 'message 4'])
    assert.match(running.health().reasons.join(), /1 keys are parked, 3 records wait there/)
    downstream.failing = () => false
    await world.pass(10_000)
    assert.deepEqual(downstream.handled, [1, 3, 5, 0, 2, 4])
    world.produce(['a'])
    await world.pass(100)
    assert.deepEqual(downstream.handled.slice(6), [6])
    const report = await world.drain(running)
    assert.deepEqual([report.parked, report.recovered, report.handled], [3, 3, 4])
    assert.equal(running.health().blockedKeys, 0)
  })

  test('survives restarts with its order and its attempts', async () => {
    const world = new World()
    world.produce(['a', 'a', 'b'])
    const downstream = new Downstream((offset) => offset === 0)
    const options = { handle: downstream.handle, ...PARKS }
    await world.start(options)
    await world.pass(15_000)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    assert.deepEqual(downstream.attempts, [1, 2, 1])
    await world.start(options)
    world.produce(['a'])
    await world.pass(12_000)
    assert.deepEqual(downstream.attempts, [1, 2, 1, 2])
    downstream.failing = () => false
    await world.pass(12_000)
    assert.deepEqual(downstream.handled, [2, 0, 1, 3])
  })

  test('gives each record to the dead letters after its last attempt, with its origin, and goes on', async () => {
    const world = new World()
    world.produce(['a', 'a'])
    const downstream = new Downstream((offset) => offset === 0)
    const running = await world.start({
      handle: downstream.handle,
      ...PARKS,
      parked: { ...PARKS.parked, attempts: 2 },
      deadLetter: LETTERS,
    })
    await world.pass(60_000)
    assert.deepEqual(downstream.handled, [1])
    const [letter] = world.broker.records(LETTERS, 0)
    assert.equal(letterHeader(letter, 'id'), 'billing/orders/0/0')
    assert.equal(letterHeader(letter, 'error'), '0 fails')
    assert.deepEqual(
      letter?.headers.map(({ key }) => key).filter((key) => key === 'shoal-park'),
      [],
    )
    await world.drain(running)
  })

  test('an append whose outcome is unknown is made again and handled once', async () => {
    const world = new World()
    world.produce(['a', 'a', 'a'])
    let faults = 6
    world.broker.faults.produce = () => (faults-- > 0 ? { outcome: 'lost' } : undefined)
    const downstream = new Downstream((offset) => offset === 0)
    const running = await world.start({ handle: downstream.handle, ...PARKS })
    await world.pass(8_000)
    downstream.failing = () => false
    await world.pass(60_000)
    assert.deepEqual(downstream.handled, [0, 1, 2])
    await world.drain(running)
  })

  test('nothing starts before it is known what is parked', async () => {
    const world = new World()
    world.produce(['a'])
    world.broker.faults.read = () => ({ outcome: 'thrown' })
    const downstream = new Downstream(() => false)
    const running = await world.start({ handle: downstream.handle, ...PARKS })
    await world.pass(30_000)
    assert.deepEqual(downstream.handled, [])
    delete world.broker.faults.read
    await world.pass(10_000)
    assert.deepEqual(downstream.handled, [0])
    await world.drain(running)
  })

  test('a record in the parked topic that is none of ours is left alone', async () => {
    const world = new World()
    for (const headers of [
      [],
      [{ key: 'shoal-park', value: bytes('{"id":1') }],
      [{ key: 'shoal-park', value: bytes('{"id":"x","kind":"message","lane":"ka","origin":-1}') }],
    ])
      world.broker.append({ topic: PARKED, partition: 0, key: bytes('a'), value: null, headers })
    world.produce(['a'])
    const downstream = new Downstream(() => false)
    const running = await world.start({ handle: downstream.handle, ...PARKS })
    await world.pass(100)
    assert.deepEqual(downstream.handled, [0])
    assert.equal(world.logger.lines.filter(({ message }) => /none of ours/.test(message)).length, 3)
    await world.drain(running)
  })

  test('too many parked records pause their partition until there is room', async () => {
    const world = new World()
    world.produce(Array.from({ length: 15 }, () => 'a'))
    const downstream = new Downstream(() => true)
    const running = await world.start({
      handle: downstream.handle,
      maxBatchRecords: 5,
      ...PARKS,
      parked: { ...PARKS.parked, maxRecords: 10 },
    })
    await world.pass(5_000)
    world.produce(Array.from({ length: 15 }, () => 'b'))
    await world.pass(5_000)
    assert.equal(running.report().delivered, 15)
    downstream.failing = () => false
    await world.pass(60_000)
    const all = Array.from({ length: 30 }, (_, index) => index)
    for (const ofKey of [(offset: number) => offset < 15, (offset: number) => offset >= 15])
      assert.deepEqual(downstream.handled.filter(ofKey), all.filter(ofKey))
    await world.drain(running)
  })

  test('needs a source that reads back, and an order', async () => {
    const world = new World()
    await assert.rejects(
      world.start({ ...PARKS, order: 'none' }),
      /'park-key' keeps an order, order: 'none' has none/,
    )
  })
})

describe('a retry topic', () => {
  test('takes a record out of the way and tries it again after each wait; its key goes on', async () => {
    const world = new World()
    world.produce(['a', 'a'])
    const downstream = new Downstream((offset) => offset === 0)
    const running = await world.start({
      handle: downstream.handle,
      retry: { attempts: 1, later: ['10s', '1m'] },
      deadLetter: LETTERS,
    })
    await world.pass(5_000)
    assert.deepEqual(downstream.handled, [1])
    assert.equal(world.committed(), 2)
    await world.pass(6_000)
    assert.equal(downstream.attempts.length, 2)
    await world.pass(58_000)
    assert.equal(downstream.attempts.length, 2)
    await world.pass(3_000)
    assert.equal(downstream.attempts.length, 3)
    assert.equal(world.broker.records(LETTERS, 0).length, 1)
    assert.deepEqual(entries(world, RETRIES), ['fence', 'message 0', 'attempt 0', 'done 0'])
    assert.equal(world.broker.group(GROUP).committed(TOPIC, 0)?.offset, 2)
    await world.drain(running)
  })
})
