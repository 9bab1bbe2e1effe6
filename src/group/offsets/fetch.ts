/**
 * OffsetFetch v1-9. Classic groups do not ask who asks; KIP-848 groups want a member's own epoch (`fences.ts`).
 *
 * What nobody committed has offset -1 and no error, also for a group or a topic that does not exist: clients take any
 * error as a reason to stop.
 */

import type { GroupError } from '../messages.ts'
import type { OffsetFetchGroup, OffsetFetchGroupResult } from '../queries.ts'
import type { CommittedOffset, TopicOffsets } from './offset-table.ts'

type FetchedTopic = OffsetFetchGroupResult['topics'][number]

export function fetchOffsets(
  { groupId, topics }: OffsetFetchGroup,
  committed: TopicOffsets,
  refusal: GroupError,
): OffsetFetchGroupResult {
  if (refusal !== 'NONE') return { groupId, errorCode: refusal, topics: [] }
  return {
    groupId,
    errorCode: 'NONE',
    topics:
      topics === null
        ? Array.from(committed, ([name, offsets]) => ({
            name,
            partitions: Array.from(offsets, ([index, offset]) => fetched(index, offset)),
          }))
        : topics.map(({ name, partitionIndexes }) => {
            const offsets = committed.get(name)
            return {
              name,
              partitions: partitionIndexes.map((index) => fetched(index, offsets?.get(index))),
            }
          }),
  }
}

function fetched(
  partitionIndex: number,
  committed: CommittedOffset | undefined,
): FetchedTopic['partitions'][number] {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode: 'NONE',
  }
}
