/**
 * What `shoal/client` does, whatever it speaks: one suite, run over Kafka and over HTTP against the same broker.
 *
 * Nothing here knows the transport. Records are produced and offsets looked at through a client of its own.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { newConsumer, type ConsumerConfig, type Message, type PollingConsumer } from 'shoal/client'
import { eventually } from '../seeds/waiting.ts'

export interface ClientFixture {
  /** As a user names it in `brokers`. */
  readonly brokers: string
  /** The same for an address where nobody listens. */
  readonly nowhere: string
  createTopic(partitionCount: number): Promise<string>
  produce(topic: string, values: readonly string[], partition?: number): Promise<void>
  /** The committed offset, -1 when there is none. */
  committed(group: string, topic: string, partition: number): Promise<number>
  memberCount(group: string): Promise<number>
  /** The values of a topic's records. */
  valuesOf(topic: string): Promise<readonly string[]>
  close(): Promise<void>
}

interface Stage {
  readonly fixture: ClientFixture
  readonly topic: string
  readonly group: string
  join(config?: Partial<ConsumerConfig>): Promise<PollingConsumer>
}

const lost = { code: 'SHOAL_PARTITION_LOST' }

export function clientConformance(name: string, open: () => Promise<ClientFixture>): void {
  describe(`client conformance: ${name}`, () => {
    let fixture: ClientFixture
    before(async () => {
      fixture = await open()
    })
    after(() => fixture.close())
    for (const [index, { name: title, partitions = 1, run }] of cases.entries())
      test(title, async () => {
        const topic = await fixture.createTopic(partitions)
        const group = `client-${index}`
        const consumers: PollingConsumer[] = []
        const join = async (config: Partial<ConsumerConfig> = {}) => {
          const { brokers } = fixture
          const consumer = await newConsumer({
            brokers,
            groupId: group,
            topics: [topic],
            ...config,
          })
          consumers.push(consumer)
          return consumer
        }
        try {
          await run({ fixture, topic, group, join })
        } finally {
          await Promise.all(consumers.map((consumer) => consumer.close()))
        }
      })
  })
}

interface Case {
  readonly name: string
  readonly partitions?: number
  run(stage: Stage): Promise<void>
}

const manual = { autoCommit: false }

const cases: readonly Case[] = [
  {
    name: 'poll gives at most so many messages, in order, with where they are from',
    async run({ fixture, topic, join }) {
      await fixture.produce(topic, numbered(250))
      const consumer = await join()
      const first = await pollSome(consumer, 100)
      assert.ok(first.length <= 100, `${first.length}`)
      const all = [...first]
      while (all.length < 250) all.push(...(await pollSome(consumer, 100)))
      assert.deepEqual(
        all.map((message) => message.text()),
        numbered(250),
      )
      assert.deepEqual(
        all.map(({ offset }) => offset),
        [...all.keys()],
      )
      for (const { topic: from, partition, deliveryCount } of all)
        assert.deepEqual([from, partition, deliveryCount], [topic, 0, 1])
      assert.deepEqual(await consumer.poll({ max: 100, timeout: 200 }), [])
    },
  },
  {
    name: 'a poll that waits ends with its signal, and with the consumer',
    async run({ join }) {
      const consumer = await join()
      const stop = new AbortController()
      const waiting = consumer.poll({ timeout: '1h', signal: stop.signal })
      stop.abort()
      assert.deepEqual(await waiting, [])
      const other = consumer.poll({ timeout: '1h' })
      await consumer.close()
      assert.deepEqual(await other, [])
    },
  },
  {
    name: 'a group is fanned out to: each gets everything',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(4))
      for (const name of ['analytics', 'billing', 'logs']) {
        const consumer = await join({ groupId: `${group}-${name}` })
        assert.deepEqual(values(await pollCount(consumer, 4)), numbered(4))
      }
    },
  },
  {
    name: 'ack stores the position of the first record that is not done, and never comes back',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(3))
      const consumer = await join(manual)
      const [a, b, c] = (await pollCount(consumer, 3)) as [Message, Message, Message]
      await consumer.ack(b)
      assert.ok((await fixture.committed(group, topic, 0)) <= 0)
      await consumer.ack([a, b])
      assert.equal(await fixture.committed(group, topic, 0), 2)
      await consumer.ack(c)
      await consumer.ack(c)
      assert.equal(await fixture.committed(group, topic, 0), 3)
      await consumer.close()
      const next = await join(manual)
      assert.deepEqual(await next.poll({ timeout: 300 }), [])
    },
  },
  {
    name: 'what is not acknowledged comes to the next member, what is does not',
    async run({ fixture, topic, join }) {
      await fixture.produce(topic, numbered(3))
      const consumer = await join(manual)
      const messages = await pollCount(consumer, 3)
      await consumer.ack(messages[0]!)
      await consumer.close()
      await assert.rejects(consumer.ack(messages[1]!), { code: 'SHOAL_CLOSED' })
      const next = await join(manual)
      assert.deepEqual(values(await pollCount(next, 2)), ['1', '2'])
    },
  },
  {
    name: 'nack delivers again after its delay, counted; the others flow on and the position waits',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(2))
      const consumer = await join(manual)
      const [a, b] = (await pollCount(consumer, 2)) as [Message, Message]
      const startMs = performance.now()
      assert.equal((await consumer.nack(a, { delay: 300 })).kind, 'released')
      await assert.rejects(consumer.ack(a), { code: 'SHOAL_INVALID_ARGUMENT' })
      await consumer.commit(b)
      assert.ok((await fixture.committed(group, topic, 0)) <= 0)
      const [again] = (await pollCount(consumer, 1)) as [Message]
      assert.ok(performance.now() - startMs >= 290)
      assert.deepEqual([again.text(), again.deliveryCount], ['0', 2])
      await consumer.ack(again)
      assert.equal(await fixture.committed(group, topic, 0), 2)
    },
  },
  {
    name: 'the third nack is the last: the record goes to the dead letters and the position passes',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(1))
      const consumer = await join(manual)
      for (const count of [1, 2, 3]) {
        const [message] = (await pollCount(consumer, 1)) as [Message]
        assert.equal(message.deliveryCount, count)
        const outcome = await consumer.nack(message, { delay: 1, reason: 'no stock' })
        assert.equal(outcome.kind, count < 3 ? 'released' : 'dead-lettered')
      }
      assert.equal(await fixture.committed(group, topic, 0), 1)
      assert.deepEqual(await fixture.valuesOf(`${topic}-dlq`), ['0'])
    },
  },
  {
    name: 'reject goes to the dead letters at once',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(1))
      const consumer = await join(manual)
      const [message] = (await pollCount(consumer, 1)) as [Message]
      assert.deepEqual(await consumer.reject(message, 'not an order'), {
        kind: 'dead-lettered',
        topic: `${topic}-dlq`,
      })
      assert.equal(await fixture.committed(group, topic, 0), 1)
      assert.deepEqual(await fixture.valuesOf(`${topic}-dlq`), ['0'])
    },
  },
  {
    name: 'commit(offset) stores the position after it, record by record, over several partitions',
    partitions: 2,
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(2), 0)
      await fixture.produce(topic, numbered(2), 1)
      const consumer = await join(manual)
      for (let left = 4; left > 0;) {
        const messages = await pollSome(consumer, 100)
        for (const { offset, partition } of messages) {
          await consumer.commit(offset)
          assert.equal(await fixture.committed(group, topic, partition), offset + 1)
        }
        left -= messages.length
      }
    },
  },
  {
    name: 'commitAll stores everything that was handed out',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(10))
      const consumer = await join(manual)
      await pollCount(consumer, 5, 5)
      await consumer.commitAll()
      assert.equal(await fixture.committed(group, topic, 0), 5)
    },
  },
  {
    name: 'by itself only what the next poll handed back is committed, also at the end',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, numbered(4))
      const consumer = await join({ autoCommitInterval: 100 })
      await pollCount(consumer, 2, 2)
      await pollCount(consumer, 2, 2)
      await eventually(
        () => fixture.committed(group, topic, 0),
        (offset) => offset === 2,
      )
      await consumer.close()
      assert.equal(await fixture.committed(group, topic, 0), 2)
    },
  },
  {
    name: 'latest begins with what comes, none refuses to begin',
    async run({ fixture, topic, group, join }) {
      await fixture.produce(topic, ['old'])
      const late = await join({ ...manual, autoOffsetReset: 'latest' })
      assert.deepEqual(await late.poll({ timeout: 300 }), [])
      await fixture.produce(topic, ['new'])
      assert.deepEqual(values(await pollCount(late, 1)), ['new'])
      const strict = await join({ ...manual, groupId: `${group}-strict`, autoOffsetReset: 'none' })
      await assert.rejects(pollCount(strict, 1), { code: 'SHOAL_NO_OFFSET' })
    },
  },
  {
    name: 'a second member gets its share; what the first acknowledges late is refused and delivered again',
    partitions: 2,
    async run({ fixture, topic, join }) {
      await fixture.produce(topic, ['a'], 0)
      await fixture.produce(topic, ['b'], 1)
      const config = { ...manual, heartbeatInterval: 200, sessionTimeout: '60s' as const }
      const told: string[] = []
      const first = await join({ ...config, onRebalance: ({ kind }) => told.push(kind) })
      const messages = await pollCount(first, 2)
      const second = await join(config)
      // The next poll hands back what is in hand, and so lets its partition move.
      const received = pollCount(second, 1)
      while (first.assignment.length > 1) await first.poll({ timeout: 100 })
      const [again] = await received
      const late = messages.find(({ partition }) => partition === again!.partition)!
      await assert.rejects(first.ack(late), lost)
      await assert.rejects(first.commit(late), lost)
      await second.ack(again!)
      await first.ack(messages.filter((message) => message !== late))
      assert.deepEqual(told, ['assigned', 'revoked'])
      assert.deepEqual(
        new Set([...first.assignment, ...second.assignment].map(({ partition }) => partition)),
        new Set([0, 1]),
      )
    },
  },
  {
    name: 'a rebalance waits for what is being worked on, so that nothing is done twice',
    partitions: 2,
    async run({ fixture, topic, join }) {
      await fixture.produce(topic, ['a'], 0)
      await fixture.produce(topic, ['b'], 1)
      const config = { ...manual, heartbeatInterval: 200, sessionTimeout: '60s' as const }
      const first = await join(config)
      const messages = await pollCount(first, 2)
      const second = await join(config)
      const polled = second.poll({ timeout: 1_500 })
      assert.deepEqual(await polled, [], 'its partition is still in work')
      await first.ack(messages)
      await eventually(
        async () => {
          await second.poll({ timeout: 100 })
          return second.assignment.length
        },
        (count) => count === 1,
      )
      assert.deepEqual(await second.poll({ timeout: 300 }), [])
    },
  },
  {
    name: 'a broker that is not there is told within the connect timeout',
    async run({ fixture, join }) {
      const config = { brokers: fixture.nowhere, connectTimeout: 300 }
      await assert.rejects(join(config), { code: 'SHOAL_BROKER_UNREACHABLE', retriable: true })
    },
  },
  {
    name: 'closing leaves the group at once',
    partitions: 2,
    async run({ fixture, group, join }) {
      const config = { heartbeatInterval: 200, sessionTimeout: '60s' as const }
      const first = await join(config)
      const second = await join(config)
      await eventually(
        async () => {
          await Promise.all([first.poll({ timeout: 50 }), second.poll({ timeout: 50 })])
          return [first.assignment.length, second.assignment.length].join()
        },
        (shares) => shares === '1,1',
      )
      await second.close()
      assert.equal(await fixture.memberCount(group), 1)
      await eventually(
        async () => {
          await first.poll({ timeout: 50 })
          return first.assignment.length
        },
        (count) => count === 2,
      )
    },
  },
]

/** Polls until there is something. */
async function pollSome(consumer: PollingConsumer, max: number): Promise<readonly Message[]> {
  return eventually(
    () => consumer.poll({ max, timeout: '5s' }),
    (messages) => messages.length > 0,
  )
}

/** Polls until there are so many in all. */
async function pollCount(
  consumer: PollingConsumer,
  count: number,
  max = 100,
): Promise<readonly Message[]> {
  const all: Message[] = []
  while (all.length < count)
    all.push(...(await pollSome(consumer, Math.min(max, count - all.length))))
  return all
}

function values(messages: readonly Message[]): readonly string[] {
  return messages.map((message) => message.text())
}

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${index}`)
}
