/** The client of seed 001 behaves the same over each of its transports, with Shoal's own broker behind it. */

import { Broker } from '../../src/broker/index.ts'
import { openKafkaAdmin, readTopic } from '../../src/sources/kafka/admin/index.ts'
import { KafkaClient, KafkaProducer } from '../../src/sources/kafka/index.ts'
import { clientConformance, type ClientFixture } from './client-suite.ts'
import { promptly } from './kafka-fixture.ts'

let topicCount = 0

clientConformance('over Kafka', () => open('kafka'))
clientConformance('over HTTP', () => open('http'))

async function open(transport: 'kafka' | 'http'): Promise<ClientFixture> {
  const broker = await Broker.open({
    data: null,
    kafka: { host: '127.0.0.1', port: 0 },
    http: { port: 0 },
    settings: promptly,
  })
  const { host, port } = broker.kafkaAddress
  const bootstrap = `${host}:${port}`
  const client = await KafkaClient.open({ brokers: bootstrap })
  const producer = new KafkaProducer(client, { lingerMs: 0 })
  const admin = await openKafkaAdmin({ brokers: bootstrap })
  const utf8 = new TextEncoder()
  return {
    nowhere: transport === 'kafka' ? 'kafka://127.0.0.1:1' : '127.0.0.1:1',
    brokers:
      transport === 'kafka'
        ? `kafka://${bootstrap}`
        : `http://127.0.0.1:${broker.httpAddress?.port}`,
    async createTopic(partitionCount) {
      const name = `client-${topicCount++}`
      for (const topic of [name, `${name}-dlq`])
        await admin.createTopic({
          name: topic,
          partitionCount: topic === name ? partitionCount : 1,
          replicationFactor: 1,
          configs: new Map(),
        })
      return name
    },
    async produce(topic, values, partition = 0) {
      await Promise.all(
        values.map((value) =>
          producer.send({ topic, partition, key: null, value: utf8.encode(value), headers: [] }),
        ),
      )
    },
    async committed(group, topic, partition) {
      const all = await admin.committedOffsets(group)
      const found = all.find((one) => one.topic === topic && one.partition === partition)
      return found?.offset ?? -1
    },
    async memberCount(group) {
      return (await admin.describeGroup(group)).members.length
    },
    async valuesOf(topic) {
      const values: string[] = []
      const from = { kind: 'earliest' } as const
      const { signal } = new AbortController()
      const options = { brokers: bootstrap, topic, from, follow: false, signal }
      for await (const { value } of readTopic(options))
        values.push(new TextDecoder().decode(value ?? undefined))
      return values
    },
    async close() {
      await admin.close()
      await producer.close()
      await client.close()
      await broker.close()
    },
  }
}
