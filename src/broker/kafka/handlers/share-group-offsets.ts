/**
 * DescribeShareGroupOffsets v0-1, AlterShareGroupOffsets v0, DeleteShareGroupOffsets v0 (KIP-932): where a share group stands,
 * and administrators that move it.
 *
 * The start offset is the first record that is not done; -1 where nothing was delivered yet. Lag counts what is neither
 * delivered nor done. Only a group without members is moved.
 */

import type { KafkaErrorName } from '../../../protocol/index.ts'
import {
  alterShareGroupOffsets,
  deleteShareGroupOffsets,
  describeShareGroupOffsets,
  ZERO_UUID,
} from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import type { DeliveryCount } from '../../delivery/delivery.ts'
import type { Topic } from '../../topics/topic-table.ts'
import { handler } from './define.ts'

export const handleDescribeShareGroupOffsets = handler(
  describeShareGroupOffsets,
  async ({ request, context }) => {
    const groups = []
    for (const { groupId, topics } of request.groups) {
      if (!context.groups.isShareGroup(groupId)) {
        const errorMessage = `Group ${groupId} not found.`
        groups.push({ groupId, topics: [], errorCode: 'GROUP_ID_NOT_FOUND' as const, errorMessage })
        continue
      }
      const counts = context.deliveries.counts(groupId)
      const described = []
      for (const { topicName, partitions } of topics ?? topicsOf(context, groupId, counts))
        described.push(await describeTopic(context, topicName, partitions, counts))
      groups.push({ groupId, topics: described, errorCode: 'NONE' as const, errorMessage: null })
    }
    await context.logs.flushed()
    return { throttleTimeMs: 0, groups }
  },
)

export const handleAlterShareGroupOffsets = handler(
  alterShareGroupOffsets,
  async ({ request, context }) => {
    const { groupId, topics } = request
    // As in Kafka, a group that is new begins with its offsets.
    context.groups.beginShareGroup(groupId)
    const problem = movingProblem(context, groupId)
    if (problem !== null) return { throttleTimeMs: 0, ...problem, responses: [] }
    const responses = topics.map(({ topicName, partitions }) => {
      const topic = context.topics.table.byName(topicName)
      return {
        topicName,
        topicId: topic?.topicId ?? ZERO_UUID,
        partitions: partitions.map(({ partitionIndex, startOffset }) => ({
          partitionIndex,
          ...alter(context, groupId, topic, partitionIndex, startOffset),
        })),
      }
    })
    await context.logs.flushed()
    return { throttleTimeMs: 0, errorCode: 'NONE' as const, errorMessage: null, responses }
  },
)

export const handleDeleteShareGroupOffsets = handler(
  deleteShareGroupOffsets,
  async ({ request, context }) => {
    const { groupId, topics } = request
    const problem = movingProblem(context, groupId)
    if (problem !== null) return { throttleTimeMs: 0, ...problem, responses: [] }
    const counts = context.deliveries.counts(groupId)
    const responses = topics.map(({ topicName }) => {
      const topic = context.topics.table.byName(topicName)
      if (topic === undefined) return { topicName, topicId: ZERO_UUID, ...unknownTopic(topicName) }
      const { topicId } = topic
      for (const { partition } of counts.filter((each) => each.topicId === topicId))
        context.deliveries.forget({ groupId, topicId, partition })
      return { topicName, topicId, errorCode: 'NONE' as const, errorMessage: null }
    })
    await context.logs.flushed()
    return { throttleTimeMs: 0, errorCode: 'NONE' as const, errorMessage: null, responses }
  },
)

interface AskedTopic {
  readonly topicName: string
  readonly partitions: readonly number[]
}

/** Everything that the group was delivered of, or that its members have. */
function topicsOf(
  context: BrokerContext,
  groupId: string,
  counts: readonly DeliveryCount[],
): readonly AskedTopic[] {
  const assigned = context.groups.assignedOf(groupId).map(({ topicId }) => topicId)
  const topicIds = new Set([...counts.map(({ topicId }) => topicId), ...assigned])
  return [...topicIds].flatMap((topicId) => {
    const topic = context.topics.table.byId(topicId)
    if (topic === undefined) return []
    return [{ topicName: topic.name, partitions: [...Array(topic.partitionCount).keys()] }]
  })
}

async function describeTopic(
  context: BrokerContext,
  topicName: string,
  partitions: readonly number[],
  counts: readonly DeliveryCount[],
) {
  const topic = context.topics.table.byName(topicName)
  const described = []
  for (const partitionIndex of partitions)
    described.push({ partitionIndex, ...(await standing(context, topic, partitionIndex, counts)) })
  return { topicName, topicId: topic?.topicId ?? ZERO_UUID, partitions: described }
}

async function standing(
  context: BrokerContext,
  topic: Topic | undefined,
  partition: number,
  counts: readonly DeliveryCount[],
) {
  const nowhere = { startOffset: -1, leaderEpoch: 0, lag: -1 }
  const log = topic === undefined ? null : await context.topics.log(topic, partition)
  if (topic === undefined || log === null)
    return { ...nowhere, ...unknownTopic(topic?.name ?? 'of this name') }
  const known = counts.find(
    (each) => each.topicId === topic.topicId && each.partition === partition,
  )
  const fine = { errorCode: 'NONE' as const, errorMessage: null }
  if (known === undefined) return { ...nowhere, ...fine }
  const { startOffset, done } = known
  const lag = Math.max(0, log.highWatermark - startOffset - done)
  return { startOffset, leaderEpoch: log.leaderEpoch, lag, ...fine }
}

function alter(
  context: BrokerContext,
  groupId: string,
  topic: Topic | undefined,
  partition: number,
  startOffset: number,
): { readonly errorCode: KafkaErrorName; readonly errorMessage: string | null } {
  if (topic === undefined || partition < 0 || partition >= topic.partitionCount)
    return unknownTopic(topic?.name ?? 'of this name')
  if (startOffset < 0)
    return { errorCode: 'INVALID_REQUEST', errorMessage: `offset ${startOffset} is not one` }
  context.deliveries.beginAt({ groupId, topicId: topic.topicId, partition }, startOffset)
  return { errorCode: 'NONE', errorMessage: null }
}

function movingProblem(context: BrokerContext, groupId: string) {
  const isEmpty = context.groups.isEmptyShareGroup(groupId)
  if (isEmpty === true) return null
  return isEmpty === undefined
    ? ({ errorCode: 'GROUP_ID_NOT_FOUND', errorMessage: `Group ${groupId} not found.` } as const)
    : ({ errorCode: 'NON_EMPTY_GROUP', errorMessage: `Group ${groupId} is not empty.` } as const)
}

function unknownTopic(name: string) {
  const errorMessage = `There is no such partition of topic ${name}.`
  return { errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' as const, errorMessage }
}
