/**
 * What one round of the journal carries: entries that wait to be written, and who waits for them.
 *
 * Entries are put into frames when the round's turn has come, because only then is it known how much of it goes to each
 * segment: batches that are in their file by then leave their header in the frame, all others their bytes.
 * Callbacks run before the promise of the round resolves: the high watermark moves before anybody is answered. The promise
 * is made when somebody asks, and one that nobody looks at never counts as unhandled.
 */

import { assertInvariant, byteLengthOf } from '../core/index.ts'
import { encodeBatchHead, encodeDirectBatch } from './journal-entry.ts'
import type { DirectBatch, PartitionKey, SegmentPosition } from './journal-port.ts'

export interface PendingFrame {
  /** Entries, their heads and bodies as they came: nothing is copied. */
  readonly chunks: Uint8Array[]
  length: number
  entryCount: number
}

/** A cut in a living journal. */
export interface CoveringCut extends JournalCut {
  /** Bytes before it that no checkpoint covered so far. */
  readonly coveredBytes: number
}

/** Entries gather in a frame until it has this size; recovery reads a frame at a time. */
const FRAME_BYTES = 1024 * 1024

/** Adds an entry to the last frame, or to a new one when that is large enough. */
export function addEntry(
  frames: PendingFrame[],
  head: Uint8Array,
  body: readonly Uint8Array[],
): void {
  const last = frames.at(-1)
  const frame =
    last !== undefined && last.length < FRAME_BYTES
      ? last
      : { chunks: [], length: 0, entryCount: 0 }
  if (frame !== last) frames.push(frame)
  frame.chunks.push(head)
  for (const chunk of body) frame.chunks.push(chunk)
  frame.length += head.length + byteLengthOf(body)
  frame.entryCount++
}

/** Where a checkpoint may begin to replay. */
export interface JournalCut {
  readonly fileNumber: number
  readonly sequence: number
}

/** Record batches of one append. */
export interface PendingBatch {
  readonly partition: PartitionKey
  readonly at: SegmentPosition
  readonly chunks: readonly Uint8Array[]
  readonly length: number
  /** Null when they may not be written directly. */
  readonly direct: DirectBatch | null
}

interface PendingEntry {
  readonly head: Uint8Array
  readonly body: readonly Uint8Array[]
}

export class JournalRound {
  /** Of the round whose turn has come: those not written yet. */
  readonly frames: PendingFrame[] = []
  #entries: (PendingEntry | PendingBatch)[] = []
  #byteLength = 0
  #directBytes = 0
  /** A batch of a partition that goes in the same round leaves nothing to compare with, so it is not written directly. */
  readonly #deleted = new Set<PartitionKey>()
  #callbacks: (() => void)[] = []
  #promise: PromiseWithResolvers<void> | null = null
  /** Set when this round ends the journal file it goes to. */
  cut: PromiseWithResolvers<CoveringCut> | null = null

  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.frames.length === 0
  }

  /** Bytes of all entries. */
  get byteLength(): number {
    return this.#byteLength
  }

  /** Bytes of the batches that may be written directly. */
  get directBytes(): number {
    return this.#directBytes
  }

  add(head: Uint8Array, body: readonly Uint8Array[]): void {
    this.#entries.push({ head, body })
    this.#byteLength += head.length + byteLengthOf(body)
  }

  addBatch(batch: PendingBatch): void {
    this.#entries.push(batch)
    this.#byteLength += batch.length
    if (batch.direct !== null) this.#directBytes += batch.length
  }

  /** The partition's deletion is one of the entries. */
  noteDeleted(partition: PartitionKey): void {
    this.#deleted.add(partition)
  }

  /** The batches that may be written directly, in order. */
  *directBatches(): Generator<PendingBatch & { readonly direct: DirectBatch }> {
    for (const entry of this.#entries)
      if ('at' in entry && isDirect(entry) && !this.#deleted.has(entry.partition)) yield entry
  }

  /** Puts the entries into frames. */
  compose(): void {
    for (const entry of this.#entries)
      if (!('at' in entry)) addEntry(this.frames, entry.head, entry.body)
      else if (entry.direct?.isInFile === true)
        addEntry(this.frames, encodeDirectBatch(entry.partition, entry.at, firstOf(entry)), [])
      else
        addEntry(
          this.frames,
          encodeBatchHead(entry.partition, entry.at, entry.length),
          entry.chunks,
        )
    this.#entries = []
    this.#directBytes = 0
  }

  onFlushed(callback: () => void): void {
    this.#callbacks.push(callback)
  }

  flushed(): Promise<void> {
    if (this.#promise === null) {
      this.#promise = Promise.withResolvers<void>()
      this.#promise.promise.catch(() => {})
    }
    return this.#promise.promise
  }

  resolve(): void {
    for (const callback of this.#callbacks) callback()
    this.#promise?.resolve()
  }

  reject(error: Error): void {
    this.#callbacks = []
    this.#promise?.reject(error)
    this.cut?.reject(error)
  }
}

function isDirect(batch: PendingBatch): batch is PendingBatch & { readonly direct: DirectBatch } {
  return batch.direct !== null
}

function firstOf({ chunks: [first] }: PendingBatch): Uint8Array {
  assertInvariant(first !== undefined, 'a batch without bytes is in its file')
  return first
}
