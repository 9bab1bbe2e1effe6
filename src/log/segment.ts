/**
 * One segment of a partition: its three files, and what is known of them without reading.
 *
 *   00000000000000000042.log        batches as they travel    .index .timeindex   see `sparse-index.ts`
 *
 *   position 0 ─────────── writtenBytes ───────── size
 *            in the file                 │ in memory only: the partition's tail has it
 *
 * Files are opened on first use (10,000 partitions open none). Index files are written without a sync, for the checkpoint
 * knows their checksum: one that is missing, old or damaged is rebuilt from the log when it is first needed.
 * A sealed segment forgets its indexes once they are written and reads them back on demand, within `LogMemory`.
 * Who writes, syncs and removes when is decided by `segment-writer.ts`.
 */

import { assertInvariant, byteLengthOf, EMPTY_BYTES } from '../core/index.ts'
import type { FileCache } from './file-cache.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import type { DirectSegment } from './journal-port.ts'
import type { LogMemory, MemoryHolder } from './log-memory.ts'
import type { PartitionLogConfig } from './log.ts'
import type { SegmentCheckpoint } from './partition-checkpoint.ts'
import { emptyIndexes, SegmentIndexes } from './segment-indexes.ts'
import { isOutOfFiles, writeOrNothing } from './space-reserve.ts'
import type { SparseIndex } from './sparse-index.ts'

export interface SegmentContext {
  readonly files: FileCache
  readonly store: FileStore
  readonly folder: string
  readonly memory: LogMemory
}

export interface SegmentBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  readonly byteLength: number
  readonly maxTimestampMs: number
}

const INDEX_SUFFIXES = { offset: 'index', time: 'timeindex' } as const

/** Positions and relative offsets are int32 in the index files. */
const MAX_INT32 = 2 ** 31 - 1

export class Segment implements MemoryHolder, DirectSegment {
  readonly baseOffset: number
  readonly createdMs: number
  readonly indexes: SegmentIndexes
  readonly path: string
  /** Bytes and offsets that are in the file; what is above them is in the partition's tail. */
  writtenBytes: number
  writtenOffset: number
  /** Written since the last sync. */
  isDirty = false
  /** Bytes of a crashed process may follow what is known of the file. */
  mayHaveGarbage: boolean
  /** Up to here recovery found batches that only the file has, whatever is written before them. */
  redoneBytes = 0
  /** The journal may write beyond `writtenBytes`: the file is there, its name is durable, it has no garbage. */
  takesDirect = false
  /** The journal had much that it could have written directly. */
  wantsDirect = false
  isClosed = false
  /** Direct writes and syncs that are under way. */
  #direct: Promise<unknown> = Promise.resolve()
  #lastSync: Promise<void> = Promise.resolve()
  #nextOffset: number
  #size: number
  #firstTimestampMs: number
  #isSealed = false
  /** How much of the log the part of the indexes that is not in memory covers. */
  #indexedBytes: number
  readonly #indexesWritten = { offset: 0, time: 0 }
  /** Who is loading the indexes, and the bytes of them that `LogMemory` counts. */
  #indexUsers = 0
  #heldBytes = 0
  /** So much that is written directly stays in the system's cache, for somebody reads behind it. */
  #cachedBytes = 0
  readonly #context: SegmentContext
  #file: StoredFile | null = null

  constructor(context: SegmentContext, state: SegmentCheckpoint, { isNew }: { isNew: boolean }) {
    this.#context = context
    this.baseOffset = state.baseOffset
    this.createdMs = state.createdMs
    this.#nextOffset = state.nextOffset
    this.#size = state.size
    this.#firstTimestampMs = state.firstTimestampMs
    this.indexes = new SegmentIndexes(state.baseOffset, state.indexes)
    this.#indexesWritten.offset = state.indexes.offset.bytes
    this.#indexesWritten.time = state.indexes.time.bytes
    this.#indexedBytes = state.size
    this.writtenBytes = state.size
    this.writtenOffset = state.nextOffset
    this.mayHaveGarbage = !isNew
    this.path = segmentPath(context.folder, state.baseOffset, 'log')
  }

  static create(
    context: SegmentContext,
    baseOffset: number,
    { nowMs, indexIntervalBytes }: { nowMs: number; indexIntervalBytes: number },
  ): Segment {
    const state: SegmentCheckpoint = {
      baseOffset,
      nextOffset: baseOffset,
      size: 0,
      createdMs: nowMs,
      firstTimestampMs: -1,
      indexes: emptyIndexes(indexIntervalBytes),
    }
    const segment = new Segment(context, state, { isNew: true })
    // A file of this name may be left from before a crash.
    segment.mayHaveGarbage = true
    return segment
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  get size(): number {
    return this.#size
  }

  get isSealed(): boolean {
    return this.#isSealed
  }

  /** Made by the first write; a file that should have bytes is never made anew. */
  get file(): StoredFile {
    this.#file ??= this.#context.files.acquire(this.path, { create: this.writtenBytes === 0 })
    return this.#file
  }

  /** Makes the file anew that was lost: what comes must go somewhere, what is gone is reported by the caller. */
  async recreate(): Promise<void> {
    await this.#file?.close()
    this.#file = this.#context.files.acquire(this.path, { create: true })
  }

  get hasUnwrittenIndexes(): boolean {
    return (
      this.#indexesWritten.offset < this.indexes.offset.byteLength ||
      this.#indexesWritten.time < this.indexes.time.byteLength
    )
  }

  /** Whether the batch belongs into a new segment: Kafka's rule. */
  mustRollBefore(batch: SegmentBatch, config: PartitionLogConfig, nowMs: number): boolean {
    if (this.#size === 0) return false
    if (this.#size + batch.byteLength > config.segmentBytes) return true
    if (this.#size > MAX_INT32 || batch.lastOffset - this.baseOffset > MAX_INT32) return true
    const waitedMs =
      this.#firstTimestampMs >= 0
        ? batch.maxTimestampMs - this.#firstTimestampMs
        : nowMs - this.createdMs
    return waitedMs > config.segmentMs
  }

  /** Takes a batch into account and answers the position of its bytes. */
  append(batch: SegmentBatch): number {
    assertInvariant(
      batch.baseOffset === this.#nextOffset && !this.#isSealed,
      () => `${this.path}: offset ${batch.baseOffset} is appended, ${this.#nextOffset} is next`,
    )
    const position = this.#size
    if (position === 0) this.#firstTimestampMs = batch.maxTimestampMs
    this.indexes.note({ ...batch, position })
    this.#nextOffset = batch.lastOffset + 1
    this.#size += batch.byteLength
    return position
  }

  /** No batch will follow. */
  seal(): void {
    if (this.#isSealed) return
    this.#isSealed = true
    this.indexes.seal()
  }

  checkpoint(): SegmentCheckpoint {
    return {
      baseOffset: this.baseOffset,
      nextOffset: this.#nextOffset,
      size: this.#size,
      createdMs: this.createdMs,
      firstTimestampMs: this.#firstTimestampMs,
      indexes: this.indexes.checkpoint(),
    }
  }

  wantDirect(): void {
    this.wantsDirect = true
  }

  async writeDirect(position: number, chunks: readonly Uint8Array[]): Promise<boolean> {
    if (!this.takesDirect) return false
    this.isDirty = true
    const length = byteLengthOf(chunks)
    const uncached = this.#cachedBytes <= 0
    this.#cachedBytes -= length
    try {
      const write = writeOrNothing(this.file, position, chunks, { uncached })
      return (await this.#note(write)) === length
    } catch (error) {
      if (isOutOfFiles(error)) return false
      throw error
    }
  }

  /**
   * A consumer was not served from memory: it is behind, and finds what is written now in the system's cache. It has
   * caught up when so much was written as memory holds and it did not come again.
   */
  noteRead(): void {
    this.#cachedBytes = this.#context.memory.limitBytes
  }

  async syncDirect(): Promise<void> {
    // One that was closed meanwhile belongs to a deleted partition.
    if (this.takesDirect) await this.#note(this.sync())
  }

  /**
   * Makes the file durable. One sync at a time, and none after one that failed: the system tells a loss to one of them
   * alone, which may be another than the one that waits for the bytes.
   */
  sync(): Promise<void> {
    const done = this.#lastSync.then(() => this.file.sync())
    done.catch(() => {})
    this.#lastSync = done
    return done
  }

  #note<Result>(operation: Promise<Result>): Promise<Result> {
    this.#direct = Promise.allSettled([this.#direct, operation])
    return operation
  }

  /** Writes the index entries that the files do not have. Answers whether all went in (a full disk takes some). */
  async writeIndexes(): Promise<boolean> {
    const offsetWritten = await this.#writeIndex('offset')
    const timeWritten = await this.#writeIndex('time')
    if (!offsetWritten || !timeWritten) return false
    // A consumer that needs them again reads them back.
    if (this.writtenBytes === this.#size) this.#context.memory.leave(this, this.drop())
    return true
  }

  /**
   * Calls `find` with all index entries in memory, reading them when they are not. `rebuild` notes every intact batch
   * of the first `bytes` of the log in new indexes, for when a file is not what was written.
   */
  async withIndexes<Found>(
    find: (indexes: SegmentIndexes) => Found,
    rebuild: (into: SegmentIndexes, bytes: number) => Promise<void>,
  ): Promise<Found> {
    if (!this.#isLoaded) {
      this.#indexUsers++
      try {
        await this.#loadIndexes(rebuild)
      } finally {
        this.#indexUsers--
      }
    }
    const found = find(this.indexes)
    this.#holdIndexes()
    return found
  }

  /** Forgets the indexes of a sealed segment, when the files have them and nobody is loading them. */
  drop(): number {
    if (!this.#isSealed || this.#indexUsers > 0 || this.hasUnwrittenIndexes) return 0
    this.indexes.offset.unload()
    this.indexes.time.unload()
    this.#indexedBytes = this.#size
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    return bytes
  }

  readonly unwrittenBytes = 0

  requestWrite(): void {
    // Indexes are written at checkpoints; until then they stay in memory.
  }

  /** Removes the files. Names are durable after a sync of the folder; a crash before it is put right at the next start. */
  async remove(): Promise<void> {
    await this.close()
    const { store, folder } = this.#context
    await store.remove(this.path)
    for (const suffix of Object.values(INDEX_SUFFIXES))
      await store.remove(segmentPath(folder, this.baseOffset, suffix))
  }

  async close(): Promise<void> {
    this.#context.memory.leave(this, this.#heldBytes)
    this.#heldBytes = 0
    this.isClosed = true
    this.takesDirect = false
    await this.#direct
    await this.#file?.close()
    this.#file = null
  }

  get #isLoaded(): boolean {
    return this.indexes.offset.isLoaded && this.indexes.time.isLoaded
  }

  /** Counts what a sealed segment keeps; that of active ones is small and always there. */
  #holdIndexes(): void {
    if (!this.#isSealed) return
    const bytes = this.indexes.offset.memoryBytes + this.indexes.time.memoryBytes
    const added = bytes - this.#heldBytes
    this.#heldBytes = bytes
    this.#context.memory.use(this, added)
  }

  async #loadIndexes(
    rebuild: (into: SegmentIndexes, bytes: number) => Promise<void>,
  ): Promise<void> {
    const { offset, time, intervalBytes } = this.indexes
    const offsetBytes = await this.#readIndex('offset', offset)
    const timeBytes = await this.#readIndex('time', time)
    if (offset.load(offsetBytes) && time.load(timeBytes)) return
    const rebuilt = new SegmentIndexes(this.baseOffset, emptyIndexes(intervalBytes))
    const timeBytesBehind = time.byteLength - time.from(0).bytes.length
    await rebuild(rebuilt, this.#indexedBytes)
    // The entry of the sealing is in the file only if the segment was sealed when that was written.
    if (rebuilt.time.byteLength < timeBytesBehind) rebuilt.seal()
    if (this.#isLoaded) return
    offset.replaceBehind(rebuilt.offset)
    time.replaceBehind(rebuilt.time)
    this.#indexesWritten.offset = 0
    this.#indexesWritten.time = 0
  }

  async #writeIndex(which: 'offset' | 'time'): Promise<boolean> {
    const { position, bytes } = this.indexes[which].from(this.#indexesWritten[which])
    if (bytes.length === 0) return true
    const taken = await this.#withIndexFile(which, true, (file) => file.write(position, [bytes]))
    if (taken < bytes.length) return false
    this.#indexesWritten[which] = position + bytes.length
    return true
  }

  /** The entries that only the file has, as far as it has them. */
  async #readIndex(which: 'offset' | 'time', index: SparseIndex): Promise<Uint8Array> {
    const target = new Uint8Array(index.byteLength - index.from(0).bytes.length)
    if (target.length === 0) return target
    try {
      const count = await this.#withIndexFile(which, false, (file) => file.read(0, target))
      return target.subarray(0, count)
    } catch (error) {
      if (isMissing(error)) return EMPTY_BYTES
      throw error
    }
  }

  async #withIndexFile<Result>(
    which: 'offset' | 'time',
    create: boolean,
    use: (file: StoredFile) => Promise<Result>,
  ): Promise<Result> {
    const { files, folder } = this.#context
    const path = segmentPath(folder, this.baseOffset, INDEX_SUFFIXES[which])
    const file = files.acquire(path, { create })
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  }
}

export function segmentPath(folder: string, baseOffset: number, suffix: string): string {
  return `${folder}/${String(baseOffset).padStart(20, '0')}.${suffix}`
}

/** The base offset in the name of a segment's file; null for other names. */
export function baseOffsetOf(name: string): number | null {
  const match = /^(\d{20})\.(?:log|index|timeindex)$/.exec(name)
  return match === null ? null : Number(match[1])
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
