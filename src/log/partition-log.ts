/**
 * One partition: what is appended gets offsets and goes to the journal; what is flushed can be read.
 *
 *   append ─▶ validate ─▶ sequence ─▶ offset, time ─▶ journal (queued) ─▶ tail, indexes, producer state
 *                                                        │ flushed
 *                                                        ▼
 *                                          high watermark moves ─▶ readers wake ─▶ tail is written to segments
 *
 * Hard state (offsets, segments, producers, log start) changes when its record is queued, and redoing the journal changes
 * it in the same way; readers see it change when the record is flushed. Deletions work likewise: they count at once for
 * the next checkpoint, segments and log start go out of sight when the event is flushed, files after that.
 * Invariants: logStartOffset <= highWatermark <= logEndOffset; none of them goes back; offsets have no gaps.
 * Damage below the durable position makes the log `corrupt`: intact offsets are read, appends are refused, nothing is cut.
 */

import { assertInvariant, messageOf, ShoalError } from '../core/index.ts'
import { RecordBatch } from '../protocol/index.ts'
import { refuse, type Refusal, validateBatch } from './batch-validation.ts'
import { FlushRounds } from './flush-rounds.ts'
import type { PartitionEvent, RecoverablePartition } from './journal-port.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { LogDamage } from './log-damage.ts'
import type {
  AppendResult,
  PartitionLog,
  PartitionLogConfig,
  PartitionLogId,
  ReadRequest,
  ReadResult,
  TimestampOffset,
} from './log.ts'
import {
  parsePartitionEvent,
  type PartitionCheckpoint,
  type PartitionLogEvent,
} from './partition-checkpoint.ts'
import {
  defaultPartitionLimits,
  type PartitionLimits,
  type PartitionLogOptions,
} from './partition-options.ts'
import { ProducerStates } from './producer-state.ts'
import { ReadableWaiters } from './readable-waiters.ts'
import { countDeletable } from './retention.ts'
import type { Segment } from './segment.ts'
import { SegmentList } from './segment-list.ts'
import { SegmentReader } from './segment-reader.ts'
import type { ScanDamage } from './segment-scan.ts'
import { SegmentWriter } from './segment-writer.ts'
import { placeBatch, producerBatch, segmentBatch, tailBatch } from './stored-batch.ts'
import { Tail, type TailBatch } from './tail.ts'
import { findMaxTimestamp, findTimestamp, type SearchedLog } from './timestamp-search.ts'

const NEW_LOG: PartitionCheckpoint = {
  logStartOffset: 0,
  logEndOffset: 0,
  lastAppendTimeMs: -1,
  corrupt: null,
  epochs: [[0, 0]],
  segments: [],
  producers: [],
}

const EMPTY_READ = { chunks: [], byteLength: 0 } as const

export class SegmentedPartitionLog implements PartitionLog, RecoverablePartition {
  readonly id: PartitionLogId
  readonly #options: PartitionLogOptions
  readonly #limits: PartitionLimits
  #config: PartitionLogConfig
  readonly #producers: ProducerStates
  readonly #epochs: LeaderEpochs
  readonly #tail: Tail<Segment>
  readonly #rounds: FlushRounds
  readonly #waiters = new ReadableWaiters()
  readonly #writer: SegmentWriter
  readonly #reader: SegmentReader
  readonly #segments: SegmentList
  #logEndOffset: number
  #highWatermark: number
  /** As readers see it, and as it will be once everything is flushed. */
  #logStartOffset: number
  #nextLogStartOffset: number
  #lastAppendTimeMs: number
  readonly #damage: LogDamage
  #wasRedone = false
  /** The journal takes events: not during recovery. */
  #isLive = false
  #strangersRemoved = false
  #wasRechecked = false
  #isClosed = false

  /** Opens no file. */
  static async open(options: PartitionLogOptions): Promise<SegmentedPartitionLog> {
    return new SegmentedPartitionLog(options)
  }

  private constructor(options: PartitionLogOptions) {
    const { id, config, journal, checkpoint } = options
    const state = checkpoint ?? NEW_LOG
    this.id = id
    this.#options = options
    this.#tail = new Tail((bytes) => options.buffers?.release(bytes))
    this.#config = config
    this.#limits = { ...defaultPartitionLimits, ...options.limits }
    this.#producers = new ProducerStates(this.#limits)
    this.#producers.restore(state.producers)
    this.#epochs = new LeaderEpochs(state.epochs)
    this.#segments = new SegmentList(options, state.segments)
    this.#logStartOffset = this.#nextLogStartOffset = state.logStartOffset
    this.#logEndOffset = this.#highWatermark = state.logEndOffset
    this.#lastAppendTimeMs = state.lastAppendTimeMs
    this.#damage = new LogDamage(state.corrupt, options.logger, () => this.#recordDamage())
    this.#rounds = new FlushRounds(journal, (endOffset) => this.#advance(endOffset))
    const onDamage = (segment: Segment, damage: ScanDamage) => this.#damage.inFile(segment, damage)
    const leaderEpochAt = (offset: number) => this.#epochs.at(offset)
    this.#reader = new SegmentReader({ leaderEpochAt, onDamage })
    this.#writer = new SegmentWriter({
      ...options,
      tail: this.#tail,
      flushedOffset: () => this.#highWatermark,
      onDamage,
    })
  }

  get logStartOffset(): number {
    return this.#logStartOffset
  }

  get logEndOffset(): number {
    return this.#logEndOffset
  }

  get highWatermark(): number {
    return this.#highWatermark
  }

  get leaderEpoch(): number {
    return this.#epochs.current
  }

  get corrupt(): string | null {
    return this.#damage.known
  }

  get sizeBytes(): number {
    return this.#segments.sizeBytes
  }

  configure(config: PartitionLogConfig): void {
    this.#config = config
  }

  append(recordSet: Uint8Array): AppendResult {
    const unavailable = this.#refusalOfAll()
    if (unavailable !== null) return unavailable
    const nowMs = this.#options.clock.wallMs()
    const { maxDecodedBytes } = this.#limits
    const { id } = this
    const batch = validateBatch(recordSet, { id, config: this.#config, nowMs, maxDecodedBytes })
    if (!(batch instanceof RecordBatch)) return batch

    const isStamped = this.#config.timestampType === 'LogAppendTime'
    if (batch.hasProducerId) {
      const check = this.#producers.check(producerBatch(batch))
      if (check.kind === 'refused') return refuse(check.error, check.message)
      if (check.kind === 'duplicate')
        return {
          kind: 'appended',
          baseOffset: check.baseOffset,
          logAppendTimeMs: isStamped ? check.maxTimestampMs : -1,
          logStartOffset: this.#logStartOffset,
          flushed: this.#rounds.reach(check.baseOffset + batch.recordCount),
        }
    }
    const logAppendTimeMs = isStamped ? Math.max(nowMs, this.#lastAppendTimeMs) : -1
    return this.#store(recordSet, logAppendTimeMs, nowMs)
  }

  /** Everything was checked: the batch becomes part of the log. */
  #store(recordSet: Uint8Array, logAppendTimeMs: number, nowMs: number): AppendResult {
    const { journal } = this.#options
    const { leaderEpoch } = this
    const baseOffset = this.#logEndOffset
    const batch = placeBatch(recordSet, { baseOffset, leaderEpoch, logAppendTimeMs })
    const segment = this.#segments.forBatch(segmentBatch(batch), this.#config, nowMs)
    const placed = tailBatch(batch, segment)
    try {
      const at = { segmentBaseOffset: segment.baseOffset, position: segment.size }
      journal.appendBatch(this.id, at, [batch.bytes], placed)
    } catch (error) {
      return refuse('KAFKA_STORAGE_ERROR', messageOf(error))
    }
    this.#take(batch, segment, nowMs)
    this.#hold(placed)
    return {
      kind: 'appended',
      baseOffset,
      logAppendTimeMs,
      logStartOffset: this.#logStartOffset,
      flushed: this.#throttled(this.#rounds.add(this.#logEndOffset)),
    }
  }

  async read({ offset, maxBytes, atLeastOneBatch }: ReadRequest): Promise<ReadResult> {
    if (this.#isClosed) return { kind: 'refused', error: 'KAFKA_STORAGE_ERROR' }
    if (!(offset >= this.#logStartOffset && offset <= this.#logEndOffset))
      return { kind: 'refused', error: 'OFFSET_OUT_OF_RANGE' }
    const endOffset = this.#highWatermark
    if (offset >= endOffset) return this.#records(EMPTY_READ)
    if (offset >= this.#tail.firstOffset)
      return this.#records(this.#tail.read(offset, endOffset, { maxBytes, atLeastOneBatch }))

    const segment = this.#segments.holding(offset)
    assertInvariant(segment !== undefined, () => `no segment holds offset ${offset}`)
    try {
      const request = { offset, endOffset, maxBytes, atLeastOneBatch }
      const found = await this.#reader.read(segment, request)
      if (found.kind === 'batches') return this.#records(found)
    } catch (error) {
      if (offset < this.#logStartOffset) return { kind: 'refused', error: 'OFFSET_OUT_OF_RANGE' }
      if (!this.#isClosed) this.#damage.inRead(segment, error)
    }
    return { kind: 'refused', error: 'KAFKA_STORAGE_ERROR' }
  }

  onReadable(offset: number, listener: () => void): { cancel(): void } {
    return this.#waiters.add(offset, listener, this.#isClosed ? Infinity : this.#highWatermark)
  }

  offsetForTimestamp(timestampMs: number): Promise<TimestampOffset | null> {
    return this.#search((log) => findTimestamp(log, timestampMs))
  }

  maxTimestamp(): Promise<TimestampOffset | null> {
    return this.#search(findMaxTimestamp)
  }

  endOfEpoch(leaderEpoch: number): { readonly leaderEpoch: number; readonly endOffset: number } {
    return this.#epochs.endOf(leaderEpoch, this.#highWatermark)
  }

  async deleteRecordsBefore(offset: number): Promise<'NONE' | 'OFFSET_OUT_OF_RANGE'> {
    const logStartOffset = offset === -1 ? this.#highWatermark : offset
    if (!(logStartOffset >= 0 && logStartOffset <= this.#highWatermark))
      return 'OFFSET_OUT_OF_RANGE'
    if (logStartOffset > this.#nextLogStartOffset)
      this.#queueEvent({ kind: 'log-start-moved', logStartOffset })
    await this.#options.journal.flushed()
    this.#showLogStart(logStartOffset)
    return 'NONE'
  }

  async applyRetention(nowMs: number): Promise<void> {
    this.#producers.expire(nowMs)
    if (this.#isClosed) return
    if (this.corrupt !== null) await this.#recheck(this.corrupt)
    // What is damaged is evidence until somebody has looked at it.
    if (this.corrupt !== null) return
    await this.#removeStrangers()
    const { kept } = this.#segments
    const count = countDeletable(kept, {
      config: this.#config,
      nowMs,
      logStartOffset: this.#nextLogStartOffset,
      highWatermark: this.#highWatermark,
    })
    const beforeOffset = kept[count - 1]?.nextOffset
    if (beforeOffset === undefined) return
    const logStartOffset = Math.max(this.#nextLogStartOffset, beforeOffset)
    this.#queueEvent({ kind: 'segments-deleted', beforeOffset, logStartOffset })
    await this.#options.journal.flushed()
    this.#showLogStart(logStartOffset)
    await this.#dropSegments(beforeOffset)
  }

  redoBatch(segmentBaseOffset: number, position: number, bytes: Uint8Array): Promise<void> | void {
    const batch = new RecordBatch(bytes)
    if (batch.byteLength !== bytes.length || !batch.isCrcValid)
      throw new ShoalError(
        'SHOAL_STORAGE_CORRUPT',
        `the journal holds a damaged batch for ${this.#options.folder}, segment ${segmentBaseOffset}, position ${position}`,
      )
    const segment = this.#redo(batch, segmentBaseOffset, position)
    if (segment === null) return
    this.#hold(tailBatch(batch, segment, position))
    this.#writer.flushed(this.#limits.segmentWriteBytes, segment)
    if (this.#options.memory.overloaded) return this.#writer.writeOut().then(() => {})
  }

  async redoDirect(segmentBaseOffset: number, position: number, header: Uint8Array): Promise<void> {
    const segment = this.#redo(new RecordBatch(header), segmentBaseOffset, position)
    if (segment !== null) await this.#writer.passRedone(segment, { position, header })
  }

  /** Puts a batch of the journal in its place; null when the checkpoint has it already. */
  #redo(batch: RecordBatch, segmentBaseOffset: number, position: number): Segment | null {
    const nowMs = this.#options.clock.wallMs()
    const { baseOffset, partitionLeaderEpoch } = batch
    this.#wasRedone = true
    if (baseOffset < this.#logEndOffset) return null
    const { active } = this.#segments
    const isNext = active?.baseOffset === segmentBaseOffset && active.size === position
    const isFirst = segmentBaseOffset === baseOffset && position === 0
    if (baseOffset > this.#logEndOffset || !(isNext || isFirst))
      throw new ShoalError(
        'SHOAL_STORAGE_CORRUPT',
        `${this.#options.folder}: the journal goes on at offset ${baseOffset}, segment ${segmentBaseOffset}, position ${position}, the log ends at ${this.#logEndOffset}`,
      )
    if (partitionLeaderEpoch > this.leaderEpoch)
      this.#epochs.begin(partitionLeaderEpoch, baseOffset)
    const segment = isNext ? active : this.#segments.roll(baseOffset, this.#config, nowMs)
    this.#take(batch, segment, nowMs)
    this.#highWatermark = this.#logEndOffset
    return segment
  }

  replayEvent(event: PartitionEvent, durableSoFar: () => Promise<void>): Promise<void> | void {
    const known = parsePartitionEvent(event)
    if (known === null)
      throw new ShoalError(
        'SHOAL_FOLDER_FORMAT',
        `the journal holds an event ${JSON.stringify(event)} that this version does not know`,
      )
    this.#wasRedone = true
    this.#applyEvent(known)
    if (known.kind === 'damage-found') return
    this.#showLogStart(known.logStartOffset)
    if (known.kind === 'segments-deleted')
      return durableSoFar().then(() => this.#dropSegments(known.beforeOffset))
  }

  async finishRecovery(): Promise<void> {
    this.#writer.recovered()
    if (this.#wasRedone) {
      await this.#writer.settle(this.#segments.all)
      await this.#removeStrangers()
    }
    this.#isLive = true
    this.#damage.confirm(this.#segments.all)
  }

  /** The state of this turn, for the store's snapshot; it counts after `syncDirty`. */
  checkpoint(): PartitionCheckpoint {
    return {
      logStartOffset: this.#nextLogStartOffset,
      logEndOffset: this.#logEndOffset,
      lastAppendTimeMs: this.#lastAppendTimeMs,
      corrupt: this.corrupt,
      epochs: this.#epochs.entries(),
      segments: this.#segments.checkpoint(),
      producers: this.#producers.checkpoint(),
    }
  }

  syncDirty(): Promise<void> {
    return this.#writer.sync(() => this.#segments.all)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#waiters.wake(Infinity)
    await this.#writer.close(() => this.#segments.all)
  }

  #refusalOfAll(): Refusal | null {
    const { journal } = this.#options
    if (this.#isClosed || journal.failed)
      return refuse('KAFKA_STORAGE_ERROR', 'the log is closed or its disk failed')
    if (journal.full) return refuse('KAFKA_STORAGE_ERROR', 'the disk is full')
    if (this.corrupt !== null)
      return refuse('KAFKA_STORAGE_ERROR', `the log is damaged: ${this.corrupt}`)
    return null
  }

  /** What appending and redoing have in common: the batch has its place, now everything knows of it. */
  #take(batch: RecordBatch, segment: Segment, nowMs: number): void {
    const facts = segmentBatch(batch)
    segment.append(facts)
    this.#logEndOffset = facts.lastOffset + 1
    if (batch.timestampType === 'LogAppendTime')
      this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, facts.maxTimestampMs)
    if (batch.hasProducerId) this.#producers.record(producerBatch(batch), batch.baseOffset, nowMs)
  }

  /** Keeps its bytes in memory. */
  #hold(placed: TailBatch<Segment>): void {
    this.#options.buffers?.retain(placed.bytes)
    this.#tail.push(placed)
    this.#options.memory.use(this.#writer, placed.bytes.length)
  }

  #advance(endOffset: number): void {
    assertInvariant(
      endOffset >= this.#highWatermark && endOffset <= this.#logEndOffset,
      () => `the high watermark ${this.#highWatermark} moves to ${endOffset}`,
    )
    this.#highWatermark = endOffset
    this.#writer.flushed(this.#limits.segmentWriteBytes, this.#segments.active)
    this.#waiters.wake(endOffset)
  }

  /** Where segment files cannot keep up, producers wait for them. */
  #throttled(flushed: Promise<void>): Promise<void> {
    if (!this.#options.memory.overloaded) return flushed
    const written = flushed.then(() => this.#writer.writeOut()).then(() => {})
    // Nobody may be listening (acks=0); who is gets the rejection too.
    written.catch(() => {})
    return written
  }

  #queueEvent(event: PartitionLogEvent): void {
    this.#options.journal.appendPartitionEvent(this.id, event)
    this.#applyEvent(event)
  }

  /** The hard part of an event; what readers see follows when it is flushed. */
  #applyEvent(event: PartitionLogEvent): void {
    if (event.kind === 'damage-found') return this.#damage.restore(event.damage)
    this.#nextLogStartOffset = Math.max(this.#nextLogStartOffset, event.logStartOffset)
    if (event.kind === 'segments-deleted') this.#segments.deleteBefore(event.beforeOffset)
  }

  #showLogStart(offset: number): void {
    this.#logStartOffset = Math.max(this.#logStartOffset, offset)
    this.#epochs.startAt(this.#logStartOffset)
  }

  #dropSegments(beforeOffset: number): Promise<void> {
    return this.#writer.remove(this.#segments.drop(beforeOffset), beforeOffset)
  }

  async #removeStrangers(): Promise<void> {
    if (this.#strangersRemoved) return
    this.#strangersRemoved = true
    await this.#writer.removeStrangers(() => this.#segments.all, {
      logStartOffset: this.#logStartOffset,
      logEndOffset: this.#logEndOffset,
    })
  }

  /** Once a start, whether damage that an earlier process found is still there: somebody may have put the file back. */
  async #recheck(known: string): Promise<void> {
    if (this.#wasRechecked) return
    this.#wasRechecked = true
    for (const segment of this.#segments.all) if (!(await this.#reader.isIntact(segment))) return
    this.#options.logger.log('info', 'damage that was known is no longer there', { known })
    this.#damage.restore(null)
    this.#recordDamage()
  }

  /** Lets the next start know without reading everything; one that misses it finds the damage itself. */
  #recordDamage(): void {
    if (!this.#isLive || this.#isClosed || this.#options.journal.failed) return
    try {
      this.#queueEvent({ kind: 'damage-found', damage: this.corrupt })
    } catch (error) {
      const fields = { folder: this.#options.folder, error: messageOf(error) }
      this.#options.logger.log('warn', 'damage could not be noted in the journal', fields)
    }
  }

  /** A segment that retention takes under way is no failure: what is asked for is behind it. */
  async #search<Found>(find: (log: SearchedLog) => Promise<Found>): Promise<Found> {
    for (;;) {
      const { logStartOffset } = this
      try {
        return await find(this.#searched())
      } catch (error) {
        if (this.#isClosed || this.#logStartOffset === logStartOffset) throw error
      }
    }
  }

  #searched(): SearchedLog {
    return {
      segments: this.#segments.all,
      tail: this.#tail,
      reader: this.#reader,
      logStartOffset: this.#logStartOffset,
      highWatermark: this.#highWatermark,
      maxDecodedBytes: this.#limits.maxDecodedBytes,
    }
  }

  #records(found: { chunks: readonly Uint8Array[]; byteLength: number }): ReadResult {
    return {
      kind: 'records',
      chunks: found.chunks,
      byteLength: found.byteLength,
      highWatermark: this.#highWatermark,
      logStartOffset: this.#logStartOffset,
    }
  }
}
