/**
 * From committed and end offsets to lag, row by row, as Kafka's own tool counts it.
 *
 * Rows come in Kafka's order: members with the most partitions first, inside a member by topic and partition, then the
 * partitions that have a committed offset and no member. A partition without a committed offset has no lag, not lag 0.
 * Pure.
 */

import type {
  CommittedOffset,
  GroupDescription,
  GroupMember,
  TopicPartition,
} from './admin-port.ts'

export interface LagRow extends TopicPartition {
  readonly committed: CommittedOffset | null
  readonly logEndOffset: number | null
  /** End minus committed; null when either is not known. */
  readonly lag: number | null
  readonly member: GroupMember | null
}

export interface LagInput {
  readonly group: GroupDescription
  readonly committed: readonly CommittedOffset[]
  readonly endOffsetOf: (partition: TopicPartition) => number | null
}

export function lagRows({ group, committed, endOffsetOf }: LagInput): readonly LagRow[] {
  const committedAt = new Map(committed.map((offset) => [partitionKey(offset), offset]))
  const row = (partition: TopicPartition, member: GroupMember | null): LagRow => {
    const offset = committedAt.get(partitionKey(partition)) ?? null
    const logEndOffset = endOffsetOf(partition)
    const lag = offset === null || logEndOffset === null ? null : logEndOffset - offset.offset
    const { topic, partition: index } = partition
    return { topic, partition: index, committed: offset, logEndOffset, lag, member }
  }

  const owned = membersByLoad(group.members).flatMap((member) =>
    partitionsOf(member).map((partition) => row(partition, member)),
  )
  const assigned = new Set(owned.map(partitionKey))
  const orphaned = [...committed]
    .filter((offset) => !assigned.has(partitionKey(offset)))
    .sort(byTopicAndPartition)
    .map((offset) => row(offset, null))
  return [...owned, ...orphaned]
}

/** Every partition that the rows of a group need the end offset of. */
export function partitionsToMeasure(
  group: GroupDescription,
  committed: readonly CommittedOffset[],
): readonly TopicPartition[] {
  const wanted = new Map<string, TopicPartition>()
  for (const partition of [...group.members.flatMap(partitionsOf), ...committed])
    wanted.set(partitionKey(partition), { topic: partition.topic, partition: partition.partition })
  return [...wanted.values()]
}

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}:${partition}`
}

/** Total lag of the rows whose lag is known. */
export function totalLag(rows: readonly LagRow[]): number {
  return rows.reduce((sum, { lag }) => sum + (lag ?? 0), 0)
}

function membersByLoad(members: readonly GroupMember[]): readonly GroupMember[] {
  return members
    .filter((member) => member.assignment.length > 0)
    .sort((left, right) => partitionsOf(right).length - partitionsOf(left).length)
}

function partitionsOf(member: GroupMember): readonly TopicPartition[] {
  return member.assignment
    .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
    .sort(byTopicAndPartition)
}

function byTopicAndPartition(left: TopicPartition, right: TopicPartition): number {
  if (left.topic !== right.topic) return left.topic < right.topic ? -1 : 1
  return left.partition - right.partition
}
