/**
 * ShareFetch v1-2 (KIP-932): a session, acknowledgements of what was delivered before, and records for the member.
 *
 * Acknowledgements come first, so what they release can be fetched again; the answer waits for the flush of both. The group
 * has to be a share group (Kafka does not look); membership is not looked at, as in Kafka. Records are never null:
 * librdkafka stops at null.
 */

import type { KafkaErrorName, ShareFetchRequest } from '../../../protocol/index.ts'
import { shareFetch } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import type { PolledPartition } from '../../delivery/poll.ts'
import { type AcknowledgedPartition, partitionProblem } from '../../share/share-service.ts'
import type { SharedPartition, ShareSession } from '../../share/share-sessions.ts'
import { handler } from './define.ts'

const RECORD_LIMIT = 1

/** Kafka leaves both at 0 where the leader did not change. */
const SAME_LEADER = { leaderId: 0, leaderEpoch: 0 } as const

interface PartitionAnswer {
  readonly partitionIndex: number
  errorCode: KafkaErrorName
  acknowledgeErrorCode: KafkaErrorName
  acknowledgeErrorMessage: string | null
  records: readonly Uint8Array[]
  acquiredRecords: readonly {
    readonly firstOffset: number
    readonly lastOffset: number
    readonly deliveryCount: number
  }[]
}

export const handleShareFetch = handler(
  shareFetch,
  async ({ request, version, context, connection }) => {
    const groupId = request.groupId ?? ''
    const memberId = request.memberId ?? ''
    const problem = requestProblem(context, request)
    if (problem !== null) return refused(problem.errorCode, problem.errorMessage)
    const { shares } = context
    const acknowledged = acknowledgementsOf(request)
    const named = partitionsOf(request)
    const plan = shares.sessions.fetch({
      groupId,
      memberId,
      epoch: request.shareSessionEpoch,
      connectionId: connection.id,
      added: named.filter((each) => partitionProblem(context.topics, each) === null),
      forgotten: request.forgottenTopicsData.flatMap(({ topicId, partitions }) =>
        partitions.map((partition) => ({ topicId, partition })),
      ),
      hasAcknowledgements: acknowledged.length > 0,
    })
    if (plan.kind === 'refused') return refused(plan.errorCode, plan.errorMessage)
    shares.watch(connection)
    const config = context.deliveries.configs.ofShareGroup(groupId)
    const mayRenew = request.isRenewAck && config.mayRenew
    const answers = new Answers()
    answers.acknowledged(shares.acknowledge(groupId, memberId, acknowledged, mayRenew))
    if (plan.isFinal) shares.end(groupId, memberId)
    else if (!request.isRenewAck) {
      if (plan.isWhole) answers.whole(named)
      answers.problems(context, named)
      const polled = await fetchFor(context, plan.session, request, version, connection.signal)
      answers.fetched(context, polled)
    }
    await context.logs.flushed()
    return {
      throttleTimeMs: 0,
      errorCode: 'NONE' as const,
      errorMessage: null,
      acquisitionLockTimeoutMs: config.recordLockDurationMs,
      responses: answers.responses(),
      nodeEndpoints: [],
    }
  },
)

function fetchFor(
  context: BrokerContext,
  { groupId, memberId, partitions }: ShareSession,
  request: ShareFetchRequest,
  version: number,
  signal: AbortSignal,
): Promise<readonly PolledPartition[]> {
  const { start } = context.deliveries.configs.ofShareGroup(groupId)
  const isLimited = version >= 2 && request.shareAcquireMode === RECORD_LIMIT
  return context.deliveries.acquire({
    groupId,
    memberId,
    partitions,
    start: typeof start === 'object' ? { sinceMs: context.clock.wallMs() - start.agoMs } : start,
    mode: isLimited ? 'record-limit' : 'batch-optimized',
    maxRecords: Math.max(1, request.maxRecords),
    maxBytes: Math.max(1, Math.min(request.maxBytes, context.settings.fetchMaxBytes)),
    maxWaitMs: request.minBytes > 0 ? request.maxWaitMs : 0,
    signal,
  })
}

/** What becomes of each partition of an answer, in the order in which it is first named. */
class Answers {
  readonly #byTopic = new Map<string, Map<number, PartitionAnswer>>()

  acknowledged(partitions: readonly AcknowledgedPartition[]): void {
    for (const { errorCode, errorMessage, ...partition } of partitions) {
      const answer = this.#of(partition)
      answer.acknowledgeErrorCode = errorCode
      answer.acknowledgeErrorMessage = errorMessage
    }
  }

  whole(partitions: readonly SharedPartition[]): void {
    for (const partition of partitions) this.#of(partition)
  }

  /** A session keeps only what there is: what is not is told once. */
  problems({ topics }: BrokerContext, named: readonly SharedPartition[]): void {
    for (const partition of named) {
      const problem = partitionProblem(topics, partition)
      if (problem !== null) this.#of(partition).errorCode = problem
    }
  }

  fetched({ topics }: BrokerContext, polled: readonly PolledPartition[]): void {
    for (const { problem, acquired, ...partition } of polled) {
      const answer = this.#of(partition)
      if (problem !== null)
        answer.errorCode = partitionProblem(topics, partition) ?? errorNames[problem]
      if (acquired === null) continue
      answer.records = acquired.batches.map(({ slice }) => slice)
      answer.acquiredRecords = acquired.records
    }
  }

  responses() {
    return Array.from(this.#byTopic, ([topicId, partitions]) => ({
      topicId,
      partitions: Array.from(partitions.values(), (answer) => ({
        ...answer,
        errorMessage: null,
        currentLeader: SAME_LEADER,
      })),
    }))
  }

  #of({ topicId, partition }: SharedPartition): PartitionAnswer {
    const partitions = this.#byTopic.get(topicId) ?? new Map<number, PartitionAnswer>()
    this.#byTopic.set(topicId, partitions)
    const answer: PartitionAnswer = partitions.get(partition) ?? {
      partitionIndex: partition,
      errorCode: 'NONE' as const,
      acknowledgeErrorCode: 'NONE',
      acknowledgeErrorMessage: null,
      records: [],
      acquiredRecords: [],
    }
    partitions.set(partition, answer)
    return answer
  }
}

const errorNames = {
  UNKNOWN_TOPIC_OR_PARTITION: 'UNKNOWN_TOPIC_OR_PARTITION',
  NO_OFFSET: 'OFFSET_OUT_OF_RANGE',
  STORAGE: 'KAFKA_STORAGE_ERROR',
} as const satisfies Record<NonNullable<PolledPartition['problem']>, KafkaErrorName>

function requestProblem(
  context: BrokerContext,
  { groupId, memberId, isRenewAck, ...limits }: ShareFetchRequest,
): { readonly errorCode: KafkaErrorName; readonly errorMessage: string } | null {
  const invalid = (errorMessage: string) =>
    ({ errorCode: 'INVALID_REQUEST', errorMessage }) as const
  if (groupId === null || groupId === '') return invalid('GroupId must not be empty.')
  if (memberId === null || memberId === '') return invalid('MemberId must not be empty.')
  const { maxBytes, minBytes, maxRecords, maxWaitMs } = limits
  if (isRenewAck && [maxBytes, minBytes, maxRecords, maxWaitMs].some((limit) => limit !== 0))
    return invalid('a request that renews locks cannot fetch')
  return context.groups.isShareGroup(groupId)
    ? null
    : { errorCode: 'GROUP_ID_NOT_FOUND', errorMessage: `Group ${groupId} is not a share group.` }
}

function partitionsOf({ topics }: ShareFetchRequest): SharedPartition[] {
  return topics.flatMap(({ topicId, partitions }) =>
    partitions.map(({ partitionIndex }) => ({ topicId, partition: partitionIndex })),
  )
}

function acknowledgementsOf({ topics }: Pick<ShareFetchRequest, 'topics'>) {
  return topics.flatMap(({ topicId, partitions }) =>
    partitions
      .filter(({ acknowledgementBatches }) => acknowledgementBatches.length > 0)
      .map(({ partitionIndex, acknowledgementBatches }) => ({
        topicId,
        partition: partitionIndex,
        batches: acknowledgementBatches,
      })),
  )
}

function refused(errorCode: KafkaErrorName, errorMessage: string) {
  return {
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  }
}
