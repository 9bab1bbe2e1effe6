/**
 * From the bytes of one partition in a Fetch answer to records: pure.
 *
 * Whole record batches are skipped or taken by what their headers say: control batches (transaction markers) never
 * become records, and under read-committed neither does what an aborted transaction wrote. Either way the position moves
 * past them. The first batch may begin before the asked offset, the last may be cut off; both are the broker's right.
 *
 * Aborted transactions: the broker names with each answer those that overlap what it sent, by producer and first
 * offset. A producer is aborted from that offset on until its next marker, and may be so more than once in one answer:
 *
 *   answer   [p1 a][p2 b][p1 ABORT][p1 c][p1 COMMIT]     aborted: p1 from a
 *   taken           b                c
 *
 * Every answer brings all it takes to read it, so nothing is remembered between answers: a transaction whose marker
 * lies beyond this answer is in its list as well.
 */

import { ShoalError } from '../../core/index.ts'
import { batchesIn, decodeRecords } from '../../protocol/index.ts'
import type { RecordBatch } from '../../protocol/index.ts'
import type { SourceRecord } from '../../consumer/index.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface FetchedRecords {
  readonly records: readonly SourceRecord[]
  /** Memory that the records keep alive: their part of the answer, and what was decompressed. */
  readonly byteLength: number
}

export interface DecodeOptions {
  /** The offset that was asked for: what lies before it is left out. */
  readonly from: number
  /** Null under read-uncommitted: take everything. */
  readonly aborted: readonly AbortedTransaction[] | null
  readonly maxDecompressedBytes: number
}

/**
 * The position after the whole batches in `bytes`, found by their headers alone; `from` when there are none.
 * @throws ShoalError SHOAL_CORRUPT_BATCH
 */
export function positionAfter(bytes: Uint8Array, from: number): number {
  let position = from
  for (const batch of batchesIn(bytes, { atCut: 'stop' }))
    position = Math.max(position, batch.lastOffset + 1)
  return position
}

/**
 * The records at or after `from`, in order.
 * @throws ShoalError SHOAL_CORRUPT_BATCH, SHOAL_UNSUPPORTED_COMPRESSION, SHOAL_DECOMPRESSION_LIMIT
 */
export function decodeFetched(bytes: Uint8Array, options: DecodeOptions): FetchedRecords {
  const { from, aborted, maxDecompressedBytes } = options
  const filter = aborted === null || aborted.length === 0 ? null : new AbortedFilter(aborted)
  let records: SourceRecord[] = []
  let byteLength = bytes.length
  for (const batch of batchesIn(bytes, { atCut: 'stop' })) {
    if (batch.lastOffset < from) continue
    if (!batch.isCrcValid)
      throw new ShoalError(
        'SHOAL_CORRUPT_BATCH',
        `the batch at offset ${batch.baseOffset} has another checksum than its bytes`,
        { details: { offset: batch.baseOffset } },
      )
    const isAborted = filter?.drops(batch) ?? false
    if (batch.isControl || isAborted) continue
    const decoded = decodeRecords(batch, { maxDecompressedBytes })
    if (batch.compressionCode !== 0) byteLength += sizeOf(decoded)
    if (batch.baseOffset < from) records.push(...decoded.filter(({ offset }) => offset >= from))
    else if (records.length === 0) records = [...decoded]
    else for (const record of decoded) records.push(record)
  }
  return { records, byteLength }
}

class AbortedFilter {
  /** By first offset, the next to begin at the end. */
  readonly #toBegin: AbortedTransaction[]
  readonly #running = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#toBegin = [...aborted].sort((left, right) => right.firstOffset - left.firstOffset)
  }

  /** Whether the batch belongs to an aborted transaction. Batches come in order. */
  drops(batch: RecordBatch): boolean {
    for (let next = this.#toBegin.at(-1); next !== undefined; next = this.#toBegin.at(-1)) {
      if (next.firstOffset > batch.lastOffset) break
      this.#running.add(next.producerId)
      this.#toBegin.pop()
    }
    if (!batch.isTransactional || !this.#running.has(batch.producerId)) return false
    // Any marker of the producer ends its transaction, and with it what is to be left out.
    if (batch.isControl) this.#running.delete(batch.producerId)
    return true
  }
}

function sizeOf(records: readonly SourceRecord[]): number {
  let size = 0
  for (const { key, value } of records) size += (key?.length ?? 0) + (value?.length ?? 0)
  return size
}
