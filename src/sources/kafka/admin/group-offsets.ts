/**
 * The committed offsets of a group: what they are, setting and forgetting them, and deleting the group with them.
 *
 * All of it is the coordinator's. Deleting a group is sent once: a second answer would say that there is no such group.
 */

import type {
  CommittedOffset,
  NewOffset,
  PartitionOutcome,
  TopicPartition,
} from '../../../admin/index.ts'
import {
  deleteGroups,
  offsetCommit,
  offsetDelete,
  offsetFetch,
  type KafkaErrorCode,
} from '../../../protocol/index.ts'
import { refusal } from '../broker-link.ts'
import type { KafkaClient } from '../kafka-client.ts'
import { atCoordinator } from './at-coordinator.ts'
import { unknownGroup } from './describe-group.ts'

/** The coordinator is moving: nothing was done, and asking again finds it. */
const COORDINATOR_ERRORS: ReadonlySet<KafkaErrorCode> = new Set([
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'NOT_COORDINATOR',
])
/** Of no generation: who commits so is nobody's member. */
const NO_GENERATION = -1

interface AnsweredTopic {
  readonly name: string
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly errorCode: KafkaErrorCode
  }[]
}

export function committedOffsets(
  client: KafkaClient,
  groupId: string,
): Promise<readonly CommittedOffset[]> {
  return atCoordinator(client, groupId, async () => {
    const { response, version } = await client.request(
      offsetFetch,
      {
        groupId,
        topics: null,
        groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }],
        requireStable: false,
      },
      { to: { group: groupId } },
    )
    const answer = version >= 8 ? response.groups[0] : response
    if (answer === undefined || answer.errorCode !== 'NONE')
      throw refusal(offsetFetch.name, answer?.errorCode ?? 'UNKNOWN_SERVER_ERROR', {
        group: groupId,
      })
    return answer.topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ committedOffset }) => committedOffset >= 0)
        .map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata }) => ({
          topic: name,
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata: metadata ?? '',
        })),
    )
  })
}

export function commitOffsets(
  client: KafkaClient,
  groupId: string,
  offsets: readonly NewOffset[],
): Promise<readonly PartitionOutcome[]> {
  const topics = byTopic(offsets).map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partition, offset }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: -1,
      committedMetadata: '',
    })),
  }))
  return atCoordinator(client, groupId, async () => {
    const { response } = await client.request(
      offsetCommit,
      {
        groupId,
        generationIdOrMemberEpoch: NO_GENERATION,
        memberId: '',
        groupInstanceId: null,
        retentionTimeMs: -1,
        topics,
      },
      { to: { group: groupId } },
    )
    return outcomes(offsetCommit.name, groupId, response.topics)
  })
}

export function deleteOffsets(
  client: KafkaClient,
  groupId: string,
  partitions: readonly TopicPartition[],
): Promise<readonly PartitionOutcome[]> {
  const topics = byTopic(partitions).map(([name, asked]) => ({
    name,
    partitions: asked.map(({ partition }) => ({ partitionIndex: partition })),
  }))
  return atCoordinator(client, groupId, async () => {
    const { response } = await client.request(
      offsetDelete,
      { groupId, topics },
      { to: { group: groupId } },
    )
    throwIfRefused(offsetDelete.name, groupId, response.errorCode)
    return outcomes(offsetDelete.name, groupId, response.topics)
  })
}

export async function deleteGroup(client: KafkaClient, groupId: string): Promise<void> {
  const { response } = await client.request(
    deleteGroups,
    { groupsNames: [groupId] },
    { to: { group: groupId } },
  )
  const error = response.results[0]?.errorCode ?? 'UNKNOWN_SERVER_ERROR'
  throwIfRefused(deleteGroups.name, groupId, error)
}

/** @throws ShoalError SHOAL_REQUEST_FAILED while the coordinator moves: the whole request is to be sent again */
function outcomes(
  what: string,
  groupId: string,
  topics: readonly AnsweredTopic[],
): readonly PartitionOutcome[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => {
      if (COORDINATOR_ERRORS.has(errorCode))
        throw refusal(what, errorCode, { group: groupId, topic: name, partition: partitionIndex })
      const error = errorCode === 'NONE' ? null : errorCode
      return { topic: name, partition: partitionIndex, error }
    }),
  )
}

function throwIfRefused(what: string, groupId: string, error: KafkaErrorCode): void {
  if (error === 'NONE') return
  if (error === 'GROUP_ID_NOT_FOUND') throw unknownGroup(groupId)
  throw refusal(what, error, { group: groupId })
}

function byTopic<Partition extends TopicPartition>(
  partitions: readonly Partition[],
): readonly (readonly [string, readonly Partition[]])[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)]
}
