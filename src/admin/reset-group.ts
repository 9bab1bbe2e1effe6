/**
 * A reset of a group's committed offsets: what has to be asked to plan it, and carrying the plan out.
 *
 * Between plan and commit the group may come to life. The broker then refuses (a commit by nobody's member is accepted
 * only while there are no members), so that a running group never loses its positions to a reset.
 */

import { ShoalError } from '../core/index.ts'
import type {
  AdminPort,
  GroupDescription,
  PartitionOutcome,
  TopicDescription,
  TopicPartition,
} from './admin-port.ts'
import { partitionKey } from './lag-model.ts'
import { planReset, type ResetPlan, type ResetTarget } from './plan-reset.ts'

/** What a plan asks. */
export interface ResetPort extends Pick<
  AdminPort,
  'describeGroup' | 'committedOffsets' | 'offsets'
> {
  describeTopic(name: string): Promise<Pick<TopicDescription, 'partitionCount'>>
}

/** A topic, whole or some of its partitions. */
export interface TopicScope {
  readonly topic: string
  /** Null: all. */
  readonly partitions: readonly number[] | null
}

export interface ResetRequest {
  readonly groupId: string
  readonly target: ResetTarget
  /** Which partitions; `committed`: those that the group has committed something for. */
  readonly scope: readonly TopicScope[] | 'committed'
}

export interface ProposedReset {
  /** Null for a group that does not exist yet; the reset would make it. */
  readonly group: GroupDescription | null
  readonly plan: ResetPlan
}

/**
 * @throws ShoalError SHOAL_UNKNOWN_TOPIC naming the topic or the partition; when the scope is what the group has
 * committed, SHOAL_UNKNOWN_GROUP when there is no such group and SHOAL_REQUEST_FAILED when it has committed nothing
 */
export async function proposeReset(
  admin: ResetPort,
  { groupId, target, scope }: ResetRequest,
): Promise<ProposedReset> {
  const group = await groupOrNull(admin, groupId)
  if (group === null && scope === 'committed') throw unknownGroup(groupId)
  const committed = group === null ? [] : await admin.committedOffsets(groupId)
  const partitions = scope === 'committed' ? committed : await partitionsIn(admin, scope)
  if (partitions.length === 0) throw nothingToReset(groupId)
  const committedAt = new Map(committed.map((offset) => [partitionKey(offset), offset.offset]))
  const [starts, ends, times] = await Promise.all([
    admin.offsets(partitions, 'earliest'),
    admin.offsets(partitions, 'latest'),
    target.kind === 'time' ? admin.offsets(partitions, { atMs: target.timestampMs }) : [],
  ])
  const facts = partitions.map(({ topic, partition }, index) => {
    const [logStart, logEnd] = [starts[index]?.offset ?? null, ends[index]?.offset ?? null]
    return {
      topic,
      partition,
      committed: committedAt.get(partitionKey({ topic, partition })) ?? null,
      range: logStart === null || logEnd === null ? null : { logStart, logEnd },
      atTime: times[index]?.offset ?? null,
    }
  })
  return { group, plan: planReset(target, facts) }
}

/** Commits every offset of a plan without problems, also those that stay as they are. */
export function executeReset(
  admin: AdminPort,
  groupId: string,
  { resets }: ResetPlan,
): Promise<readonly PartitionOutcome[]> {
  return admin.commitOffsets(
    groupId,
    resets.map(({ topic, partition, newOffset }) => ({ topic, partition, offset: newOffset })),
  )
}

/** @throws ShoalError SHOAL_UNKNOWN_TOPIC, naming the topic or the partition */
export async function partitionsIn(
  admin: Pick<ResetPort, 'describeTopic'>,
  scope: readonly TopicScope[],
): Promise<readonly TopicPartition[]> {
  const counts = new Map<string, number>()
  const found = new Map<string, TopicPartition>()
  for (const { topic, partitions } of scope) {
    const count = counts.get(topic) ?? (await admin.describeTopic(topic)).partitionCount
    counts.set(topic, count)
    for (const partition of partitions ?? Array.from({ length: count }, (_, index) => index)) {
      if (partition >= count) throw unknownPartition(topic, partition, count)
      found.set(partitionKey({ topic, partition }), { topic, partition })
    }
  }
  return [...found.values()]
}

async function groupOrNull(admin: ResetPort, groupId: string): Promise<GroupDescription | null> {
  try {
    return await admin.describeGroup(groupId)
  } catch (error) {
    if (error instanceof ShoalError && error.code === 'SHOAL_UNKNOWN_GROUP') return null
    throw error
  }
}

function unknownGroup(groupId: string): ShoalError {
  return new ShoalError(
    'SHOAL_UNKNOWN_GROUP',
    `group ${groupId} does not exist and has no offsets; name topics to give it some`,
    { details: { group: groupId } },
  )
}

function nothingToReset(groupId: string): ShoalError {
  return new ShoalError(
    'SHOAL_REQUEST_FAILED',
    `group ${groupId} has committed nothing; name topics to give it offsets`,
    { details: { group: groupId } },
  )
}

function unknownPartition(topic: string, partition: number, count: number): ShoalError {
  return new ShoalError(
    'SHOAL_UNKNOWN_TOPIC',
    `topic ${topic} has no partition ${partition}: it has ${count}, counted from 0`,
    { details: { topic, partition } },
  )
}
