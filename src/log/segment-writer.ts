/**
 * The disk work of one partition, one piece at a time: writing the tail into segment files, syncing, removing.
 *
 * The journal makes records durable; segment files follow at leisure. Flushed batches gather in the tail until
 * `segmentWriteBytes` of them wait, memory is short or a checkpoint comes, and go out as one write: thousands of
 * partitions with a trickle each cost the journal's one write, not one each. Only what is flushed is written, so a
 * segment never has what a crash takes from the journal.
 * A write that meets a full disk leaves its batches in the tail (readable, durable in the journal) and is repeated when
 * more is flushed or a checkpoint asks. Any other failed write or sync ends the store.
 */

import type { Logger } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'
import type { FileStore } from './file-store.ts'
import type { JournalPort } from './journal-port.ts'
import type { LogMemory, MemoryHolder } from './log-memory.ts'
import type { Segment } from './segment.ts'
import { baseOffsetOf, isMissing } from './segment.ts'
import type { ScanDamage } from './segment-scan.ts'
import type { Tail, TailWrite } from './tail.ts'

export interface SegmentWriterOptions {
  readonly store: FileStore
  readonly folder: string
  readonly journal: JournalPort
  readonly logger: Logger
  readonly memory: LogMemory
  readonly tail: Tail<Segment>
  /** Batches below this offset are flushed. */
  readonly flushedOffset: () => number
  readonly onDamage: (segment: Segment, damage: ScanDamage) => void
}

export class SegmentWriter implements MemoryHolder {
  readonly #options: SegmentWriterOptions
  /** The last piece of work; the next one begins when it is done. */
  #last: Promise<unknown> = Promise.resolve()
  #isWriteWanted = false
  #isWriteQueued = false
  #hasFolder = false
  #namesChanged = false

  constructor(options: SegmentWriterOptions) {
    this.#options = options
  }

  get unwrittenBytes(): number {
    return this.#options.tail.unwrittenBytes
  }

  drop(bytes: number): number {
    return this.#options.tail.drop(bytes)
  }

  /** Memory is short: what is flushed is written as soon as this turn is over, the rest when it is flushed. */
  requestWrite(): void {
    this.#isWriteWanted = true
    this.#queueWrite()
  }

  /** More is flushed. */
  flushed(segmentWriteBytes: number): void {
    if (this.#isWriteWanted || this.unwrittenBytes >= segmentWriteBytes) this.#queueWrite()
  }

  /** Writes what is flushed and answers whether all of it went in: a full disk takes some. */
  writeOut(): Promise<boolean> {
    return this.#run(() => this.#write())
  }

  /** Writes what is flushed and makes the segments and their names durable. @throws SHOAL_STORAGE_FULL, to be tried again later */
  sync(segments: () => readonly Segment[]): Promise<void> {
    return this.#run(async () => {
      if (!(await this.#write()))
        throw new ShoalError(
          'SHOAL_STORAGE_FULL',
          `the disk is full: ${this.#options.folder} cannot be checkpointed`,
        )
      for (const segment of segments()) await this.#syncSegment(segment)
      if (this.#namesChanged) await this.#syncNames()
    })
  }

  /** Compares the files' sizes with what is known of them: cuts what a crash left behind, reports what is missing. */
  settle(segments: readonly Segment[]): Promise<void> {
    return this.#run(async () => {
      for (const segment of segments) await this.#settle(segment)
    })
  }

  /** Removes segments that are deleted for good: nothing below `beforeOffset` will be read again. */
  remove(segments: readonly Segment[], beforeOffset: number): Promise<void> {
    return this.#run(async () => {
      const { tail, memory } = this.#options
      const bytes = tail.forget(beforeOffset)
      memory.use(this, -bytes)
      for (const segment of segments) await segment.remove()
      this.#namesChanged = true
    })
  }

  /**
   * Removes segment files that the log does not know: deleted ones that a crash kept, and ones begun behind the end of
   * what was recovered. Others are a riddle and stay.
   */
  removeStrangers(
    known: () => readonly Segment[],
    range: { readonly logStartOffset: number; readonly logEndOffset: number },
  ): Promise<void> {
    return this.#run(async () => {
      const { store, folder, logger } = this.#options
      const names = await store.list(folder)
      const bases = new Set(known().map((segment) => segment.baseOffset))
      for (const { name } of names) {
        const base = baseOffsetOf(name)
        if (base === null || bases.has(base)) continue
        const isOld = base < range.logStartOffset || base >= range.logEndOffset
        const path = `${folder}/${name}`
        if (isOld) await store.remove(path)
        logger.log(
          isOld ? 'info' : 'warn',
          isOld
            ? 'removed a segment file that is no longer part of its log'
            : 'a segment file is not part of its log',
          { path },
        )
      }
    })
  }

  /** Waits for the work that is queued, then lets the files go. */
  async close(segments: () => readonly Segment[]): Promise<void> {
    await this.#run(async () => {
      const { tail, memory } = this.#options
      for (const segment of segments()) await segment.close()
      memory.leave(this, tail.forget(Infinity))
    })
  }

  #queueWrite(): void {
    if (this.#isWriteQueued) return
    this.#isWriteQueued = true
    this.writeOut().catch((error: unknown) => {
      // `#write` told the journal, which ends the store.
      this.#options.logger.log('error', 'a segment could not be written', {
        folder: this.#options.folder,
        error: messageOf(error),
      })
    })
  }

  #run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }

  async #write(): Promise<boolean> {
    const { tail, memory, journal, flushedOffset } = this.#options
    this.#isWriteQueued = false
    let wrote = false
    for (;;) {
      const write = tail.nextWrite(flushedOffset())
      if (write === null) break
      if (!(await this.#attempt(() => this.#writeChunks(write)))) {
        journal.noteFull()
        return false
      }
      wrote = true
    }
    // What is not flushed yet stays wanted, `flushed` comes back to it. To offer the memory again without having written
    // would be asked for the same at once, for ever, and the flush would never get its turn.
    this.#isWriteWanted = this.unwrittenBytes > 0 && this.#isWriteWanted
    if (wrote) memory.use(this, 0)
    return true
  }

  async #writeChunks(write: TailWrite<Segment>): Promise<boolean> {
    const { segment, position, chunks, byteLength, nextOffset } = write
    if (!this.#hasFolder) await this.#makeFolder()
    await this.#settle(segment)
    if (position === 0) this.#namesChanged = true
    segment.isDirty = true
    const taken = await segment.file.write(position, chunks)
    if (taken < byteLength) return false
    this.#options.tail.written(chunks.length)
    segment.writtenBytes = position + byteLength
    segment.writtenOffset = nextOffset
    return true
  }

  /** Answers false when the disk is full. Any other failure leaves the disk in doubt. */
  async #attempt(operation: () => Promise<boolean>): Promise<boolean> {
    try {
      return await operation()
    } catch (error) {
      if (isFull(error)) return false
      this.#options.journal.fail(error)
      throw error
    }
  }

  /** A failed sync is final, a full disk included: what the kernel dropped it will not write later. */
  async #finally(sync: () => Promise<void>): Promise<void> {
    try {
      await sync()
    } catch (error) {
      this.#options.journal.fail(error)
      throw error
    }
  }

  async #makeFolder(): Promise<void> {
    await this.#options.store.makeFolder(this.#options.folder)
    this.#hasFolder = true
  }

  async #settle(segment: Segment): Promise<void> {
    if (!segment.mayHaveGarbage) return
    const known = segment.writtenBytes
    const size = await sizeOf(segment)
    if (size === null && known > 0) await segment.recreate()
    if (size !== null && size > known) await segment.file.truncate(known)
    if ((size ?? 0) < known)
      this.#options.onDamage(segment, {
        position: size ?? 0,
        message:
          size === null
            ? `the file is missing, ${known} bytes were durable`
            : `the file ends at ${size}, ${known} bytes were durable`,
      })
    segment.mayHaveGarbage = false
  }

  async #syncSegment(segment: Segment): Promise<void> {
    const wasDirty = segment.isDirty
    if (wasDirty) await this.#finally(() => segment.file.sync())
    segment.isDirty = false
    if (!wasDirty && !segment.hasUnwrittenIndexes) return
    if (!(await this.#attempt(() => segment.writeIndexes())))
      this.#options.logger.log('warn', 'the disk is full: an index was not written', {
        path: segment.path,
      })
  }

  /** Of the partition's folder; its own name and those above it are the store's. */
  async #syncNames(): Promise<void> {
    await this.#finally(() => this.#options.store.syncFolder(this.#options.folder))
    this.#namesChanged = false
  }
}

async function sizeOf(segment: Segment): Promise<number | null> {
  try {
    return await segment.file.size()
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

function isFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SHOAL_STORAGE_FULL'
}
