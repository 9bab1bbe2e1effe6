/**
 * LZ4 frames.
 *
 *   04 22 4D 18 · flags · block size · [content size 8] · header checksum · blocks · end mark 0 · [content checksum 4]
 *   block      size uint32 (high bit: stored as it is) · bytes · [checksum 4]
 *   sequence   token (literal length, match length - 4; 15 goes on in more bytes) · literals · distance uint16
 *
 * Little endian throughout. Blocks may refer to earlier ones. What each block makes is found by walking its tokens, so
 * the budget is checked, and the output allocated, before a byte is written. Written frames have independent blocks of
 * 64 KiB without checksums, as the Java clients write them. Specification: lz4/lz4 doc/lz4_Frame_format.md.
 */

import { copyLiteral, copyMatch, damaged, tooLarge } from './block-copy.ts'
import { findMatches, LEAST_MATCH } from './match-finder.ts'
import { xxhash32 } from './xxhash32.ts'

const MAGIC = 0x184d_2204
const Flag = {
  versionMask: 0b1100_0000,
  version: 0b0100_0000,
  independent: 1 << 5,
  blockChecksum: 1 << 4,
  contentSize: 1 << 3,
  contentChecksum: 1 << 2,
  reserved: 1 << 1,
  dictionary: 1,
} as const

const STORED = 0x8000_0000
const BLOCK_BYTES = 64 * 1024
/** The number of `BLOCK_BYTES` in the header; 5, 6 and 7 are four times more each. */
const BLOCK_BYTES_CODE = 4

interface Frame {
  readonly flags: number
  readonly maxBlockBytes: number
  readonly contentBytes: number | undefined
  /** Where the first block starts. */
  readonly blocks: number
}

interface Block {
  readonly start: number
  readonly end: number
  readonly isStored: boolean
  readonly length: number
}

export function decompressLz4(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const frame = readFrame(bytes)
  const { blocks, after } = readBlocks(bytes, frame, maxBytes)
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  if (frame.contentBytes !== undefined && frame.contentBytes !== length)
    throw damaged('lz4', 'the content size is wrong')
  const output = new Uint8Array(length)
  let position = 0
  for (const block of blocks) {
    if (block.isStored) copyLiteral(bytes, block.start, output, position, block.length)
    else decodeBlock(bytes, block, output, position)
    position += block.length
  }
  if ((frame.flags & Flag.contentChecksum) !== 0) {
    demand(bytes, after, 4)
    if (wordAt(bytes, after) !== xxhash32(output))
      throw damaged('lz4', 'the content checksum is wrong')
  }
  return output
}

function readFrame(bytes: Uint8Array): Frame {
  demand(bytes, 0, 7)
  const flags = bytes[4] as number
  const hasContentSize = (flags & Flag.contentSize) !== 0
  if (wordAt(bytes, 0) !== MAGIC || (flags & Flag.versionMask) !== Flag.version)
    throw damaged('lz4', 'this is no lz4 frame')
  if ((flags & (Flag.reserved | Flag.dictionary)) !== 0)
    throw damaged('lz4', 'the frame uses what is not supported')
  const code = ((bytes[5] as number) >> 4) & 7
  if (code < BLOCK_BYTES_CODE) throw damaged('lz4', `the block size code is ${code}`)
  const checksumAt = hasContentSize ? 14 : 6
  demand(bytes, checksumAt, 1)
  if (bytes[checksumAt] !== headerChecksum(bytes, checksumAt))
    throw damaged('lz4', 'the header checksum is wrong')
  return {
    flags,
    maxBlockBytes: BLOCK_BYTES * 4 ** (code - BLOCK_BYTES_CODE),
    contentBytes: hasContentSize ? wordAt(bytes, 6) + wordAt(bytes, 10) * 2 ** 32 : undefined,
    blocks: checksumAt + 1,
  }
}

function headerChecksum(bytes: Uint8Array, end: number): number {
  return (xxhash32(bytes, 4, end) >>> 8) & 0xff
}

function readBlocks(
  bytes: Uint8Array,
  { flags, maxBlockBytes, blocks: first }: Frame,
  maxBytes: number,
): { readonly blocks: readonly Block[]; readonly after: number } {
  const hasChecksum = (flags & Flag.blockChecksum) !== 0
  const blocks: Block[] = []
  let total = 0
  let position = first
  for (;;) {
    demand(bytes, position, 4)
    const word = wordAt(bytes, position)
    const start = position + 4
    if (word === 0) return { blocks, after: start }
    const isStored = word >= STORED
    const size = isStored ? word - STORED : word
    const end = start + size
    demand(bytes, start, size + (hasChecksum ? 4 : 0))
    if (hasChecksum && wordAt(bytes, end) !== xxhash32(bytes, start, end))
      throw damaged('lz4', 'a block checksum is wrong')
    const length = isStored ? size : decodedLength(bytes, start, end, maxBlockBytes)
    if (length > maxBlockBytes) throw damaged('lz4', 'a block is larger than the frame says')
    total += length
    if (total > maxBytes) throw tooLarge('lz4', maxBytes)
    if (length > 0) blocks.push({ start, end, isStored, length })
    position = end + (hasChecksum ? 4 : 0)
  }
}

/** What a block makes: the lengths of its sequences added up, stopping beyond `most`. */
function decodedLength(bytes: Uint8Array, start: number, end: number, most: number): number {
  let length = 0
  let position = start
  while (position < end && length <= most) {
    const token = bytes[position++] as number
    let literals = token >> 4
    if (literals === 15)
      for (let byte = 255; byte === 255; literals += byte) byte = nextByte(bytes, position++, end)
    position += literals
    length += literals
    if (position === end) return length
    position += 2
    let match = token & 15
    if (match === 15)
      for (let byte = 255; byte === 255; match += byte) byte = nextByte(bytes, position++, end)
    length += match + LEAST_MATCH
  }
  if (length > most) return length
  throw damaged('lz4', 'a block is cut off')
}

function nextByte(bytes: Uint8Array, position: number, end: number): number {
  if (position >= end) throw damaged('lz4', 'a block is cut off')
  return bytes[position] as number
}

/** The lengths were walked by `decodedLength` and fit; distances are checked here. */
function decodeBlock(
  input: Uint8Array,
  { start, end }: Block,
  output: Uint8Array,
  begin: number,
): void {
  let from = start
  let to = begin
  for (;;) {
    const token = input[from++] as number
    let literals = token >> 4
    if (literals === 15)
      for (let byte = 255; byte === 255; literals += byte) byte = input[from++] as number
    copyLiteral(input, from, output, to, literals)
    from += literals
    to += literals
    if (from >= end) return
    const distance = (input[from] as number) | ((input[from + 1] as number) << 8)
    from += 2
    let match = token & 15
    if (match === 15)
      for (let byte = 255; byte === 255; match += byte) byte = input[from++] as number
    if (distance === 0 || distance > to) throw damaged('lz4', 'a match is out of bounds')
    copyMatch(output, to, distance, match + LEAST_MATCH)
    to += match + LEAST_MATCH
  }
}

/** The format wants the last bytes of a block as literals, and no match to start shortly before its end. */
const LAST_LITERALS = 5
const NO_MATCH_IN_LAST = 12

export function compressLz4(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / BLOCK_BYTES)
  const target = new Uint8Array(11 + blockCount * (4 + BLOCK_BYTES))
  writeWord(target, 0, MAGIC)
  target[4] = Flag.version | Flag.independent
  target[5] = BLOCK_BYTES_CODE << 4
  target[6] = headerChecksum(target, 6)
  const scratch = new Uint8Array(BLOCK_BYTES + Math.ceil(BLOCK_BYTES / 128) + 16)
  let position = 7
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length)
    const size = encodeBlock(bytes, start, end, scratch)
    const isStored = size >= end - start
    const block = isStored ? bytes.subarray(start, end) : scratch.subarray(0, size)
    writeWord(target, position, isStored ? STORED + block.length : block.length)
    target.set(block, position + 4)
    position += 4 + block.length
  }
  return target.subarray(0, position + 4)
}

/** Answers the size of the block in `target`. */
function encodeBlock(bytes: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let position = 0
  let literal = start
  const range = { start, searchEnd: end - NO_MATCH_IN_LAST, matchEnd: end - LAST_LITERALS }
  findMatches(bytes, range, ({ at, distance, length }) => {
    position = writeSequence(bytes, literal, at, length - LEAST_MATCH, target, position)
    target[position++] = distance
    target[position++] = distance >> 8
    position = writeRest(target, position, length - LEAST_MATCH)
    literal = at + length
  })
  return writeSequence(bytes, literal, end, 0, target, position)
}

function writeSequence(
  bytes: Uint8Array,
  start: number,
  end: number,
  match: number,
  target: Uint8Array,
  position: number,
): number {
  const length = end - start
  target[position++] = (Math.min(length, 15) << 4) | Math.min(match, 15)
  const literals = writeRest(target, position, length)
  copyLiteral(bytes, start, target, literals, length)
  return literals + length
}

/** What of a length does not fit into its four bits. */
function writeRest(target: Uint8Array, position: number, length: number): number {
  if (length < 15) return position
  let rest = length - 15
  for (; rest >= 255; rest -= 255) target[position++] = 255
  target[position++] = rest
  return position
}

function demand(bytes: Uint8Array, position: number, size: number): void {
  if (size > bytes.length - position) throw damaged('lz4', 'the frame is cut off')
}

function wordAt(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) |
      ((bytes[position + 1] as number) << 8) |
      ((bytes[position + 2] as number) << 16) |
      ((bytes[position + 3] as number) << 24)) >>>
    0
  )
}

function writeWord(bytes: Uint8Array, position: number, value: number): void {
  for (let index = 0; index < 4; index++) bytes[position + index] = value >>> (8 * index)
}
