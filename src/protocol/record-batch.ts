/**
 * A record batch (format v2) where it lies: its header read in place, and the few fields that a broker may change.
 *
 *   0 baseOffset int64 · 8 batchLength int32 · 12 partitionLeaderEpoch int32 · 16 magic int8 · 17 crc uint32
 *   21 attributes int16 · 23 lastOffsetDelta int32 · 27 baseTimestamp int64 · 35 maxTimestamp int64
 *   43 producerId int64 · 51 producerEpoch int16 · 53 baseSequence int32 · 57 recordCount int32 · 61 records
 *
 * `batchLength` counts from byte 12 on; the CRC-32C covers byte 21 to the end, so base offset and leader epoch can be
 * set without computing it anew. Nothing is copied and nothing is decoded that is not asked for. The records themselves
 * are in `records.ts`.
 */

import { ShoalError } from '../core/index.ts'
import {
  readBigInt64,
  readInt16,
  readInt32,
  readInt64,
  writeInt16,
  writeInt32,
  writeInt64,
} from './big-endian.ts'
import type { CompressionType } from './compression/compression.ts'
import { compressionOf } from './compression/compression.ts'
import { crc32c } from './crc32c.ts'

/** Where each field of a batch's header starts. */
export const BatchPosition = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const

/** Bytes of a batch before its records. */
export const BATCH_HEADER_BYTES = 61

/** Bytes that `batchLength` does not count: base offset and the length itself. */
export const BATCH_PREFIX_BYTES = 12

/** The format that this file knows. */
export const BATCH_MAGIC = 2

/** Bits of `attributes`. */
export const BatchAttribute = {
  compressionMask: 0b111,
  logAppendTime: 1 << 3,
  transactional: 1 << 4,
  control: 1 << 5,
  deleteHorizon: 1 << 6,
} as const

/**
 * The header of the batch at `position`. Getters read the bytes when asked, so that checking one field costs one read.
 *
 * Made over 61 bytes that exist; whether the rest of the batch is there too, `isWhole` says.
 */
export class RecordBatch {
  readonly bytes: Uint8Array
  readonly position: number

  /** @throws ShoalError SHOAL_CORRUPT_BATCH when the header is not all there or its length cannot be */
  constructor(bytes: Uint8Array, position = 0) {
    if (position + BATCH_HEADER_BYTES > bytes.length)
      throw corrupt(`${bytes.length - position} bytes cannot hold a batch header`, position)
    this.bytes = bytes
    this.position = position
    if (this.byteLength < BATCH_HEADER_BYTES)
      throw corrupt(
        `a batch length of ${this.byteLength - BATCH_PREFIX_BYTES} is too small`,
        position,
      )
  }

  /** Bytes of the whole batch, as its header claims. */
  get byteLength(): number {
    return readInt32(this.bytes, this.position + BatchPosition.batchLength) + BATCH_PREFIX_BYTES
  }

  /** Whether the bytes go on to where the batch claims to end. */
  get isWhole(): boolean {
    return this.end <= this.bytes.length
  }

  get end(): number {
    return this.position + this.byteLength
  }

  get baseOffset(): number {
    return this.#safeInt64(BatchPosition.baseOffset, 'base offset')
  }

  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta
  }

  get partitionLeaderEpoch(): number {
    return readInt32(this.bytes, this.position + BatchPosition.partitionLeaderEpoch)
  }

  get magic(): number {
    return ((this.bytes[this.position + BatchPosition.magic] as number) << 24) >> 24
  }

  get crc(): number {
    return readInt32(this.bytes, this.position + BatchPosition.crc) >>> 0
  }

  get attributes(): number {
    return readInt16(this.bytes, this.position + BatchPosition.attributes)
  }

  /** 0 to 7; only those that `compression` names exist. */
  get compressionCode(): number {
    return this.attributes & BatchAttribute.compressionMask
  }

  /** `undefined` when the code means nothing. */
  get compression(): CompressionType | undefined {
    return compressionOf(this.compressionCode)
  }

  get timestampType(): 'CreateTime' | 'LogAppendTime' {
    return (this.attributes & BatchAttribute.logAppendTime) === 0 ? 'CreateTime' : 'LogAppendTime'
  }

  get isTransactional(): boolean {
    return (this.attributes & BatchAttribute.transactional) !== 0
  }

  get isControl(): boolean {
    return (this.attributes & BatchAttribute.control) !== 0
  }

  /** Whether `baseTimestamp` holds the time after which compaction may drop the batch's tombstones. */
  get hasDeleteHorizon(): boolean {
    return (this.attributes & BatchAttribute.deleteHorizon) !== 0
  }

  get lastOffsetDelta(): number {
    return readInt32(this.bytes, this.position + BatchPosition.lastOffsetDelta)
  }

  get baseTimestamp(): number {
    return this.#safeInt64(BatchPosition.baseTimestamp, 'base timestamp')
  }

  get maxTimestamp(): number {
    return this.#safeInt64(BatchPosition.maxTimestamp, 'largest timestamp')
  }

  get producerId(): bigint {
    return readBigInt64(this.bytes, this.position + BatchPosition.producerId)
  }

  /** Whether an idempotent producer made it: an id that is not negative. */
  get hasProducerId(): boolean {
    return readInt32(this.bytes, this.position + BatchPosition.producerId) >= 0
  }

  get producerEpoch(): number {
    return readInt16(this.bytes, this.position + BatchPosition.producerEpoch)
  }

  get baseSequence(): number {
    return readInt32(this.bytes, this.position + BatchPosition.baseSequence)
  }

  get recordCount(): number {
    return readInt32(this.bytes, this.position + BatchPosition.recordCount)
  }

  /** The records as they are stored, perhaps compressed: a slice. */
  get recordBytes(): Uint8Array {
    return this.bytes.subarray(this.position + BatchPosition.records, this.end)
  }

  /** The batch itself: a slice. */
  get slice(): Uint8Array {
    return this.bytes.subarray(this.position, this.end)
  }

  /** The checksum that the bytes have; equal to `crc` unless they are damaged. The batch must be whole. */
  computeCrc(): number {
    return crc32c(this.bytes, this.position + BatchPosition.attributes, this.end)
  }

  get isCrcValid(): boolean {
    return this.computeCrc() === this.crc
  }

  #safeInt64(position: number, name: string): number {
    const value = readInt64(this.bytes, this.position + position)
    if (!Number.isSafeInteger(value)) throw corrupt(`the ${name} is beyond 2^53`, this.position)
    return value
  }
}

export interface BatchesOptions {
  /** What to do with a last batch that is cut off: throw (default), or stop before it as a consumer must. */
  readonly atCut?: 'throw' | 'stop'
}

/**
 * The batches in `bytes`, one after another, each whole.
 * @throws ShoalError SHOAL_CORRUPT_BATCH at a length that cannot be, or at a cut
 */
export function* batchesIn(
  bytes: Uint8Array,
  { atCut = 'throw' }: BatchesOptions = {},
): Generator<RecordBatch, void, undefined> {
  for (let position = 0; position < bytes.length;) {
    const hasHeader = position + BATCH_HEADER_BYTES <= bytes.length
    if (!hasHeader && atCut === 'stop') return
    const batch = new RecordBatch(bytes, position)
    if (!batch.isWhole) {
      if (atCut === 'stop') return
      throw corrupt(`a batch of ${batch.byteLength} bytes is cut off`, position)
    }
    yield batch
    position = batch.end
  }
}

/** Sets a field outside of the checksum, in place. */
export function setBaseOffset(bytes: Uint8Array, position: number, baseOffset: number): void {
  writeInt64(bytes, position + BatchPosition.baseOffset, baseOffset)
}

/** Sets a field outside of the checksum, in place. */
export function setPartitionLeaderEpoch(bytes: Uint8Array, position: number, epoch: number): void {
  writeInt32(bytes, position + BatchPosition.partitionLeaderEpoch, epoch)
}

/** Stamps a whole batch with the broker's time: attribute, largest timestamp and, for both, a new checksum. In place. */
export function setLogAppendTime(bytes: Uint8Array, position: number, timestampMs: number): void {
  const batch = new RecordBatch(bytes, position)
  writeInt16(
    bytes,
    position + BatchPosition.attributes,
    batch.attributes | BatchAttribute.logAppendTime,
  )
  writeInt64(bytes, position + BatchPosition.maxTimestamp, timestampMs)
  writeInt32(bytes, position + BatchPosition.crc, batch.computeCrc())
}

function corrupt(message: string, position: number): ShoalError {
  return new ShoalError('SHOAL_CORRUPT_BATCH', message, { details: { position } })
}
