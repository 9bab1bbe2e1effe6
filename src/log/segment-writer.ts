/**
 * The disk work of one partition, one piece at a time: writing the tail into segment files, syncing, removing.
 *
 * The journal makes records durable; segment files follow at leisure. Flushed batches gather in the tail until
 * `segmentWriteBytes` of them wait, memory is short or a checkpoint comes, and go out as one write: thousands of
 * partitions with a trickle each cost the journal's one write, not one each. Only what is flushed is written here. The
 * journal writes large batches itself, beyond what this one has written, once the segment is ready for it: its file made,
 * its names durable, garbage cut. They are passed when everything before them is in the file.
 * A write that meets a full disk leaves its batches in the tail (readable, durable in the journal) and is repeated when
 * more is flushed or a checkpoint asks. Any other failed write or sync ends the store.
 */

import type { Logger } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'
import { readBody } from './direct-bodies.ts'
import type { FileStore } from './file-store.ts'
import type { JournalPort } from './journal-port.ts'
import type { LogMemory, MemoryHolder } from './log-memory.ts'
import type { Segment } from './segment.ts'
import { baseOffsetOf, isMissing } from './segment.ts'
import type { ScanDamage } from './segment-scan.ts'
import { tailBatch } from './stored-batch.ts'
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
  /** The names of the folders above the partition's are durable. */
  #hasDurableFolder = false
  /** What follows known bytes is garbage: not during recovery, which learns of more. */
  #isLive = false

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
  flushed(segmentWriteBytes: number, active: Segment | undefined): void {
    this.#passInFile()
    if (active?.wantsDirect === true) this.#queueReady(active)
    if (this.#isWriteWanted || this.unwrittenBytes >= segmentWriteBytes) this.#queueWrite()
  }

  /** Writes what is flushed and answers whether all of it went in: a full disk takes some. */
  writeOut(): Promise<boolean> {
    return this.#run(() => this.#write())
  }

  /**
   * During recovery: the batch, the segment's last one, is in its file, as the journal says. Memory needs not have it once
   * everything before it is in the file as well; on a full disk it waits there behind what could not be written.
   */
  passRedone(segment: Segment, at: { position: number; header: Uint8Array }): Promise<void> {
    return this.#run(async () => {
      const { tail, memory } = this.#options
      segment.isDirty = true
      segment.redoneBytes = segment.size
      if (await this.#write()) {
        memory.use(this, -tail.drop(Infinity))
        segment.writtenBytes = segment.size
        segment.writtenOffset = segment.nextOffset
        return
      }
      const batch = await readBody(segment.file, at)
      if (batch === null)
        throw new ShoalError(
          'SHOAL_STORAGE_CORRUPT',
          `${segment.path} is damaged at position ${at.position}, and the disk is too full to go on without it`,
        )
      tail.push({ ...tailBatch(batch, segment, at.position), isInFile: true })
      memory.use(this, batch.byteLength)
    })
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

  /** Recovery is over: it told of everything that the files have. */
  recovered(): void {
    this.#isLive = true
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

  /** Prepares the segment for direct writes. */
  #queueReady(segment: Segment): void {
    segment.wantsDirect = false
    if (segment.takesDirect || !this.#isLive) return
    this.#run(() => this.#makeReady(segment)).catch((error: unknown) => {
      // Nothing rests on it: there is no room, or no descriptor, and it may be wanted again. A failed sync was told.
      const { folder, logger } = this.#options
      logger.log('warn', 'a segment could not be made', { folder, error: messageOf(error) })
    })
  }

  async #makeReady(segment: Segment): Promise<void> {
    const { folder, store } = this.#options
    if (segment.isSealed || segment.isClosed) return
    if (!this.#hasFolder) await this.#makeFolder()
    await this.#settle(segment)
    // Makes the file.
    await segment.file.size()
    await this.#syncNames()
    for (let path = folder; !this.#hasDurableFolder && path.includes('/');) {
      path = path.slice(0, path.lastIndexOf('/'))
      await this.#finally(() => store.syncFolder(path))
    }
    this.#hasDurableFolder = true
    segment.takesDirect = true
  }

  /** Passes what comes next when the file has it: the journal wrote it. */
  #passInFile(): void {
    const { tail, memory, flushedOffset } = this.#options
    const endOffset = flushedOffset()
    let batch = tail.passInFile(endOffset)
    if (batch === null) return
    while (batch !== null) {
      batch.segment.writtenBytes = batch.position + batch.bytes.length
      batch.segment.writtenOffset = batch.nextOffset
      batch = tail.passInFile(endOffset)
    }
    memory.use(this, 0)
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
      this.#passInFile()
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

  /**
   * Before the first write: looks whether the file has what is known of it, and cuts what it has beyond. A recovery cuts
   * nothing, for what it has not come to yet may be there: batches that the journal only refers to.
   */
  async #settle(segment: Segment): Promise<void> {
    if (!segment.mayHaveGarbage) return
    const known = segment.writtenBytes
    const size = await sizeOf(segment)
    if (size === null && known > 0) await segment.recreate()
    const kept = Math.max(known, segment.redoneBytes)
    if (size !== null && size > kept && this.#isLive) await segment.file.truncate(kept)
    if ((size ?? 0) < known)
      this.#options.onDamage(segment, {
        position: size ?? 0,
        message:
          size === null
            ? `the file is missing, ${known} bytes were durable`
            : `the file ends at ${size}, ${known} bytes were durable`,
      })
    segment.mayHaveGarbage = !this.#isLive
  }

  async #syncSegment(segment: Segment): Promise<void> {
    const wasDirty = segment.isDirty
    // Before the sync: what the journal writes beside it is not covered.
    segment.isDirty = false
    if (wasDirty) await this.#finally(() => segment.sync())
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
