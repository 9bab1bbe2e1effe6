/**
 * OffsetCommit v2-9 · v2-4 with a retention · v7 instance id. OffsetDelete v0.
 *
 * A refused commit changes nothing. Who may commit is the fence's to say, `fences.ts`, for each partition.
 */

import type {
  GroupError,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  ReplyToken,
} from '../messages.ts'
import type { GroupRecord, OffsetRecord, OffsetsCommittedRecord, Stamp } from '../records.ts'
import type { GroupTopics } from '../topics.ts'
import type { CommitFence, DeleteFence } from './fences.ts'
import type { TopicOffsets } from './offset-table.ts'

export interface OffsetLimits {
  readonly offsetMetadataMaxBytes: number
  readonly topics: GroupTopics
}

/** OffsetDelete looks at what there is. */
export type DeleteLimits = OffsetLimits & {
  readonly offsets: TopicOffsets
  readonly fence: DeleteFence
}

/** What a request that is being decided, for a group of any type, offers to its offsets. */
export interface OffsetTurn {
  readonly groupId: string
  readonly stamp: Stamp
  readonly records: GroupRecord[]
  record(record: OffsetsCommittedRecord): void
  reply(to: ReplyToken, response: OffsetCommitResponse | OffsetDeleteResponse): void
}

export function commitOffsets(
  turn: OffsetTurn,
  request: OffsetCommitRequest,
  { offsetMetadataMaxBytes, topics: known, fence }: OffsetLimits & { readonly fence: CommitFence },
): void {
  const accepted: { topic: string; partitions: OffsetRecord[] }[] = []
  const topics: OffsetCommitResponse['topics'] = request.topics.map(({ name, partitions }) => {
    const partitionCount = known.byName(name)?.partitionCount ?? 0
    const records: OffsetRecord[] = []
    const answers = partitions.map((partition) => {
      const { partitionIndex, committedOffset, committedLeaderEpoch } = partition
      const metadata = partition.committedMetadata ?? ''
      let errorCode: GroupError = fence(name, partitionIndex)
      if (partitionIndex < 0 || partitionIndex >= partitionCount)
        errorCode = 'UNKNOWN_TOPIC_OR_PARTITION'
      else if (errorCode === 'NONE' && metadata.length > offsetMetadataMaxBytes)
        errorCode = 'OFFSET_METADATA_TOO_LARGE'
      if (errorCode === 'NONE')
        records.push({
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata,
        })
      return { partitionIndex, errorCode }
    })
    if (records.length > 0) accepted.push({ topic: name, partitions: records })
    return { name, partitions: answers }
  })

  if (accepted.length > 0)
    turn.record({
      kind: 'offsets-committed',
      groupId: request.groupId,
      commitTimestampMs: turn.stamp.wallMs,
      expireTimestampMs:
        request.retentionTimeMs < 0 ? null : turn.stamp.wallMs + request.retentionTimeMs,
      observedMs: turn.stamp.observedMs,
      topics: accepted,
    })
  turn.reply(request.replyTo, { kind: 'offset-commit', topics })
}

export function deleteOffsets(
  turn: OffsetTurn,
  request: OffsetDeleteRequest,
  { fence, ...limits }: DeleteLimits,
): void {
  if (fence.errorCode !== 'NONE')
    return turn.reply(request.replyTo, {
      kind: 'offset-delete',
      errorCode: fence.errorCode,
      topics: [],
    })

  const deleted: { topic: string; partitions: number[] }[] = []
  const topics: OffsetDeleteResponse['topics'] = request.topics.map(({ name, partitions }) => {
    const errorCode = topicRefusal(name, fence, limits)
    const committed = limits.offsets.get(name)
    const gone = partitions.filter(({ partitionIndex }) => committed?.has(partitionIndex) === true)
    if (errorCode === 'NONE' && gone.length > 0)
      deleted.push({ topic: name, partitions: gone.map(({ partitionIndex }) => partitionIndex) })
    return {
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    }
  })
  if (deleted.length > 0)
    turn.records.push({ kind: 'offsets-deleted', groupId: turn.groupId, topics: deleted })
  turn.reply(request.replyTo, { kind: 'offset-delete', errorCode: 'NONE', topics })
}

function topicRefusal(topic: string, fence: DeleteFence, { topics }: OffsetLimits): GroupError {
  if (topics.byName(topic) === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return fence.isSubscribed(topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' : 'NONE'
}
