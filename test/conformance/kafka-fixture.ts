/**
 * The source suite over anything that speaks Kafka's protocol at an address.
 *
 * The fixture looks and writes through a client of its own, never through the source under test.
 */

import {
  KafkaClient,
  KafkaProducer,
  committedOffsets,
  kafka,
  refusal,
} from '../../src/sources/kafka/index.ts'
import type { KafkaPorts, KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { createTopics, leaveGroup } from '../../src/protocol/index.ts'
import type { ConformanceFixture } from './source-suite.ts'

/** The three ways to be a member, by the options that ask for them. */
export const protocols: readonly (readonly [string, Partial<KafkaSourceOptions>])[] = [
  ['KIP-848', { groupProtocol: 'consumer' }],
  ['classic, cooperative-sticky', { groupProtocol: 'classic' }],
  ['classic, eager', { groupProtocol: 'classic', assignors: ['range'] }],
]

/** Broker settings with which members of KIP-848 hear of a change as soon as the others, by their Kafka names. */
export const promptly = {
  'group.initial.rebalance.delay.ms': '0',
  'group.consumer.min.heartbeat.interval.ms': '100',
  'group.consumer.heartbeat.interval.ms': '200',
  'group.consumer.assignment.interval.ms': '0',
}

/** Nobody here is waited for until it is given up, and who was only stopped for a while must stay a member. */
export const SESSION_TIMEOUT_MS = 60_000

export interface KafkaServer {
  readonly bootstrap: string
  /** Of the topics that tests make; default 1. */
  readonly replicationFactor?: number
  stop(): Promise<void>
}

export async function kafkaFixture(
  server: KafkaServer,
  options: Partial<KafkaSourceOptions> = {},
  ports: KafkaPorts = {},
): Promise<ConformanceFixture & { readonly client: KafkaClient }> {
  const client = await KafkaClient.open({ brokers: server.bootstrap, clientId: 'fixture' })
  const producer = new KafkaProducer(client, { lingerMs: 0 })
  return {
    client,
    createTopic: async (partitionCount) => {
      const name = `conformance-${topicCount++}`
      await createTopic(client, {
        name,
        partitionCount,
        replicationFactor: server.replicationFactor ?? 1,
      })
      return name
    },
    produce: async (records) => {
      await Promise.all(records.map((record) => producer.send(record)))
    },
    committed: async (group, topic) => {
      const view = await client.refresh([topic])
      const partitions = (view.topics.get(topic)?.partitions ?? []).map(({ partition }) => ({
        topic,
        partition,
      }))
      const found = await client.retrying(() => committedOffsets(client, group, partitions))
      return new Map(
        [...found].map(([key, { offset, metadata }]) => [
          Number.parseInt(key, 10),
          { offset, metadata },
        ]),
      )
    },
    source: (topics) =>
      kafka(
        {
          brokers: server.bootstrap,
          topics,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          heartbeatIntervalMs: 200,
          ...options,
        },
        ports,
      ),
    expel: async (group, memberId) => {
      const members = [{ memberId, groupInstanceId: null, reason: 'thrown out by a test' }]
      const { response } = await client.request(
        leaveGroup,
        { groupId: group, memberId, members },
        { to: { group } },
      )
      const error = response.members[0]?.errorCode ?? response.errorCode
      if (error !== 'NONE') throw new Error(`expelling ${memberId}: ${error}`)
    },
    close: async () => {
      await producer.close()
      await client.close()
      await server.stop()
    },
  }
}

/** Over all fixtures of the process: some share a cluster. */
let topicCount = 0

export interface TestTopic {
  readonly name: string
  readonly partitionCount: number
  readonly replicationFactor: number
  /** The brokers of each partition, its preferred leader first. */
  readonly replicas?: readonly (readonly number[])[]
  readonly configs?: Readonly<Record<string, string>>
}

export async function createTopic(
  client: KafkaClient,
  { name, partitionCount, replicationFactor, replicas, configs = {} }: TestTopic,
): Promise<void> {
  const { response } = await client.request(
    createTopics,
    {
      topics: [
        {
          name,
          numPartitions: replicas === undefined ? partitionCount : -1,
          replicationFactor: replicas === undefined ? replicationFactor : -1,
          assignments: (replicas ?? []).map((brokerIds, partitionIndex) => ({
            partitionIndex,
            brokerIds,
          })),
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    },
    { to: 'controller' },
  )
  const error = response.topics[0]?.errorCode
  if (error !== 'NONE') throw new Error(`creating topic ${name}: ${error}`)
  // The broker answers before its own view of the cluster has the topic.
  await client.retrying(async () => {
    const view = await client.refresh([name])
    const partitions = view.topics.get(name)?.partitions ?? []
    if (partitions.length < partitionCount || partitions.some(({ leader }) => leader === null))
      throw refusal('Metadata', 'LEADER_NOT_AVAILABLE', { topic: name })
  })
}
