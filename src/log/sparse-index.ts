/**
 * The two sparse indexes of a segment, as the bytes that their files hold (Kafka's layout, big-endian).
 *
 *   .index      8 bytes: int32 last offset of a batch - base, int32 position of that batch's start
 *   .timeindex 12 bytes: int64 largest timestamp so far, int32 last offset - base of the batch that has it
 *
 *   in the file ────────────────┐ ┌──────────── in memory, appended since the file was written or forgotten
 *   [ entry entry … entry entry ] [ entry entry … ]        `load` puts the first part in front of the second
 *
 * An index may be behind or missing, then a scan takes longer; it must never be wrong. The files hold no checksum, so the
 * checkpoint keeps one (FNV-1a, which any single changed byte changes; it grows with the index, a CRC of ours would be
 * computed anew) and `load` refuses what does not match it.
 * Keys (offsets, timestamps) rise. Pure: reading and writing files is `segment.ts`.
 */

import { assertInvariant, concatBytes, EMPTY_BYTES } from '../core/index.ts'
import type { IndexCheckpoint } from './partition-checkpoint.ts'

export const OFFSET_ENTRY_BYTES = 8
export const TIME_ENTRY_BYTES = 12

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

export const EMPTY_INDEX: IndexCheckpoint = { bytes: 0, checksum: FNV_OFFSET }

const FIRST_CAPACITY = 96

export class SparseIndex {
  /** What is in the file only: the entries before those in memory. */
  #behind: IndexCheckpoint
  #memory: Uint8Array
  #view: DataView
  #memoryBytes = 0
  #checksum: number

  constructor(saved: IndexCheckpoint) {
    this.#behind = saved
    this.#checksum = saved.checksum
    this.#memory = EMPTY_BYTES
    this.#view = viewOf(this.#memory)
  }

  get byteLength(): number {
    return this.#behind.bytes + this.#memoryBytes
  }

  /** All entries are in memory: it can be searched. */
  get isLoaded(): boolean {
    return this.#behind.bytes === 0
  }

  get memoryBytes(): number {
    return this.#memory.length
  }

  /** All entries, for searching; only when loaded. */
  get view(): DataView {
    assertInvariant(this.isLoaded, 'an index is searched before it is loaded')
    return this.#view
  }

  checkpoint(): IndexCheckpoint {
    return { bytes: this.byteLength, checksum: this.#checksum }
  }

  /** The entries from a position of the file on that are in memory, with the position at which they begin. */
  from(position: number): { readonly position: number; readonly bytes: Uint8Array } {
    const start = Math.max(position, this.#behind.bytes)
    return {
      position: start,
      bytes: this.#memory.subarray(start - this.#behind.bytes, this.#memoryBytes),
    }
  }

  appendOffset(relativeOffset: number, position: number): void {
    const at = this.#grow(OFFSET_ENTRY_BYTES)
    this.#view.setInt32(at, relativeOffset)
    this.#view.setInt32(at + 4, position)
    this.#finish(at)
  }

  appendTime(timestampMs: number, relativeOffset: number): void {
    const at = this.#grow(TIME_ENTRY_BYTES)
    this.#view.setInt32(at, Math.floor(timestampMs / 2 ** 32))
    this.#view.setUint32(at + 4, timestampMs % 2 ** 32)
    this.#view.setInt32(at + 8, relativeOffset)
    this.#finish(at)
  }

  /** Takes the part that is in the file only. Answers whether it is what was saved; if not, nothing changes. */
  load(fromFile: Uint8Array): boolean {
    if (this.isLoaded) return true
    if (fromFile.length !== this.#behind.bytes) return false
    if (checksumOf(fromFile, FNV_OFFSET) !== this.#behind.checksum) return false
    this.#putInFront(fromFile)
    return true
  }

  /** Takes a rebuilt part in place of the one in the file, which is missing or wrong. */
  replaceBehind(rebuilt: SparseIndex): void {
    if (!this.isLoaded) this.#putInFront(rebuilt.from(0).bytes)
  }

  /** Forgets what the file has. The caller wrote all of it. */
  unload(): void {
    this.#behind = this.checkpoint()
    this.#memory = EMPTY_BYTES
    this.#view = viewOf(this.#memory)
    this.#memoryBytes = 0
  }

  #putInFront(bytes: Uint8Array): void {
    const whole = concatBytes([bytes, this.#memory.subarray(0, this.#memoryBytes)])
    this.#memory = whole
    this.#memoryBytes = whole.length
    this.#view = viewOf(whole)
    this.#checksum = checksumOf(whole, FNV_OFFSET)
    this.#behind = EMPTY_INDEX
  }

  /** Makes room for an entry and answers where in memory it goes. */
  #grow(entryBytes: number): number {
    const at = this.#memoryBytes
    if (at + entryBytes > this.#memory.length) {
      const larger = new Uint8Array(Math.max(FIRST_CAPACITY, 2 * this.#memory.length))
      larger.set(this.#memory)
      this.#memory = larger
      this.#view = viewOf(larger)
    }
    this.#memoryBytes = at + entryBytes
    return at
  }

  #finish(at: number): void {
    this.#checksum = checksumOf(this.#memory.subarray(at, this.#memoryBytes), this.#checksum)
  }
}

/** The entry with the largest last offset at or below `relativeOffset`; null when there is none. */
export function findOffset(
  index: SparseIndex,
  relativeOffset: number,
): { readonly relativeOffset: number; readonly position: number } | null {
  const view = index.view
  const found = lastAtOrBelow(index.byteLength / OFFSET_ENTRY_BYTES, (entry) => {
    return view.getInt32(entry * OFFSET_ENTRY_BYTES) <= relativeOffset
  })
  if (found === -1) return null
  return {
    relativeOffset: view.getInt32(found * OFFSET_ENTRY_BYTES),
    position: view.getInt32(found * OFFSET_ENTRY_BYTES + 4),
  }
}

/** The entry with the largest timestamp at or below `timestampMs`; null when there is none. */
export function findTime(
  index: SparseIndex,
  timestampMs: number,
): { readonly timestampMs: number; readonly relativeOffset: number } | null {
  const view = index.view
  const found = lastAtOrBelow(index.byteLength / TIME_ENTRY_BYTES, (entry) => {
    return timestampAt(view, entry) <= timestampMs
  })
  if (found === -1) return null
  return {
    timestampMs: timestampAt(view, found),
    relativeOffset: view.getInt32(found * TIME_ENTRY_BYTES + 8),
  }
}

function timestampAt(view: DataView, entry: number): number {
  const at = entry * TIME_ENTRY_BYTES
  return view.getInt32(at) * 2 ** 32 + view.getUint32(at + 4)
}

/** The last of `count` entries that holds, when those that hold come before those that do not; -1 when none does. */
function lastAtOrBelow(count: number, holds: (entry: number) => boolean): number {
  let below = -1
  let above = count
  while (above - below > 1) {
    const middle = (below + above) >>> 1
    if (holds(middle)) below = middle
    else above = middle
  }
  return below
}

function checksumOf(bytes: Uint8Array, start: number): number {
  let checksum = start
  for (let index = 0; index < bytes.length; index++)
    checksum = Math.imul(checksum ^ (bytes[index] as number), FNV_PRIME)
  return checksum >>> 0
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
