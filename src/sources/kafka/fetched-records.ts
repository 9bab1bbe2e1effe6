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
 *
 * An answer is read in pieces, for a small one may hold a great deal compressed: a piece ends with the batch that fills
 * it, and the reader decides when it has room for the next. What one batch may become has a limit of its own.
 */

import { ShoalError } from '../../core/index.ts'
import { batchesIn, PackedRecords } from '../../protocol/index.ts'
import type { RecordBatch } from '../../protocol/index.ts'
import type { SourceRecords } from '../../consumer/index.ts'
import type { EpochTrail } from './epoch-trail.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface FetchedPiece {
  readonly records: SourceRecords
  /** Memory that the records keep alive: their part of the answer, and what was decompressed. */
  readonly byteLength: number
  /** The position after the piece. */
  readonly nextOffset: number
  /** Kafka does not count what it hands out. */
  readonly hasHistory: false
}

export interface DecodeOptions {
  /** The offset that was asked for: what lies before it is left out. */
  readonly from: number
  /** Null under read-uncommitted: take everything. */
  readonly aborted: readonly AbortedTransaction[] | null
  /** Most that one batch may become. */
  readonly maxDecompressedBytes: number
  /** A piece ends when it holds this much, decompressed. */
  readonly pieceBytes: number
}

/** A piece of tiny records ends with this many: what is decoded long before it is handled costs the most to collect. */
const PIECE_RECORDS = 500
/** What a record takes in memory beside its bytes, about: a batch of a few bytes may unpack to a million of nothing. */
const RECORD_BYTES = 64

/**
 * The position after the whole batches in `bytes`, found by their headers alone; `from` when there are none. The leader
 * epochs are noted on the way.
 * @throws ShoalError SHOAL_CORRUPT_BATCH
 */
export function positionAfter(bytes: Uint8Array, from: number, trail?: EpochTrail): number {
  let position = from
  for (const batch of batchesIn(bytes, { atCut: 'stop' })) {
    if (batch.lastOffset < position) continue
    position = batch.lastOffset + 1
    trail?.note(batch.baseOffset, batch.partitionLeaderEpoch)
  }
  return position
}

/** What is gathered for one. */
interface Piece {
  readonly records: PackedRecords
  /** Bytes that its compressed batches became. */
  decompressed: number
}

export class FetchedAnswer {
  readonly #options: DecodeOptions
  readonly #byteLength: number
  readonly #batches: Generator<RecordBatch, void, undefined>
  readonly #filter: AbortedFilter | null
  /** The position after all of it. */
  readonly nextOffset: number
  #offset: number
  /** Bytes read so far. */
  #read = 0
  #damage: unknown = null

  /** @param nextOffset what `positionAfter` says of the bytes */
  constructor(bytes: Uint8Array, nextOffset: number, options: DecodeOptions) {
    const { from, aborted } = options
    this.#options = options
    this.#byteLength = bytes.length
    this.#batches = batchesIn(bytes, { atCut: 'stop' })
    this.#filter = aborted === null || aborted.length === 0 ? null : new AbortedFilter(aborted)
    this.nextOffset = nextOffset
    this.#offset = from
  }

  /** The position after the pieces that were read. */
  get offset(): number {
    return this.#offset
  }

  /** Bytes that were not read yet. */
  get bytesLeft(): number {
    return this.#byteLength - this.#read
  }

  get isRead(): boolean {
    return this.#offset >= this.nextOffset
  }

  /**
   * The next records at or after `from`, in order; what comes before damage is a piece of its own.
   * @throws ShoalError SHOAL_CORRUPT_BATCH, SHOAL_UNSUPPORTED_COMPRESSION, SHOAL_DECOMPRESSION_LIMIT
   */
  read(): FetchedPiece {
    const begin = this.#read
    const piece = { records: new PackedRecords(), decompressed: 0 }
    const { records } = piece
    while (
      !this.isRead &&
      piece.decompressed < this.#options.pieceBytes &&
      records.length < PIECE_RECORDS
    )
      if (!this.#readBatch(piece, begin)) break
    if (this.isRead) this.#read = this.#byteLength
    const byteLength = this.#read - begin + piece.decompressed
    return { records, byteLength, nextOffset: this.#offset, hasHistory: false }
  }

  /** False at damage behind what was read already. */
  #readBatch(piece: Piece, begin: number): boolean {
    if (this.#damage !== null) throw this.#damage
    const { value: batch } = this.#batches.next()
    if (batch === undefined) throw corrupt('the answer ends before its last batch')
    if (batch.lastOffset >= this.#offset)
      try {
        this.#decode(batch, piece)
        this.#offset = batch.lastOffset + 1
      } catch (error) {
        if (this.#read === begin) throw error
        this.#damage = error
        return false
      }
    this.#read = batch.end
    return true
  }

  #decode(batch: RecordBatch, piece: Piece): void {
    if (!batch.isCrcValid)
      throw corrupt(`the batch at offset ${batch.baseOffset} has another checksum than its bytes`)
    const isAborted = this.#filter?.drops(batch) ?? false
    if (batch.isControl || isAborted) return
    const { from, maxDecompressedBytes } = this.#options
    const isCompressed = batch.compressionCode !== 0
    if (isCompressed && batch.recordCount * RECORD_BYTES > maxDecompressedBytes)
      throw new ShoalError(
        'SHOAL_DECOMPRESSION_LIMIT',
        `${batch.recordCount} records in one compressed batch are more than memory is given to`,
      )
    piece.decompressed += piece.records.add(batch, { from, maxDecompressedBytes })
  }
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

function corrupt(message: string): ShoalError {
  return new ShoalError('SHOAL_CORRUPT_BATCH', message)
}
