import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import type { Channel } from 'amqplib'
import { seededRandom, VirtualClock } from '../../core/index.ts'
import type { Assignment, OwnedPartition, SourceEvents } from '../../consumer/index.ts'
import { rabbitSettings } from './options.ts'
import type { RabbitLink } from './rabbit-link.ts'
import { RabbitSession } from './rabbit-session.ts'

class FakeChannel extends EventEmitter {
  readonly queues: string[] = []

  async assertQueue() {}
  async assertExchange() {}
  async bindQueue() {}
  async prefetch() {}
  async close() {}

  async consume(queue: string): Promise<void> {
    this.queues.push(queue)
  }
}

/** A member of two queues whose channels are opened by the test. */
function member(sharing: 'ordered' | 'competing' = 'competing') {
  const clock = new VirtualClock()
  const ports = { clock, timers: clock, random: seededRandom(1) }
  const options = { url: 'amqp://h', topics: ['t'], shards: 2, sharing }
  const settings = rabbitSettings({ ...options, heartbeatIntervalMs: 100 }, ports)
  const asked: PromiseWithResolvers<Channel>[] = []
  let down = (_reason: string): void => {}
  const link = {
    reach: async () => {},
    onDown: (listener: typeof down) => {
      down = listener
      return () => {}
    },
    channel: () => {
      const opening = Promise.withResolvers<Channel>()
      asked.push(opening)
      return opening.promise
    },
    limited: <Value>(answer: Promise<Value>) => answer,
    end: async () => {},
    close: async () => {},
  } as unknown as RabbitLink
  const owned = new Set<number>()
  const events = {
    notice: () => {},
    assigned: (list: readonly Assignment[]) => list.forEach((each) => owned.add(each.partition)),
    lost: (list: readonly OwnedPartition[]) => list.forEach((each) => owned.delete(each.partition)),
  } as unknown as SourceEvents
  let epoch = 0
  const context = { group: 'g', events, drainTimeoutMs: 1 }
  const session = new RabbitSession(link, settings, context, () => ++epoch)
  const open = async (...channels: FakeChannel[]) => {
    for (const channel of channels) asked.shift()?.resolve(channel as unknown as Channel)
    await clock.advance(0)
  }
  const begun = async () => {
    void session.begin()
    await clock.advance(0)
    await open(new FakeChannel())
    await clock.advance(0)
  }
  return { session, clock, asked, owned, open, begun, down: () => down('killed') }
}

describe('a member over RabbitMQ', () => {
  test('does not hold a queue whose channel went before the others were open', async () => {
    const { clock, asked, owned, open, begun } = member()
    await begun()
    assert.equal(asked.length, 2)
    const [first, second] = [new FakeChannel(), new FakeChannel()]
    await open(first)
    first.emit('close')
    await open(second)
    assert.deepEqual([[...owned], second.queues], [[], []])
    await clock.advance(100)
    const again = [new FakeChannel(), new FakeChannel()]
    await open(...again)
    assert.deepEqual([...owned], [0, 1])
    assert.deepEqual(
      again.flatMap(({ queues }) => queues),
      ['t.0', 't.1'],
    )
  })

  test('that lost its connection while it opened channels begins anew, and holds nothing meanwhile', async () => {
    const { clock, asked, owned, open, begun, down } = member()
    await begun()
    down()
    await open(new FakeChannel(), new FakeChannel())
    assert.deepEqual([[...owned], asked.length], [[], 0])
    await clock.advance(100)
    await open(new FakeChannel())
    await open(new FakeChannel(), new FakeChannel())
    assert.deepEqual([...owned], [0, 1])
  })

  test('that closes while it begins stays closed', async () => {
    const { session, clock, asked, open } = member('ordered')
    void session.begin()
    await clock.advance(0)
    const closed = session.close()
    await open(new FakeChannel())
    await closed
    await clock.advance(60_000)
    assert.deepEqual([asked.length, clock.pendingCount], [0, 0])
  })
})
