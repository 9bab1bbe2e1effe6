/**
 * Delayed records, alive: publishing into a log of their own, a timer, and their way into the partitions when they are due.
 *
 *   publish ─▶ stored and flushed ─▶ acknowledged … due ─▶ "delivering" journaled ─▶ appended to the partition ─▶ "delivered"
 *
 * Each is delivered once: the batch goes out under a producer id of the broker's own, and what a crash cut off is sent again
 * with the same sequence. A partition that refuses its batch is asked again, one record at a time; nothing is dropped but with
 * its topic. The wall clock says what is due; it is looked at once a second at least. When it is set back, what was given as a
 * delay is not held longer for it.
 */

import type { Clock, Logger, Timer, Timers } from '../../core/index.ts'
import { messageOf } from '../../core/index.ts'
import type { LogStore, PartitionLog, StateMachine } from '../../log/index.ts'
import { encodeRecordBatch } from '../../protocol/index.ts'
import type { ProducerIdService } from '../producer-ids.ts'
import type { Topic } from '../topics/topic-table.ts'
import type { TopicService } from '../topics/topic-service.ts'
import { DelayedLog } from './delayed-log.ts'
import {
  decodeDelayedRecord,
  type DelayedRecord,
  encodeDelayedRecord,
  type TargetId,
} from './delayed-records.ts'
import { DelayedTable, type Delivery } from './delayed-table.ts'
import { decodeStored, encodeStored, type RecordToStore } from './stored-record.ts'

const MACHINE = 'delayed'
/** The wall clock is looked at so often while something waits. */
const LOOK_MS = 1_000
/** A wall clock that went back by more than this was set. */
const JUMP_MS = 1_000
/** How long a partition is left alone that refused what was due. */
const RETRY_MS = 10_000
const TRIM_INTERVAL_MS = 30_000
const TRIM_IDLE_INTERVAL_MS = 1_000
const MOST_BATCH_BYTES = 1_048_576
/** A batch header and some. */
const BATCH_OVERHEAD_BYTES = 128

/** The table as a machine of the journal. */
export function delayedMachine(table: DelayedTable): StateMachine {
  return {
    name: MACHINE,
    replay: (bytes) => table.replay(decodeDelayedRecord(bytes)),
    *snapshot() {
      yield encodeDelayedRecord(table.snapshot())
    },
  }
}

export interface DelayedOptions {
  readonly table: DelayedTable
  readonly logs: LogStore
  readonly topics: TopicService
  readonly producerIds: ProducerIdService
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly limits: DelayedLimits
  readonly fail: (error: Error) => void
}

export interface DelayedLimits {
  /** Longest delay, milliseconds. */
  readonly maxDelayMs: number
  /** Most records that wait at a time. */
  readonly maxRecords: number
  /** Most bytes that the log of waiting records may take on the disk. */
  readonly maxBytes: number
  readonly maxMessageBytes: number
}

/** What became of one record: its id, or why the disk did not take it. */
export type Stored =
  | { readonly id: string }
  | { readonly id: null; readonly error: string; readonly code: string }

export class DelayedService {
  readonly #options: DelayedOptions
  /** Null until a record is delayed for the first time. */
  #log: DelayedLog | null = null
  #opening: Promise<DelayedLog> | null = null
  readonly #unindexed = new Set<number>()
  readonly #working = new Set<Promise<void>>()
  #timer: Timer | null = null
  #lastLook: { readonly wallMs: number; readonly monotonicMs: number } | null = null
  #trimmedMs = 0
  #isClosed = false

  private constructor(options: DelayedOptions) {
    this.#options = options
  }

  /** Finds what waits, and what a crash left on its way. Call when the topics are there. */
  static async open(options: DelayedOptions): Promise<DelayedService> {
    const service = new DelayedService(options)
    options.table.start()
    if (DelayedLog.exists(options.logs)) await service.#recover()
    return service
  }

  get limits(): DelayedLimits {
    return this.#options.limits
  }

  /** Records that wait. */
  get count(): number {
    return this.#options.table.count
  }

  countOf({ topicId, partitionCount }: Topic): number {
    return this.#options.table.countOf(topicId, partitionCount)
  }

  /** Why so many more cannot be taken now, or null. */
  refusalOf(count: number): string | null {
    const { table, limits } = this.#options
    if (table.count + this.#unindexed.size + count > limits.maxRecords)
      return `${table.count} delayed messages wait, at most ${limits.maxRecords} may (shoal.delayed.max.records)`
    if ((this.#log?.sizeBytes ?? 0) > limits.maxBytes)
      return `delayed messages take ${this.#log?.sizeBytes} bytes, at most ${limits.maxBytes} may be taken (shoal.delayed.max.bytes)`
    return null
  }

  /** Stores the records; answers when a crash can no longer take them away, one result each. */
  async publish(records: readonly RecordToStore[]): Promise<readonly Stored[]> {
    const { clock, table } = this.#options
    const log = await this.#open()
    if (table.producerId === null) await this.#takeProducerId()
    const nowMs = clock.wallMs()
    return Promise.all(
      records.map(async (record): Promise<Stored> => {
        const bytes = encodeStored(record, nowMs)
        const outcome = log.append(bytes)
        if (outcome.kind === 'refused')
          return { id: null, error: outcome.message, code: outcome.error }
        const offset = outcome.baseOffset
        this.#unindexed.add(offset)
        await outcome.flushed
        this.#unindexed.delete(offset)
        this.#wait(record, offset, bytes.byteLength)
        return { id: String(offset) }
      }),
    )
  }

  /** What was to go to the topic goes with it. */
  topicDeleted({ topicId }: Topic): void {
    if (this.#isClosed || this.#log === null) return
    this.#commit([{ kind: 'topic-gone', topicId }])
  }

  /** Begins nothing more, and waits for what is under way. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await Promise.all(this.#working)
  }

  async #recover(): Promise<void> {
    const { table, topics } = this.#options
    const log = await this.#open()
    for (const { topicId } of table.deliveries())
      if (topics.table.byId(topicId) === undefined) this.#commit([{ kind: 'topic-gone', topicId }])
    for await (const batch of log.scan(table.floor)) {
      const { dueMs, record: _, isDelay: __, ...target } = decodeStored(batch)
      const offset = batch.baseOffset
      if (topics.table.byId(target.topicId) === undefined || !table.isWaiting(target, offset))
        continue
      // How long it has waited by another clock than the wall's nobody knows any more.
      table.add({ ...target, dueMs, offset, bytes: batch.byteLength, isDelay: false })
    }
    for (const delivery of table.deliveries()) this.#work(this.#deliver(delivery))
    this.#look()
  }

  #open(): Promise<DelayedLog> {
    const { logs, limits } = this.#options
    this.#opening ??= DelayedLog.open({ logs, maxMessageBytes: limits.maxMessageBytes }).then(
      (log) => (this.#log = log),
    )
    return this.#opening
  }

  async #takeProducerId(): Promise<void> {
    const producerId = await this.#options.producerIds.allocate()
    if (this.#options.table.producerId === null)
      this.#commit([{ kind: 'producer', producerId: String(producerId) }])
  }

  #wait({ topicId, partition, dueMs, isDelay }: RecordToStore, offset: number, bytes: number) {
    const { table, topics } = this.#options
    // Deleted while the record was on its way to the disk.
    if (topics.table.byId(topicId) === undefined) return
    table.add({ topicId, partition, dueMs, offset, bytes, isDelay })
    this.#schedule()
  }

  /** Looks at the clock and sends what is due. */
  #look(): void {
    if (this.#isClosed) return
    const { table, clock } = this.#options
    this.#noticeJump()
    const records = table.due(clock.wallMs(), (topicId) => this.#batchBytesOf(topicId))
    this.#commit(records)
    for (const record of records) {
      const delivery = record.kind === 'delivering' ? table.delivery(record) : null
      if (delivery !== null) this.#work(this.#deliver(delivery))
    }
    this.#schedule()
  }

  #schedule(): void {
    this.#timer?.cancel()
    this.#timer = null
    const { table, clock, timers } = this.#options
    const nextMs = table.nextMs()
    if (this.#isClosed || nextMs === Infinity) {
      this.#lastLook = null
      return
    }
    this.#lastLook ??= { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const delayMs = Math.min(LOOK_MS, Math.max(0, nextMs - clock.wallMs()))
    this.#timer = timers.schedule(delayMs, () => this.#look())
  }

  #noticeJump(): void {
    const { table, clock, logger } = this.#options
    const now = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() }
    const { wallMs, monotonicMs } = this.#lastLook ?? now
    this.#lastLook = now
    // Forward: a machine that slept, as a rule; then time has passed for delays too.
    const jumpMs = Math.round(now.wallMs - wallMs - (now.monotonicMs - monotonicMs))
    if (jumpMs > -JUMP_MS) return
    logger.log('warn', 'the wall clock was set back; delays go on as they were meant', { jumpMs })
    table.shift(jumpMs)
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { table, topics } = this.#options
    const topic = topics.table.byId(delivery.topicId)
    if (topic === undefined) return
    const refusal = await this.#append(topic, delivery)
    const isCurrent = table.delivery(delivery)?.offsets === delivery.offsets
    if (this.#isClosed || !isCurrent) return
    const { topicId, partition } = delivery
    if (refusal === null) this.#commit([{ kind: 'delivered', topicId, partition }])
    else this.#putBack(topic, delivery, refusal)
    await this.#trim()
    this.#look()
  }

  /** Null when the batch is in the partition and flushed; else why not. */
  async #append(topic: Topic, delivery: Delivery): Promise<string | null> {
    const { table, topics } = this.#options
    const { partition, offsets, baseSequence } = delivery
    let batch: Uint8Array
    try {
      const log = await this.#open()
      const stored = (await log.load(offsets)).map(decodeStored)
      batch = encodeRecordBatch(
        stored.map(({ record }) => record),
        { producerId: table.producerId ?? -1n, producerEpoch: 0, baseSequence },
      )
    } catch (error) {
      return messageOf(error)
    }
    if (this.#isClosed) return 'the broker closes'
    const append = (log: PartitionLog | null) => log?.append(batch) ?? null
    const outcome = await topics.withLog(topic, partition, append)
    if (outcome === null) return 'the topic was deleted'
    if (outcome.kind === 'refused') return `${outcome.error}: ${outcome.message}`
    await outcome.flushed
    return null
  }

  #putBack({ name }: Topic, { topicId, partition, offsets }: TargetId & Delivery, error: string) {
    const { table, clock, logger } = this.#options
    this.#commit([{ kind: 'returned', topicId, partition }])
    table.slowDown({ topicId, partition }, clock.wallMs() + RETRY_MS)
    logger.log('error', 'delayed messages cannot be delivered; they are tried again', {
      topic: name,
      partition,
      messages: offsets.length,
      error,
    })
  }

  /** Gives back the space of what was delivered, now and then. */
  async #trim(): Promise<void> {
    const { table, clock } = this.#options
    if (this.#log === null) return
    const nowMs = clock.monotonicMs()
    const intervalMs = table.count === 0 ? TRIM_IDLE_INTERVAL_MS : TRIM_INTERVAL_MS
    if (nowMs - this.#trimmedMs < intervalMs) return
    this.#trimmedMs = nowMs
    let offset = Math.min(table.firstWaiting(), this.#log.endOffset)
    for (const unindexed of this.#unindexed) offset = Math.min(offset, unindexed)
    if (offset <= table.floor) return
    this.#commit([{ kind: 'trimmed', offset }])
    await this.#log.trim(offset)
  }

  #batchBytesOf(topicId: string): number {
    const { topics } = this.#options
    const topic = topics.table.byId(topicId)
    if (topic === undefined) return MOST_BATCH_BYTES
    const { maxMessageBytes } = topics.configOf(topic)
    return Math.min(MOST_BATCH_BYTES, maxMessageBytes - BATCH_OVERHEAD_BYTES)
  }

  #commit(records: readonly DelayedRecord[]): void {
    if (records.length === 0) return
    const { logs, table } = this.#options
    logs.appendMetadata(MACHINE, records.map(encodeDelayedRecord))
    for (const record of records) table.replay(record)
  }

  #work(work: Promise<void>): void {
    const done: Promise<void> = work
      .catch((error: unknown) => {
        if (!this.#isClosed)
          this.#options.fail(error instanceof Error ? error : new Error(String(error)))
      })
      .finally(() => this.#working.delete(done))
    this.#working.add(done)
  }
}
