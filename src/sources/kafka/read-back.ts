/**
 * Reads a partition of any topic once, beside what the group delivers: what the runtime parked there.
 *
 * No group and no waiting: what is there is answered at once. Below the log's start it begins at the start.
 */

import type { ReadAnswer, ReadRequest } from '../../consumer/index.ts'
import { ShoalError } from '../../core/index.ts'
import { fetchOnce } from './admin/topic-reader.ts'
import type { KafkaClient } from './kafka-client.ts'
import { OffsetMoment, offsetsAt } from './offsets.ts'
import { partitionKey } from './topic-partition.ts'

const BATCH_BYTES = 1024 * 1024
/** A batch comes whole, however small the limit. */
const ONE_BATCH_BYTES = 1024

/** @throws ShoalError SHOAL_UNKNOWN_TOPIC, SHOAL_REQUEST_FAILED, SHOAL_BROKER_UNREACHABLE */
export async function readBack(
  client: KafkaClient,
  { topic, partition, offset, maxRecords }: ReadRequest,
): Promise<ReadAnswer> {
  const known = client.cluster.topics.get(topic)
  const view = known ?? (await client.refresh([topic])).topics.get(topic)
  if (view === undefined)
    throw new ShoalError(
      'SHOAL_UNKNOWN_TOPIC',
      `topic ${topic} does not exist: create it with as many partitions as the topic it belongs to`,
      { details: { topic, partition } },
    )
  const maxBytes = maxRecords === 1 ? ONE_BATCH_BYTES : BATCH_BYTES
  const position = {
    topic,
    topicId: view.topicId,
    partition,
    waitMs: 0,
    maxBytes,
    channel: 'main',
  } as const
  try {
    const { records, next } = await fetchOnce(client, { ...position, from: offset })
    return { records, nextOffset: next }
  } catch (error) {
    if (!(error instanceof ShoalError) || error.code !== 'SHOAL_OFFSET_OUT_OF_RANGE') {
      // Its leader may have moved.
      await client.refresh([topic])
      throw error
    }
    const starts = await offsetsAt(client, [{ topic, partition }], OffsetMoment.earliest, {
      readCommitted: false,
    })
    const start = starts.get(partitionKey({ topic, partition })) ?? offset
    if (start <= offset) throw error
    const { records, next } = await fetchOnce(client, { ...position, from: start })
    return { records, nextOffset: next }
  }
}
