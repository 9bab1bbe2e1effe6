import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { seededRandom } from '../../core/index.ts'
import { GROUP, TOPIC, World } from '../fixtures.test.ts'
import type { PollConsumer } from './poll-consumer.ts'
import type { Message, PartitionEnd } from './message.ts'
import { pollConsumer } from './poll-options.ts'
import type { PollWithoutSchema } from './poll-options.ts'

type Polled = Message<unknown> | PartitionEnd | null

class Loop {
  readonly world: World
  readonly consumer: PollConsumer<unknown>

  constructor(world: World, consumer: PollConsumer<unknown>) {
    this.world = world
    this.consumer = consumer
  }

  static async open(
    world: World,
    options: Partial<PollWithoutSchema<'json'>> & { maxBatchRecords?: number } = {},
  ): Promise<Loop> {
    const { clock, broker, logger } = world
    const { maxBatchRecords = 500, ...rest } = options
    const consumer = await pollConsumer({
      group: GROUP,
      source: broker.source({ topics: [TOPIC], maxBatchRecords }),
      decode: 'json',
      clock,
      timers: clock,
      random: seededRandom(1),
      logger,
      ...rest,
    })
    await world.pass(0)
    return new Loop(world, consumer)
  }

  poll(timeout = 1_000): Promise<Polled> {
    return this.world.until(this.consumer.poll(timeout))
  }

  /** Polls so many messages, whatever comes between. */
  async take(count: number): Promise<Message<unknown>[]> {
    const messages: Message<unknown>[] = []
    while (messages.length < count) {
      const polled = await this.poll()
      assert.notEqual(polled, null, `${messages.length} of ${count} messages`)
      if (polled?.kind === 'message') messages.push(polled)
    }
    return messages
  }

  commit(message?: Message<unknown>): Promise<void> {
    return this.world.until(this.consumer.commit(message))
  }

  close() {
    return this.world.until(this.consumer.close())
  }
}

const offsetsOf = (messages: readonly Message<unknown>[]) => messages.map(({ offset }) => offset)

describe('a poll loop', () => {
  test('gives messages in order, then the end of each partition, then null', async () => {
    const world = new World(2)
    world.produce(['a', 'a', 'b'], 0)
    world.produce(['c'], 1)
    const loop = await Loop.open(world)
    const seen: string[] = []
    for (let polled = await loop.poll(); polled !== null; polled = await loop.poll())
      seen.push(`${polled.kind} ${polled.partition}/${polled.offset}`)
    assert.deepEqual(seen, [
      'message 0/0',
      'message 0/1',
      'message 0/2',
      'partition-end 0/3',
      'message 1/0',
      'partition-end 1/1',
    ])
    world.produce(['a'], 0)
    assert.equal((await loop.poll())?.kind, 'message')
    assert.equal((await loop.poll())?.kind, 'partition-end')
    await loop.close()
  })

  test('a partition ends after its messages, however few may be open', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const loop = await Loop.open(world, { maxOpen: 1 })
    for (const offset of [0, 1, 2]) {
      const polled = await loop.poll()
      assert.deepEqual([polled?.kind, polled?.offset], ['message', offset])
      if (offset < 2) assert.equal(await loop.poll(10), null)
      if (polled?.kind === 'message') polled.done()
      await world.pass(1)
    }
    assert.equal((await loop.poll())?.kind, 'partition-end')
    await loop.close()
  })

  test('commit stores what was handled: the given message, and nothing that was only polled', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c', 'd', 'e'])
    const loop = await Loop.open(world)
    const [first, second, third, fourth, fifth] = await loop.take(5)
    await loop.commit(first)
    assert.equal(world.committed(), 1)
    await loop.commit(second)
    await loop.commit(third)
    // The fourth failed and nobody committed it: what is committed after it does not pass it.
    await loop.commit(fifth)
    assert.equal(world.committed(), 3)
    await loop.commit()
    assert.equal(world.committed(), 3, 'the open one is not the message in hand')
    await loop.commit(fourth)
    assert.equal(world.committed(), 5)
    await loop.close()
  })

  test('where the application commits, nothing waits for a commit: not at the start, and not after a crash', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const first = await Loop.open(world, { autoCommit: false })
    const polled = await world.until(first.consumer.poll(0))
    assert.equal(polled?.kind, 'message')
    await first.commit(polled)
    world.broker.group(GROUP).crash(world.memberIds[0]!)
    await world.pass(1)
    const second = await Loop.open(world, { autoCommit: false })
    assert.deepEqual(offsetsOf(await second.take(2)), [1, 2])
    await second.close()
  })

  test('commit without a message takes the message in hand only when no other is open', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const loop = await Loop.open(world)
    await loop.take(1)
    await loop.commit()
    assert.equal(world.committed(), 1)
    const [second, third] = await loop.take(2)
    await loop.commit()
    assert.equal(world.committed(), 1)
    third?.done()
    second?.done()
    await world.pass(5_000)
    assert.equal(world.committed(), 1, 'done is not yet committed')
    await loop.commit()
    assert.equal(world.committed(), 3)
    await loop.close()
  })

  test('an asynchronous commit does not wait, covers what was handled when it was asked, and arrives', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    world.broker.faults.commit = () => ({ beforeMs: 500 })
    const loop = await Loop.open(world)
    const [first] = await loop.take(1)
    await loop.consumer.commit(first, { async: true })
    assert.notEqual(world.committed(), 1)
    await loop.take(1)
    await world.pass(1_000)
    assert.equal(world.committed(), 1)
    await loop.close()
  })

  test('close without a commit commits nothing, and open messages come again at once', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const loop = await Loop.open(world)
    const [first] = await loop.take(2)
    first?.done()
    const startedMs = world.clock.monotonicMs()
    const report = await loop.close()
    assert.ok(world.clock.monotonicMs() - startedMs < 100)
    assert.equal(report.abandoned, 1)
    assert.equal(world.committed(), undefined)
    const again = await Loop.open(world)
    assert.deepEqual(offsetsOf(await again.take(2)), [0, 1])
    await again.close()
    await assert.rejects(again.consumer.commit(), { code: 'SHOAL_CLOSED' })
  })

  test('under autoCommit the next poll says that the last message was handled', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const loop = await Loop.open(world, { autoCommit: true })
    await loop.take(1)
    await world.pass(10_000)
    assert.equal(world.committed(), 0)
    await loop.take(1)
    await world.pass(10_000)
    assert.equal(world.committed(), 1)
    await loop.close()
    assert.equal(world.committed(), 1)
  })

  test('what-was-polled commits before the work, as its warning says', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const loop = await Loop.open(world, { autoCommit: 'what-was-polled' })
    await loop.take(2)
    await world.pass(5_000)
    assert.equal(world.committed(), 2)
    await loop.poll()
    const slow = world.logger.lines.find(({ message }) =>
      /long before it was handled/.test(message),
    )
    assert.ok(Number(slow?.fields['tookMs']) >= 1_000)
    assert.ok(
      world.logger.lines.some(
        ({ level, message }) => level === 'warn' && /loses them/.test(message),
      ),
    )
    await loop.close()
  })

  test('a message that is given back comes again, and ends as the policy says', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const loop = await Loop.open(world, {
      deadLetter: 'orders.dlq',
      retry: { attempts: 2, backoff: { kind: 'fixed', base: 100, jitter: 'none' } },
    })
    const [first, second] = await loop.take(2)
    first?.fail(new Error('not today'))
    second?.done()
    const [again] = await loop.take(1)
    assert.deepEqual([again?.offset, again?.attempt], [0, 2])
    again?.fail(new Error('never'))
    await world.pass(100)
    assert.equal(world.broker.records('orders.dlq', 0).length, 1)
    await loop.commit()
    assert.equal(world.committed(), 2)
    await loop.close()
  })

  test('messages that nobody has seen are given back when their partition moves; the one in hand may end', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const loop = await Loop.open(world)
    const [first] = await loop.take(1)
    world.broker.group(GROUP).churn(TOPIC, 0)
    await world.pass(1_000)
    await loop.commit(first)
    await world.pass(10)
    assert.equal(world.committed(), 1)
    assert.deepEqual(offsetsOf(await loop.take(2)), [1, 2])
    await loop.close()
  })

  test('a handler that takes minutes costs no membership and is committed once', async () => {
    const world = new World()
    world.produce(['a'])
    const loop = await Loop.open(world)
    const [slow] = await loop.take(1)
    await world.pass(600_000)
    assert.equal(world.memberIds.length, 1)
    await loop.commit(slow)
    assert.equal(world.committed(), 1)
    assert.equal(loop.consumer.report().retried, 0)
    await loop.close()
  })

  test('no more than maxOpen messages are held, and who holds them all is told', async () => {
    const world = new World()
    world.produce(Array.from({ length: 50 }, (_, index) => `k${index}`))
    const loop = await Loop.open(world, { maxOpen: 10 })
    const held = await loop.take(10)
    assert.equal(await loop.poll(), null)
    assert.ok(
      world.logger.lines.some(({ message }) => /nothing more is delivered until/.test(message)),
    )
    for (const message of held) message.done()
    assert.equal((await loop.take(10))[0]?.offset, 10)
    await loop.close()
  })

  test('a failure for good is thrown by poll', async () => {
    const world = new World()
    world.broker.append({ topic: TOPIC, key: null, value: new TextEncoder().encode('no json') })
    const loop = await Loop.open(world)
    await assert.rejects(
      async () => {
        while ((await loop.poll()) !== null);
      },
      { code: 'SHOAL_HANDLER_FAILED' },
    )
  })
})

describe('the async iterator', () => {
  test('gives message after message; leaving the loop leaves the group', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c', 'd'])
    const loop = await Loop.open(world, { autoCommit: true })
    const seen: number[] = []
    const work = (async () => {
      for await (const message of loop.consumer.messages()) {
        seen.push(message.offset)
        if (seen.length === 3) {
          message.done()
          break
        }
      }
    })()
    await world.until(work)
    assert.deepEqual(seen, [0, 1, 2])
    assert.equal(world.committed(), 3)
    assert.deepEqual(world.memberIds, [])
  })

  test('an error in the loop leaves the message in hand to its next owner', async () => {
    const world = new World()
    world.produce(['a', 'b'])
    const loop = await Loop.open(world, { autoCommit: true })
    const work = (async () => {
      for await (const message of loop.consumer.messages())
        if (message.offset === 1) throw new Error('broke')
    })()
    await assert.rejects(world.until(work), /broke/)
    assert.equal(world.committed(), 1)
  })

  test('ends when the consumer is closed', async () => {
    const world = new World()
    const loop = await Loop.open(world)
    const work = (async () => {
      for await (const message of loop.consumer.messages()) assert.fail(message.id)
    })()
    await loop.close()
    await world.until(work)
  })
})
