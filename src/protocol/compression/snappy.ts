/**
 * Snappy, bare or in the frames of the Java clients.
 *
 *   bare     length of the output (unsigned varint), then elements; the low two bits of the first byte say which:
 *            0 literal · 1 match of 4-11 bytes, distance 11 bits · 2 match of 1-64, distance 16 bits · 3 same, 32 bits
 *   framed   82 'SNAPPY' 00, version int32, compatible version int32, then blocks: int32 size, bare snappy
 *
 * Both are read, framed is written. The claimed lengths are added up and checked against the budget, and against what
 * the input could hold at best, before the output is allocated. Formats: google/snappy format_description.txt, and the
 * stream of xerial/snappy-java.
 */

import { readInt32, writeInt32 } from '../big-endian.ts'
import { unsignedVarintSize, writeUnsignedVarint } from '../varint.ts'
import { copyLiteral, copyMatch, damaged, tooLarge } from './block-copy.ts'
import { findMatches } from './match-finder.ts'

const FRAME_MAGIC = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0)
const FRAME_HEADER_BYTES = 16
const FRAME_VERSION = 1
const FRAME_BLOCK_BYTES = 32 * 1024

/** Three bytes of input make at most 64 of output. */
const LARGEST_RATIO = 22

interface Block {
  /** Where its elements start and end. */
  readonly start: number
  readonly end: number
  /** Bytes that it says it makes. */
  readonly length: number
}

export function decompressSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const blocks = isFramed(bytes) ? framedBlocks(bytes) : [block(bytes, 0, bytes.length)]
  let length = 0
  for (const { length: claimed, start, end } of blocks) {
    if (claimed > (end - start) * LARGEST_RATIO) throw damaged('snappy', 'a length cannot be true')
    length += claimed
  }
  if (length > maxBytes) throw tooLarge('snappy', maxBytes)
  const output = new Uint8Array(length)
  let position = 0
  for (const one of blocks) position = decodeBlock(bytes, one, output, position)
  return output
}

function isFramed(bytes: Uint8Array): boolean {
  return (
    bytes.length >= FRAME_HEADER_BYTES && FRAME_MAGIC.every((byte, index) => bytes[index] === byte)
  )
}

function framedBlocks(bytes: Uint8Array): Block[] {
  const blocks: Block[] = []
  for (let position = FRAME_HEADER_BYTES; position < bytes.length;) {
    const size = position + 4 <= bytes.length ? readInt32(bytes, position) : -1
    const start = position + 4
    if (size < 0 || size > bytes.length - start) throw damaged('snappy', 'a block is cut off')
    if (size > 0) blocks.push(block(bytes, start, start + size))
    position = start + size
  }
  return blocks
}

function block(bytes: Uint8Array, start: number, end: number): Block {
  let length = 0
  for (let index = 0; index < 5 && start + index < end; index++) {
    const byte = bytes[start + index] as number
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { start: start + index + 1, end, length }
  }
  throw damaged('snappy', 'a block has no length')
}

/** Answers where the output of the block ends. */
function decodeBlock(
  input: Uint8Array,
  { start, end, length }: Block,
  output: Uint8Array,
  begin: number,
): number {
  const finish = begin + length
  let from = start
  let to = begin
  while (from < end) {
    const tag = input[from++] as number
    const kind = tag & 3
    const extra = kind === 0 ? literalExtra(tag) : kind === 3 ? 4 : kind
    if (from + extra > end) throw damaged('snappy', 'an element is cut off')
    const operand = littleEndian(input, from, extra)
    from += extra
    if (kind === 0) {
      const size = (extra === 0 ? tag >> 2 : operand) + 1
      if (size > end - from || size > finish - to) throw damaged('snappy', 'a literal is too long')
      copyLiteral(input, from, output, to, size)
      from += size
      to += size
    } else {
      const size = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2)
      const distance = kind === 1 ? ((tag >> 5) << 8) | operand : operand
      if (distance === 0 || distance > to - begin || size > finish - to)
        throw damaged('snappy', 'a match is out of bounds')
      copyMatch(output, to, distance, size)
      to += size
    }
  }
  if (to !== finish) throw damaged('snappy', 'a block is shorter than it says')
  return finish
}

/** Literals over 60 bytes have their length in 1 to 4 bytes after the tag. */
function literalExtra(tag: number): number {
  return Math.max(0, (tag >> 2) - 59)
}

function littleEndian(bytes: Uint8Array, position: number, size: number): number {
  let value = 0
  for (let index = size - 1; index >= 0; index--)
    value = value * 0x100 + (bytes[position + index] as number)
  return value
}

export function compressSnappy(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / FRAME_BLOCK_BYTES)
  const target = new Uint8Array(
    FRAME_HEADER_BYTES + blockCount * (4 + largestBlock(FRAME_BLOCK_BYTES)),
  )
  target.set(FRAME_MAGIC)
  writeInt32(target, 8, FRAME_VERSION)
  writeInt32(target, 12, FRAME_VERSION)
  let position = FRAME_HEADER_BYTES
  for (let start = 0; start < bytes.length; start += FRAME_BLOCK_BYTES) {
    const end = Math.min(start + FRAME_BLOCK_BYTES, bytes.length)
    const after = encodeBlock(bytes, start, end, target, position + 4)
    writeInt32(target, position, after - position - 4)
    position = after
  }
  return target.subarray(0, position)
}

/** A literal costs at most three bytes for its tag and every match makes room for one. */
function largestBlock(length: number): number {
  return unsignedVarintSize(length) + length + Math.ceil(length / 6) + 8
}

function encodeBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  begin: number,
): number {
  let position = writeUnsignedVarint(target, begin, end - start)
  let literal = start
  findMatches(bytes, { start, searchEnd: end, matchEnd: end }, ({ at, distance, length }) => {
    position = writeLiteral(bytes, literal, at, target, position)
    for (let left = length; left > 0;) {
      const size = Math.min(left, 64)
      target[position++] = ((size - 1) << 2) | 2
      target[position++] = distance
      target[position++] = distance >> 8
      left -= size
    }
    literal = at + length
  })
  return writeLiteral(bytes, literal, end, target, position)
}

function writeLiteral(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
): number {
  const length = end - start
  if (length === 0) return position
  const extra = length <= 60 ? 0 : length <= 0x100 ? 1 : 2
  target[position++] = (extra === 0 ? length - 1 : 59 + extra) << 2
  for (let index = 0; index < extra; index++) target[position++] = (length - 1) >> (8 * index)
  target.set(bytes.subarray(start, end), position)
  return position + length
}
