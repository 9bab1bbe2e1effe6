/**
 * A walk over the uncompressed records of a batch that takes no memory: do they say what the header says?
 *
 *   record: length varint │ attributes int8 │ timestampDelta varlong │ offsetDelta varint │
 *           key length varint, key │ value length varint, value │ header count varint, { key, value }…
 *
 * Every length is checked against the bytes that are there, offset deltas must count 0, 1, 2, … and nothing may be left
 * over: whatever passes can be decoded by any consumer. Pure, and one object a walk: this is on the path of every produce.
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
  const walk = new Walk(bytes, start, end)
  const withoutKey: number[] = []
  for (let index = 0; index < recordCount; index++) {
    const hasKey = walk.record(index)
    if (walk.fault !== null) break
    if (options.findMissingKeys && !hasKey) withoutKey.push(index)
  }
  if (walk.fault === null && walk.position !== end)
    walk.fault = `${end - walk.position} bytes follow the last of ${recordCount} records`
  const { fault, maxTimestampDelta, minTimestampDelta } = walk
  return { fault, maxTimestampDelta, minTimestampDelta, withoutKey }
}

const MAX_VARINT_BYTES = 5
const MAX_VARLONG_BYTES = 10

class Walk {
  position: number
  fault: string | null = null
  maxTimestampDelta = 0
  minTimestampDelta = 0
  readonly #bytes: Uint8Array
  #end: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.position = start
    this.#end = end
  }

  /** Passes a record and answers whether it has a key. */
  record(index: number): boolean {
    const batchEnd = this.#end
    const length = this.#varint()
    if (length < 0 || length > batchEnd - this.position)
      return this.#fail(
        `record ${index} claims ${length} bytes, ${batchEnd - this.position} are left`,
      )
    this.#end = this.position + length
    // Attributes: no bit of them means anything yet.
    this.position++
    const timestampDelta = this.#varlong()
    if (index === 0 || timestampDelta > this.maxTimestampDelta)
      this.maxTimestampDelta = timestampDelta
    if (index === 0 || timestampDelta < this.minTimestampDelta)
      this.minTimestampDelta = timestampDelta
    const offsetDelta = this.#varint()
    if (offsetDelta !== index) return this.#fail(`record ${index} has offset delta ${offsetDelta}`)
    const hasKey = this.#blob(true)
    this.#blob(true)
    this.#headers()
    if (this.position !== this.#end) return this.#fail(`record ${index} does not fill its length`)
    this.#end = batchEnd
    return hasKey
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
