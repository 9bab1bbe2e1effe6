/**
 * Fetch v4-17: sessions, long poll, and the answer; reading is in `broker/fetch/`.
 *
 * There are no open transactions, so the last stable offset is the high watermark under both isolation levels. The rack
 * is ignored: one node has no other replica to prefer.
 */

import type { FetchRequest, KafkaErrorName } from '../../../protocol/index.ts'
import { fetch, ZERO_UUID } from '../../../protocol/index.ts'
import type { FetchedPartition } from '../../fetch/fetch-read.ts'
import type { FetchPlan, FetchTarget } from '../../fetch/fetch-session.ts'
import { fetchPartitions } from '../../fetch/fetch-wait.ts'
import { handler, NO_LEADER } from './define.ts'

/** Topics are named by id from this version on. */
const TOPIC_IDS_SINCE = 13
const READ_COMMITTED = 1
const NO_SNAPSHOT = { endOffset: -1, epoch: -1 } as const
const NOT_DIVERGING = { epoch: -1, endOffset: -1 } as const

export const handleFetch = handler(fetch, async ({ request, version, context, connection }) => {
  const byTopicId = version >= TOPIC_IDS_SINCE
  const plan = context.fetchSessions.plan(
    {
      sessionId: request.sessionId,
      sessionEpoch: request.sessionEpoch,
      targets: targetsOf(request, byTopicId),
      forgotten: forgottenOf(request, byTopicId),
      byTopicId,
    },
    context.clock.monotonicMs(),
  )
  if (plan.kind === 'refused') return answer(plan.errorCode, 0, [])
  const fetched = await fetchPartitions({
    topics: context.topics,
    timers: context.timers,
    entries: plan.entries,
    byTopicId,
    limits: {
      maxWaitMs: request.maxWaitMs,
      minBytes: request.minBytes,
      maxBytes: Math.min(request.maxBytes, context.settings.fetchMaxBytes),
    },
    signal: connection.signal,
  })
  // Who reads everything is told of no transactions, who reads what is committed that none was aborted.
  const abortedTransactions = request.isolationLevel === READ_COMMITTED ? [] : null
  const how = { byTopicId, abortedTransactions }
  return answer('NONE', plan.sessionId, responsesOf(news(plan, fetched), how))
})

/** With a session only what changed, without one everything. */
function news(
  { session }: FetchPlan & { kind: 'fetch' },
  fetched: readonly FetchedPartition[],
): readonly FetchedPartition[] {
  if (session === null) return fetched
  const changed = fetched.filter((partition) => {
    const isNews = session.isNews(partition.entry, partition)
    return isNews || partition.divergingEpoch !== null
  })
  session.answered()
  return changed
}

interface AnswerForm {
  readonly byTopicId: boolean
  readonly abortedTransactions: readonly never[] | null
}

function responsesOf(fetched: readonly FetchedPartition[], form: AnswerForm) {
  const { byTopicId, abortedTransactions } = form
  const byTopic = new Map<string, ReturnType<typeof partitionAnswer>[]>()
  for (const partition of fetched) {
    const { topic } = partition.entry.target
    const partitions = byTopic.get(topic)
    const answered = partitionAnswer(partition, abortedTransactions)
    if (partitions === undefined) byTopic.set(topic, [answered])
    else partitions.push(answered)
  }
  return Array.from(byTopic, ([topic, partitions]) => ({
    topic: byTopicId ? '' : topic,
    topicId: byTopicId ? topic : ZERO_UUID,
    partitions,
  }))
}

function partitionAnswer(
  fetched: FetchedPartition,
  abortedTransactions: AnswerForm['abortedTransactions'],
) {
  const { entry, errorCode, highWatermark, logStartOffset, chunks, divergingEpoch } = fetched
  return {
    partitionIndex: entry.target.partition,
    errorCode,
    highWatermark,
    lastStableOffset: highWatermark,
    logStartOffset,
    divergingEpoch: divergingEpoch ?? NOT_DIVERGING,
    currentLeader: NO_LEADER,
    snapshotId: NO_SNAPSHOT,
    abortedTransactions,
    preferredReadReplica: -1,
    records: chunks,
  }
}

function answer(
  errorCode: KafkaErrorName,
  sessionId: number,
  responses: ReturnType<typeof responsesOf>,
) {
  return { throttleTimeMs: 0, errorCode, sessionId, responses, nodeEndpoints: [] }
}

function targetsOf(request: FetchRequest, byTopicId: boolean): FetchTarget[] {
  const targets: FetchTarget[] = []
  for (const { topic, topicId, partitions } of request.topics)
    for (const partition of partitions)
      targets.push({
        topic: byTopicId ? topicId : topic,
        partition: partition.partition,
        currentLeaderEpoch: partition.currentLeaderEpoch,
        lastFetchedEpoch: partition.lastFetchedEpoch,
        fetchOffset: partition.fetchOffset,
        maxBytes: partition.partitionMaxBytes,
      })
  return targets
}

function forgottenOf(request: FetchRequest, byTopicId: boolean) {
  return request.forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => ({ topic: byTopicId ? topicId : topic, partition })),
  )
}
