/**
 * The newest batches of one partition in memory: those not yet in a segment file, and before them some that are.
 *
 *   dropped ─▶ │ written │ flushed, to be written │ appended, not yet flushed │ ◀─ push
 *              first      ▲ unwritten              ▲ high watermark
 *
 * Some of those to be written may be in their file already (`isInFile`); they are passed in their turn.
 * Invariant: the batches follow each other without a gap, so whatever is at or above `firstOffset` is here, and what is
 * below it is in the files. Batches are the slices that came from the socket: they go to consumers without a copy. Of one
 * that was dropped, or forgotten once it was written, and never lent to anybody, `release` is told: its memory may be used
 * again.
 * Pure: budget and files are its owner's.
 */

/** Where the batches go. */
export interface TailSegment {
  readonly baseOffset: number
}

export interface TailBatch<Segment extends TailSegment> {
  readonly baseOffset: number
  /** The offset after its last record. */
  readonly nextOffset: number
  readonly segment: Segment
  readonly position: number
  readonly bytes: Uint8Array
  /** Whoever made it durable has written it to its file too. */
  isInFile: boolean
  /** Somebody outside has seen its bytes and may still look at them. */
  isLent: boolean
}

export interface TailWrite<Segment extends TailSegment> {
  readonly segment: Segment
  readonly position: number
  readonly chunks: readonly Uint8Array[]
  readonly byteLength: number
  /** The offset after the last record of the write. */
  readonly nextOffset: number
}

/** Bounds of one write to a segment file: a larger one gains nothing and blocks others. */
const MAX_WRITE_BYTES = 4 * 1024 * 1024
const MAX_WRITE_CHUNKS = 512

/** Dropped slots at the front are cut away in steps, not one by one. */
const COMPACT_AFTER = 256

export class Tail<Segment extends TailSegment> {
  /** `#batches[#first]` is the oldest; the slots before it are empty. */
  readonly #batches: (TailBatch<Segment> | undefined)[] = []
  readonly #release: (bytes: Uint8Array) => void
  #first = 0
  #unwritten = 0
  #byteLength = 0
  #unwrittenBytes = 0

  constructor(release: (bytes: Uint8Array) => void = () => {}) {
    this.#release = release
  }

  /** The lowest offset that is here; `Infinity` when nothing is. */
  get firstOffset(): number {
    return this.#batches[this.#first]?.baseOffset ?? Infinity
  }

  get byteLength(): number {
    return this.#byteLength
  }

  get unwrittenBytes(): number {
    return this.#unwrittenBytes
  }

  push(batch: TailBatch<Segment>): void {
    this.#batches.push(batch)
    this.#byteLength += batch.bytes.length
    this.#unwrittenBytes += batch.bytes.length
  }

  /** The batch that holds the offset; undefined when it is not here. */
  find(offset: number): TailBatch<Segment> | undefined {
    return offset < this.firstOffset ? undefined : lent(this.#batches[this.#indexOf(offset)])
  }

  /**
   * Batches from the one that holds `offset` up to `endOffset`: at most `maxBytes`, but at least one when asked.
   * The caller looked that `offset` is here.
   */
  read(
    offset: number,
    endOffset: number,
    { maxBytes, atLeastOneBatch }: { maxBytes: number; atLeastOneBatch: boolean },
  ): { readonly chunks: readonly Uint8Array[]; readonly byteLength: number } {
    const chunks: Uint8Array[] = []
    let byteLength = 0
    for (let index = this.#indexOf(offset); index < this.#batches.length; index++) {
      const batch = this.#batches[index]
      if (batch === undefined || batch.nextOffset > endOffset) break
      const fits = byteLength + batch.bytes.length <= maxBytes
      if (!fits && !(atLeastOneBatch && chunks.length === 0)) break
      batch.isLent = true
      chunks.push(batch.bytes)
      byteLength += batch.bytes.length
    }
    return { chunks, byteLength }
  }

  /** Passes the batches that need no write and come next, one at a time: the batch, or null when there is none below `endOffset`. */
  passInFile(endOffset: number): TailBatch<Segment> | null {
    const head = this.#batches[this.#unwritten]
    if (head === undefined || !head.isInFile || head.nextOffset > endOffset) return null
    this.written(1)
    return head
  }

  /** The next write: unwritten batches of one segment below `endOffset`; null when there is none. */
  nextWrite(endOffset: number): TailWrite<Segment> | null {
    const head = this.#batches[this.#unwritten]
    if (head === undefined || head.isInFile || head.nextOffset > endOffset) return null
    const chunks: Uint8Array[] = []
    let byteLength = 0
    let { nextOffset } = head
    for (let index = this.#unwritten; index < this.#batches.length; index++) {
      const batch = this.#batches[index]
      if (batch === undefined || batch.segment !== head.segment || batch.nextOffset > endOffset)
        break
      if (batch.isInFile) break
      if (chunks.length >= MAX_WRITE_CHUNKS || byteLength >= MAX_WRITE_BYTES) break
      chunks.push(batch.bytes)
      byteLength += batch.bytes.length
      nextOffset = batch.nextOffset
    }
    return { segment: head.segment, position: head.position, chunks, byteLength, nextOffset }
  }

  /** The batches that no file has yet. */
  unwritten(): readonly TailBatch<Segment>[] {
    return this.#batches
      .slice(this.#unwritten)
      .map(lent)
      .filter((batch) => batch !== undefined)
  }

  /** The first `count` unwritten batches are in their file. */
  written(count: number): void {
    for (let left = count; left > 0; left--)
      this.#unwrittenBytes -= this.#batches[this.#unwritten++]?.bytes.length ?? 0
  }

  /** Drops written batches, oldest first, until about `bytes` are gone; answers how many went. */
  drop(bytes: number): number {
    let dropped = 0
    while (dropped < bytes && this.#first < this.#unwritten) {
      const batch = this.#batches[this.#first]
      dropped += batch?.bytes.length ?? 0
      this.#batches[this.#first++] = undefined
      if (batch?.isLent === false) this.#release(batch.bytes)
    }
    this.#byteLength -= dropped
    this.#compact()
    return dropped
  }

  /** Forgets the batches below the offset, written or not: they were deleted. Answers how many bytes went. */
  forget(beforeOffset: number): number {
    let bytes = 0
    for (let batch = this.#batches[this.#first]; batch !== undefined;) {
      if (batch.nextOffset > beforeOffset) break
      // One that is not written may be under way to a file.
      if (this.#first >= this.#unwritten) this.written(1)
      else if (!batch.isLent) this.#release(batch.bytes)
      bytes += batch.bytes.length
      this.#batches[this.#first++] = undefined
      batch = this.#batches[this.#first]
    }
    this.#byteLength -= bytes
    this.#compact()
    return bytes
  }

  #indexOf(offset: number): number {
    let low = this.#first
    let high = this.#batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#batches[middle]?.nextOffset ?? 0) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  #compact(): void {
    if (this.#first < COMPACT_AFTER || this.#first * 2 < this.#batches.length) return
    this.#batches.splice(0, this.#first)
    this.#unwritten -= this.#first
    this.#first = 0
  }
}

function lent<Batch extends { isLent: boolean } | undefined>(batch: Batch): Batch {
  if (batch !== undefined) batch.isLent = true
  return batch
}
