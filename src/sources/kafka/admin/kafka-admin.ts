/**
 * The admin port over Kafka's protocol: Shoal's own broker and Apache Kafka alike.
 *
 * Each call asks the broker that knows: groups their coordinator, partitions their leader, topics the controller. Groups
 * are described by DescribeGroups first; what it does not know is asked of ConsumerGroupDescribe where the broker has it.
 */

import type {
  AdminPort,
  CommittedOffset,
  GroupDescription,
  GroupListing,
  NewOffset,
  NewTopic,
  OffsetSpec,
  PartitionOffset,
  PartitionOutcome,
  TopicDescription,
  TopicListing,
  TopicPartition,
} from '../../../admin/index.ts'
import { ShoalError } from '../../../core/index.ts'
import {
  ZERO_UUID,
  createTopics,
  deleteTopics,
  describeConfigs,
  listGroups,
  listOffsets,
} from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import { KafkaClient, type KafkaClientOptions } from '../kafka-client.ts'
import type { TopicView } from '../cluster-view.ts'
import type { KafkaPorts } from '../options.ts'
import { describeGroup } from './describe-group.ts'
import { commitOffsets, committedOffsets, deleteGroup, deleteOffsets } from './group-offsets.ts'
import { groupState, groupType } from './group-words.ts'

const TOPIC_RESOURCE = 2
/** Kafka's config sources: 5 is the default, what everything below it was set somewhere. */
const DEFAULT_CONFIG = 5
const TIMESTAMPS = { latest: -1, earliest: -2 } as const

export async function openKafkaAdmin(
  options: KafkaClientOptions,
  ports: KafkaPorts = {},
): Promise<AdminPort> {
  return new KafkaAdmin(await KafkaClient.open(options, ports))
}

class KafkaAdmin implements AdminPort {
  readonly backend = 'kafka'
  readonly #client: KafkaClient

  constructor(client: KafkaClient) {
    this.#client = client
  }

  async listGroups(): Promise<readonly GroupListing[]> {
    const { brokers } = await this.#client.refresh()
    const answers = await Promise.all(
      [...brokers.keys()].map((node) =>
        this.#client.request(listGroups, { statesFilter: [], typesFilter: [] }, { to: { node } }),
      ),
    )
    return answers.flatMap(({ response }) => {
      if (response.errorCode !== 'NONE') throw refusal(listGroups.name, response.errorCode)
      return response.groups.map((group) => ({
        groupId: group.groupId,
        type: groupType(group.groupType),
        state: groupState(group.groupState),
        protocolType: group.protocolType,
      }))
    })
  }

  describeGroup(groupId: string): Promise<GroupDescription> {
    return describeGroup(this.#client, groupId)
  }

  committedOffsets(groupId: string): Promise<readonly CommittedOffset[]> {
    return committedOffsets(this.#client, groupId)
  }

  commitOffsets(
    groupId: string,
    offsets: readonly NewOffset[],
  ): Promise<readonly PartitionOutcome[]> {
    return commitOffsets(this.#client, groupId, offsets)
  }

  deleteOffsets(
    groupId: string,
    partitions: readonly TopicPartition[],
  ): Promise<readonly PartitionOutcome[]> {
    return deleteOffsets(this.#client, groupId, partitions)
  }

  deleteGroup(groupId: string): Promise<void> {
    return deleteGroup(this.#client, groupId)
  }

  async offsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
  ): Promise<readonly PartitionOffset[]> {
    const { topics } = await this.#client.refresh([
      ...new Set(partitions.map(({ topic }) => topic)),
    ])
    const byLeader = Map.groupBy(
      partitions,
      ({ topic, partition }) => topics.get(topic)?.partitions[partition]?.leader ?? null,
    )
    const found = new Map<string, number>()
    for (const [node, led] of byLeader)
      if (node !== null) await this.#offsetsAt(node, led, spec, found)
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: found.get(`${topic}:${partition}`) ?? null,
    }))
  }

  async listTopics(): Promise<readonly TopicListing[]> {
    const { topics } = await this.#client.refresh('all')
    return [...topics.values()]
      .map(listingOf)
      .sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    const topic = await this.#topic(name)
    return {
      ...listingOf(topic),
      replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
      configs: await this.#configsOf(name),
      partitions: topic.partitions.map(({ partition, leader, replicas, inSyncReplicas }) => ({
        partition,
        leader: leader ?? -1,
        replicas,
        inSyncReplicas,
      })),
    }
  }

  async createTopic(topic: NewTopic): Promise<TopicListing> {
    const { name, partitionCount, replicationFactor, configs } = topic
    const { response } = await this.#client.request(
      createTopics,
      {
        topics: [
          {
            name,
            numPartitions: partitionCount,
            replicationFactor,
            assignments: [],
            configs: [...configs].map(([key, value]) => ({ name: key, value })),
          },
        ],
        timeoutMs: this.#client.settings.requestTimeoutMs,
        validateOnly: false,
      },
      { to: 'controller' },
    )
    const [created] = response.topics
    throwIfRefused('create topic', name, created)
    return listingOf(await this.#client.retrying(() => this.#topic(name)))
  }

  async deleteTopic(name: string): Promise<void> {
    const { response } = await this.#client.request(
      deleteTopics,
      {
        topics: [{ name, topicId: ZERO_UUID }],
        topicNames: [name],
        timeoutMs: this.#client.settings.requestTimeoutMs,
      },
      { to: 'controller' },
    )
    throwIfRefused('delete topic', name, response.responses[0])
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #offsetsAt(
    node: number,
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
    found: Map<string, number>,
  ): Promise<void> {
    const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
    const { response } = await this.#client.request(
      listOffsets,
      {
        replicaId: -1,
        isolationLevel: 0,
        timeoutMs: this.#client.settings.requestTimeoutMs,
        topics: [...byTopic].map(([name, asked]) => ({
          name,
          partitions: asked.map(({ partition }) => ({
            partitionIndex: partition,
            currentLeaderEpoch: -1,
            timestamp: typeof spec === 'string' ? TIMESTAMPS[spec] : spec.atMs,
          })),
        })),
      },
      { to: { node } },
    )
    for (const topic of response.topics)
      for (const { partitionIndex, errorCode, offset } of topic.partitions)
        // -1: no record at or after the time.
        if (errorCode === 'NONE' && offset >= 0)
          found.set(`${topic.name}:${partitionIndex}`, offset)
  }

  async #topic(name: string): Promise<TopicView> {
    const { topics } = await this.#client.refresh([name])
    const topic = topics.get(name)
    if (topic === undefined) throw unknownTopic(name)
    return topic
  }

  async #configsOf(name: string): Promise<TopicDescription['configs']> {
    const { response } = await this.#client.request(
      describeConfigs,
      {
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: name, configurationKeys: null }],
        includeSynonyms: false,
        includeDocumentation: false,
      },
      { to: 'any' },
    )
    const [result] = response.results
    throwIfRefused('describe topic', name, result)
    return (result?.configs ?? [])
      .filter(({ configSource }) => configSource !== DEFAULT_CONFIG)
      .map(({ name: key, value }) => [key, value ?? ''] as const)
  }
}

function listingOf(topic: TopicView): TopicListing {
  return {
    name: topic.name,
    topicId: topic.topicId ?? '',
    partitionCount: topic.partitions.length,
    internal: topic.internal,
  }
}

function throwIfRefused(
  what: string,
  topic: string,
  answer: { readonly errorCode: string; readonly errorMessage: string | null } | undefined,
): void {
  const error = answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
  if (error === 'NONE') return
  if (error === 'UNKNOWN_TOPIC_OR_PARTITION') throw unknownTopic(topic)
  throw new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `the broker refused to ${what} ${topic}: ${answer?.errorMessage ?? error}`,
    { details: { topic, error } },
  )
}

function unknownTopic(topic: string): ShoalError {
  return new ShoalError('SHOAL_UNKNOWN_TOPIC', `topic ${topic} does not exist`, {
    details: { topic },
  })
}
