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
import { ZERO_UUID, createTopics, deleteTopics, describeConfigs } from '../../../protocol/index.ts'
import { KafkaClient, type KafkaClientOptions } from '../kafka-client.ts'
import type { TopicView } from '../cluster-view.ts'
import type { KafkaPorts } from '../options.ts'
import { allGroups, partitionOffsets } from './cluster-reads.ts'
import { describeGroup } from './describe-group.ts'
import { commitOffsets, committedOffsets, deleteGroup, deleteOffsets } from './group-offsets.ts'

const TOPIC_RESOURCE = 2
/** Kafka's config sources: 5 is the default, what everything below it was set somewhere. */
const DEFAULT_CONFIG = 5

export async function openKafkaAdmin(
  options: KafkaClientOptions,
  ports: KafkaPorts = {},
): Promise<AdminPort> {
  return new KafkaAdmin(await KafkaClient.open(options, ports))
}

export class KafkaAdmin implements AdminPort {
  readonly backend = 'kafka'
  readonly #client: KafkaClient

  constructor(client: KafkaClient) {
    this.#client = client
  }

  listGroups(): Promise<readonly GroupListing[]> {
    return allGroups(this.#client)
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

  offsets(
    partitions: readonly TopicPartition[],
    spec: OffsetSpec,
  ): Promise<readonly PartitionOffset[]> {
    return partitionOffsets(this.#client, partitions, spec)
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
