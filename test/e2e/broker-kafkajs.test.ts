/**
 * kafkajs against the broker, over TCP: what an application does, from the first topic to the last committed offset.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Consumer, EachMessagePayload } from 'kafkajs'
import kafkajs from 'kafkajs'
import { Broker } from 'shoal/broker'

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs
/** Generous: the machine may be ten times slower than usual. */
const LIMIT = { timeout: 180_000 }

test('a topic is made on demand, and what is produced is consumed in order', LIMIT, async (t) => {
  const { kafka } = await fixture(t)
  const producer = kafka.producer()
  await producer.connect()
  t.after(() => producer.disconnect())

  for (let batch = 0; batch < 5; batch++)
    await producer.send({
      topic: 'orders',
      messages: [0, 1, 2].map((n) => ({ key: 'k', value: `${batch}-${n}`, headers: { h: 'x' } })),
    })

  const received = await consume(t, kafka.consumer({ groupId: 'readers' }), 'orders', 15)
  assert.deepEqual(
    received.map(({ message }) => [message.offset, String(message.value)]),
    Array.from({ length: 15 }, (_, i) => [String(i), `${Math.floor(i / 3)}-${i % 3}`]),
  )
  assert.equal(String(received[0]?.message.headers?.['h']), 'x')
})

test('an idempotent producer gets a producer id and writes every record once', LIMIT, async (t) => {
  const { kafka } = await fixture(t)
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  t.after(() => producer.disconnect())
  for (let n = 0; n < 20; n++)
    await producer.send({ topic: 'once', acks: -1, messages: [{ key: 'k', value: String(n) }] })

  const received = await consume(t, kafka.consumer({ groupId: 'g' }), 'once', 20)
  assert.deepEqual(
    received.map(({ message }) => String(message.value)),
    Array.from({ length: 20 }, (_, n) => String(n)),
  )
})

test(
  'two members share the partitions, and one takes over what the other leaves',
  LIMIT,
  async (t) => {
    const { kafka } = await fixture(t)
    const admin = kafka.admin()
    await admin.connect()
    t.after(() => admin.disconnect())
    await admin.createTopics({ topics: [{ topic: 'shared', numPartitions: 4 }] })

    const pair = { groupId: 'pair', heartbeatInterval: 100, maxWaitTimeInMs: 100 }
    const first = await joined(t, kafka.consumer(pair), 'shared')
    assert.deepEqual(await first.nextAssignment(), [0, 1, 2, 3])
    const second = await joined(t, kafka.consumer(pair), 'shared')
    const [mine, yours] = [await first.nextAssignment(), await second.nextAssignment()]
    assert.equal(mine.length, 2)
    assert.deepEqual([...mine, ...yours].toSorted(numerically), [0, 1, 2, 3])

    await first.consumer.disconnect()
    assert.deepEqual(await second.nextAssignment(), [0, 1, 2, 3])
  },
)

test(
  'committed offsets and members are told to the admin, and a restart keeps them',
  LIMIT,
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-e2e-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const before = await fixture(t, { data: folder })
    const producer = before.kafka.producer()
    await producer.connect()
    await producer.send({
      topic: 'kept',
      messages: [{ value: 'a' }, { value: 'b' }, { value: 'c' }],
    })
    await producer.disconnect()
    await consume(t, before.kafka.consumer({ groupId: 'keepers' }), 'kept', 3)
    const { clusterId } = before.broker
    await before.broker.close()

    const { broker, kafka } = await fixture(t, { data: folder })
    const admin = kafka.admin()
    await admin.connect()
    t.after(() => admin.disconnect())
    assert.equal(broker.clusterId, clusterId)
    assert.deepEqual(await admin.fetchOffsets({ groupId: 'keepers', topics: ['kept'] }), [
      { topic: 'kept', partitions: [{ partition: 0, offset: '3', metadata: null }] },
    ])
    assert.deepEqual(await admin.fetchTopicOffsets('kept'), [
      { partition: 0, offset: '3', high: '3', low: '0' },
    ])
    const { groups } = await admin.describeGroups(['keepers'])
    assert.deepEqual(
      groups.map((group) => [group.groupId, group.state]),
      [['keepers', 'Empty']],
    )
  },
)

test(
  'the admin makes, grows, describes, configures, empties and deletes topics and groups',
  LIMIT,
  async (t) => {
    const { kafka } = await fixture(t)
    const admin = kafka.admin()
    await admin.connect()
    t.after(() => admin.disconnect())

    assert.equal(
      await admin.createTopics({
        topics: [
          {
            topic: 'managed',
            numPartitions: 2,
            replicationFactor: 3,
            configEntries: [{ name: 'retention.ms', value: '60000' }],
          },
        ],
      }),
      true,
    )
    assert.equal(await admin.createTopics({ topics: [{ topic: 'managed' }] }), false)
    await assert.rejects(admin.createTopics({ topics: [{ topic: 'no spaces' }] }))
    await admin.createPartitions({ topicPartitions: [{ topic: 'managed', count: 3 }] })
    const { topics } = await admin.fetchTopicMetadata({ topics: ['managed'] })
    assert.equal(topics[0]?.partitions.length, 3)

    const resource = { type: ConfigResourceTypes.TOPIC, name: 'managed' }
    const described = await admin.describeConfigs({ includeSynonyms: true, resources: [resource] })
    const entries = described.resources[0]?.configEntries ?? []
    assert.equal(entries.length, 33)
    assert.equal(entries.find((each) => each.configName === 'retention.ms')?.configValue, '60000')
    await assert.rejects(
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: 'x' }] }],
      }),
    )

    const producer = kafka.producer()
    await producer.connect()
    await producer.send({
      topic: 'managed',
      messages: [0, 1, 2, 3].map((n) => ({ partition: 0, value: `${n}` })),
    })
    await producer.disconnect()
    await admin.deleteTopicRecords({
      topic: 'managed',
      partitions: [{ partition: 0, offset: '3' }],
    })
    const [partition] = (await admin.fetchTopicOffsets('managed')).filter((p) => p.partition === 0)
    assert.deepEqual([partition?.low, partition?.high], ['3', '4'])

    await admin.setOffsets({
      groupId: 'reset',
      topic: 'managed',
      partitions: [{ partition: 0, offset: '3' }],
    })
    const { groups } = await admin.listGroups()
    assert.deepEqual(
      groups.map((group) => group.groupId),
      ['reset'],
    )
    await admin.deleteGroups(['reset'])
    assert.deepEqual((await admin.listGroups()).groups, [])
    await admin.deleteTopics({ topics: ['managed'] })
    assert.deepEqual(await admin.listTopics(), [])
  },
)

async function fixture(t: TestContext, options: { readonly data?: string } = {}) {
  const settings = { 'group.initial.rebalance.delay.ms': 0 }
  const broker = await Broker.open({ ...options, kafka: { port: 0 }, settings })
  t.after(() => broker.close())
  const { host, port } = broker.kafkaAddress
  const kafka = new Kafka({ brokers: [`${host}:${port}`], logLevel: logLevel.NOTHING })
  return { broker, kafka }
}

/** The first `count` records that a new member gets; it commits them and leaves. */
async function consume(t: TestContext, consumer: Consumer, topic: string, count: number) {
  const received: EachMessagePayload[] = []
  const complete = Promise.withResolvers<void>()
  t.after(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async (payload) => {
      received.push(payload)
      if (received.length === count) complete.resolve()
    },
  })
  await complete.promise
  await consumer.disconnect()
  return received
}

/** A member whose assignments can be awaited one after another. */
async function joined(t: TestContext, consumer: Consumer, topic: string) {
  const assignments: number[][] = []
  const waiting: ((partitions: number[]) => void)[] = []
  t.after(() => consumer.disconnect())
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const partitions = (payload.memberAssignment[topic] ?? []).toSorted(numerically)
    const next = waiting.shift()
    if (next === undefined) assignments.push(partitions)
    else next(partitions)
  })
  await consumer.run({ eachMessage: async () => {} })
  const nextAssignment = () =>
    new Promise<number[]>((resolve) => {
      const known = assignments.shift()
      if (known === undefined) waiting.push(resolve)
      else resolve(known)
    })
  return { consumer, nextAssignment }
}

function numerically(left: number, right: number): number {
  return left - right
}
