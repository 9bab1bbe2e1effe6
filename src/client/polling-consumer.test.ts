import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GROUP, TOPIC, values, World } from './fixtures.test.ts'
import type { Message } from './message.ts'
import type { Rebalance } from './config.ts'

const lost = { code: 'SHOAL_PARTITION_LOST' }
const invalid = { code: 'SHOAL_INVALID_ARGUMENT' }

describe('poll', () => {
  test('hands out at most so many messages, in order, and the rest later', async () => {
    await using world = new World()
    world.produce(5)
    const consumer = await world.join()
    const first = await world.poll(consumer, { max: 3 })
    assert.deepEqual(values(first), ['0', '1', '2'])
    assert.deepEqual(
      first.map(({ topic, partition, offset, deliveryCount }) => [
        topic,
        partition,
        offset,
        deliveryCount,
      ]),
      [0, 1, 2].map((offset) => [TOPIC, 0, offset, 1]),
    )
    assert.deepEqual(values(await world.poll(consumer, { max: 3 })), ['3', '4'])
  })

  test('waits for a first message, and gives an empty list when the time is over', async () => {
    await using world = new World()
    const consumer = await world.join()
    const startMs = world.clock.monotonicMs()
    assert.deepEqual(await world.poll(consumer, { timeout: '2s' }), [])
    assert.equal(world.clock.monotonicMs() - startMs, 2_000)
    const waiting = consumer.poll({ timeout: '1m' })
    await world.clock.advance(500)
    world.produce(1)
    assert.deepEqual(values(await world.settled(waiting)), ['0'])
  })

  test('ends at once when its signal or that of the consumer aborts', async () => {
    await using world = new World()
    const shutdown = new AbortController()
    const consumer = await world.join({ signal: shutdown.signal })
    const own = new AbortController()
    const waiting = consumer.poll({ timeout: '1h', signal: own.signal })
    await world.clock.advance(10)
    own.abort()
    assert.deepEqual(await world.settled(waiting), [])
    const other = consumer.poll({ timeout: '1h' })
    await world.clock.advance(10)
    shutdown.abort()
    assert.deepEqual(await world.settled(other), [])
  })

  test('serves the partitions in turns', async () => {
    await using world = new World(2)
    world.produce(50, 0)
    world.produce(50, 1)
    const consumer = await world.join()
    const seen = new Set<number>()
    for (let round = 0; round < 2; round++)
      for (const { partition } of await world.poll(consumer, { max: 5 })) seen.add(partition)
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [0, 1],
    )
  })

  test('stops at the limit of open records, and goes on when one is done', async () => {
    await using world = new World()
    world.produce(6)
    const consumer = await world.join({ autoCommit: false, maxOpenRecords: 4 })
    const four = await world.poll(consumer, { max: 4 })
    assert.deepEqual(await world.poll(consumer, { timeout: 100 }), [])
    await world.settled(consumer.ack(four.slice(0, 2)))
    assert.deepEqual(values(await world.poll(consumer, { max: 2 })), ['4', '5'])
  })

  test('refuses a second one beside it, a limit that is none, and a copy of a message', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join()
    const [message] = await world.poll(consumer)
    const waiting = consumer.poll({ timeout: '10s' })
    await assert.rejects(world.settled(consumer.poll()), invalid)
    await world.settled(waiting)
    await assert.rejects(world.settled(consumer.poll(0)), invalid)
    await assert.rejects(world.settled(consumer.poll({ timeout: 'soon' as '1s' })), invalid)
    await assert.rejects(consumer.ack({ ...message } as Message), invalid)
  })
})

describe('acknowledging', () => {
  test('moves the position to the first record that is not done', async () => {
    await using world = new World()
    world.produce(3)
    const consumer = await world.join({ autoCommit: false })
    const [a, b, c] = (await world.poll(consumer)) as [Message, Message, Message]
    await world.settled(consumer.ack(b))
    assert.equal(world.committed(), 0)
    await world.settled(consumer.ack(a))
    assert.equal(world.committed(), 2)
    await world.settled(Promise.all([consumer.ack(c), consumer.ack(c)]))
    assert.equal(world.committed(), 3)
  })

  test('shares a request among those who ask meanwhile', async () => {
    await using world = new World()
    world.produce(100)
    const consumer = await world.join({ autoCommit: false })
    let commits = 0
    world.broker.onCommit = () => void commits++
    const messages = await world.poll(consumer)
    await world.settled(Promise.all(messages.map((message) => consumer.ack(message))))
    assert.equal(world.committed(), 100)
    assert.ok(commits <= 2, `${commits} commits`)
  })

  test('is tried again while the broker does not answer, and keeps what is done when it gives up', async () => {
    await using world = new World()
    world.produce(2)
    const consumer = await world.join({ autoCommit: false, requestTimeout: '1s' })
    const [a, b] = (await world.poll(consumer)) as [Message, Message]
    world.broker.faults.commit = () => ({ outcome: 'refused' })
    await assert.rejects(world.settled(consumer.ack(a)), {
      code: 'SHOAL_REQUEST_TIMEOUT',
      retriable: true,
    })
    assert.equal(world.committed(), null)
    delete world.broker.faults.commit
    await world.settled(consumer.ack(b))
    assert.equal(world.committed(), 2)
  })
})

describe('nack', () => {
  test('delivers again after the backoff, counted, while the others flow on; the position waits', async () => {
    await using world = new World()
    world.produce(2)
    const consumer = await world.join({ autoCommit: false })
    const [a, b] = (await world.poll(consumer)) as [Message, Message]
    const outcome = await world.settled(consumer.nack(a))
    assert.deepEqual(outcome, { kind: 'released', visibleAtMs: world.clock.wallMs() + 100 })
    await assert.rejects(consumer.ack(a), invalid)
    await world.settled(consumer.commit(b))
    assert.equal(world.committed(), 0)
    const startMs = world.clock.monotonicMs()
    const [again] = (await world.poll(consumer)) as [Message]
    assert.deepEqual([again.offset, again.deliveryCount], [0, 2])
    assert.ok(world.clock.monotonicMs() - startMs >= 90)
    await world.settled(consumer.ack(again))
    assert.equal(world.committed(), 2)
  })

  test('takes the delay that it is given', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join({ autoCommit: false })
    const [a] = (await world.poll(consumer)) as [Message]
    await consumer.nack(a, { delay: '5s' })
    assert.deepEqual(await world.poll(consumer, { timeout: '4s' }), [])
    assert.equal((await world.poll(consumer, { timeout: '2s' })).length, 1)
  })

  test('writes a dead letter after the last attempt, and lets the position pass', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join({ autoCommit: false, maxAttempts: 2 })
    const [first] = (await world.poll(consumer)) as [Message]
    await consumer.nack(first, { reason: 'no stock' })
    const [second] = (await world.poll(consumer)) as [Message]
    const outcome = await world.settled(consumer.nack(second, { reason: 'still no stock' }))
    assert.deepEqual(outcome, { kind: 'dead-lettered', topic: `${TOPIC}-dlq` })
    assert.equal(world.committed(), 1)
    const [letter] = world.broker.records(`${TOPIC}-dlq`, 0)
    const headers = new Map(
      letter!.headers.map(({ key, value }) => [key, new TextDecoder().decode(value ?? undefined)]),
    )
    assert.equal(headers.get('shoal-dlq-error'), 'still no stock')
    assert.equal(headers.get('shoal-dlq-reason'), 'attempts-exhausted')
    assert.equal(headers.get('shoal-dlq-attempts'), '2')
    assert.equal(headers.get('shoal-dlq-id'), `${GROUP}/${TOPIC}/0/0`)
  })

  test('a reject goes to the dead letters at once; one that cannot be written leaves the record in hand', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join({ autoCommit: false })
    const [a] = (await world.poll(consumer)) as [Message]
    world.broker.faults.produce = () => ({ outcome: 'thrown' })
    await assert.rejects(world.settled(consumer.reject(a, 'not an order')), {
      code: 'SHOAL_REQUEST_TIMEOUT',
    })
    delete world.broker.faults.produce
    await world.settled(consumer.reject(a, 'not an order'))
    assert.equal(world.committed(), 1)
    assert.equal(world.broker.records(`${TOPIC}-dlq`, 0).length, 1)
  })
})

describe('committing', () => {
  test('an offset stores the position after it, partition by partition as a loop goes through them', async () => {
    await using world = new World(2)
    world.produce(2, 0)
    world.produce(2, 1)
    const consumer = await world.join({ autoCommit: false })
    const messages = [...(await world.poll(consumer))]
    assert.equal(messages.length, 4)
    for (const { offset, partition } of messages) {
      await world.settled(consumer.commit(offset))
      assert.equal(world.committed(partition), offset + 1)
    }
  })

  test('an offset that could mean another message is refused, one that was not polled too', async () => {
    await using world = new World(2)
    world.produce(1, 0)
    world.produce(1, 1)
    const consumer = await world.join({ autoCommit: false })
    const messages = await world.poll(consumer)
    await assert.rejects(consumer.commit(7), invalid)
    await world.settled(consumer.nack(messages[0]!, { delay: '1h' }))
    await world.settled(consumer.commit(messages[1]!.offset))
    await assert.rejects(consumer.commit(messages[1]!.offset), invalid)
    assert.equal(world.committed(messages[1]!.partition), 1)
    assert.notEqual(world.committed(messages[0]!.partition), 1)
  })

  test('commitAll stores everything that was handed out', async () => {
    await using world = new World(2)
    world.produce(3, 0)
    world.produce(2, 1)
    const consumer = await world.join({ autoCommit: false })
    while ((await world.poll(consumer, { max: 2, timeout: 50 })).length > 0);
    await world.settled(consumer.commitAll())
    assert.deepEqual([world.committed(0), world.committed(1)], [3, 2])
  })

  test('by itself, at the interval, only what the next poll handed back', async () => {
    await using world = new World()
    world.produce(4)
    const consumer = await world.join()
    await world.poll(consumer, { max: 2 })
    await world.clock.advance(6_000)
    assert.equal(world.committed(), null)
    await world.poll(consumer, { max: 2 })
    await world.clock.advance(4_900)
    await world.clock.advance(200)
    assert.equal(world.committed(), 2)
    await world.settled(consumer.close())
    assert.equal(world.committed(), 2, 'what is in hand at the end was not handed back')
  })

  test('an automatic commit that fails is told and tried again', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join({ requestTimeout: '1s' })
    await world.poll(consumer)
    await world.poll(consumer, { timeout: 0 })
    world.broker.faults.commit = () => ({ outcome: 'refused' })
    await world.clock.advance(8_000)
    assert.ok(world.logger.lines.some(({ message }) => message === 'an automatic commit failed'))
    delete world.broker.faults.commit
    await world.clock.advance(8_000)
    assert.equal(world.committed(), 1)
  })
})

describe('a rebalance', () => {
  test('waits for what is in hand; what the next poll hands back is committed before it moves', async () => {
    await using world = new World(2)
    world.produce(2, 0)
    world.produce(2, 1)
    const told: Rebalance[] = []
    const first = await world.join({ onRebalance: (event) => told.push(event) })
    assert.equal((await world.poll(first)).length, 4)
    const second = await world.join()
    await world.clock.advance(5_000)
    assert.equal(second.assignment.length, 0, 'it waits')
    await world.poll(first, { timeout: 0 })
    await world.clock.advance(100)
    const [moved] = second.assignment
    assert.equal(world.committed(moved!.partition), 2)
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ['assigned', 'revoked'],
    )
    assert.deepEqual(told[1]!.partitions, second.assignment)
  })

  test('is not waited for where everything is acknowledged', async () => {
    await using world = new World(2)
    world.produce(1, 0)
    world.produce(1, 1)
    const first = await world.join({ autoCommit: false })
    const messages = await world.poll(first)
    const second = await world.join({ autoCommit: false })
    await world.clock.advance(1_000)
    assert.equal(second.assignment.length, 0)
    await world.settled(first.ack(messages))
    await world.clock.advance(100)
    assert.equal(second.assignment.length, 1)
    assert.deepEqual(await world.poll(second, { timeout: 100 }), [])
  })

  test('ends a poll that waits, and refuses what is acknowledged or committed afterwards', async () => {
    await using world = new World(2)
    world.produce(1, 0)
    world.produce(1, 1)
    const first = await world.join({ autoCommit: false })
    const messages = await world.poll(first)
    const waiting = first.poll({ timeout: '1h' })
    const second = await world.join({ autoCommit: false })
    assert.deepEqual(await world.settled(waiting), [])
    await world.poll(first, { timeout: 0 })
    await world.clock.advance(100)
    const [moved] = second.assignment
    const late = messages.find(({ partition }) => partition === moved!.partition)!
    for (const call of [
      () => first.ack(late),
      () => first.commit(late),
      async () => void (await first.nack(late)),
      async () => void (await first.reject(late, 'no')),
    ])
      await assert.rejects(world.settled(call()), lost)
    const [again] = await world.poll(second)
    assert.equal(again!.partition, late.partition)
    await world.settled(second.ack(again!))
  })

  test('takes the partitions when the time is up, however long the loop goes on', async () => {
    await using world = new World(2)
    world.produce(1, 0)
    world.produce(1, 1)
    const first = await world.join({ rebalanceTimeout: '10s' })
    await world.poll(first)
    const second = await world.join()
    await world.clock.advance(11_000)
    assert.equal(second.assignment.length, 1)
    assert.equal(world.committed(second.assignment[0]!.partition), null)
  })

  test('that lost everything tells so, and drops what waits', async () => {
    await using world = new World()
    world.produce(1)
    const told: Rebalance[] = []
    const consumer = await world.join({
      autoCommit: false,
      onRebalance: (event) => told.push(event),
    })
    const [message] = await world.poll(consumer)
    await consumer.nack(message!, { delay: 50 })
    world.broker.group(GROUP).expire(consumer.memberId)
    await world.clock.advance(10)
    assert.deepEqual(
      told.map(({ kind }) => kind),
      ['assigned', 'lost', 'assigned'],
    )
    await assert.rejects(consumer.ack(message!), lost)
    const again = await world.poll(consumer)
    assert.deepEqual(
      again.map(({ offset, deliveryCount }) => [offset, deliveryCount]),
      [[0, 1]],
    )
  })

  test('does not stop when the listener throws', async () => {
    await using world = new World()
    world.produce(1)
    const consumer = await world.join({
      onRebalance: () => {
        throw new Error('mine')
      },
    })
    assert.equal((await world.poll(consumer)).length, 1)
    assert.ok(world.logger.lines.some(({ fields }) => fields['error'] === 'mine'))
  })
})

describe('closing', () => {
  test('leaves the group, ends a poll that waits, and may be done twice', async () => {
    await using world = new World()
    const consumer = await world.join()
    const waiting = consumer.poll({ timeout: '1h' })
    await world.clock.advance(10)
    await world.settled(Promise.all([consumer.close(), consumer.close()]))
    assert.deepEqual(await world.settled(waiting), [])
    assert.deepEqual(world.broker.group(GROUP).memberIds, [])
    await assert.rejects(world.settled(consumer.poll()), { code: 'SHOAL_CLOSED' })
  })

  test('leaves a loop that polls on room for the end of it', async () => {
    const world = new World()
    const consumer = await world.join()
    let polls = 0
    const looping = (async () => {
      for (;;)
        try {
          polls++
          await consumer.poll({ timeout: '1h' })
        } catch {
          if (polls > 100) return
        }
    })()
    await world.clock.advance(10)
    await world.settled(consumer.close())
    await world.settled(looping)
    assert.deepEqual(world.broker.group(GROUP).memberIds, [])
  })

  test('commits nothing that was not said to be done', async () => {
    await using world = new World()
    world.produce(2)
    const consumer = await world.join({ autoCommit: false })
    const [first] = await world.poll(consumer)
    await world.settled(consumer.close())
    assert.equal(world.committed(), null)
    await assert.rejects(consumer.ack(first!), { code: 'SHOAL_CLOSED' })
  })
})
