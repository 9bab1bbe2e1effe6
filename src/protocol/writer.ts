/**
 * Bytes on their way out: values into blocks, large records spliced between them.
 *
 * A full block is set aside and a larger one is begun, so nothing is copied twice; what comes out is a list of chunks
 * for one gathering write. Values that do not fit their type throw `CodecFailure`, without the path.
 */

import { byteLengthOf } from '../core/index.ts'
import { CodecFailure } from './codec-failure.ts'
import { MAX_STRING_BYTES } from './reader.ts'
import { writeUnsignedVarint } from './varint.ts'

const FIRST_BLOCK_BYTES = 512
const LARGEST_BLOCK_BYTES = 64 * 1024

/** Records below this size are copied: cheaper than one more chunk in the gathering write. */
const SPLICE_BYTES = 1024

/** Strings up to this length are written here, byte by byte, while they are ASCII; longer ones by the runtime. */
const SHORT_STRING = 64

const UUID_BYTES = 16
const UUID_CHARACTERS = 22

export class Writer {
  readonly #chunks: Uint8Array[] = []
  #block: Buffer
  /** What of the block is not in `#chunks` yet starts here. */
  #start = 0
  #position = 0

  constructor() {
    this.#block = Buffer.allocUnsafe(FIRST_BLOCK_BYTES)
  }

  bool(value: unknown): void {
    if (typeof value !== 'boolean') throw unfit(value, 'a boolean')
    this.#room(1)
    this.#block[this.#position++] = value ? 1 : 0
  }

  int8(value: unknown): void {
    const number = integerBetween(value, -0x80, 0x7f)
    this.#room(1)
    this.#block[this.#position++] = number
  }

  int16(value: unknown): void {
    const number = integerBetween(value, -0x8000, 0x7fff)
    this.#room(2)
    this.#position = this.#block.writeInt16BE(number, this.#position)
  }

  uint16(value: unknown): void {
    const number = integerBetween(value, 0, 0xffff)
    this.#room(2)
    this.#position = this.#block.writeUInt16BE(number, this.#position)
  }

  int32(value: unknown): void {
    const number = integerBetween(value, -0x8000_0000, 0x7fff_ffff)
    this.#room(4)
    this.#position = this.#block.writeInt32BE(number, this.#position)
  }

  int64(value: unknown): void {
    const number = integerBetween(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    const high = Math.floor(number / 0x1_0000_0000)
    this.#room(8)
    this.#position = this.#block.writeInt32BE(high, this.#position)
    this.#position = this.#block.writeUInt32BE(number - high * 0x1_0000_0000, this.#position)
  }

  bigint64(value: unknown): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value)
      throw unfit(value, 'a bigint of 64 bits')
    this.#room(8)
    this.#position = this.#block.writeBigInt64BE(value, this.#position)
  }

  float64(value: unknown): void {
    if (typeof value !== 'number') throw unfit(value, 'a number')
    this.#room(8)
    this.#position = this.#block.writeDoubleBE(value, this.#position)
  }

  uuid(value: unknown): void {
    this.#room(UUID_BYTES)
    const written =
      typeof value === 'string' && value.length === UUID_CHARACTERS
        ? this.#block.write(value, this.#position, UUID_BYTES, 'base64url')
        : 0
    if (written !== UUID_BYTES) throw unfit(value, 'a uuid of 22 base64url characters')
    this.#position += UUID_BYTES
  }

  unsignedVarint(value: number): void {
    this.#room(5)
    this.#position = writeUnsignedVarint(this.#block, this.#position, value)
  }

  /** A string after its length: an int16, or the compact length plus one. */
  text(value: unknown, compact: boolean): void {
    if (typeof value !== 'string') throw unfit(value, 'a string')
    if (value.length <= SHORT_STRING && this.#shortAscii(value, compact)) return
    const length = Buffer.byteLength(value)
    if (length > MAX_STRING_BYTES) throw new CodecFailure(`a string of ${length} bytes is too long`)
    if (compact) this.unsignedVarint(length + 1)
    else this.int16(length)
    this.#room(length)
    this.#block.write(value, this.#position, length, 'utf8')
    this.#position += length
  }

  /** Answers false, with nothing written, when a character is not ASCII. */
  #shortAscii(value: string, compact: boolean): boolean {
    this.#room(value.length + 2)
    const block = this.#block
    let position = this.#position
    if (!compact) block[position++] = 0
    block[position++] = compact ? value.length + 1 : value.length
    for (let index = 0; index < value.length; index++) {
      const character = value.charCodeAt(index)
      if (character >= 0x80) return false
      block[position++] = character
    }
    this.#position = position
    return true
  }

  /** Copies bytes in. */
  copy(value: Uint8Array): void {
    this.#room(value.length)
    this.#block.set(value, this.#position)
    this.#position += value.length
  }

  /** Takes bytes as they are, without a copy when they are many: their owner must not change them until they were sent. */
  splice(value: Uint8Array): void {
    if (value.length < SPLICE_BYTES) return this.copy(value)
    this.#cut()
    this.#chunks.push(value)
  }

  /** Appends what another writer holds. */
  append(other: Writer): void {
    for (const chunk of other.finish()) this.splice(chunk)
  }

  get byteLength(): number {
    return byteLengthOf(this.#chunks) + this.#position - this.#start
  }

  /** Everything that was written, in order. */
  finish(): readonly Uint8Array[] {
    this.#cut()
    return this.#chunks
  }

  #room(length: number): void {
    if (this.#position + length > this.#block.length) this.#grow(length)
  }

  #grow(length: number): void {
    const next = Math.min(2 * this.#block.length, LARGEST_BLOCK_BYTES)
    this.#cut()
    this.#block = Buffer.allocUnsafe(Math.max(next, length))
    this.#start = 0
    this.#position = 0
  }

  #cut(): void {
    if (this.#position === this.#start) return
    this.#chunks.push(
      new Uint8Array(
        this.#block.buffer,
        this.#block.byteOffset + this.#start,
        this.#position - this.#start,
      ),
    )
    this.#start = this.#position
  }
}

function integerBetween(value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
    throw unfit(value, `an integer from ${least} to ${most}`)
  return value
}

export function unfit(value: unknown, due: string): CodecFailure {
  const found = typeof value === 'object' && value !== null ? 'an object' : String(value)
  return new CodecFailure(`${found.slice(0, 80)} is not ${due}`)
}
