/**
 * How far behind a group is: for each partition that it owns or has committed, in records and in seconds.
 *
 * Seconds are the age of the oldest record that is not consumed, by its own timestamp, read from the log at the committed
 * offset. What retention deleted before it was consumed is no lag any more: it is counted as lost. Timestamps are remembered
 * by their position in the log, so asking again for a group that stands still reads nothing.
 */

import type { Clock } from '../../core/index.ts'
import { ShoalError } from '../../core/index.ts'
import type { OffsetFetchGroupResult, Ownership } from '../../group/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import { batchesIn, decodeRecords, type RecordBatch } from '../../protocol/index.ts'
import type { GroupService } from '../group-service.ts'
import type { TopicService } from '../topics/topic-service.ts'

export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  /** Null when nothing was committed. */
  readonly committedOffset: number | null
  /** Null when the partition is gone. */
  readonly logStartOffset: number | null
  readonly logEndOffset: number | null
  readonly lag: number | null
  readonly lagSeconds: number | null
  /** Records that were deleted before they were consumed. */
  readonly lost: number
  readonly memberId: string | null
  readonly clientId: string | null
}

export interface GroupLag {
  readonly atMs: number
  /** Sum over the partitions where it is known. */
  readonly lag: number
  /** Null where no partition has a lag that is known. */
  readonly maxLagSeconds: number | null
  /** By topic and partition. */
  readonly partitions: readonly PartitionLag[]
}

/** Positions whose timestamps are remembered. */
const MOST_REMEMBERED = 50_000
/** Compressed batches are read for their timestamps up to this size; larger ones count by their first record. */
const MOST_DECODED_BYTES = 4 * 1_048_576

export class LagReader {
  readonly #groups: GroupService
  readonly #topics: TopicService
  readonly #clock: Clock
  /** By topic id, partition and offset. */
  readonly #timestamps = new Map<string, number>()

  constructor(groups: GroupService, topics: TopicService, clock: Clock) {
    this.#groups = groups
    this.#topics = topics
    this.#clock = clock
  }

  /** Null when there is no such group. */
  async of(
    groupId: string,
    wanted: (topic: string) => boolean = () => true,
  ): Promise<GroupLag | null> {
    const known = await this.#groups.ask((coordinator) => {
      const owners = coordinator.owners(groupId)
      if (owners === undefined) return null
      const asked = { groupId, memberId: null, memberEpoch: -1, topics: null }
      return { owners, committed: coordinator.fetchOffsets(asked) }
    })
    if (known === null) return null
    const partitions: PartitionLag[] = []
    for (const partition of measured(known.owners, known.committed, wanted))
      partitions.push(await this.#measure(partition))
    const seconds = partitions.flatMap(({ lagSeconds }) => lagSeconds ?? [])
    return {
      atMs: this.#clock.wallMs(),
      lag: partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0),
      maxLagSeconds: seconds.length === 0 ? null : seconds.reduce((a, b) => Math.max(a, b)),
      partitions,
    }
  }

  async #measure(asked: Asked): Promise<PartitionLag> {
    const { topic: name, partition, committedOffset, memberId, clientId } = asked
    const owner = { topic: name, partition, committedOffset, memberId, clientId }
    const topic = this.#topics.table.byName(name)
    const log = topic === undefined ? null : await this.#topics.log(topic, partition)
    if (topic === undefined || log === null) return { ...owner, ...UNKNOWN }
    const { logStartOffset, highWatermark: logEndOffset } = log
    const ends = { logStartOffset, logEndOffset }
    if (committedOffset === null) return { ...owner, ...UNKNOWN, ...ends }
    const position = Math.max(committedOffset, logStartOffset)
    const lag = Math.max(0, logEndOffset - position)
    const timestampMs =
      lag === 0
        ? null
        : await this.#timestampAt(`${topic.topicId}/${partition}/${position}`, log, position)
    return {
      ...owner,
      ...ends,
      lag,
      lagSeconds: lag === 0 ? 0 : secondsSince(timestampMs, this.#clock.wallMs()),
      lost: Math.max(0, Math.min(logStartOffset, logEndOffset) - committedOffset),
    }
  }

  async #timestampAt(key: string, log: PartitionLog, position: number): Promise<number | null> {
    const known = this.#timestamps.get(key)
    if (known !== undefined) return known
    const timestampMs = await oldestTimestamp(log, position)
    if (timestampMs === null) return null
    if (this.#timestamps.size >= MOST_REMEMBERED) this.#timestamps.clear()
    this.#timestamps.set(key, timestampMs)
    return timestampMs
  }
}

interface Asked {
  readonly topic: string
  readonly partition: number
  readonly committedOffset: number | null
  readonly memberId: string | null
  readonly clientId: string | null
}

const UNKNOWN = {
  logStartOffset: null,
  logEndOffset: null,
  lag: null,
  lagSeconds: null,
  lost: 0,
}

function measured(
  owners: readonly Ownership[],
  committed: OffsetFetchGroupResult,
  wanted: (topic: string) => boolean,
): readonly Asked[] {
  const rows = new Map<string, Asked>()
  for (const { name: topic, partitions } of committed.topics)
    for (const { partitionIndex: partition, committedOffset } of partitions)
      rows.set(`${topic}/${partition}`, { topic, partition, committedOffset, ...NOBODY })
  for (const { memberId, clientId, partitions: topics } of owners)
    for (const { topic, partitions } of topics)
      for (const partition of partitions) {
        const key = `${topic}/${partition}`
        const committedOffset = rows.get(key)?.committedOffset ?? null
        rows.set(key, { topic, partition, committedOffset, memberId, clientId })
      }
  return [...rows.values()]
    .filter(({ topic }) => wanted(topic))
    .sort((left, right) => byName(left.topic, right.topic) || left.partition - right.partition)
}

const NOBODY = { memberId: null, clientId: null }

/** The timestamp of the first record at or after an offset; null when it cannot be read now. */
async function oldestTimestamp(log: PartitionLog, offset: number): Promise<number | null> {
  const read = await log.read({ offset, maxBytes: 1, atLeastOneBatch: true })
  if (read.kind === 'refused') return null
  for (const chunk of read.chunks)
    for (const batch of batchesIn(chunk)) {
      if (batch.lastOffset < offset) continue
      return timestampIn(batch, offset)
    }
  return null
}

function timestampIn(batch: RecordBatch, offset: number): number {
  if (batch.baseOffset >= offset || batch.byteLength > MOST_DECODED_BYTES)
    return batch.baseTimestamp
  try {
    const records = decodeRecords(batch, { maxDecompressedBytes: MOST_DECODED_BYTES })
    return records.find((record) => record.offset >= offset)?.timestampMs ?? batch.maxTimestamp
  } catch (error) {
    // What its consumer will stumble over is not the lag's to report: the batch's own time is close enough.
    if (error instanceof ShoalError) return batch.baseTimestamp
    throw error
  }
}

/** Clocks of producers may be ahead of ours: lag is never negative. */
function secondsSince(timestampMs: number | null, nowMs: number): number | null {
  return timestampMs === null ? null : Math.max(0, nowMs - timestampMs) / 1_000
}

function byName(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
