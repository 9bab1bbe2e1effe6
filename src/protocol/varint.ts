/**
 * Variable-length integers: 7 bits a byte, the lowest first, the high bit says that more follow.
 *
 * Unsigned ones (at most 5 bytes) carry lengths in flexible versions; zigzag ones carry lengths and deltas in records,
 * `varlong` up to 64 bits of which a safe integer must come out. Reads move a cursor and never pass its end.
 */

import { CodecFailure } from './codec-failure.ts'

/** A place in bytes that must not pass `end`. */
export interface Cursor {
  readonly bytes: Uint8Array
  position: number
  readonly end: number
}

const MAX_VARINT_BYTES = 5
const MAX_VARLONG_BYTES = 10

/** @throws CodecFailure */
export function readUnsignedVarint(cursor: Cursor): number {
  const { bytes, end } = cursor
  let position = cursor.position
  let value = 0
  for (let shift = 0; shift < 7 * MAX_VARINT_BYTES; shift += 7) {
    if (position >= end) throw new CodecFailure('a number runs past the end')
    const byte = bytes[position++] as number
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) {
      cursor.position = position
      return value >>> 0
    }
  }
  throw new CodecFailure(`a number takes more than ${MAX_VARINT_BYTES} bytes`)
}

/** A zigzag int32. @throws CodecFailure */
export function readVarint(cursor: Cursor): number {
  const { bytes, position, end } = cursor
  // Most take one byte.
  if (position < end) {
    const byte = bytes[position] as number
    if (byte < 0x80) {
      cursor.position = position + 1
      return (byte >>> 1) ^ -(byte & 1)
    }
  }
  const raw = readUnsignedVarint(cursor)
  return (raw >>> 1) ^ -(raw & 1)
}

/** A zigzag int64 that is a safe integer. @throws CodecFailure */
export function readVarlong(cursor: Cursor): number {
  const { bytes, position, end } = cursor
  // Nearly all deltas take at most 4 bytes, which 32-bit arithmetic holds.
  let value = 0
  for (let index = 0; index < 4 && position + index < end; index++) {
    const byte = bytes[position + index] as number
    value |= (byte & 0x7f) << (7 * index)
    if (byte < 0x80) {
      cursor.position = position + index + 1
      return (value >>> 1) ^ -(value & 1)
    }
  }
  return readLongVarlong(cursor)
}

function readLongVarlong(cursor: Cursor): number {
  let raw = 0n
  for (let index = 0; index < MAX_VARLONG_BYTES; index++) {
    if (cursor.position >= cursor.end) throw new CodecFailure('a number runs past the end')
    const byte = cursor.bytes[cursor.position++] as number
    raw |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte >= 0x80) continue
    const value = Number(BigInt.asIntN(64, (raw >> 1n) ^ -(raw & 1n)))
    if (!Number.isSafeInteger(value)) throw new CodecFailure('a number is beyond 2^53')
    return value
  }
  throw new CodecFailure(`a number takes more than ${MAX_VARLONG_BYTES} bytes`)
}

export function unsignedVarintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  return value < 0x1000_0000 ? 4 : 5
}

export function varintSize(value: number): number {
  return unsignedVarintSize(zigzag(value))
}

/** @param value a safe integer */
export function varlongSize(value: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  let size = 1
  for (; rest >= 0x80; size++) rest = Math.floor(rest / 0x80)
  return size
}

/** Writes and answers the position after it; the caller made room. */
export function writeUnsignedVarint(target: Uint8Array, position: number, value: number): number {
  let rest = value
  while (rest >= 0x80) {
    target[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  target[position++] = rest
  return position
}

export function writeVarint(target: Uint8Array, position: number, value: number): number {
  return writeUnsignedVarint(target, position, zigzag(value))
}

/** @param value a safe integer */
export function writeVarlong(target: Uint8Array, position: number, value: number): number {
  if (value >= -0x4000_0000 && value < 0x4000_0000) return writeVarint(target, position, value)
  let rest = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value)
  for (; rest >= 0x80n; rest >>= 7n) target[position++] = Number(rest & 0x7fn) | 0x80
  target[position++] = Number(rest)
  return position
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0
}
