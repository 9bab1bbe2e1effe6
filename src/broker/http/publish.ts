/**
 * Publishing: the messages of one request, each to its partition, all of a partition in one batch (several only where one
 * would be larger than the topic takes).
 *
 * Everything is checked before anything is appended, so a refusal of the request has changed nothing. What a log itself
 * refuses then (a time too far ahead, damage on the disk) is told message by message. Answers leave after the flush.
 * Delayed messages go to a log of their own (`../delayed/`) until they are due.
 */

import type { AppendResult, PartitionLog } from '../../log/index.ts'
import { encodeRecordBatch, partitionForKey, type RecordInput } from '../../protocol/index.ts'
import { type FieldProblem, Problem, problem, type ProblemCode } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import type { Topic } from '../topics/topic-table.ts'
import { type Due, dueOf } from './delay.ts'
import { recordOf, type SentMessage } from './message-json.ts'

export interface PublishOptions {
  readonly topic: Topic
  readonly messages: readonly SentMessage[]
  readonly partitioner: 'murmur2' | 'crc32'
  /** Where messages without a key go, if they do not say it. */
  readonly keylessPartition: number
}

export interface PublishResult {
  readonly partition: number
  /** Missing where the message was refused, or is delayed. */
  readonly offset?: number
  readonly id?: string
  readonly deliver_at?: string
  readonly error?: string
  readonly code?: string
}

interface Placed {
  readonly index: number
  readonly record: RecordInput
}

interface PlacedLater extends Placed {
  readonly partition: number
  readonly due: Due
  readonly hasTimestamp: boolean
}

interface Placement {
  /** By partition. */
  readonly batches: ReadonlyMap<number, readonly Placed[][]>
  readonly delayed: readonly PlacedLater[]
}

/** A batch header, and the most that lengths, deltas and counts of a record and of each of its headers take. */
const BATCH_BYTES = 61
const RECORD_BYTES = 32
const HEADER_BYTES = 10

export async function publishMessages(
  context: BrokerContext,
  options: PublishOptions,
): Promise<readonly PublishResult[] | Problem> {
  const { topic, messages } = options
  const config = context.topics.configOf(topic)
  const placed = place(options, context.clock.wallMs(), {
    needsKeys: config.cleanupPolicy !== 'delete',
    maxBytes: config.maxMessageBytes,
    maxDelayMs: context.delayed.limits.maxDelayMs,
  })
  if (placed instanceof Problem) return placed
  const full = placed.delayed.length === 0 ? null : context.delayed.refusalOf(placed.delayed.length)
  if (full !== null) return problem('TOO_MANY_DELAYED', full)
  const results: PublishResult[] = Array.from({ length: messages.length })
  const flushes: Promise<unknown>[] = []
  if (placed.delayed.length > 0) flushes.push(keepForLater(context, topic, placed.delayed, results))
  for (const [partition, batches] of placed.batches) {
    const append = (log: PartitionLog | null) =>
      log === null
        ? refuseDeleted(partition, batches, results)
        : batches.map((batch) => appendBatch(log, batch, results))
    // In the turn of the request where the log is open: requests that follow each other keep their order.
    const appended = context.topics.withLog(topic, partition, append)
    if (appended instanceof Promise) flushes.push(appended.then((all) => Promise.all(all)))
    else flushes.push(...appended)
  }
  await Promise.all(flushes)
  return answered(results, topic)
}

/** Delayed messages, in their order, into the log that keeps them until they are due. */
async function keepForLater(
  { delayed }: BrokerContext,
  { topicId }: Topic,
  placed: readonly PlacedLater[],
  results: PublishResult[],
): Promise<void> {
  const stored = await delayed.publish(
    placed.map(({ partition, record, due, hasTimestamp }) => ({
      topicId,
      partition,
      ...due,
      record,
      hasTimestamp,
    })),
  )
  for (const [at, { index, partition, due }] of placed.entries()) {
    const outcome = stored[at]
    if (outcome === undefined || outcome.id === null)
      results[index] = { partition, error: outcome?.error ?? '', code: outcome?.code ?? '' }
    else {
      const deliverAt = new Date(due.dueMs).toISOString()
      results[index] = { partition, id: outcome.id, deliver_at: deliverAt }
    }
  }
}

/** One flush promise; the results of the batch are filled in. */
function appendBatch(
  log: PartitionLog,
  batch: readonly Placed[],
  results: PublishResult[],
): Promise<void> {
  const { partition } = log.id
  const outcome = log.append(encodeRecordBatch(batch.map(({ record }) => record)))
  for (const [at, { index }] of batch.entries())
    results[index] =
      outcome.kind === 'appended'
        ? { partition, offset: outcome.baseOffset + at }
        : { partition, ...refusalOf(outcome, at) }
  return outcome.kind === 'appended' ? outcome.flushed : Promise.resolve()
}

/** The topic went while its log was opened. */
function refuseDeleted(
  partition: number,
  batches: readonly Placed[][],
  results: PublishResult[],
): readonly Promise<void>[] {
  const refusal = { partition, code: 'UNKNOWN_TOPIC', error: 'the topic was deleted meanwhile' }
  for (const { index } of batches.flat()) results[index] = refusal
  return []
}

function refusalOf(
  { error, message, recordErrors }: Extract<AppendResult, { readonly kind: 'refused' }>,
  at: number,
) {
  const own = recordErrors.find(({ batchIndex }) => batchIndex === at)
  return { code: error, error: own?.message ?? message }
}

/** What was refused whole is a refusal; a part of it is told in the results. */
function answered(
  results: readonly PublishResult[],
  { name }: Topic,
): readonly PublishResult[] | Problem {
  const refused = results.filter(({ offset, id }) => offset === undefined && id === undefined)
  const [first] = refused
  if (first === undefined || refused.length < results.length) return results
  const detail = `nothing was appended to ${name}: ${first.error ?? first.code}`
  return problem(problemCodeOf(first), detail, { extras: { results } })
}

function problemCodeOf({ code }: PublishResult): ProblemCode {
  if (code === 'UNKNOWN_TOPIC') return code
  return code === 'KAFKA_STORAGE_ERROR' ? 'STORAGE_DAMAGED' : 'INVALID_REQUEST'
}

/** The batches of each partition, or all that is wrong with the messages. */
function place(
  { topic, messages, partitioner, keylessPartition }: PublishOptions,
  nowMs: number,
  limits: {
    readonly needsKeys: boolean
    readonly maxBytes: number
    readonly maxDelayMs: number
  },
): Placement | Problem {
  const { partitionCount } = topic
  const batches = new Map<number, { readonly all: Placed[][]; byteLength: number }>()
  const delayed: PlacedLater[] = []
  const errors: FieldProblem[] = []
  let isTooLarge = false
  for (const [index, message] of messages.entries()) {
    const record = recordOf(message, nowMs)
    const path = `body.messages.${index}`
    if ('path' in record) {
      errors.push({ path: `${path}.${record.path}`, message: record.message })
      continue
    }
    const due = dueOf(message, nowMs, limits.maxDelayMs)
    if (due !== null && 'path' in due) {
      errors.push({ path: `${path}.${due.path}`, message: due.message })
      continue
    }
    const { key = null } = record
    const partition =
      message.partition ??
      (key === null ? keylessPartition : partitionForKey(key, partitionCount, partitioner))
    const byteLength = sizeOf(record)
    if (partition >= partitionCount)
      errors.push({
        path: `${path}.partition`,
        message: `${partition} is not from 0 to ${partitionCount - 1}`,
      })
    else if (key === null && limits.needsKeys)
      errors.push({ path: `${path}.key`, message: 'is missing, and the topic is compacted by key' })
    else if (BATCH_BYTES + byteLength > limits.maxBytes) {
      isTooLarge = true
      errors.push({ path, message: `has more than ${limits.maxBytes} bytes (max.message.bytes)` })
    } else if (due !== null) {
      const hasTimestamp = message.timestamp !== undefined
      delayed.push({ index, record, partition, due, hasTimestamp })
    } else putInto(batches, partition, { index, record }, byteLength, limits.maxBytes)
  }
  if (errors.length === 0)
    return {
      batches: new Map(Array.from(batches, ([partition, { all }]) => [partition, all])),
      delayed,
    }
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return problem(isTooLarge ? 'MESSAGE_TOO_LARGE' : 'INVALID_REQUEST', detail, { errors })
}

function putInto(
  batches: Map<number, { readonly all: Placed[][]; byteLength: number }>,
  partition: number,
  placed: Placed,
  byteLength: number,
  maxBytes: number,
): void {
  const known = batches.get(partition)
  if (known === undefined) {
    batches.set(partition, { all: [[placed]], byteLength: BATCH_BYTES + byteLength })
    return
  }
  if (known.byteLength + byteLength > maxBytes) {
    known.all.push([placed])
    known.byteLength = BATCH_BYTES + byteLength
    return
  }
  known.all.at(-1)?.push(placed)
  known.byteLength += byteLength
}

/** At least what the record takes in its batch. */
function sizeOf({ key, value, headers = [] }: RecordInput): number {
  let size = RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  // UTF-16 units become three bytes at most.
  for (const header of headers)
    size += HEADER_BYTES + 3 * header.key.length + (header.value?.length ?? 0)
  return size
}
