/**
 * Offsets at the broker: where partitions begin and end, what a group has committed, and committing.
 *
 * Each call is one round of requests. A refusal that may pass is thrown as a retriable error after the client forgot
 * what was stale (leader, coordinator), so that `client.retrying` around the call does the right thing.
 */

import {
  isRetriable,
  listOffsets,
  offsetCommit,
  offsetFetch,
  offsetForLeaderEpoch,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { refusal } from './broker-link.ts'
import { leaderOf } from './cluster-view.ts'
import type { KafkaClient } from './kafka-client.ts'
import { partitionKey } from './topic-partition.ts'
import type { TopicPartition } from './topic-partition.ts'

/** Stands for a moment in ListOffsets. */
export const OffsetMoment = { latest: -1, earliest: -2 } as const

export interface CommittedOffset {
  readonly offset: number
  readonly metadata: string
  /** Under which leader the record before it was written; -1 where whoever committed did not say. */
  readonly leaderEpoch: number
}

/**
 * The first offset of each partition at or after a time (or `OffsetMoment`), by `partitionKey`; -1 where there is none.
 * @throws ShoalError SHOAL_REQUEST_FAILED with the broker's error in `details.error`
 */
export async function offsetsAt(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  timestampMs: number,
  { readCommitted }: { readonly readCommitted: boolean },
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  const byLeader = Map.groupBy(partitions, ({ topic, partition }) =>
    leaderOf(client.cluster, topic, partition),
  )
  const homeless = byLeader.get(null)
  if (homeless !== undefined) {
    await client.refresh([...new Set(homeless.map(({ topic }) => topic))])
    throw refusal(listOffsets.name, 'LEADER_NOT_AVAILABLE', { ...homeless[0] })
  }
  await Promise.all(
    [...byLeader].map(async ([node, led]) => {
      if (node === null) return
      const { response } = await client.request(
        listOffsets,
        {
          replicaId: -1,
          isolationLevel: readCommitted ? 1 : 0,
          topics: byTopic(led, ({ partition }) => ({
            partitionIndex: partition,
            currentLeaderEpoch: -1,
            timestamp: timestampMs,
          })),
          timeoutMs: client.settings.requestTimeoutMs,
        },
        { to: { node } },
      )
      for (const { name, partitions: answers } of response.topics)
        for (const { partitionIndex, errorCode, offset } of answers) {
          if (errorCode !== 'NONE') {
            if (isRetriable(errorCode)) await client.refresh([name])
            throw refusal(listOffsets.name, errorCode, { topic: name, partition: partitionIndex })
          }
          found.set(partitionKey({ topic: name, partition: partitionIndex }), offset)
        }
    }),
  )
  return found
}

/**
 * Where the records of a leader epoch, and of those before it, end in the log as it is now; null when it knows no such epoch.
 * @throws ShoalError SHOAL_REQUEST_FAILED with the broker's error in `details.error`
 */
export async function endOfEpoch(
  client: KafkaClient,
  { topic, partition }: TopicPartition,
  leaderEpoch: number,
): Promise<number | null> {
  const { response } = await client.request(
    offsetForLeaderEpoch,
    {
      replicaId: -1,
      topics: [{ topic, partitions: [{ partition, currentLeaderEpoch: -1, leaderEpoch }] }],
    },
    { to: { topic, partition } },
  )
  const answer = response.topics[0]?.partitions[0]
  const error = answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
  if (answer === undefined || error !== 'NONE')
    throw refusal(offsetForLeaderEpoch.name, error, { topic, partition })
  return answer.endOffset < 0 ? null : answer.endOffset
}

/**
 * What a group has committed for these partitions, by `partitionKey`; those without a commit are left out. Offsets that a
 * transaction has yet to commit or abort are waited for: the answer is retriable until it has ended.
 */
export async function committedOffsets(
  client: KafkaClient,
  group: string,
  partitions: readonly TopicPartition[],
): Promise<ReadonlyMap<string, CommittedOffset>> {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, members]) => ({
    name,
    partitionIndexes: members.map(({ partition }) => partition),
  }))
  const { response, version } = await client.request(
    offsetFetch,
    {
      groupId: group,
      topics,
      groups: [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
      requireStable: true,
    },
    { to: { group } },
  )
  const answer = version >= 8 ? response.groups[0] : response
  if (answer === undefined) throw refusal(offsetFetch.name, 'UNKNOWN_SERVER_ERROR', { group })
  throwIfRefused(client, group, answer.errorCode)
  const found = new Map<string, CommittedOffset>()
  for (const { name, partitions: answers } of answer.topics)
    for (const { partitionIndex, errorCode, committedOffset, ...stored } of answers) {
      throwIfRefused(client, group, errorCode)
      if (committedOffset >= 0)
        found.set(partitionKey({ topic: name, partition: partitionIndex }), {
          offset: committedOffset,
          metadata: stored.metadata ?? '',
          leaderEpoch: stored.committedLeaderEpoch,
        })
    }
  return found
}

export interface CommittedPosition extends TopicPartition {
  readonly offset: number
  readonly metadata: string
  /** Left out: not known. */
  readonly leaderEpoch?: number
}

export interface CommitRequest {
  readonly group: string
  readonly generation: number
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly positions: readonly CommittedPosition[]
  readonly timeoutMs?: number
}

/** Commits as a member; the broker's answer for each partition, by `partitionKey`. */
export async function commitOffsets(
  client: KafkaClient,
  request: CommitRequest,
): Promise<ReadonlyMap<string, KafkaErrorCode>> {
  const { response } = await client.request(
    offsetCommit,
    {
      groupId: request.group,
      generationIdOrMemberEpoch: request.generation,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      retentionTimeMs: -1,
      topics: byTopic(request.positions, ({ partition, offset, metadata, leaderEpoch = -1 }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    },
    // On the connection of the joins: a commit that was sent before a join is also handled before it.
    {
      to: { group: request.group },
      channel: 'group',
      ...(request.timeoutMs === undefined ? {} : { timeoutMs: request.timeoutMs }),
    },
  )
  return new Map(
    response.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode }) => [
        partitionKey({ topic: name, partition: partitionIndex }),
        errorCode,
      ]),
    ),
  )
}

/** Whether the answer means that another broker coordinates the group, or none at the moment. */
export function isCoordinatorError(error: KafkaErrorCode): boolean {
  return (
    error === 'NOT_COORDINATOR' ||
    error === 'COORDINATOR_NOT_AVAILABLE' ||
    error === 'COORDINATOR_LOAD_IN_PROGRESS'
  )
}

function throwIfRefused(client: KafkaClient, group: string, error: KafkaErrorCode): void {
  if (error === 'NONE') return
  if (isCoordinatorError(error)) client.forgetCoordinator(group)
  throw refusal(offsetFetch.name, error, { group })
}

function byTopic<Item extends TopicPartition, Value>(
  items: readonly Item[],
  value: (item: Item) => Value,
): readonly { readonly name: string; readonly partitions: readonly Value[] }[] {
  return [...Map.groupBy(items, ({ topic }) => topic)].map(([name, members]) => ({
    name,
    partitions: members.map(value),
  }))
}
