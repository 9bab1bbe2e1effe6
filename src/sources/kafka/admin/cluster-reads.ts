/**
 * What no single broker knows: the groups of every coordinator, and offsets in the partitions of every leader.
 *
 * While a broker dies or a leader moves, the cluster is looked at again and asked again, for at most the client's request
 * timeout: an answer that leaves out a coordinator's groups would look like one without them.
 */

import type {
  GroupListing,
  OffsetSpec,
  PartitionOffset,
  TopicPartition,
} from '../../../admin/index.ts'
import { isRetriable, listGroups, listOffsets } from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import { leaderOf } from '../cluster-view.ts'
import type { KafkaClient } from '../kafka-client.ts'
import { partitionKey } from '../topic-partition.ts'
import { groupState, groupType } from './group-words.ts'

const TIMESTAMPS = { latest: -1, earliest: -2 } as const

/** Each group once, also when its coordinator moves meanwhile. */
export function allGroups(client: KafkaClient): Promise<readonly GroupListing[]> {
  return client.retrying(async () => {
    const { brokers } = await client.refresh()
    const answers = await Promise.all([...brokers.keys()].map((node) => groupsOf(client, node)))
    return [...new Map(answers.flat().map((group) => [group.groupId, group])).values()]
  })
}

async function groupsOf(client: KafkaClient, node: number): Promise<readonly GroupListing[]> {
  const filters = { statesFilter: [], typesFilter: [] }
  const { response } = await client.request(listGroups, filters, { to: { node } })
  if (response.errorCode !== 'NONE') throw refusal(listGroups.name, response.errorCode, { node })
  return response.groups.map((group) => ({
    groupId: group.groupId,
    type: groupType(group.groupType),
    state: groupState(group.groupState),
    protocolType: group.protocolType,
  }))
}

/** Null for a partition that does not exist or has no leader, and where no record is at or after the time. */
export function partitionOffsets(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  spec: OffsetSpec,
): Promise<readonly PartitionOffset[]> {
  const timestamp = typeof spec === 'string' ? TIMESTAMPS[spec] : spec.atMs
  return client.retrying(async () => {
    const view = await client.refresh([...new Set(partitions.map(({ topic }) => topic))])
    const byLeader = Map.groupBy(partitions, ({ topic, partition }) =>
      leaderOf(view, topic, partition),
    )
    const found = new Map<string, number>()
    await Promise.all(
      [...byLeader].map(async ([node, led]) => {
        if (node === null) return
        for (const [key, offset] of await offsetsOn(client, node, led, timestamp))
          found.set(key, offset)
      }),
    )
    return partitions.map(({ topic, partition }) => ({
      topic,
      partition,
      offset: found.get(partitionKey({ topic, partition })) ?? null,
    }))
  })
}

async function offsetsOn(
  client: KafkaClient,
  node: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
): Promise<readonly (readonly [string, number])[]> {
  const byTopic = Map.groupBy(partitions, ({ topic }) => topic)
  const { response } = await client.request(
    listOffsets,
    {
      replicaId: -1,
      isolationLevel: 0,
      timeoutMs: client.settings.requestTimeoutMs,
      topics: [...byTopic].map(([name, asked]) => ({
        name,
        partitions: asked.map(({ partition }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: -1,
          timestamp,
        })),
      })),
    },
    { to: { node } },
  )
  return response.topics.flatMap(({ name: topic, partitions: answers }) =>
    answers.flatMap(({ partitionIndex: partition, errorCode, offset }) => {
      if (isRetriable(errorCode)) throw refusal(listOffsets.name, errorCode, { topic, partition })
      // -1: no record at or after the time.
      const isFound = errorCode === 'NONE' && offset >= 0
      return isFound ? [[partitionKey({ topic, partition }), offset] as const] : []
    }),
  )
}
