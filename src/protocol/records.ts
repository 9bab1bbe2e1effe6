/**
 * The records inside a batch: read as slices, written with any of the five compressions.
 *
 *   record   length varint · attributes int8 · timestamp delta varlong · offset delta varint
 *            key length varint, key · value length varint, value · header count varint, headers
 *
 * Lengths of -1 mean null. A batch is read whole or not at all: what claims more than its bytes hold, has another count
 * than its header says, or leaves bytes over, throws SHOAL_CORRUPT_BATCH. Nothing is allocated from a claim, and
 * decompression has a budget. The CRC is not checked here: ask `RecordBatch.isCrcValid` where bytes come in.
 */

import { ShoalError } from '../core/index.ts'
import { writeBigInt64, writeInt16, writeInt32, writeInt64 } from './big-endian.ts'
import { CodecFailure } from './codec-failure.ts'
import type { CompressionType } from './compression/compression.ts'
import { compress, compressionCodeOf } from './compression/compression.ts'
import { crc32c } from './crc32c.ts'
import {
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  BatchAttribute,
  BatchPosition,
  type RecordBatch,
} from './record-batch.ts'
import { openBatch, readBytes, readHeaders } from './record-fields.ts'
import type { DecodeRecordsOptions, RecordHeader } from './record-fields.ts'
import {
  readVarint,
  readVarlong,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from './varint.ts'

const NO_HEADERS: readonly RecordHeader[] = []

export interface KafkaRecord {
  readonly offset: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/**
 * All records of a batch, in order. Keys and values are slices of the batch, or of what it decompresses to.
 * @throws ShoalError SHOAL_CORRUPT_BATCH, SHOAL_UNSUPPORTED_COMPRESSION or SHOAL_DECOMPRESSION_LIMIT
 */
export function decodeRecords(
  batch: RecordBatch,
  options: DecodeRecordsOptions = {},
): readonly KafkaRecord[] {
  return openBatch(batch, options, (bytes, count) => readRecords(batch, bytes, count))
}

function readRecords(batch: RecordBatch, bytes: Uint8Array, count: number): KafkaRecord[] {
  const { baseOffset, baseTimestamp, lastOffsetDelta } = batch
  const appendTime = batch.timestampType === 'LogAppendTime' ? batch.maxTimestamp : undefined
  const cursor = { bytes, position: 0, end: bytes.length }
  const records: KafkaRecord[] = []
  try {
    while (records.length < count) {
      const length = readVarint(cursor)
      const end = cursor.position + length
      if (length < 0 || end > bytes.length)
        throw new CodecFailure(`a length of ${length} goes beyond the batch`)
      cursor.position++
      const timestampDelta = readVarlong(cursor)
      const offsetDelta = readVarint(cursor)
      if (offsetDelta < 0 || offsetDelta > lastOffsetDelta)
        throw new CodecFailure(`an offset delta of ${offsetDelta} is outside of the batch`)
      records.push({
        offset: baseOffset + offsetDelta,
        timestampMs: appendTime ?? baseTimestamp + timestampDelta,
        key: readBytes(cursor, end),
        value: readBytes(cursor, end),
        headers: readHeaders(cursor, end),
      })
      if (cursor.position !== end) throw new CodecFailure('the length is not that of the record')
    }
  } catch (error) {
    throw error instanceof CodecFailure ? error.prefix(`[${records.length}]`) : error
  }
  if (cursor.position !== bytes.length)
    throw new CodecFailure(`${bytes.length - cursor.position} bytes follow the last record`)
  return records
}

export interface RecordInput {
  readonly timestampMs: number
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  /** Where the record lies in the batch, for batches with gaps; default: one after the record before it. */
  readonly offsetDelta?: number
}

export interface BatchInput {
  /** Default `none`. */
  readonly compression?: CompressionType
  /** Default 0, as a producer sends it. */
  readonly baseOffset?: number
  /** Default -1. */
  readonly partitionLeaderEpoch?: number
  /** Default `CreateTime`. */
  readonly timestampType?: 'CreateTime' | 'LogAppendTime'
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** Default -1: not an idempotent producer. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
}

/**
 * A batch of these records, at least one.
 * @throws ShoalError SHOAL_PROTOCOL_ENCODE for values that the format cannot hold
 */
export function encodeRecordBatch(
  records: readonly RecordInput[],
  options: BatchInput = {},
): Uint8Array {
  const [first] = records
  if (first === undefined) throw new ShoalError('SHOAL_PROTOCOL_ENCODE', 'a batch needs a record')
  const baseTimestamp = first.timestampMs
  const plain = writeRecords(records, baseTimestamp)
  const { compression = 'none' } = options
  const stored =
    compression === 'none'
      ? plain.subarray(BATCH_HEADER_BYTES)
      : compress(compression, plain.subarray(BATCH_HEADER_BYTES))
  const batch = compression === 'none' ? plain : new Uint8Array(BATCH_HEADER_BYTES + stored.length)
  if (compression !== 'none') batch.set(stored, BATCH_HEADER_BYTES)
  let maxTimestamp = baseTimestamp
  for (const { timestampMs } of records) if (timestampMs > maxTimestamp) maxTimestamp = timestampMs
  writeHeader(batch, options, {
    baseTimestamp,
    maxTimestamp,
    recordCount: records.length,
    lastOffsetDelta: records.at(-1)?.offsetDelta ?? records.length - 1,
  })
  return batch
}

/** The records, uncompressed, after room for the header. */
function writeRecords(records: readonly RecordInput[], baseTimestamp: number): Uint8Array {
  const sizes: number[] = []
  let total = BATCH_HEADER_BYTES
  for (const record of records) {
    const size = recordSize(record, sizes.length, baseTimestamp)
    sizes.push(size)
    total += varintSize(size) + size
  }
  if (total > 0x7fff_ffff)
    throw new ShoalError('SHOAL_PROTOCOL_ENCODE', `a batch of ${total} bytes is too large`)
  const target = new Uint8Array(total)
  let position = BATCH_HEADER_BYTES
  for (const [index, record] of records.entries()) {
    position = writeVarint(target, position, sizes[index] ?? 0)
    // Attributes of a single record mean nothing in this format.
    target[position++] = 0
    position = writeVarlong(target, position, record.timestampMs - baseTimestamp)
    position = writeVarint(target, position, record.offsetDelta ?? index)
    position = writeBytes(target, position, record.key ?? null)
    position = writeBytes(target, position, record.value ?? null)
    const { headers = NO_HEADERS } = record
    position = writeVarint(target, position, headers.length)
    for (const { key, value } of headers) {
      position = writeBytes(target, position, Buffer.from(key))
      position = writeBytes(target, position, value)
    }
  }
  return target
}

function recordSize(record: RecordInput, index: number, baseTimestamp: number): number {
  if (!Number.isSafeInteger(record.timestampMs))
    throw new ShoalError(
      'SHOAL_PROTOCOL_ENCODE',
      `the timestamp ${record.timestampMs} of record ${index} is not a whole number of milliseconds`,
    )
  let size = 1 + varlongSize(record.timestampMs - baseTimestamp)
  size += varintSize(record.offsetDelta ?? index)
  size += bytesSize(record.key?.length ?? -1) + bytesSize(record.value?.length ?? -1)
  const { headers = NO_HEADERS } = record
  size += varintSize(headers.length)
  for (const { key, value } of headers)
    size += bytesSize(Buffer.byteLength(key)) + bytesSize(value?.length ?? -1)
  return size
}

function bytesSize(length: number): number {
  return varintSize(length) + Math.max(0, length)
}

function writeBytes(target: Uint8Array, position: number, value: Uint8Array | null): number {
  const start = writeVarint(target, position, value?.length ?? -1)
  if (value === null) return start
  target.set(value, start)
  return start + value.length
}

function writeHeader(
  batch: Uint8Array,
  options: BatchInput,
  facts: {
    readonly baseTimestamp: number
    readonly maxTimestamp: number
    readonly recordCount: number
    readonly lastOffsetDelta: number
  },
): void {
  const attributes =
    compressionCodeOf(options.compression ?? 'none') |
    (options.timestampType === 'LogAppendTime' ? BatchAttribute.logAppendTime : 0) |
    (options.isTransactional === true ? BatchAttribute.transactional : 0) |
    (options.isControl === true ? BatchAttribute.control : 0)
  writeInt64(batch, BatchPosition.baseOffset, options.baseOffset ?? 0)
  writeInt32(batch, BatchPosition.batchLength, batch.length - BATCH_PREFIX_BYTES)
  writeInt32(batch, BatchPosition.partitionLeaderEpoch, options.partitionLeaderEpoch ?? -1)
  batch[BatchPosition.magic] = BATCH_MAGIC
  writeInt16(batch, BatchPosition.attributes, attributes)
  writeInt32(batch, BatchPosition.lastOffsetDelta, facts.lastOffsetDelta)
  writeInt64(batch, BatchPosition.baseTimestamp, facts.baseTimestamp)
  writeInt64(batch, BatchPosition.maxTimestamp, facts.maxTimestamp)
  if (options.producerId === undefined) writeInt64(batch, BatchPosition.producerId, -1)
  else writeBigInt64(batch, BatchPosition.producerId, options.producerId)
  writeInt16(batch, BatchPosition.producerEpoch, options.producerEpoch ?? -1)
  writeInt32(batch, BatchPosition.baseSequence, options.baseSequence ?? -1)
  writeInt32(batch, BatchPosition.recordCount, facts.recordCount)
  writeInt32(batch, BatchPosition.crc, crc32c(batch, BatchPosition.attributes))
}
