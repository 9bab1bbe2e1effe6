/**
 * A cursor over one frame: fixed-size values, and a budget that the frame's real length gives.
 *
 * No claim of the frame buys anything: a length is checked against what is left before it is used, a count against what
 * is left divided by the smallest size of an element, and all elements and tagged fields of a frame together against
 * `maxElements`. Byte values are slices, never copies. Failures are `CodecFailure`, without the path.
 */

import { CodecFailure } from './codec-failure.ts'
import { readUnsignedVarint } from './varint.ts'

export interface ReaderLimits {
  /** Most array elements and tagged fields that one frame may hold, all arrays together; default 1,000,000. */
  readonly maxElements?: number
}

const DEFAULT_MAX_ELEMENTS = 1_000_000

/** The longest string that Kafka takes, bytes. */
export const MAX_STRING_BYTES = 0x7fff

const SMALLEST_TAGGED_FIELD_BYTES = 2

export class Reader {
  readonly bytes: Uint8Array
  position = 0
  end: number
  readonly #buffer: Buffer
  #elementsLeft: number

  constructor(bytes: Uint8Array, { maxElements = DEFAULT_MAX_ELEMENTS }: ReaderLimits = {}) {
    this.bytes = bytes
    this.end = bytes.length
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#elementsLeft = maxElements
  }

  get remaining(): number {
    return this.end - this.position
  }

  /** Takes `length` bytes and answers where they start. */
  take(length: number): number {
    const start = this.position
    if (length > this.end - start)
      throw new CodecFailure(`${length} bytes are due, ${this.end - start} are left`)
    this.position = start + length
    return start
  }

  int8(): number {
    return this.#buffer.readInt8(this.take(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.take(2))
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.take(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.take(4))
  }

  int64(): number {
    const start = this.take(8)
    const value =
      this.#buffer.readInt32BE(start) * 0x1_0000_0000 + this.#buffer.readUInt32BE(start + 4)
    if (!Number.isSafeInteger(value)) throw new CodecFailure('a number is beyond 2^53')
    return value
  }

  bigint64(): bigint {
    return this.#buffer.readBigInt64BE(this.take(8))
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.take(8))
  }

  uuid(): string {
    const start = this.take(16)
    return this.#buffer.toString('base64url', start, start + 16)
  }

  unsignedVarint(): number {
    return readUnsignedVarint(this)
  }

  text(length: number): string {
    if (length > MAX_STRING_BYTES) throw new CodecFailure(`a string of ${length} bytes is too long`)
    const start = this.take(length)
    return this.#buffer.toString('utf8', start, start + length)
  }

  /** A slice of the frame. */
  slice(length: number): Uint8Array {
    const start = this.take(length)
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length)
  }

  /** Checks the claimed count of an array whose elements take at least `smallest` bytes each. */
  spendElements(count: number, smallest: number): void {
    if (count * smallest > this.remaining)
      throw new CodecFailure(`${count} elements cannot be in ${this.remaining} bytes`)
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) throw new CodecFailure('the frame has too many elements')
  }

  /** How many tagged fields follow. */
  taggedCount(): number {
    const count = this.unsignedVarint()
    if (count > 0) this.spendElements(count, SMALLEST_TAGGED_FIELD_BYTES)
    return count
  }

  /** Skips a section of tagged fields of which none is known. */
  skipTagged(): void {
    for (let left = this.taggedCount(); left > 0; left--) {
      this.unsignedVarint()
      this.take(this.unsignedVarint())
    }
  }
}
