/**
 * The records of batches where they lie: all of them checked, none of them decoded before somebody asks.
 *
 *   batch 0 bytes   ‥│len│attr│time Δ│offset Δ│key len│key│value len│value│headers│‥
 *   places           offset Δ  ▲ start                                ▲ value      four numbers a record, in one array
 *
 * A consumer keeps many records waiting and asks most of them for their value alone. As objects they outlive the young
 * generation and are copied by the collector twice; as numbers in an array they cost it nothing.
 *
 * A batch is added whole or not at all, under the rules of `decodeRecords` and with its errors. Records are views: they
 * keep their batch's bytes, and the places of what was added with it, in memory.
 */

import { CodecFailure } from './codec-failure.ts'
import type { RecordBatch } from './record-batch.ts'
import {
  openBatch,
  readBytes,
  readHeaders,
  readLength,
  skipBytes,
  skipHeaders,
} from './record-fields.ts'
import type { DecodeRecordsOptions, RecordHeader } from './record-fields.ts'
import type { KafkaRecord } from './records.ts'
import { readVarint, readVarlong } from './varint.ts'

export interface PackOptions extends DecodeRecordsOptions {
  /** Records below this offset are checked and left out; default 0. */
  readonly from?: number
}

/** What the records of one batch have in common. */
interface Source {
  readonly bytes: Uint8Array
  /** Where `bytes` are: asked of them for each record, it costs as much as a view. */
  readonly buffer: ArrayBufferLike
  readonly start: number
  /** Which of all records its own begin with. */
  readonly first: number
  readonly baseOffset: number
  readonly baseTimestamp: number
  /** Instead of each record's own time; undefined: they have one. */
  readonly appendTime: number | undefined
}

/** Two to this are the numbers of a record. */
const SHIFT = 2
const OFFSET_DELTA = 0
/** Position of its attributes. */
const START = 1
/** Position of its value, and the length of that; -1: null. */
const VALUE = 2
const VALUE_LENGTH = 3

const NO_PLACES = new Int32Array(0)

export class PackedRecords implements Iterable<KafkaRecord> {
  readonly #sources: Source[] = []
  #places: Int32Array = NO_PLACES
  #length = 0
  /** The batch of the record that was asked for last: they are asked for in turn. */
  #latest = 0

  get length(): number {
    return this.#length
  }

  /**
   * Adds the records of a batch. Gives the memory that decompressing them took, bytes; 0 when they were not compressed.
   * @throws ShoalError SHOAL_CORRUPT_BATCH, SHOAL_UNSUPPORTED_COMPRESSION or SHOAL_DECOMPRESSION_LIMIT
   */
  add(batch: RecordBatch, options: PackOptions = {}): number {
    return openBatch(batch, options, (bytes, count) => {
      const { baseOffset, baseTimestamp } = batch
      const appendTime = batch.timestampType === 'LogAppendTime' ? batch.maxTimestamp : undefined
      this.#reserve(count)
      const added = this.#walk(batch, bytes, count, (options.from ?? 0) - baseOffset)
      const { buffer, byteOffset: start } = bytes
      const first = this.#length
      if (added > 0)
        this.#sources.push({ bytes, buffer, start, first, baseOffset, baseTimestamp, appendTime })
      this.#length += added
      return batch.compressionCode === 0 ? 0 : bytes.length
    })
  }

  at(index: number): KafkaRecord | undefined {
    if (index < 0 || index >= this.#length) return undefined
    return new PackedRecord(this.#sourceOf(index), this.#places, index << SHIFT)
  }

  #sourceOf(index: number): Source {
    const sources = this.#sources
    let latest = this.#latest
    while (index < (sources[latest] as Source).first) latest--
    while (latest + 1 < sources.length && index >= (sources[latest + 1] as Source).first) latest++
    this.#latest = latest
    return sources[latest] as Source
  }

  *[Symbol.iterator](): Generator<KafkaRecord, void, undefined> {
    for (let index = 0; index < this.#length; index++) yield this.at(index) as KafkaRecord
  }

  /** Makes room for so many more: they are there, `openBatch` has looked. */
  #reserve(count: number): void {
    const needed = (this.#length + count) << SHIFT
    if (needed <= this.#places.length) return
    const places = new Int32Array(this.#length === 0 ? needed : 2 * needed)
    places.set(this.#places)
    this.#places = places
  }

  /** Checks a whole batch and notes the places of its records behind those that are here. Gives how many it were. */
  #walk(batch: RecordBatch, bytes: Uint8Array, count: number, firstDelta: number): number {
    const { lastOffsetDelta } = batch
    const places = this.#places
    const cursor = { bytes, position: 0, end: bytes.length }
    let at = this.#length << SHIFT
    let index = 0
    try {
      for (; index < count; index++) {
        const length = readVarint(cursor)
        const start = cursor.position
        const end = start + length
        if (length < 0 || end > bytes.length)
          throw new CodecFailure(`a length of ${length} goes beyond the batch`)
        cursor.position++
        readVarlong(cursor)
        const offsetDelta = readVarint(cursor)
        if (offsetDelta < 0 || offsetDelta > lastOffsetDelta)
          throw new CodecFailure(`an offset delta of ${offsetDelta} is outside of the batch`)
        skipBytes(cursor, end)
        const valueLength = readLength(cursor, end)
        const value = cursor.position
        if (valueLength > 0) cursor.position += valueLength
        skipHeaders(cursor, end)
        if (cursor.position !== end) throw new CodecFailure('the length is not that of the record')
        if (offsetDelta < firstDelta) continue
        places[at | OFFSET_DELTA] = offsetDelta
        places[at | START] = start
        places[at | VALUE] = value
        places[at | VALUE_LENGTH] = valueLength
        at += 1 << SHIFT
      }
    } catch (error) {
      throw error instanceof CodecFailure ? error.prefix(`[${index}]`) : error
    }
    if (cursor.position !== bytes.length)
      throw new CodecFailure(`${bytes.length - cursor.position} bytes follow the last record`)
    return (at >> SHIFT) - this.#length
  }
}

/** One of them. What it is asked for is decoded each time. */
class PackedRecord implements KafkaRecord {
  readonly #source: Source
  readonly #places: Int32Array
  /** Where its own begin. */
  readonly #at: number

  constructor(source: Source, places: Int32Array, at: number) {
    this.#source = source
    this.#places = places
    this.#at = at
  }

  get offset(): number {
    return this.#source.baseOffset + (this.#places[this.#at | OFFSET_DELTA] as number)
  }

  get timestampMs(): number {
    const { bytes, appendTime, baseTimestamp } = this.#source
    if (appendTime !== undefined) return appendTime
    const position = (this.#places[this.#at | START] as number) + 1
    return baseTimestamp + readVarlong({ bytes, position, end: bytes.length })
  }

  get key(): Uint8Array | null {
    const { bytes } = this.#source
    const position = (this.#places[this.#at | START] as number) + 1
    const cursor = { bytes, position, end: bytes.length }
    readVarlong(cursor)
    readVarint(cursor)
    return readBytes(cursor, bytes.length)
  }

  get value(): Uint8Array | null {
    const { buffer, start } = this.#source
    const length = this.#places[this.#at | VALUE_LENGTH] as number
    if (length < 0) return null
    return new Uint8Array(buffer, start + (this.#places[this.#at | VALUE] as number), length)
  }

  get headers(): readonly RecordHeader[] {
    const { bytes } = this.#source
    const length = this.#places[this.#at | VALUE_LENGTH] as number
    const position = (this.#places[this.#at | VALUE] as number) + Math.max(0, length)
    return readHeaders({ bytes, position, end: bytes.length }, bytes.length)
  }
}
