/**
 * Where a group begins in a topic in which it has committed nothing.
 *
 * The start is committed when the first member that wants the topic joins: so `latest` means what was the end then, also after
 * a restart, and a partition without a committed offset is one that came later, which begins at its start.
 *
 *   nobody else wants the topic, nothing committed in it │ earliest: log start · latest: log end · none: refused
 *   something committed, or somebody else wants it       │ nothing to do
 */

import type { StartPolicy } from '../../group/index.ts'
import { type Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import type { Topic } from '../topics/topic-table.ts'

export interface TopicStart {
  readonly name: string
  /** By partition. */
  readonly offsets: readonly number[]
}

/** Opens the logs whose ends are needed: after it, `startOffsets` does not wait. */
export async function openForStart(
  context: BrokerContext,
  groupId: string,
  memberId: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const topic = context.topics.table.byName(name)
    if (topic === undefined || !beginsIn(context, groupId, memberId, topic)) continue
    for (let partition = 0; partition < topic.partitionCount; partition++)
      await context.topics.log(topic, partition)
  }
}

/** The offsets to commit, in this turn. */
export function startOffsets(
  context: BrokerContext,
  groupId: string,
  memberId: string,
  names: readonly string[],
  start: StartPolicy,
): readonly TopicStart[] {
  return names.flatMap((name) => {
    const topic = context.topics.table.byName(name)
    if (topic === undefined || !beginsIn(context, groupId, memberId, topic)) return []
    const offsets = Array.from({ length: topic.partitionCount }, (_, partition) => {
      // A log that is not open yet belongs to a topic that was made a moment ago: it is empty.
      const log = context.topics.openLog(topic, partition)
      return (start === 'latest' ? log?.highWatermark : log?.logStartOffset) ?? 0
    })
    return [{ name, offsets }]
  })
}

/** With the policy none, every partition of every topic needs a committed offset. */
export function noOffsetProblem(
  { groups, topics }: BrokerContext,
  groupId: string,
  names: readonly string[],
): Problem | null {
  const missing = names.flatMap((name) => {
    const count = topics.table.byName(name)?.partitionCount ?? 1
    return Array.from({ length: count }, (_, partition) => partition)
      .filter((partition) => groups.committedOffset(groupId, name, partition) === null)
      .map((partition) => `${name}-${partition}`)
  })
  if (missing.length === 0) return null
  return problem(
    'NO_OFFSET',
    `the group ${groupId} has no committed offset in ${missing.slice(0, 20).join(', ')} and auto_offset_reset is none; ` +
      `commit one with POST /groups/${groupId}/offsets, or join with earliest or latest`,
    { extras: { partitions: missing } },
  )
}

function beginsIn(
  { groups }: BrokerContext,
  groupId: string,
  memberId: string,
  { name, topicId, partitionCount }: Topic,
): boolean {
  for (let partition = 0; partition < partitionCount; partition++)
    if (groups.committedOffset(groupId, name, partition) !== null) return false
  const group = groups.peek((coordinator) => coordinator.consumerGroup(groupId))
  for (const [otherId, { profile, assigned }] of group?.members ?? [])
    if (otherId !== memberId)
      if (profile.subscribedTopicNames.includes(name) || assigned.has(topicId)) return false
  return true
}
