import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../core/index.ts'
import { GROUP, TOPIC, World } from '../fixtures.test.ts'
import type { Ctx } from '../options.ts'
import type { DedupeStore } from './dedupe-store.ts'
import {
  memoryDedupeStore,
  redisDedupeStore,
  sqlDedupeStore,
  sqlDedupeTable,
} from './dedupe-stores.ts'

/** Redis as far as the store speaks it: SET NX PX, GET, and the script that deletes what is still ours. */
function fakeRedis(clock: VirtualClock) {
  const values = new Map<string, { value: string; untilMs: number }>()
  const get = (key: string) => {
    const known = values.get(key)
    return known === undefined || known.untilMs <= clock.monotonicMs() ? null : known.value
  }
  return async (...args: (string | number)[]): Promise<unknown> => {
    const [name, first = '', ...rest] = args.map(String)
    if (name === 'GET') return get(first)
    if (name === 'SET') {
      if (rest.includes('NX') && get(first) !== null) return null
      const ttlMs = Number(rest[rest.indexOf('PX') + 1])
      values.set(first, { value: rest[0] ?? '', untilMs: clock.monotonicMs() + ttlMs })
      return 'OK'
    }
    assert.equal(name, 'EVAL')
    const [, key = '', owner = ''] = rest
    return get(key) === owner ? Number(values.delete(key)) : 0
  }
}

function sqlite(clock: VirtualClock): DedupeStore {
  const database = new DatabaseSync(':memory:')
  database.exec(sqlDedupeTable())
  return sqlDedupeStore({
    clock,
    query: async (text, parameters) => database.prepare(text).all(...parameters),
  })
}

const stores: readonly (readonly [string, (clock: VirtualClock) => DedupeStore])[] = [
  ['in memory', (clock) => memoryDedupeStore({ clock })],
  ['over Redis', (clock) => redisDedupeStore({ command: fakeRedis(clock) })],
  ['over SQL', sqlite],
]

for (const [name, open] of stores)
  describe(`a dedupe store ${name}`, () => {
    test('gives a key to one owner, for a while, and remembers what is done, for a while', async () => {
      const clock = new VirtualClock()
      const store = open(clock)
      assert.equal(await store.claim('k', 'a', 100), 'new')
      assert.equal(await store.claim('k', 'a', 100), 'new')
      assert.equal(await store.claim('k', 'b', 100), 'busy')
      await clock.advance(100)
      assert.equal(await store.claim('k', 'b', 100), 'new')
      await store.release('k', 'a')
      assert.equal(await store.claim('k', 'a', 100), 'busy')
      await store.release('k', 'b')
      assert.equal(await store.claim('k', 'a', 100), 'new')
      await store.done('k', 'a', 1_000)
      await store.release('k', 'a')
      assert.equal(await store.claim('k', 'b', 100), 'done')
      assert.equal(await store.claim('other', 'b', 100), 'new')
      await clock.advance(1_000)
      assert.equal(await store.claim('k', 'b', 100), 'new')
    })

    test('lets a consumer skip what is delivered again, and try again what failed', async () => {
      const world = new World()
      const store = open(world.clock)
      world.produce(['a', 'b'])
      const handled: string[] = []
      const handle = (_: unknown, { id, attempt }: Ctx) => {
        if (attempt === 1) throw new Error('not today')
        handled.push(id)
      }
      const options = {
        handle,
        dedupe: { store },
        retry: { backoff: { kind: 'fixed', base: 10 } },
      } as const
      const first = await world.start(options)
      await world.pass(1_000)
      await world.drain(first)
      assert.equal(handled.length, 2)
      world.broker.group(GROUP).reset(TOPIC, 0, 0)
      const second = await world.start(options)
      await world.pass(1_000)
      const report = await world.drain(second)
      assert.deepEqual([handled.length, report.handled, report.skipped], [2, 0, 2])
    })
  })

describe('deduplication', () => {
  test('waits in its lane while somebody else has the key, without using up attempts', async () => {
    const world = new World()
    const store = memoryDedupeStore({ clock: world.clock })
    await store.claim('orders/0/0', 'a zombie', 5_000)
    world.produce(['a'])
    const attempts: number[] = []
    const running = await world.start({
      handle: (_, { attempt }) => void attempts.push(attempt),
      dedupe: { store },
      retry: { attempts: 1 },
    })
    await world.pass(4_000)
    assert.deepEqual(attempts, [])
    await world.pass(2_000)
    assert.deepEqual(attempts, [1])
    await world.drain(running)
  })

  test('the key may come from the value', async () => {
    const world = new World()
    for (const order of ['x', 'y', 'x'])
      world.broker.append({
        topic: TOPIC,
        key: null,
        value: new TextEncoder().encode(JSON.stringify({ order })),
      })
    const handled: unknown[] = []
    const running = await world.start({
      decode: 'json',
      handle: (value) => void handled.push(value),
      dedupe: {
        store: memoryDedupeStore({ clock: world.clock }),
        key: (value) => (value as { order: string }).order,
      },
    })
    await world.pass(1_000)
    assert.deepEqual(handled, [{ order: 'x' }, { order: 'y' }])
    await world.drain(running)
  })

  test('a store that is down fails the attempt; one that goes down after the work does not', async () => {
    const world = new World()
    world.produce(['a'])
    const memory = memoryDedupeStore({ clock: world.clock })
    let isDown = true
    const store: DedupeStore = {
      ...memory,
      claim: async (...args) =>
        isDown ? Promise.reject(new Error('down')) : memory.claim(...args),
      done: async () => Promise.reject(new Error('down again')),
    }
    let handled = 0
    const running = await world.start({
      handle: () => void handled++,
      dedupe: { store },
      retry: { attempts: 1_000, backoff: { kind: 'fixed', base: 50 } },
    })
    await world.pass(1_000)
    assert.equal(handled, 0)
    isDown = false
    await world.pass(1_000)
    assert.equal(handled, 1)
    assert.equal(world.committed(), 1)
    await world.drain(running)
  })

  test('the memory store forgets the oldest keys first', async () => {
    const store = memoryDedupeStore({ maxKeys: 2, clock: new VirtualClock() })
    for (const key of ['a', 'b', 'c']) await store.done(key, 'o', 1_000)
    assert.deepEqual(await Promise.all(['b', 'c'].map((key) => store.claim(key, 'p', 10))), [
      'done',
      'done',
    ])
    assert.equal(await store.claim('a', 'p', 10), 'new')
  })

  test('a table name is a name', () => {
    assert.throws(() => sqlDedupeTable('x; drop table y'), /is no name of a table/)
  })
})
