/**
 * The shared write-ahead journal, writing side: everything that the store acknowledges goes through it.
 *
 *   append ─▶ pending ─▶ soon: large batches to their segments ─▶ one write ─▶ sync ─▶ mark ─▶ callbacks, then promises
 *               ▲                              │
 *               └── what arrives meanwhile is the next round
 *
 * A small round that waits goes to the disk before those of the synced one are answered: the disk works while they are.
 *
 * Invariants: rounds are flushed one after another in the order of the calls; a frame is acknowledged only when it and all
 * before it are flushed under the policy; a file's name is durable before anything in it is acknowledged.
 * A full disk rolls nothing back: the file is cut back to its last whole frame and the round waits, with `full` set, until
 * there is space. Every other failure is final: `fail` is told once and every later call is refused.
 */

import type { Logger, Timer, Timers } from '../core/index.ts'
import { assertInvariant, byteLengthOf, EMPTY_BYTES, messageOf, ShoalError } from '../core/index.ts'
import { type DirectWriteLimits, writeDirectly } from './direct-writes.ts'
import type { DurableMark } from './durable-mark.ts'
import type { FileStore } from './file-store.ts'
import {
  encodeMachineHead,
  encodePartition,
  encodePartitionEntry,
  EntryKind,
} from './journal-entry.ts'
import type { JournalFile } from './journal-file.ts'
import { openJournalFile } from './journal-file.ts'
import type {
  DirectBatch,
  DirectSegment,
  JournalPort,
  JsonObject,
  PartitionEvent,
  PartitionKey,
  SegmentPosition,
} from './journal-port.ts'
import { type CoveringCut, type JournalCut, JournalRound } from './journal-round.ts'
import { JournalSpares } from './journal-spares.ts'
import type { FlushPolicy } from './log.ts'
import { isFull, isOutOfFiles, messageOfFull, type SpaceReserve } from './space-reserve.ts'

export interface JournalOptions {
  readonly files: FileStore
  readonly timers: Timers
  readonly logger: Logger
  readonly storeId: Uint8Array
  readonly policy: FlushPolicy
  readonly flushIntervalMs: number
  /** A file that has grown beyond this is followed by a new one. */
  readonly fileBytes: number
  /** Room that a small round takes for those that follow it; 0 takes none. */
  readonly roomBytes: number
  /** How many files that are not needed any more are kept to be written over. */
  readonly spareFiles: number
  readonly reserve: SpaceReserve
  readonly mark: DurableMark
  /** What goes past the journal straight to its segment. */
  readonly directWrites: DirectWriteLimits
  /** Told after each write how many bytes a recovery would have to read by now. */
  readonly grown: (untrimmedBytes: number) => void
  readonly fail: (error: Error) => void
}

/** How long a round waits before it tries a full disk again. */
const FULL_RETRY_MS = 500

/** A round up to this size is written before the round that was synced is answered: it takes a few microseconds. */
const SMALL_ROUND_BYTES = 64 * 1024

export class Journal implements JournalPort {
  readonly #options: JournalOptions
  readonly #spares: JournalSpares
  /** Zeros. */
  readonly #room: Uint8Array
  #pending = new JournalRound()
  /** Rounds that end a file, in order, before `pending`. */
  readonly #sealed: JournalRound[] = []
  #current: JournalRound | null = null
  /** As durable as the policy says, and not answered yet. */
  #finished: JournalRound | null = null
  #file: JournalFile | null = null
  #nextFileNumber = 0
  #nextSequence = 0
  /** Frames below this sequence are synced, and so are the batches that they refer to. */
  #durable = 0
  /** Segments that were written directly and not synced since. */
  #direct = new Set<DirectSegment>()
  /** Partitions with entries since the last `takeTouched`. */
  #touched = new Set<PartitionKey>()
  #running = false
  #woken = false
  #full = false
  #untrimmedBytes = 0
  #state: 'recovering' | 'open' | 'closing' | 'closed' = 'recovering'
  #failure: ShoalError | null = null
  #retry: Timer | null = null
  #syncTimer: Timer | null = null
  #backgroundSync: Promise<void> = Promise.resolve()
  #idle: PromiseWithResolvers<void> | null = null

  constructor(options: JournalOptions) {
    this.#options = options
    this.#spares = new JournalSpares(options.files, options.spareFiles)
    this.#room = new Uint8Array(options.roomBytes)
  }

  /** Takes entries from now on, behind everything that recovery found; all of that is synced. */
  async begin({ fileNumber, sequence }: JournalCut, replayedBytes: number): Promise<void> {
    assertInvariant(this.#state === 'recovering', 'a journal begins once')
    this.#nextFileNumber = fileNumber
    this.#nextSequence = sequence
    this.#durable = sequence
    this.#untrimmedBytes = replayedBytes
    await this.#options.mark.write(sequence)
    this.#state = 'open'
    this.#full = !(await this.#options.reserve.restore())
    if (this.#full) this.#retryLater()
  }

  get full(): boolean {
    return this.#full
  }

  get failed(): boolean {
    return this.#failure !== null
  }

  /** Bytes that a recovery would have to read, in segments too: written since the cut of the last checkpoint that counts. */
  get untrimmedBytes(): number {
    return this.#untrimmedBytes
  }

  appendBatch(
    partition: PartitionKey,
    at: SegmentPosition,
    chunks: readonly Uint8Array[],
    direct: DirectBatch | null = null,
  ): void {
    this.#refuseWhenOver()
    encodePartition(partition)
    const length = byteLengthOf(chunks)
    this.#pending.addBatch({ partition, at, chunks, length, direct })
    this.#wake()
    this.#touched.add(partition)
  }

  appendPartitionEvent(partition: PartitionKey, event: PartitionEvent): void {
    this.#append(encodePartitionEntry(EntryKind.partitionEvent, partition, event), [])
    this.#touched.add(partition)
  }

  appendOpened(partition: PartitionKey, config: JsonObject): void {
    this.#append(encodePartitionEntry(EntryKind.partitionOpened, partition, config), [])
    this.#touched.add(partition)
  }

  appendDeleted(partition: PartitionKey): void {
    this.#append(encodePartitionEntry(EntryKind.partitionDeleted, partition, {}), [])
    this.#pending.noteDeleted(partition)
  }

  appendMachine(machine: string, records: readonly Uint8Array[]): void {
    for (const record of records) this.#append(encodeMachineHead(machine, record.length), [record])
  }

  /** Partitions that changed since the last call: those whose state a checkpoint has to ask for anew. */
  takeTouched(): Set<PartitionKey> {
    const touched = this.#touched
    this.#touched = new Set()
    return touched
  }

  /** The partition changed otherwise, or a checkpoint that asked for its state came to nothing. */
  touch(partition: PartitionKey): void {
    this.#touched.add(partition)
  }

  #append(head: Uint8Array, body: readonly Uint8Array[]): void {
    this.#refuseWhenOver()
    this.#pending.add(head, body)
    this.#wake()
  }

  flushed(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return this.#lastRound()?.flushed() ?? Promise.resolve()
  }

  onFlushed(callback: () => void): void {
    if (this.#failure !== null) return
    const round = this.#lastRound()
    if (round === null) callback()
    else round.onFlushed(callback)
  }

  /**
   * Ends the file with what is queued now. Resolves, once that is flushed, with where everything queued later will be: a
   * checkpoint of this moment's state may begin to replay there.
   */
  cut(): Promise<CoveringCut> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const round = this.#pending
    this.#pending = new JournalRound()
    this.#sealed.push(round)
    round.cut = Promise.withResolvers<CoveringCut>()
    this.#wake()
    return round.cut.promise
  }

  /** The files before the cut are not needed any more: a checkpoint that covers them is durable. */
  async trim({ fileNumber, coveredBytes }: Omit<CoveringCut, 'sequence'>): Promise<void> {
    this.#untrimmedBytes -= coveredBytes
    await this.#spares.trim(fileNumber)
    if (this.#full || this.#state !== 'open') await this.#spares.drop()
  }

  noteFull(): void {
    if (!this.#full) this.#options.logger.log('warn', messageOfFull, { refused: 'records' })
    this.#full = true
    this.#retryLater()
  }

  fail(error: unknown): void {
    if (this.#failure !== null || this.#state === 'closed') return
    const failure =
      error instanceof ShoalError
        ? error
        : new ShoalError(
            'SHOAL_STORAGE_FAILED',
            `the disk failed, nothing after the last flush is known to be kept: ${messageOf(error)}`,
            { cause: error },
          )
    this.#failure = failure
    this.#rejectAll(failure)
    this.#options.fail(failure)
  }

  /**
   * Takes no more entries and flushes what can be flushed; false when something is left because the disk is full or the
   * journal failed. `cut` still works.
   */
  async settle(): Promise<boolean> {
    this.#state = 'closing'
    if (this.#failure === null && this.#lastRound() !== null) {
      this.#idle = Promise.withResolvers<void>()
      this.#run()
      await this.#idle.promise
    }
    return this.#failure === null && this.#lastRound() === null
  }

  /** After `settle`. What a full disk did not take is refused. Idempotent. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.#backgroundSync
    this.#rejectAll(new ShoalError('SHOAL_STORAGE_FULL', 'the log closed while the disk was full'))
    const file = this.#file
    this.#file = null
    if (file === null) return
    if (this.#failure === null && this.#options.policy === 'os' && file.isDirty)
      await this.#syncAndMark(file)
    await file.handle.close()
  }

  /** The last round with anything in it: what `flushed` of this moment waits for. */
  #lastRound(): JournalRound | null {
    if (!this.#pending.isEmpty) return this.#pending
    return this.#sealed.at(-1) ?? this.#current ?? this.#finished
  }

  #wake(): void {
    if (this.#running || this.#woken) return
    this.#woken = true
    this.#options.timers.soon(() => {
      this.#woken = false
      this.#run()
    })
  }

  #run(): void {
    if (this.#running || this.#failure !== null || this.#state === 'closed') return
    this.#running = true
    this.#flushRounds().catch((error: unknown) => this.fail(error))
  }

  async #flushRounds(): Promise<void> {
    try {
      for (;;) {
        this.#current ??= this.#takeRound()
        const round = this.#current
        if (round === null && this.#finished === null) return
        if (round === null || !this.#isQuick(round)) await this.#answerFinished()
        if (round === null) continue
        await this.#place(round)
        while (!(await this.#write(round))) {
          await this.#answerFinished()
          this.noteFull()
          await this.#spares.drop()
          if (!(await this.#options.reserve.release())) return
        }
        await this.#finish(round)
        if (this.#failure !== null) return
        this.#current = null
        this.#finished = round
      }
    } finally {
      // In the turn that found nothing left: whoever appends after it must wake the journal anew.
      this.#running = false
      this.#idle?.resolve()
    }
  }

  /** Whether it is one short write: who waits for the round before it does not notice. */
  #isQuick({ byteLength }: JournalRound): boolean {
    const hasFile = this.#file !== null && this.#file.position < this.#options.fileBytes
    return hasFile && byteLength > 0 && byteLength <= SMALL_ROUND_BYTES
  }

  /** Whoever waits for the finished round is answered, once the mark tells how far the last sync reached. */
  async #answerFinished(): Promise<void> {
    const round = this.#finished
    if (round === null) return
    if (this.#options.policy === 'group') await this.#options.mark.write(this.#durable)
    this.#finished = null
    round.resolve()
  }

  #takeRound(): JournalRound | null {
    const sealed = this.#sealed.shift()
    if (sealed !== undefined) return sealed
    if (this.#pending.isEmpty) return null
    const round = this.#pending
    this.#pending = new JournalRound()
    return round
  }

  /**
   * Large batches go to their segments, everything else into frames. Only where each round is synced: then whatever is
   * removed later was told to be durable before, and a recovery never looks for what a removal took.
   */
  async #place(round: JournalRound): Promise<void> {
    const { directWrites, policy } = this.#options
    if (policy === 'group' && round.directBytes >= directWrites.directWriteBytes) {
      const { segments, byteLength } = await writeDirectly(round.directBatches(), directWrites)
      for (const segment of segments) this.#direct.add(segment)
      this.#untrimmedBytes += byteLength
    }
    round.compose()
  }

  /** Room is for syncs, and nothing to ask a full disk for. */
  get #takesRoom(): boolean {
    return this.#options.policy === 'group' && !this.#full
  }

  /** False when the disk is full: frames that fitted are taken out of the round, the others wait. */
  async #write({ frames }: JournalRound): Promise<boolean> {
    if (frames.length === 0) return true
    const file = await this.#currentFile()
    if (file === null) return false
    const before = file.position
    const written = await file.write({
      frames,
      sequence: this.#nextSequence,
      durable: this.#durable,
      room: this.#takesRoom ? this.#room : EMPTY_BYTES,
    })
    this.#nextSequence += written
    this.#untrimmedBytes += file.position - before
    this.#options.grown(this.#untrimmedBytes)
    frames.splice(0, written)
    return frames.length === 0
  }

  /** What was written becomes as durable as the policy says; the round before it is answered while the disk works. */
  async #finish({ cut }: JournalRound): Promise<void> {
    const { policy } = this.#options
    const file = this.#file
    const syncing = policy === 'group' && file?.isDirty === true ? this.#sync(file) : null
    await Promise.all([syncing, this.#answerFinished()])
    if (policy === 'os') this.#syncLater()
    if (cut === null) return
    await this.#endFile()
    cut.resolve({
      fileNumber: this.#nextFileNumber,
      sequence: this.#nextSequence,
      coveredBytes: this.#untrimmedBytes,
    })
  }

  /** The file that takes the next frames; null when a new one is due and there is no room for it. */
  async #currentFile(): Promise<JournalFile | null> {
    if (this.#file !== null && this.#file.position >= this.#options.fileBytes) await this.#endFile()
    if (this.#file !== null) return this.#file
    const { files, storeId, policy } = this.#options
    try {
      await this.#spares.use(this.#nextFileNumber)
      this.#file = await openJournalFile(files, {
        storeId,
        number: this.#nextFileNumber,
        sequence: this.#nextSequence,
        syncsOften: policy !== 'none',
      })
    } catch (error) {
      if (isFull(error) || isOutOfFiles(error)) return null
      throw error
    }
    this.#nextFileNumber++
    return this.#file
  }

  async #endFile(): Promise<void> {
    await this.#backgroundSync
    const file = this.#file
    if (file === null) return
    if (file.isDirty && this.#options.policy !== 'none') await this.#syncAndMark(file)
    this.#file = null
    this.#spares.ended(file.number)
    await file.handle.close()
  }

  async #sync(file: JournalFile): Promise<void> {
    const upTo = this.#nextSequence
    const segments = [...this.#direct]
    this.#direct.clear()
    await Promise.all([file.sync(), ...segments.map((segment) => segment.syncDirect())])
    this.#durable = Math.max(this.#durable, upTo)
  }

  /** For a sync that no answer follows. */
  async #syncAndMark(file: JournalFile): Promise<void> {
    await this.#sync(file)
    await this.#options.mark.write(this.#durable)
  }

  #syncLater(): void {
    const { timers, flushIntervalMs } = this.#options
    this.#syncTimer ??= timers.schedule(flushIntervalMs, () => {
      this.#syncTimer = null
      const file = this.#file
      if (file?.isDirty !== true || this.#state !== 'open') return
      this.#backgroundSync = this.#syncAndMark(file).catch((error: unknown) => this.fail(error))
    })
  }

  #retryLater(): void {
    if (this.#retry !== null || this.#state !== 'open') return
    this.#retry = this.#options.timers.schedule(FULL_RETRY_MS, () => {
      this.#retry = null
      this.#retryNow().catch((error: unknown) => this.fail(error))
    })
  }

  /** What waits goes first; records are taken again only when the reserve is whole again. */
  async #retryNow(): Promise<void> {
    if (this.#state !== 'open' || this.#failure !== null) return
    if (this.#current !== null && !this.#running) {
      this.#run()
      this.#retryLater()
      return
    }
    this.#full = !(await this.#options.reserve.restore())
    if (this.#full) this.#retryLater()
    else this.#options.logger.log('info', 'the disk has space again', { accepted: 'records' })
  }

  #rejectAll(error: ShoalError): void {
    this.#retry?.cancel()
    this.#syncTimer?.cancel()
    const rounds = [this.#finished, this.#current, ...this.#sealed.splice(0), this.#pending]
    this.#finished = null
    this.#current = null
    this.#pending = new JournalRound()
    for (const round of rounds) round?.reject(error)
  }

  #refuseWhenOver(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#state !== 'open') throw new ShoalError('SHOAL_CLOSED', `the log is ${this.#state}`)
  }
}
