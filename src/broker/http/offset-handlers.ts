/**
 * Committed offsets over HTTP: see `src/http/routes-offsets.ts`.
 *
 * A commit is checked whole in one turn and then handed to the coordinator: all of it or nothing. It is stricter than Kafka's,
 * whose clients check for themselves: the generation has to be one that a heartbeat is taken with, the partitions the member's
 * own, and an offset not beyond the end of its log.
 */

import { type ConsumerMember, isStale } from '../../group/index.ts'
import type { BrokerRoutes, Handlers, RequestOf } from '../../http/index.ts'
import { type FieldProblem, Problem, problem } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import { LagReader } from '../lag/group-lag.ts'
import { lagRow } from './history-handlers.ts'
import type { HttpContext } from './http-context.ts'
import { afterFlush, memberOf, memberRefusal, staleGeneration } from './member-beat.ts'

type OffsetHandlers = Pick<Handlers<BrokerRoutes>, 'getOffsets' | 'commitOffsets'>
type CommitBody = RequestOf<BrokerRoutes['commitOffsets']>['body']

interface CommittedPartition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The epoch of who commits without being a member. */
const NO_MEMBER = -1

export function offsetHandlers({ context }: HttpContext): OffsetHandlers {
  const { groups, topics, clock } = context
  const lags = new LagReader(groups, topics, clock)
  return {
    getOffsets: async ({ params: { groupId }, query: { topic: wanted } }) => {
      const isWanted = (name: string) => wanted === undefined || name === wanted
      const timeline = await groups.ask((coordinator) => coordinator.timeline(groupId))
      const lag = await lags.of(groupId, isWanted)
      if (timeline === undefined || lag === null)
        return problem('UNKNOWN_GROUP', `the group ${groupId} does not exist`)
      return {
        group_id: groupId,
        generation: timeline.generation,
        topics: byTopic(
          lag.partitions.flatMap(({ topic, partition, committedOffset }) =>
            committedOffset === null ? [] : [{ topic, partition, offset: committedOffset }],
          ),
        ),
        partitions: lag.partitions.map(lagRow),
      }
    },
    commitOffsets: ({ params: { groupId }, body }) => commit(context, groupId, body),
  }
}

async function commit(context: BrokerContext, groupId: string, body: CommitBody) {
  const { groups } = context
  const wanted = partitionsOf(body.offsets)
  await openLogs(context, wanted)
  // From here on in one turn: what is checked holds when it is committed.
  const who = committer(context, groupId, body)
  if (who instanceof Problem) return afterFlush(context, who)
  const refusal = offsetsProblem(context, wanted) ?? (who && notAssigned(context, who, wanted))
  if (refusal !== null) return afterFlush(context, refusal)
  const answer = await groups.request<'offset-commit'>({
    kind: 'offset-commit',
    apiVersion: 9,
    groupId,
    generationIdOrMemberEpoch: who?.memberEpoch ?? NO_MEMBER,
    memberId: who?.profile.memberId ?? '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: Object.entries(byTopic(wanted)).map(([name, partitions]) => ({
      name,
      partitions: Object.entries(partitions).map(([partition, offset]) => ({
        partitionIndex: Number(partition),
        committedOffset: offset,
        committedLeaderEpoch: -1,
        committedMetadata: null,
      })),
    })),
  })
  for (const { name, partitions } of answer.topics)
    for (const { partitionIndex, errorCode } of partitions)
      if (errorCode !== 'NONE')
        return memberRefusal(errorCode, `${name}-${partitionIndex}: ${errorCode}`)
  return {
    status: 'committed' as const,
    committed: true as const,
    group: groupId,
    offsets: byTopic(wanted),
  }
}

/** The member that commits; null while the group has no members, when anybody may. */
function committer(
  context: BrokerContext,
  groupId: string,
  { member_id: memberId, generation }: CommitBody,
): ConsumerMember | null | Problem {
  if (memberId === undefined) {
    const listed = context.groups.peek((coordinator) => coordinator.owners(groupId)) ?? []
    if (listed.length === 0) return null
    return problem(
      'GROUP_NOT_EMPTY',
      `the group ${groupId} has members; commit as one of them, with member_id and generation`,
    )
  }
  const known = memberOf(context, groupId, memberId)
  if (known instanceof Problem) return known
  return isStale(known.member, generation ?? null)
    ? staleGeneration(known, generation)
    : known.member
}

function offsetsProblem(
  { topics }: BrokerContext,
  wanted: readonly CommittedPartition[],
): Problem | null {
  const errors: FieldProblem[] = []
  for (const { topic: name, partition, offset } of wanted) {
    const path = `body.offsets.${name}.${partition}`
    const topic = topics.table.byName(name)
    if (topic === undefined)
      return problem('UNKNOWN_TOPIC', `the topic ${name} does not exist; nothing was committed`)
    if (partition >= topic.partitionCount)
      return problem(
        'UNKNOWN_PARTITION',
        `the topic ${name} has the partitions 0 to ${topic.partitionCount - 1}, not ${partition}; nothing was committed`,
      )
    if (offset < 0) errors.push({ path, message: 'is below 0' })
    const end = topics.openLog(topic, partition)?.logEndOffset ?? 0
    if (offset > end)
      return problem(
        'OFFSET_OUT_OF_RANGE',
        `the offset ${offset} of ${name}-${partition} is beyond the end of the log, ${end}; nothing was committed`,
        { extras: { log_end_offset: end } },
      )
  }
  if (errors.length === 0) return null
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return problem('INVALID_REQUEST', detail, { errors })
}

function notAssigned(
  { topics }: BrokerContext,
  { assigned, pendingRevocation, profile }: ConsumerMember,
  wanted: readonly CommittedPartition[],
): Problem | null {
  const others = wanted.filter(({ topic, partition }) => {
    const topicId = topics.table.byName(topic)?.topicId ?? ''
    // What it was told to give up is its own until it does.
    return !(
      assigned.get(topicId)?.has(partition) || pendingRevocation.get(topicId)?.has(partition)
    )
  })
  if (others.length === 0) return null
  const names = others.slice(0, 20).map(({ topic, partition }) => `${topic}-${partition}`)
  return problem(
    'NOT_ASSIGNED',
    `${names.join(', ')} ${others.length === 1 ? 'is' : 'are'} not assigned to ${profile.memberId}; nothing was committed`,
  )
}

function partitionsOf(offsets: CommitBody['offsets']): readonly CommittedPartition[] {
  return Object.entries(offsets).flatMap(([topic, partitions]) =>
    Object.entries(partitions).map(([partition, offset]) => ({
      topic,
      partition: Number(partition),
      offset,
    })),
  )
}

async function openLogs(
  { topics }: BrokerContext,
  wanted: readonly CommittedPartition[],
): Promise<void> {
  for (const { topic: name, partition } of wanted) {
    const topic = topics.table.byName(name)
    if (topic !== undefined) await topics.log(topic, partition)
  }
}

function byTopic(list: readonly CommittedPartition[]): Record<string, Record<string, number>> {
  const topics = new Map<string, [string, number][]>()
  for (const { topic, partition, offset } of list) {
    const partitions = topics.get(topic) ?? []
    partitions.push([String(partition), offset])
    topics.set(topic, partitions)
  }
  return Object.fromEntries(
    Array.from(topics, ([topic, partitions]) => [topic, Object.fromEntries(partitions)]),
  )
}
