/**
 * Reading a partition without a group: whole batches come from the log, and of their records those that were asked for.
 *
 * Control records of transactions are no messages: their offsets are passed over.
 */

import type { PartitionLog } from '../../log/index.ts'
import { concatBytes } from '../../core/index.ts'
import { batchesIn, decodeRecords, type KafkaRecord } from '../../protocol/index.ts'

export interface PartitionRead {
  readonly records: readonly KafkaRecord[]
  /** Where to go on. */
  readonly nextOffset: number
}

export interface ReadOptions {
  readonly offset: number
  readonly maxRecords: number
  readonly maxBytes: number
}

/**
 * At least one record where there is one below the high watermark, whatever its size.
 * @throws ShoalError for a batch that cannot be decoded
 */
export async function readRecords(
  log: PartitionLog,
  { offset, maxRecords, maxBytes }: ReadOptions,
): Promise<PartitionRead | 'OFFSET_OUT_OF_RANGE' | 'KAFKA_STORAGE_ERROR'> {
  const records: KafkaRecord[] = []
  let nextOffset = offset
  let byteLength = 0
  // A batch of control records gives none: go on behind it.
  while (records.length === 0) {
    const result = await log.read({ offset: nextOffset, maxBytes, atLeastOneBatch: true })
    if (result.kind === 'refused') return result.error
    if (result.byteLength === 0) break
    for (const batch of batchesIn(concatBytes(result.chunks), { atCut: 'stop' })) {
      if (records.length === maxRecords || byteLength >= maxBytes) return { records, nextOffset }
      if (!batch.isControl)
        for (const record of decodeRecords(batch)) {
          if (record.offset < nextOffset) continue
          if (records.length === maxRecords || byteLength >= maxBytes)
            return { records, nextOffset }
          records.push(record)
          byteLength += (record.key?.length ?? 0) + (record.value?.length ?? 0)
          nextOffset = record.offset + 1
        }
      nextOffset = batch.lastOffset + 1
    }
  }
  return { records, nextOffset }
}
