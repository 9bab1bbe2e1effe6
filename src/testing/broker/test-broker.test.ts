import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { consumer, telemetry } from '../../consumer/index.ts'
import type { RebalanceEvent } from '../../consumer/index.ts'
import { VirtualClock } from '../../core/index.ts'
import { waitFor } from '../wait-for.ts'
import { TestBroker } from './test-broker.ts'
import { passTime } from './world.ts'

describe('a test broker', () => {
  test('takes records on a real port and tells what a group has consumed', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 2 } })
    await broker.produce('orders', [
      { key: 'a', value: { amount: 1 } },
      { key: 'b', value: 'text', headers: { kind: 'note' } },
    ])
    assert.equal(await broker.lag('billing', 'orders'), 2)

    const seen = new Set<unknown>()
    await using _running = await consumer({
      group: 'billing',
      source: broker.source('orders'),
      decode: 'text',
      handle: (value) => void seen.add(value),
    }).start()
    await broker.waitUntilConsumed('billing', 'orders')

    assert.deepEqual(seen, new Set(['text', '{"amount":1}']))
    const records = await broker.records('orders')
    assert.deepEqual(
      records.flatMap(({ headers }) => headers.map(({ key }) => key)),
      ['kind'],
    )
    const committed = await broker.committed('billing', 'orders')
    assert.equal(
      [...committed.values()].reduce((sum, offset) => sum + offset, 0),
      2,
    )
  })

  test('keeps what it acknowledged over a crash, at the same address', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 1 } })
    await broker.produce('orders', [{ value: 'one' }])
    const address = broker.bootstrap

    await broker.crash()

    assert.equal(broker.bootstrap, address)
    await broker.produce('orders', [{ value: 'two' }])
    assert.deepEqual(await valuesOf(broker), ['one', 'two'])
  })

  test('loses what it acknowledged without a sync, when its settings allow that', async () => {
    const settings = { 'shoal.flush.policy': 'none' }
    await using broker = await TestBroker.start({ topics: { orders: 1 }, settings })
    await broker.crash({ disk: 'everything' })
    await broker.produce('orders', [{ value: 'never synced' }])

    await broker.crash({ disk: 'nothing' })

    assert.deepEqual(await valuesOf(broker), [])
  })

  test('is down after a crash until it is started', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 1 } })
    await broker.crash({ stayDown: true })
    const [host = '', port] = broker.bootstrap.split(':')
    const refused = await new Promise<Error & { code?: string }>((resolve) =>
      connect({ host, port: Number(port) }).once('error', resolve),
    )
    assert.equal(refused.code, 'ECONNREFUSED')
    await broker.start()
    assert.deepEqual(await valuesOf(broker), [])
  })

  test('answers nothing while it is stalled, and everything afterwards', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 1 } })
    broker.stall()
    let isAnswered = false
    const sent = broker.produce('orders', [{ value: 'late' }]).then(() => {
      isAnswered = true
    })
    // A connection to the stalled broker is made, so a second one that is taken shows that time has passed for the first.
    const [host = '', port] = broker.bootstrap.split(':')
    await new Promise<void>((resolve) => {
      const socket = connect({ host, port: Number(port) }, () => {
        socket.destroy()
        resolve()
      })
    })
    assert.equal(isAnswered, false)

    broker.resume()
    await sent
    assert.deepEqual(await valuesOf(broker), ['late'])
  })

  test('makes a group rebalance, and nothing is handled twice', async () => {
    await using broker = await TestBroker.start({ topics: { orders: 4 } })
    const kinds: RebalanceEvent['kind'][] = []
    const listener = ({ group, kind }: RebalanceEvent) =>
      void (group === 'moved' && kinds.push(kind))
    telemetry.rebalance.subscribe(listener)
    let handled = 0
    await using _running = await consumer({
      group: 'moved',
      source: broker.source('orders'),
      handle: () => void handled++,
    }).start()
    await waitFor(() => kinds.includes('assigned'), { what: 'the member has its partitions' })
    await broker.produce(
      'orders',
      Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: index })),
    )
    await broker.waitUntilConsumed('moved', 'orders')

    await broker.rebalance('moved', 'orders')

    await broker.produce(
      'orders',
      Array.from({ length: 40 }, (_, index) => ({ key: `key-${index}`, value: index })),
    )
    await broker.waitUntilConsumed('moved', 'orders')
    telemetry.rebalance.unsubscribe(listener)
    assert.ok(kinds.includes('released'), `it gave partitions to the guest: ${kinds.join(' ')}`)
    assert.equal(handled, 80)
  })

  test('lives in virtual time with its clients: minutes pass in a moment', async () => {
    const clock = new VirtualClock()
    await using broker = await TestBroker.start({ topics: { orders: 1 }, clock })
    await passTime(clock, broker.produce('orders', [{ value: 'one' }]))
    const attempts: number[] = []
    const starting = consumer({
      group: 'slow',
      source: broker.source('orders'),
      retry: { attempts: 3, backoff: { kind: 'fixed', base: '1m', max: '1m', jitter: 'none' } },
      ...broker.runtimePorts,
      handle: () => {
        attempts.push(clock.monotonicMs())
        if (attempts.length < 3) throw new Error('not yet')
      },
    }).start()
    const running = await passTime(clock, starting)

    await passTime(clock, broker.waitUntilConsumed('slow', 'orders', 300_000))

    const [first = 0, second = 0, third = 0] = attempts
    assert.deepEqual([second - first, third - second], [60_000, 60_000])
    await passTime(clock, running.drain())
  })
})

async function valuesOf(broker: TestBroker): Promise<readonly string[]> {
  const records = await broker.records('orders')
  return records.map(({ value }) => new TextDecoder().decode(value ?? new Uint8Array()))
}
