/**
 * Produce v3-12.
 *
 * Every partition is appended before the first `await` when its log is open, and one that has to be opened takes the
 * requests that wait for it before any that finds it open: requests that follow each other keep their order. The answer
 * leaves when every append is flushed.
 * acks 0 has no answer: a refusal closes the connection, the only way left to tell. Topics are not made on demand here
 * (clients ask Metadata first).
 */

import { EMPTY_BYTES } from '../../../core/index.ts'
import type { PartitionLog } from '../../../log/index.ts'
import type { KafkaErrorName, ProduceRequest } from '../../../protocol/index.ts'
import { BATCH_MAGIC, BatchAttribute, BatchPosition, produce } from '../../../protocol/index.ts'
import { isInternalTopic } from '../../topics/topic-name.ts'
import type { TopicService } from '../../topics/topic-service.ts'
import { handler, NO_LEADER } from './define.ts'

/** The lower byte of a batch's attributes, where all of them are. */
const LOW_ATTRIBUTES = BatchPosition.attributes + 1

interface PartitionAnswer {
  readonly index: number
  readonly errorCode: KafkaErrorName
  readonly baseOffset: number
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
  readonly recordErrors: readonly {
    readonly batchIndex: number
    readonly batchIndexErrorMessage: string | null
  }[]
  readonly errorMessage: string | null
  readonly currentLeader: typeof NO_LEADER
}

/** An answer, and when it may leave. */
interface Appended {
  readonly answer: PartitionAnswer
  readonly flushed: Promise<void> | null
}

export const handleProduce = handler(produce, async ({ request, context, connection }) => {
  const { acks } = request
  const problem = problemOf(request)
  const pending = request.topicData.map(({ name, partitionData }) => ({
    name,
    partitions: partitionData.map(({ index, records }) =>
      problem === null
        ? appendTo(context.topics, name, index, records ?? EMPTY_BYTES)
        : refused(index, problem),
    ),
  }))
  if (acks === 0) {
    const failure = await firstFailure(pending)
    if (failure !== null) connection.close(`acks 0 and ${failure}: no other way to say it`)
    return null
  }
  const responses = []
  for (const { name, partitions } of pending) {
    const partitionResponses = []
    for (const partition of partitions) {
      const { answer, flushed } = partition instanceof Promise ? await partition : partition
      if (flushed !== null) await flushed
      partitionResponses.push(answer)
    }
    responses.push({ name, partitionResponses })
  }
  return { responses, throttleTimeMs: 0, nodeEndpoints: [] }
})

/** What refuses every partition of the request alike. */
function problemOf({ acks, transactionalId, topicData }: ProduceRequest): KafkaErrorName | null {
  if (transactionalId === null && topicData.some(hasTransactionalRecords))
    return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'
  return acks === -1 || acks === 0 || acks === 1 ? null : 'INVALID_REQUIRED_ACKS'
}

function hasTransactionalRecords({ partitionData }: ProduceRequest['topicData'][number]): boolean {
  return partitionData.some(
    ({ records }) =>
      records !== null &&
      records[BatchPosition.magic] === BATCH_MAGIC &&
      ((records[LOW_ATTRIBUTES] ?? 0) & BatchAttribute.transactional) !== 0,
  )
}

function appendTo(
  topics: TopicService,
  name: string,
  index: number,
  records: Uint8Array,
): Appended | Promise<Appended> {
  if (isInternalTopic(name)) return refused(index, 'INVALID_TOPIC_EXCEPTION')
  const topic = topics.table.byName(name)
  if (topic === undefined) return refused(index, 'UNKNOWN_TOPIC_OR_PARTITION')
  const log = topics.openLog(topic, index)
  if (log !== undefined) return append(log, index, records)
  const opening = topics.withLog(topic, index, (opened) =>
    opened === null ? refused(index, 'UNKNOWN_TOPIC_OR_PARTITION') : append(opened, index, records),
  )
  if (opening instanceof Promise) opening.catch(awaitedLater)
  return opening
}

function append(log: PartitionLog, index: number, records: Uint8Array): Appended {
  const result = log.append(records)
  if (result.kind === 'refused') {
    const recordErrors = result.recordErrors.map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    }))
    return refused(index, result.error, result.message, recordErrors)
  }
  const { baseOffset, logAppendTimeMs, logStartOffset, flushed } = result
  flushed.catch(awaitedLater)
  const none = { errorMessage: null, recordErrors: [], currentLeader: NO_LEADER }
  return {
    answer: { index, errorCode: 'NONE', baseOffset, logAppendTimeMs, logStartOffset, ...none },
    flushed,
  }
}

/** Who waits for an earlier partition may miss the moment at which this one fails; it is awaited in its turn. */
function awaitedLater(): void {}

function refused(
  index: number,
  errorCode: KafkaErrorName,
  errorMessage: string | null = null,
  recordErrors: PartitionAnswer['recordErrors'] = [],
): Appended {
  const nowhere = { baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
  return {
    answer: { index, errorCode, ...nowhere, recordErrors, errorMessage, currentLeader: NO_LEADER },
    flushed: null,
  }
}

async function firstFailure(
  pending: readonly { readonly partitions: readonly (Appended | Promise<Appended>)[] }[],
): Promise<KafkaErrorName | null> {
  for (const { partitions } of pending)
    for (const partition of partitions) {
      const { answer } = await partition
      if (answer.errorCode !== 'NONE') return answer.errorCode
    }
  return null
}
