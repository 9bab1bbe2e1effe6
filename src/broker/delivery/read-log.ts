/**
 * What an acquisition reads: whole batches from an offset on, and which of their records may be delivered.
 *
 * Control batches are nobody's; the machine archives what is in no batch. With order by key a record is withheld while an
 * earlier one of its key is not done; such a read begins at the first record that is not done, since it has to know
 * the keys of all that are.
 */

import {
  deliveryAt,
  type OffsetRange,
  type ReadBatch,
  type ShareRead,
  type ShareState,
} from '../../group/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import { batchesIn, decodeRecords, type KafkaRecord, RecordBatch } from '../../protocol/index.ts'

export interface LogRead {
  readonly read: ShareRead
  readonly batches: readonly RecordBatch[]
}

/** Null when there is nothing to read. */
export async function readLog(
  log: PartitionLog,
  fromOffset: number,
  maxBytes: number,
): Promise<LogRead | 'KAFKA_STORAGE_ERROR' | null> {
  const result = await log.read({ offset: fromOffset, maxBytes, atLeastOneBatch: true })
  // Retention took it meanwhile: who asks looks at the log's start again.
  if (result.kind === 'refused')
    return result.error === 'OFFSET_OUT_OF_RANGE' ? null : 'KAFKA_STORAGE_ERROR'
  const batches = result.chunks.flatMap((chunk) => [...batchesIn(chunk)])
  const last = batches.at(-1)
  if (last === undefined) return null
  const deliverable = batches.filter((batch) => !batch.isControl)
  const read = {
    fromOffset,
    toOffset: last.lastOffset + 1,
    batches: deliverable.map(({ baseOffset, lastOffset }) => ({
      firstOffset: baseOffset,
      lastOffset,
    })),
  }
  return { read, batches: deliverable }
}

/** The records of a batch; null when its inside is not what its header says. */
export function recordsOf(batch: RecordBatch): readonly KafkaRecord[] | null {
  try {
    return decodeRecords(batch)
  } catch {
    // Every error of decoding says the same here: nobody can have these records.
    return null
  }
}

/** Keys that are open: a record of theirs is not done. Carried from one read of an acquisition to the next. */
export type OpenKeys = Set<string>

/** The same read with the records withheld whose key is open. */
export function withheldByKey(
  { read, batches }: LogRead,
  state: ShareState,
  open: OpenKeys,
): ShareRead {
  const ranges: (OffsetRange & { isWithheld: boolean })[] = []
  for (const batch of batches)
    for (const { firstOffset, lastOffset, key } of keysOf(batch)) {
      const isKeyed = key !== null && isOpen(state, firstOffset)
      const isWithheld = isKeyed && open.has(key)
      if (isKeyed) open.add(key)
      const last = ranges.at(-1)
      if (last?.isWithheld === isWithheld && last.lastOffset + 1 === firstOffset)
        ranges[ranges.length - 1] = { ...last, lastOffset }
      else ranges.push({ firstOffset, lastOffset, isWithheld })
    }
  const split: readonly ReadBatch[] = ranges
  return { ...read, batches: split }
}

/** What cannot be read has no key, and no order. */
function* keysOf(
  batch: RecordBatch,
): IterableIterator<OffsetRange & { readonly key: string | null }> {
  const records = recordsOf(batch)
  if (records === null)
    yield { firstOffset: batch.baseOffset, lastOffset: batch.lastOffset, key: null }
  for (const { offset, key } of records ?? [])
    yield {
      firstOffset: offset,
      lastOffset: offset,
      key: key === null ? null : Buffer.from(key).toString('latin1'),
    }
}

function isOpen(state: ShareState, offset: number): boolean {
  if (offset >= state.partition.endOffset) return true
  const delivery = deliveryAt(state, offset)?.delivery.state
  return delivery === 'available' || delivery === 'archiving'
}
