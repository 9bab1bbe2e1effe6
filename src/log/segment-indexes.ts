/**
 * Which batches of a segment get index entries: Kafka's rule, so that its tools agree with the files.
 *
 * An entry is due for a batch before which more than `intervalBytes` were appended since the last entry; so never for the
 * first batch. The time index gets one at the same time when the largest timestamp grew since its last one, and one more
 * when the segment is sealed. Entries name the last offset of their batch.
 * The same bytes give the same entries: rebuilding from the log is feeding `note` again. Pure.
 */

import type { IndexesCheckpoint } from './partition-checkpoint.ts'
import { EMPTY_INDEX, SparseIndex } from './sparse-index.ts'

export interface NotedBatch {
  readonly lastOffset: number
  readonly position: number
  readonly byteLength: number
  readonly maxTimestampMs: number
}

export function emptyIndexes(intervalBytes: number): IndexesCheckpoint {
  return {
    offset: EMPTY_INDEX,
    time: EMPTY_INDEX,
    intervalBytes,
    bytesSinceEntry: 0,
    largestTimestampMs: -1,
    largestTimestampOffset: -1,
    lastTimeEntryMs: -1,
  }
}

export class SegmentIndexes {
  readonly offset: SparseIndex
  readonly time: SparseIndex
  readonly intervalBytes: number
  readonly #baseOffset: number
  #bytesSinceEntry: number
  #largestTimestampMs: number
  #largestTimestampOffset: number
  #lastTimeEntryMs: number

  constructor(baseOffset: number, saved: IndexesCheckpoint) {
    this.#baseOffset = baseOffset
    this.offset = new SparseIndex(saved.offset)
    this.time = new SparseIndex(saved.time)
    this.intervalBytes = saved.intervalBytes
    this.#bytesSinceEntry = saved.bytesSinceEntry
    this.#largestTimestampMs = saved.largestTimestampMs
    this.#largestTimestampOffset = saved.largestTimestampOffset
    this.#lastTimeEntryMs = saved.lastTimeEntryMs
  }

  get largestTimestampMs(): number {
    return this.#largestTimestampMs
  }

  get largestTimestampOffset(): number {
    return this.#largestTimestampOffset
  }

  note({ lastOffset, position, byteLength, maxTimestampMs }: NotedBatch): void {
    if (maxTimestampMs > this.#largestTimestampMs) {
      this.#largestTimestampMs = maxTimestampMs
      this.#largestTimestampOffset = lastOffset
    }
    if (this.#bytesSinceEntry > this.intervalBytes) {
      this.offset.appendOffset(lastOffset - this.#baseOffset, position)
      this.#noteTime()
      this.#bytesSinceEntry = 0
    }
    this.#bytesSinceEntry += byteLength
  }

  /** No batch will follow. */
  seal(): void {
    this.#noteTime()
  }

  checkpoint(): IndexesCheckpoint {
    return {
      offset: this.offset.checkpoint(),
      time: this.time.checkpoint(),
      intervalBytes: this.intervalBytes,
      bytesSinceEntry: this.#bytesSinceEntry,
      largestTimestampMs: this.#largestTimestampMs,
      largestTimestampOffset: this.#largestTimestampOffset,
      lastTimeEntryMs: this.#lastTimeEntryMs,
    }
  }

  #noteTime(): void {
    if (this.#largestTimestampMs <= this.#lastTimeEntryMs) return
    this.time.appendTime(this.#largestTimestampMs, this.#largestTimestampOffset - this.#baseOffset)
    this.#lastTimeEntryMs = this.#largestTimestampMs
  }
}
