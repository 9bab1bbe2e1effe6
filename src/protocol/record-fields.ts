/**
 * What every reader of a batch's records does first, and the fields that a record has more than one of.
 *
 *   batch ──format, length, count──▶ plain bytes (decompressed within a budget) ──▶ `records.ts`, `packed-records.ts`
 *
 * A reader throws `CodecFailure`; what leaves is a SHOAL_CORRUPT_BATCH that says where the batch lies.
 */

import { ShoalError } from '../core/index.ts'
import { CodecFailure } from './codec-failure.ts'
import { decompress } from './compression/compression.ts'
import { BATCH_MAGIC, type RecordBatch } from './record-batch.ts'
import type { Cursor } from './varint.ts'
import { readVarint } from './varint.ts'

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface DecodeRecordsOptions {
  /** Most bytes that the records of one batch may take decompressed; default 64 MiB. */
  readonly maxDecompressedBytes?: number
}

const DEFAULT_MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024

/** Length, attributes, two deltas, two lengths and a count: a byte each. */
const SMALLEST_RECORD_BYTES = 7

/** The length of its name, and of its value. */
const SMALLEST_HEADER_BYTES = 2

const NO_HEADERS: readonly RecordHeader[] = []

/**
 * Has the records of a batch read from their plain bytes, of which there are enough for `count` records.
 * @throws ShoalError SHOAL_CORRUPT_BATCH, SHOAL_UNSUPPORTED_COMPRESSION or SHOAL_DECOMPRESSION_LIMIT
 */
export function openBatch<T>(
  batch: RecordBatch,
  { maxDecompressedBytes = DEFAULT_MAX_DECOMPRESSED_BYTES }: DecodeRecordsOptions,
  read: (bytes: Uint8Array, count: number) => T,
): T {
  requireReadable(batch)
  const bytes = plainRecords(batch, maxDecompressedBytes)
  const count = batch.recordCount
  try {
    if (count < 0 || count * SMALLEST_RECORD_BYTES > bytes.length)
      throw new CodecFailure(`${count} records cannot be in ${bytes.length} bytes`)
    return read(bytes, count)
  } catch (error) {
    if (!(error instanceof CodecFailure)) throw error
    throw corrupt(batch, error.path === '' ? error.message : `${error.path}: ${error.message}`)
  }
}

function requireReadable(batch: RecordBatch): void {
  if (batch.magic !== BATCH_MAGIC) throw corrupt(batch, `format ${batch.magic} is not read here`)
  if (!batch.isWhole) throw corrupt(batch, 'the batch is cut off')
}

function plainRecords(batch: RecordBatch, maxBytes: number): Uint8Array {
  const { compression, compressionCode } = batch
  if (compression === undefined)
    throw new ShoalError(
      'SHOAL_UNSUPPORTED_COMPRESSION',
      `the batch at offset ${batch.baseOffset} is compressed in a way (${compressionCode}) that does not exist`,
    )
  return decompress(compression, batch.recordBytes, maxBytes)
}

/** A key or a value, as a slice. @throws CodecFailure */
export function readBytes(cursor: Cursor, end: number): Uint8Array | null {
  const length = readVarint(cursor)
  if (length < 0) {
    if (length === -1) return null
    throw new CodecFailure(`a length is ${length}`)
  }
  const { bytes, position } = cursor
  if (length > end - position)
    throw new CodecFailure(`a length of ${length} goes beyond the record`)
  cursor.position = position + length
  return new Uint8Array(bytes.buffer, bytes.byteOffset + position, length)
}

/** The length of a key or a value, whose bytes are there; -1: null. @throws CodecFailure */
export function readLength(cursor: Cursor, end: number): number {
  const length = readVarint(cursor)
  if (length < 0) {
    if (length === -1) return -1
    throw new CodecFailure(`a length is ${length}`)
  }
  if (length > end - cursor.position)
    throw new CodecFailure(`a length of ${length} goes beyond the record`)
  return length
}

/** Moves over what `readBytes` would read. False: it is null. @throws CodecFailure */
export function skipBytes(cursor: Cursor, end: number): boolean {
  const length = readLength(cursor, end)
  if (length > 0) cursor.position += length
  return length >= 0
}

/** @throws CodecFailure */
export function readHeaders(cursor: Cursor, end: number): readonly RecordHeader[] {
  const count = headerCount(cursor, end)
  if (count === 0) return NO_HEADERS
  const headers: RecordHeader[] = []
  while (headers.length < count) {
    const key = readBytes(cursor, end)
    if (key === null) throw new CodecFailure('a header has no name')
    headers.push({ key: textOf(key), value: readBytes(cursor, end) })
  }
  return headers
}

/** Moves over what `readHeaders` would read. @throws CodecFailure */
export function skipHeaders(cursor: Cursor, end: number): void {
  for (let left = headerCount(cursor, end); left > 0; left--) {
    if (!skipBytes(cursor, end)) throw new CodecFailure('a header has no name')
    skipBytes(cursor, end)
  }
}

function headerCount(cursor: Cursor, end: number): number {
  const count = readVarint(cursor)
  if (count < 0 || count * SMALLEST_HEADER_BYTES > end - cursor.position)
    throw new CodecFailure(`${count} headers cannot be in the record`)
  return count
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

function corrupt(batch: RecordBatch, message: string): ShoalError {
  return new ShoalError('SHOAL_CORRUPT_BATCH', `record batch: ${message}`, {
    details: { position: batch.position },
  })
}
