/**
 * What is known of a cluster: brokers, topics, who leads what. A snapshot that Metadata answers are merged into.
 *
 * Pure. Topics that were not asked for stay as they were; one that is gone leaves the view.
 */

import type { Address } from '../../core/index.ts'
import { ZERO_UUID } from '../../protocol/index.ts'
import type { KafkaErrorCode, MetadataResponse } from '../../protocol/index.ts'

export interface ClusterView {
  readonly clusterId: string | null
  /** Where to send what only the controller does; null when it is not known. */
  readonly controllerId: number | null
  readonly brokers: ReadonlyMap<number, BrokerView>
  readonly topics: ReadonlyMap<string, TopicView>
  /** Names by topic id (22 characters of base64url), for answers that carry ids. */
  readonly topicNames: ReadonlyMap<string, string>
  /** Why a topic that was asked for is not in `topics`. */
  readonly absent: ReadonlyMap<string, KafkaErrorCode>
}

export interface BrokerView extends Address {
  readonly id: number
  readonly rack: string | null
}

export interface TopicView {
  readonly name: string
  /** Null where the broker is too old for ids. */
  readonly topicId: string | null
  readonly internal: boolean
  /** By partition, from 0 without gaps. */
  readonly partitions: readonly PartitionView[]
}

export interface PartitionView {
  readonly partition: number
  /** The broker that leads it; null while there is none. */
  readonly leader: number | null
  /** -1 where the broker is too old to tell. */
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly inSyncReplicas: readonly number[]
  readonly error: KafkaErrorCode
}

export const unknownCluster: ClusterView = {
  clusterId: null,
  controllerId: null,
  brokers: new Map(),
  topics: new Map(),
  topicNames: new Map(),
  absent: new Map(),
}

/** Errors that mean: there is no such topic, or not yet. */
const ABSENT: ReadonlySet<KafkaErrorCode> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
])

/** @param isWhole whether the answer is about all topics: those that it lacks are gone */
export function mergeMetadata(
  view: ClusterView,
  response: MetadataResponse,
  isWhole = false,
): ClusterView {
  const topics = new Map(isWhole ? withoutGone(view, response) : view.topics)
  const absent = new Map(view.absent)
  for (const topic of response.topics) {
    if (topic.name === null) continue
    absent.delete(topic.name)
    if (topic.errorCode === 'NONE') topics.set(topic.name, topicView(topic.name, topic))
    else if (ABSENT.has(topic.errorCode)) {
      topics.delete(topic.name)
      absent.set(topic.name, topic.errorCode)
    }
    // LEADER_NOT_AVAILABLE and the like: what was known stays until something better comes.
  }
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId < 0 ? null : response.controllerId,
    brokers: new Map(
      response.brokers.map(({ nodeId, host, port, rack }) => [
        nodeId,
        { id: nodeId, host, port, rack },
      ]),
    ),
    topics,
    topicNames: new Map(
      [...topics.values()].flatMap(({ topicId, name }) =>
        topicId === null ? [] : [[topicId, name] as const],
      ),
    ),
    absent,
  }
}

function withoutGone({ topics }: ClusterView, response: MetadataResponse) {
  const there = new Set(response.topics.map(({ name }) => name))
  return [...topics].filter(([name]) => there.has(name))
}

export function leaderOf(view: ClusterView, topic: string, partition: number): number | null {
  return view.topics.get(topic)?.partitions[partition]?.leader ?? null
}

function topicView(name: string, topic: MetadataResponse['topics'][number]): TopicView {
  const partitions: PartitionView[] = topic.partitions
    .map((partition) => ({
      partition: partition.partitionIndex,
      leader: partition.leaderId < 0 ? null : partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicaNodes,
      inSyncReplicas: partition.isrNodes,
      error: partition.errorCode,
    }))
    .sort((left, right) => left.partition - right.partition)
  return {
    name,
    topicId: topic.topicId === ZERO_UUID ? null : topic.topicId,
    internal: topic.isInternal,
    partitions,
  }
}
