/**
 * OffsetCommit v2-9 · v2-4 with a retention · v7 instance id. OffsetDelete v0.
 *
 * Who may commit to a classic group: a member of its present generation; anybody (generation -1) while nobody is in. A
 * refused commit changes nothing. A commit is also a sign of life of its member.
 *
 *   generation │ member │ state                      │ answer
 *   ───────────┼────────┼────────────────────────────┼──────────────────────────────
 *   -1         │ any    │ empty, unknown             │ accepted (a simple group begins)
 *   -1         │ ""     │ with members               │ UNKNOWN_MEMBER_ID
 *   any        │ other  │ with members               │ UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID
 *   another    │ member │ with members               │ ILLEGAL_GENERATION
 *   present    │ member │ completing (no assignment) │ REBALANCE_IN_PROGRESS
 *   present    │ member │ preparing, stable          │ accepted
 *   0 or more  │ any    │ empty                      │ UNKNOWN_MEMBER_ID
 *   0 or more  │ any    │ unknown                    │ GROUP_ID_NOT_FOUND; before v9 ILLEGAL_GENERATION
 */

import { isSubscribed, CONSUMER_PROTOCOL_TYPE } from '../classic/protocols.ts'
import type { ClassicTurn } from '../classic/turn.ts'
import type {
  GroupError,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
} from '../messages.ts'
import type { OffsetRecord } from '../records.ts'
import type { TopicOffsets } from './offset-table.ts'

export interface OffsetLimits {
  readonly offsetMetadataMaxBytes: number
  readonly partitionCount: (topic: string) => number | undefined
}

export function commitOffsets(
  turn: ClassicTurn,
  request: OffsetCommitRequest,
  limits: OffsetLimits,
): void {
  const refusal = commitRefusal(turn, request)
  const accepted: { topic: string; partitions: OffsetRecord[] }[] = []
  const topics: OffsetCommitResponse['topics'] = request.topics.map(({ name, partitions }) => {
    const partitionCount = limits.partitionCount(name) ?? 0
    const records: OffsetRecord[] = []
    const answers = partitions.map((partition) => {
      const { partitionIndex, committedOffset, committedLeaderEpoch } = partition
      const metadata = partition.committedMetadata ?? ''
      let errorCode: GroupError = refusal
      if (partitionIndex < 0 || partitionIndex >= partitionCount)
        errorCode = 'UNKNOWN_TOPIC_OR_PARTITION'
      else if (refusal === 'NONE' && metadata.length > limits.offsetMetadataMaxBytes)
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

  if (refusal === 'NONE') {
    const member = turn.member(request.memberId)
    if (member !== undefined) turn.touch(member.memberId, member.sessionTimeoutMs)
  }
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
  turn: ClassicTurn,
  request: OffsetDeleteRequest,
  limits: OffsetLimits & { readonly offsets: TopicOffsets },
): void {
  const refusal = deleteRefusal(turn)
  if (refusal !== 'NONE')
    return turn.reply(request.replyTo, {
      kind: 'offset-delete',
      errorCode: refusal,
      topics: [],
    })

  const deleted: { topic: string; partitions: number[] }[] = []
  const topics: OffsetDeleteResponse['topics'] = request.topics.map(({ name, partitions }) => {
    const errorCode = topicRefusal(turn, name, limits)
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

function commitRefusal(turn: ClassicTurn, request: OffsetCommitRequest): GroupError {
  const { generationIdOrMemberEpoch: generation, memberId, groupInstanceId } = request
  const { state } = turn
  if (!turn.exists && generation >= 0)
    return request.apiVersion >= 9 ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
  if (!turn.exists && !turn.mayBegin) return 'COORDINATOR_NOT_AVAILABLE'
  if (generation < 0 && state === 'Empty') return 'NONE'
  const refusal = turn.refusalOf(memberId, groupInstanceId)
  if (refusal !== 'NONE') return refusal
  if (generation !== turn.group.generation) return 'ILLEGAL_GENERATION'
  return state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
}

function deleteRefusal(turn: ClassicTurn): GroupError {
  if (turn.groupId === '') return 'INVALID_GROUP_ID'
  if (!turn.exists) return 'GROUP_ID_NOT_FOUND'
  const isConsumer =
    (turn.soft.round?.protocolType ?? turn.group.protocolType) === CONSUMER_PROTOCOL_TYPE
  return turn.state === 'Empty' || isConsumer ? 'NONE' : 'NON_EMPTY_GROUP'
}

function topicRefusal(turn: ClassicTurn, topic: string, limits: OffsetLimits): GroupError {
  if (limits.partitionCount(topic) === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return isSubscribed(turn.group, topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' : 'NONE'
}
