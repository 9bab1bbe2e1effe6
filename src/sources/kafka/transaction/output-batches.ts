/**
 * The outputs of one transaction as batches for their partitions: in order, none larger than asked, but for one that is a
 * single record. Pure but for the chance by which records without a key choose a partition.
 */

import type { OutgoingRecord } from '../../../consumer/index.ts'
import { partitionForKey } from '../../../protocol/index.ts'
import { partitionKey } from '../topic-partition.ts'
import type { TopicPartition } from '../topic-partition.ts'

export interface OutputBatch extends TopicPartition {
  readonly records: readonly OutgoingRecord[]
  readonly byteLength: number
}

export interface Placing {
  partitionCount(topic: string): number
  /** A partition for records without a key: one for all of a transaction. */
  keyless(topic: string, partitionCount: number): number
  readonly batchBytes: number
}

/** By partition, in the order in which they have to be written. */
export function outputBatches(
  outputs: readonly OutgoingRecord[],
  { partitionCount, keyless, batchBytes }: Placing,
): ReadonlyMap<string, readonly OutputBatch[]> {
  const batches = new Map<
    string,
    (OutputBatch & { records: OutgoingRecord[]; byteLength: number })[]
  >()
  const chosen = new Map<string, number>()
  for (const output of outputs) {
    const { topic, key } = output
    const count = partitionCount(topic)
    const choose = () => {
      const known = chosen.get(topic) ?? keyless(topic, count)
      chosen.set(topic, known)
      return known
    }
    const partition =
      output.partition ?? (key === null ? choose() : partitionForKey(key, count, 'murmur2'))
    const place = partitionKey({ topic, partition })
    let list = batches.get(place)
    if (list === undefined) batches.set(place, (list = []))
    const byteLength = sizeOf(output)
    const last = list.at(-1)
    if (last !== undefined && last.byteLength + byteLength <= batchBytes) {
      last.records.push(output)
      last.byteLength += byteLength
    } else list.push({ topic, partition, records: [output], byteLength })
  }
  return batches
}

function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let size = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const header of headers) size += 2 * header.key.length + (header.value?.length ?? 0) + 10
  return size
}
