/**
 * A walk over the uncompressed records of a batch that takes no memory: do they say what the header says?
 *
 *   record: length varint │ attributes int8 │ timestampDelta varlong │ offsetDelta varint │
 *           key length varint, key │ value length varint, value │ header count varint, { key, value }…
 *
 * Every length is checked against the bytes that are there, offset deltas must count 0, 1, 2, … and nothing may be left
 * over: whatever passes can be decoded by any consumer. Pure, and one object a walk: this is on the path of every produce.
 * Nearly all records have no headers and numbers of a byte or two; a loop that keeps its place in a local variable passes
 * those in half the time. What it does not know, or what is wrong, is left to the general way, which has the words for it.
 */

export interface RecordWalkResult {
  /** What is wrong, in words; null when all is well. */
  readonly fault: string | null
  /** Largest timestamp delta; 0 when there are no records. */
  readonly maxTimestampDelta: number
  readonly minTimestampDelta: number
  /** Which records have no key; empty unless asked for. */
  readonly withoutKey: readonly number[]
}

/** Walks `recordCount` records in `bytes[start, end)`. */
export function walkRecords(
  bytes: Uint8Array,
  { start, end, recordCount }: { start: number; end: number; recordCount: number },
  options: { readonly findMissingKeys: boolean },
): RecordWalkResult {
  const walk = new Walk(bytes, { start, end }, options)
  let index = 0
  while (index < recordCount && walk.fault === null) {
    index = walk.usualRecords(index, recordCount)
    if (index < recordCount) walk.record(index++)
  }
  if (walk.fault === null && walk.position !== end)
    walk.fault = `${end - walk.position} bytes follow the last of ${recordCount} records`
  const { fault, maxTimestampDelta, minTimestampDelta, withoutKey } = walk
  return { fault, maxTimestampDelta, minTimestampDelta, withoutKey }
}

const MAX_VARINT_BYTES = 5
const MAX_VARLONG_BYTES = 10

/** Length, attributes, two deltas and the key's length, of two bytes each: so many can be read without a look at the end. */
const USUAL_HEAD_BYTES = 9

/** -1, the length of a key or a value that is null, zigzag. */
const NULL_LENGTH = 1

class Walk {
  position: number
  fault: string | null = null
  maxTimestampDelta = 0
  minTimestampDelta = 0
  readonly withoutKey: number[] = []
  readonly #bytes: Uint8Array
  readonly #findMissingKeys: boolean
  #end: number

  constructor(
    bytes: Uint8Array,
    { start, end }: { readonly start: number; readonly end: number },
    { findMissingKeys }: { readonly findMissingKeys: boolean },
  ) {
    this.#bytes = bytes
    this.position = start
    this.#end = end
    this.#findMissingKeys = findMissingKeys
  }

  /** Passes the usual records from `index` on and answers which is the first that is not, or is wrong. */
  usualRecords(index: number, recordCount: number): number {
    const bytes = this.#bytes
    let start = this.position
    let next = index
    for (; next < recordCount && start + USUAL_HEAD_BYTES <= this.#end; next++) {
      const length = shortAt(bytes, start)
      let position = start + shortBytes(length)
      const end = position + (length >>> 1)
      // The attributes lie between.
      const timestampDelta = shortAt(bytes, ++position)
      position += shortBytes(timestampDelta)
      const offsetDelta = shortAt(bytes, position)
      position += shortBytes(offsetDelta)
      const key = shortAt(bytes, position)
      position += shortBytes(key) + (key >>> 1)
      if (isOdd(length) || timestampDelta < 0 || offsetDelta !== next * 2 || !isBlob(key)) break

      const value = shortAt(bytes, position)
      position += shortBytes(value) + (value >>> 1)
      if (!isBlob(value) || position !== end - 1 || bytes[position] !== 0) break
      this.#noteTimestamp(next, unzigzag(timestampDelta))
      if (key === NULL_LENGTH) this.#noteMissingKey(next)
      start = end
    }
    this.position = start
    return next
  }

  record(index: number): void {
    const batchEnd = this.#end
    const length = this.#varint()
    if (length < 0 || length > batchEnd - this.position)
      return void this.#fail(
        `record ${index} claims ${length} bytes, ${batchEnd - this.position} are left`,
      )
    this.#end = this.position + length
    // Attributes: no bit of them means anything yet.
    this.position++
    const timestampDelta = this.#varlong()
    this.#noteTimestamp(index, timestampDelta)
    const offsetDelta = this.#varint()
    if (offsetDelta !== index)
      return void this.#fail(`record ${index} has offset delta ${offsetDelta}`)
    if (!this.#blob(true)) this.#noteMissingKey(index)
    this.#blob(true)
    this.#headers()
    if (this.position !== this.#end)
      return void this.#fail(`record ${index} does not fill its length`)
    this.#end = batchEnd
  }

  #noteTimestamp(index: number, delta: number): void {
    if (index === 0 || delta > this.maxTimestampDelta) this.maxTimestampDelta = delta
    if (index === 0 || delta < this.minTimestampDelta) this.minTimestampDelta = delta
  }

  #noteMissingKey(index: number): void {
    if (this.#findMissingKeys) this.withoutKey.push(index)
  }

  #headers(): void {
    const count = this.#varint()
    // A header takes two bytes at least.
    if (count < 0 || count * 2 > this.#end - this.position)
      return void this.#fail(`${count} headers cannot be in ${this.#end - this.position} bytes`)
    for (let left = count; left > 0 && this.fault === null; left--) {
      this.#blob(false)
      this.#blob(true)
    }
  }

  /** Passes a length and as many bytes; answers whether there is a value. */
  #blob(nullable: boolean): boolean {
    const length = this.#varint()
    if (length < 0) {
      if (length !== -1 || !nullable) this.#fail(`a length of ${length} cannot be`)
      return false
    }
    if (length > this.#end - this.position)
      return this.#fail(`${length} bytes are due, ${this.#end - this.position} are left`)
    this.position += length
    return true
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 7 * MAX_VARINT_BYTES; shift += 7) {
      if (this.position >= this.#end) break
      const byte = this.#bytes[this.position++] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
    this.#fail('a number does not end')
    return 0
  }

  /** Exact up to 2^53; larger ones come out as large, which is what the caller needs to know. */
  #varlong(): number {
    let value = 0
    let scale = 1
    for (let index = 0; index < MAX_VARLONG_BYTES; index++) {
      if (this.position >= this.#end) break
      const byte = this.#bytes[this.position++] as number
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    this.#fail('a number does not end')
    return 0
  }

  /** Notes the first fault. */
  #fail(fault: string): false {
    this.fault ??= fault
    return false
  }
}

/** A number of one or two bytes, zigzag as it is written; -1 when it is longer, or longer than it must be. */
function shortAt(bytes: Uint8Array, position: number): number {
  const low = bytes[position] as number
  if (low < 0x80) return low
  const high = bytes[position + 1] as number
  return high > 0 && high < 0x80 ? (high << 7) | (low & 0x7f) : -1
}

function shortBytes(zigzag: number): number {
  return zigzag < 0x80 ? 1 : 2
}

/** Whether it may be the length of a key or a value: not negative, or that of null. Half of it follows: of null, nothing. */
function isBlob(zigzag: number): boolean {
  return !isOdd(zigzag) || zigzag === NULL_LENGTH
}

function isOdd(zigzag: number): boolean {
  return (zigzag & 1) === 1
}

function unzigzag(zigzag: number): number {
  return (zigzag >>> 1) ^ -(zigzag & 1)
}
