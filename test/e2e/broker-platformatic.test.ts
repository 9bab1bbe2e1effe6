/**
 * @platformatic/kafka against the broker, over TCP: producer, group consumer and admin, in the versions that it speaks.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import {
  Admin,
  Consumer,
  MessagesStreamModes,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { Broker } from 'shoal/broker'

const LIMIT = { timeout: 180_000 }

for (const idempotent of [false, true])
  test(
    `what ${idempotent ? 'an idempotent' : 'a plain'} producer sends, a group consumer gets`,
    LIMIT,
    async (t) => {
      const { client } = await fixture(t)
      const producer = new Producer({ ...client, serializers: stringSerializers, idempotent })
      t.after(() => producer.close())
      const admin = new Admin(client)
      t.after(() => admin.close())
      await admin.createTopics({ topics: ['orders'], partitions: 2 })
      for (let n = 0; n < 10; n++)
        await producer.send({
          messages: [{ topic: 'orders', key: `k${n % 3}`, value: String(n), headers: { h: 'x' } }],
          ...(idempotent ? {} : { acks: -1 }),
        })

      const consumer = new Consumer({
        ...client,
        groupId: 'readers',
        deserializers: stringDeserializers,
      })
      t.after(() => consumer.close(true))
      const stream = await consumer.consume({
        topics: ['orders'],
        mode: MessagesStreamModes.EARLIEST,
        autocommit: false,
      })
      const byKey = new Map<string, number[]>()
      let count = 0
      for await (const message of stream) {
        byKey.set(message.key, [...(byKey.get(message.key) ?? []), Number(message.value)])
        assert.equal(message.headers.get('h'), 'x')
        await message.commit()
        if (++count === 10) break
      }
      assert.deepEqual(Object.fromEntries(byKey), {
        k0: [0, 3, 6, 9],
        k1: [1, 4, 7],
        k2: [2, 5, 8],
      })
      const [group] = await admin.listConsumerGroupOffsets({ groups: ['readers'] })
      const committed = group?.topics.flatMap((topic) =>
        topic.partitions.map((partition) => partition.committedOffset),
      )
      assert.equal(
        committed?.reduce((sum, offset) => sum + offset, 0n),
        10n,
      )
      const [state] = (await admin.describeGroups({ groups: ['readers'] })).values()
      assert.equal(state?.state, 'Stable')
      assert.equal(state?.members.size, 1)
    },
  )

test('the admin sees and changes topics, configs, records and groups', LIMIT, async (t) => {
  const { client } = await fixture(t)
  const admin = new Admin(client)
  t.after(() => admin.close())
  const [created] = await admin.createTopics({
    topics: ['managed'],
    partitions: 1,
    configs: [{ name: 'retention.ms', value: '60000' }],
  })
  assert.equal(created?.name, 'managed')
  await admin.createPartitions({ topics: [{ name: 'managed', count: 2, assignments: null }] })
  assert.deepEqual(await admin.listTopics(), ['managed'])

  const resource = { resourceType: 2, resourceName: 'managed' } as const
  const set = { name: 'segment.bytes', configOperation: 0, value: '2097152' } as const
  await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [set] }] })
  const [described] = await admin.describeConfigs({
    resources: [{ ...resource, configurationKeys: ['segment.bytes', 'retention.ms'] }],
    includeSynonyms: true,
  })
  assert.deepEqual(
    described?.configs.map((each) => [each.name, each.value, each.configSource]).toSorted(),
    [
      ['retention.ms', '60000', 1],
      ['segment.bytes', '2097152', 1],
    ],
  )

  const producer = new Producer({ ...client, serializers: stringSerializers })
  t.after(() => producer.close())
  const messages = ['a', 'b', 'c'].map((value) => ({ topic: 'managed', partition: 1, value }))
  await producer.send({ messages, acks: -1 })
  const [deleted] = await admin.deleteRecords({
    topics: [{ name: 'managed', partitions: [{ partition: 1, offset: 2n }] }],
  })
  assert.deepEqual(deleted?.partitions, [{ partition: 1, lowWatermark: 2n }])
  const [logs] = await admin.describeLogDirs({ topics: [{ name: 'managed', partitions: [0, 1] }] })
  const sizes = logs?.results[0]?.topics[0]?.partitions.map((each) => each.partitionSize > 0n)
  assert.deepEqual(sizes, [false, true])

  await admin.alterConsumerGroupOffsets({
    groupId: 'reset',
    topics: [{ name: 'managed', partitionOffsets: [{ partition: 1, offset: 2n }] }],
  })
  assert.deepEqual([...(await admin.listGroups()).keys()], ['reset'])
  await admin.deleteConsumerGroupOffsets({
    groupId: 'reset',
    topics: [{ name: 'managed', partitionIndexes: [1] }],
  })
  await admin.deleteGroups({ groups: ['reset'] })
  assert.deepEqual([...(await admin.listGroups()).keys()], [])
  await admin.deleteTopics({ topics: ['managed'] })
  assert.deepEqual(await admin.listTopics(), [])
})

async function fixture(t: TestContext) {
  const settings = { 'group.initial.rebalance.delay.ms': 0 }
  const broker = await Broker.open({ kafka: { port: 0 }, settings })
  t.after(() => broker.close())
  const { host, port } = broker.kafkaAddress
  return { broker, client: { clientId: 'e2e', bootstrapBrokers: [`${host}:${port}`] } }
}
