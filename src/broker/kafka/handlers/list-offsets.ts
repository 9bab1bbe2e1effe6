/**
 * ListOffsets v1-11: an offset for a timestamp, or for one of Kafka's special ones.
 *
 * -1 the end, -2 the start, -3 (v7+) the record with the largest timestamp, -4 (v8+) the local start, -5 (v9+) and -6
 * (v11+) tiered storage, which there is none of: offset -1. Everything answered is flushed.
 */

import type { PartitionLog } from '../../../log/index.ts'
import type { KafkaErrorName } from '../../../protocol/index.ts'
import { listOffsets } from '../../../protocol/index.ts'
import type { BrokerContext } from '../../context.ts'
import { leaderEpochError } from '../../fetch/fetch-read.ts'
import { duplicates, handler } from './define.ts'

/** The first version that knows a special timestamp. */
const specialSince: ReadonlyMap<number, number> = new Map([
  [-1, 1],
  [-2, 1],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
])

interface Found {
  readonly timestamp: number
  readonly offset: number
  readonly leaderEpoch: number
}

const NOTHING: Found = { timestamp: -1, offset: -1, leaderEpoch: -1 }

export const handleListOffsets = handler(listOffsets, async ({ request, version, context }) => {
  const topics = []
  for (const { name, partitions } of request.topics) {
    const twice = duplicates(partitions.map((partition) => String(partition.partitionIndex)))
    const answers = []
    for (const partition of partitions) {
      const { partitionIndex } = partition
      const answer = twice.has(String(partitionIndex))
        ? refuse('INVALID_REQUEST')
        : await answerOne(context, version, name, partition)
      answers.push({ partitionIndex, ...answer })
    }
    topics.push({ name, partitions: answers })
  }
  return { throttleTimeMs: 0, topics }
})

async function answerOne(
  context: BrokerContext,
  version: number,
  name: string,
  partition: {
    readonly partitionIndex: number
    readonly currentLeaderEpoch: number
    readonly timestamp: number
  },
): Promise<Found & { readonly errorCode: KafkaErrorName }> {
  const { timestamp, currentLeaderEpoch } = partition
  const topic = context.topics.table.byName(name)
  const log = topic === undefined ? null : await context.topics.log(topic, partition.partitionIndex)
  if (log === null) return refuse('UNKNOWN_TOPIC_OR_PARTITION')
  const epochError = leaderEpochError(log, currentLeaderEpoch)
  if (epochError !== null) return refuse(epochError)
  if (timestamp < 0 && version < (specialSince.get(timestamp) ?? Number.POSITIVE_INFINITY))
    return refuse('UNSUPPORTED_VERSION')
  return { errorCode: 'NONE', ...(await find(log, timestamp)) }
}

async function find(log: PartitionLog, timestamp: number): Promise<Found> {
  const { leaderEpoch } = log
  switch (timestamp) {
    case -1:
      return { timestamp: -1, offset: log.highWatermark, leaderEpoch }
    case -2:
    case -4:
      return { timestamp: -1, offset: log.logStartOffset, leaderEpoch }
    case -5:
    case -6:
      return NOTHING
    default: {
      const found =
        timestamp === -3 ? await log.maxTimestamp() : await log.offsetForTimestamp(timestamp)
      if (found === null) return NOTHING
      return { timestamp: found.timestampMs, offset: found.offset, leaderEpoch: found.leaderEpoch }
    }
  }
}

function refuse(errorCode: KafkaErrorName): Found & { readonly errorCode: KafkaErrorName } {
  return { errorCode, ...NOTHING }
}
