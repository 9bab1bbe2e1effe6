/**
 * Finding batches in bytes that come from a file, and the way on behind damage.
 *
 * A batch is believed when format, length and CRC are right and it is the one that must be at its place: base offset and
 * leader epoch are outside of the CRC, so they are compared with what is known. Behind damage, a place is believed only
 * when intact batches follow each other from there to a known place without a gap in bytes or offsets: a batch that
 * somebody stored as the value of a record looks intact too, but its neighbours do not.
 *
 *   … intact ┃ damaged ▒▒▒▒▒ ┃ intact intact ┃ known place (index entry, end of the file)
 *                            └── found ──────▶ must end exactly here
 *
 * Batches of one segment follow each other without gaps in their offsets. Pure.
 */

import { BATCH_HEADER_BYTES, BATCH_MAGIC, BatchPosition, RecordBatch } from '../protocol/index.ts'

/** What is known of the batch that must be at a place. */
export interface Expected {
  /** -1 when only the last offset is known. */
  readonly baseOffset: number
  readonly lastOffset?: number
  readonly leaderEpochAt: (offset: number) => number
}

/** No batch is larger: a length beyond this is damage. */
export const LARGEST_BATCH_BYTES: number = 256 * 1024 * 1024

/** The batch whose header is at `position`, perhaps cut off by the end of `bytes`; null when it cannot be the expected one. */
export function headerAt(
  bytes: Uint8Array,
  position: number,
  expected: Expected,
): RecordBatch | null {
  const batch = anyHeaderAt(bytes, position)
  if (batch === null) return null
  if (expected.baseOffset !== -1 && batch.baseOffset !== expected.baseOffset) return null
  if (expected.lastOffset !== undefined && batch.lastOffset !== expected.lastOffset) return null
  return batch.partitionLeaderEpoch === expected.leaderEpochAt(batch.baseOffset) ? batch : null
}

/** The same, whole and with a matching CRC. */
export function intactAt(
  bytes: Uint8Array,
  position: number,
  expected: Expected,
): RecordBatch | null {
  const batch = headerAt(bytes, position, expected)
  return batch !== null && batch.isWhole && batch.isCrcValid ? batch : null
}

export interface ChainBounds {
  /** Base offset of the first batch of the chain: at least this, and below `toOffset`. */
  readonly fromOffset: number
  readonly toOffset: number
  readonly leaderEpochAt: (offset: number) => number
  /** The offset that follows at the end of `bytes`; null when that is no known place: then a batch may be cut off there. */
  readonly endOffset: number | null
}

/** The first batch at or behind `position` from which intact batches go on to the end of `bytes`; null when there is none. */
export function findChain(
  bytes: Uint8Array,
  position: number,
  bounds: ChainBounds,
): RecordBatch | null {
  for (let at = position; at + BATCH_HEADER_BYTES <= bytes.length; at++) {
    if (bytes[at + BatchPosition.magic] !== BATCH_MAGIC) continue
    const batch = anyHeaderAt(bytes, at)
    if (batch === null || !batch.isWhole) continue
    if (batch.baseOffset < bounds.fromOffset || batch.baseOffset >= bounds.toOffset) continue
    if (reachesEnd(batch, bounds)) return batch
  }
  return null
}

/** Offsets are outside of the CRC: those of a chain are right when its end is, or when its batches agree. */
function reachesEnd(first: RecordBatch, { leaderEpochAt, endOffset }: ChainBounds): boolean {
  const { bytes } = first
  let position = first.position
  let { baseOffset } = first
  for (let count = 0; position < bytes.length; count++) {
    if (endOffset === null && isTooShort(bytes, position)) return count > 1
    const batch = headerAt(bytes, position, { baseOffset, leaderEpochAt })
    if (batch === null) return false
    if (!batch.isWhole) return endOffset === null && count > 0
    if (!batch.isCrcValid) return false
    position = batch.end
    baseOffset = batch.lastOffset + 1
  }
  return baseOffset === endOffset
}

function isTooShort(bytes: Uint8Array, position: number): boolean {
  return position + BATCH_HEADER_BYTES > bytes.length
}

/** A header with a format, a length and offsets that can be. */
function anyHeaderAt(bytes: Uint8Array, position: number): RecordBatch | null {
  if (isTooShort(bytes, position)) return null
  if (bytes[position + BatchPosition.magic] !== BATCH_MAGIC) return null
  // Offsets are below 2^53, so the first two bytes of one are at most 0x001f.
  if ((bytes[position] as number) > 0 || (bytes[position + 1] as number) > 0x1f) return null
  const length = lengthAt(bytes, position)
  if (length < BATCH_HEADER_BYTES || length > LARGEST_BATCH_BYTES) return null
  const batch = new RecordBatch(bytes, position)
  return batch.lastOffsetDelta < 0 ? null : batch
}

/** The length of the batch, before a `RecordBatch` (which throws when it is too small) can be made. */
function lengthAt(bytes: Uint8Array, position: number): number {
  const at = position + BatchPosition.batchLength
  const length =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  return length + BatchPosition.partitionLeaderEpoch
}
