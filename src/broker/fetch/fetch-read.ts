/**
 * What one partition of a fetch reads, and what stands in its way.
 *
 * Checks in Kafka's order: the partition exists, the client's leader epoch is the current one, its last epoch did not end
 * before the position. A refusal is a value; nothing here waits for records (`fetch-wait.ts` does).
 */

import type { PartitionLog } from '../../log/index.ts'
import type { KafkaErrorName } from '../../protocol/index.ts'
import type { TopicService } from '../topics/topic-service.ts'
import type { FetchEntry, FetchTarget, FetchedState } from './fetch-session.ts'

export interface FetchedPartition extends FetchedState {
  readonly entry: FetchEntry
  /** Whole batches; empty after an error, never null: librdkafka stops at null. */
  readonly chunks: readonly Uint8Array[]
  /** Where the log and the client parted, when they did. */
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | null
  /** The log, for waiting on it; null when there is none. */
  readonly log: PartitionLog | null
}

export interface ReadLimits {
  readonly maxBytes: number
  /** At least one batch, though it be larger than the limits: a fetch must make progress. */
  readonly atLeastOneBatch: boolean
}

export async function readPartition(
  topics: TopicService,
  entry: FetchEntry,
  byTopicId: boolean,
  limits: ReadLimits,
): Promise<FetchedPartition> {
  const { target } = entry
  const unknown = byTopicId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION'
  const topic = byTopicId ? topics.table.byId(target.topic) : topics.table.byName(target.topic)
  if (topic === undefined) return failed(entry, unknown)
  const log = topics.openLog(topic, target.partition) ?? (await topics.log(topic, target.partition))
  if (log === null) return failed(entry, 'UNKNOWN_TOPIC_OR_PARTITION')
  const epochError = leaderEpochError(log, target.currentLeaderEpoch)
  if (epochError !== null) return failed(entry, epochError, log)
  const diverging = divergence(log, target)
  if (diverging !== null) return { ...nothing(entry, log), divergingEpoch: diverging }
  // Nothing to read is the usual case of a consumer that waits: no promise, no file.
  if (target.fetchOffset === log.highWatermark && log.corrupt === null) return nothing(entry, log)
  const result = await readLog(log, entry, limits)
  // A topic that was deleted during the read took its files with it.
  const isGone = result.errorCode !== 'NONE' && topics.table.byId(topic.topicId) === undefined
  return isGone ? failed(entry, unknown) : result
}

/** FENCED_LEADER_EPOCH (74) for an old epoch, UNKNOWN_LEADER_EPOCH (75) for one that is not yet; -1 is not checked. */
export function leaderEpochError(log: PartitionLog, epoch: number): KafkaErrorName | null {
  if (epoch < 0 || epoch === log.leaderEpoch) return null
  return epoch < log.leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}

async function readLog(
  log: PartitionLog,
  entry: FetchEntry,
  { maxBytes, atLeastOneBatch }: ReadLimits,
): Promise<FetchedPartition> {
  const result = await log.read({
    offset: entry.target.fetchOffset,
    maxBytes: Math.max(0, Math.min(maxBytes, entry.target.maxBytes)),
    atLeastOneBatch,
  })
  if (result.kind === 'refused') return failed(entry, result.error, log)
  const { chunks, byteLength, highWatermark, logStartOffset } = result
  const state = { errorCode: 'NONE' as const, highWatermark, logStartOffset, byteLength }
  return { entry, ...state, chunks, divergingEpoch: null, log }
}

function divergence(
  log: PartitionLog,
  { lastFetchedEpoch, fetchOffset }: FetchTarget,
): FetchedPartition['divergingEpoch'] {
  if (lastFetchedEpoch < 0) return null
  const { leaderEpoch, endOffset } = log.endOfEpoch(lastFetchedEpoch)
  // An epoch that the log does not know proves nothing; reading tells whether the position exists.
  if (endOffset < 0) return null
  if (leaderEpoch >= lastFetchedEpoch && endOffset >= fetchOffset) return null
  return { epoch: leaderEpoch, endOffset }
}

function nothing(entry: FetchEntry, log: PartitionLog): FetchedPartition {
  const { highWatermark, logStartOffset } = log
  const state = { errorCode: 'NONE' as const, highWatermark, logStartOffset, byteLength: 0 }
  return { entry, ...state, chunks: [], divergingEpoch: null, log }
}

function failed(
  entry: FetchEntry,
  errorCode: KafkaErrorName,
  log: PartitionLog | null = null,
): FetchedPartition {
  const state = { errorCode, highWatermark: -1, logStartOffset: -1, byteLength: 0 }
  return { entry, ...state, chunks: [], divergingEpoch: null, log }
}
