/**
 * A partition log over a simulated disk and a journal that flushes when told: what the tests of the log share.
 *
 * The journal keeps what was flushed since the last checkpoint and redoes it after a crash, as the store does.
 */

import { memoryLogger, VirtualClock } from '../core/index.ts'
import type { BatchInput, RecordInput } from '../protocol/index.ts'
import { decodeRecords, encodeRecordBatch, RecordBatch } from '../protocol/index.ts'
import { FileCache } from './file-cache.ts'
import type { JournalPort, PartitionEvent, SegmentPosition } from './journal-port.ts'
import { LogMemory } from './log-memory.ts'
import type { AppendResult, PartitionLogConfig, ReadResult } from './log.ts'
import type { PartitionCheckpoint } from './partition-checkpoint.ts'
import { SegmentedPartitionLog } from './partition-log.ts'
import type { PartitionLimits } from './partition-options.ts'
import type { CrashModel } from './sim-disk-crash.ts'
import { SimDisk } from './sim-disk.ts'

export const defaultConfig: PartitionLogConfig = {
  segmentBytes: 1024 ** 3,
  segmentMs: 7 * 86_400_000,
  indexIntervalBytes: 4_096,
  retentionMs: 7 * 86_400_000,
  retentionBytes: -1,
  maxMessageBytes: 1_048_588,
  timestampType: 'CreateTime',
  cleanupPolicy: 'delete',
}

type Entry =
  | { readonly kind: 'batch'; readonly at: SegmentPosition; readonly bytes: Uint8Array }
  | { readonly kind: 'event'; readonly event: PartitionEvent }

export class TestJournal implements JournalPort {
  /** Flushed since the last checkpoint. */
  durable: Entry[] = []
  full = false
  failed = false
  readonly failures: unknown[] = []
  #pending: Entry[] = []
  #callbacks: (() => void)[] = []
  #promise: PromiseWithResolvers<void> | null = null

  appendBatch(_: unknown, at: SegmentPosition, chunks: readonly Uint8Array[]): void {
    this.#pending.push({ kind: 'batch', at, bytes: Buffer.concat(chunks) })
  }

  appendPartitionEvent(_: unknown, event: PartitionEvent): void {
    this.#pending.push({ kind: 'event', event: structuredClone(event) })
  }

  flushed(): Promise<void> {
    if (this.#pending.length === 0) return Promise.resolve()
    this.#promise ??= Promise.withResolvers()
    return this.#promise.promise
  }

  onFlushed(callback: () => void): void {
    if (this.#pending.length === 0) callback()
    else this.#callbacks.push(callback)
  }

  flush(): void {
    this.durable.push(...this.#pending)
    this.#pending = []
    const callbacks = this.#callbacks
    const promise = this.#promise
    this.#callbacks = []
    this.#promise = null
    for (const callback of callbacks) callback()
    promise?.resolve()
  }

  noteFull(): void {
    this.full = true
  }

  fail(error: unknown): void {
    this.failed = true
    this.failures.push(error)
  }
}

export interface FixtureOptions {
  readonly config?: Partial<PartitionLogConfig>
  readonly limits?: Partial<PartitionLimits>
  readonly memoryBytes?: number
  readonly disk?: SimDisk
}

export class PartitionFixture {
  readonly clock = new VirtualClock()
  readonly logger = memoryLogger()
  readonly folder = 'topics/t/0'
  readonly config: PartitionLogConfig
  readonly #options: FixtureOptions
  disk: SimDisk
  journal = new TestJournal()
  memory: LogMemory
  checkpoint: PartitionCheckpoint | null = null
  log!: SegmentedPartitionLog

  private constructor(options: FixtureOptions) {
    this.#options = options
    this.config = { ...defaultConfig, ...options.config }
    this.disk = options.disk ?? new SimDisk()
    this.memory = new LogMemory({ limitBytes: options.memoryBytes ?? 1024 * 1024 })
  }

  static async open(options: FixtureOptions = {}): Promise<PartitionFixture> {
    const fixture = new PartitionFixture(options)
    await fixture.disk.makeFolder(fixture.folder)
    for (const folder of ['', 'topics', 'topics/t']) await fixture.disk.syncFolder(folder)
    await fixture.#open()
    return fixture
  }

  async #open(): Promise<void> {
    const entries = this.journal.durable
    this.journal = new TestJournal()
    this.journal.durable = entries
    const { memoryBytes, limits = {} } = this.#options
    this.memory = new LogMemory({ limitBytes: memoryBytes ?? 1024 * 1024 })
    this.log = await SegmentedPartitionLog.open({
      files: new FileCache({ files: this.disk, limit: 4 }),
      store: this.disk,
      folder: this.folder,
      id: { topicId: 'AAAAAAAAAAAAAAAAAAAAAA', partition: 0 },
      config: this.config,
      clock: this.clock,
      logger: this.logger,
      journal: this.journal,
      memory: this.memory,
      limits,
      checkpoint: this.checkpoint,
    })
    for (const entry of entries)
      if (entry.kind === 'event') await this.log.replayEvent(entry.event, async () => {})
      else
        await this.log.redoBatch(
          entry.at.segmentBaseOffset,
          entry.at.position,
          Uint8Array.from(entry.bytes),
        )
    await this.log.finishRecovery()
  }

  append(
    records: readonly (string | Partial<RecordInput>)[],
    options: BatchInput = {},
  ): AppendResult {
    return this.log.append(batchOf(records, this.clock.wallMs(), options))
  }

  /** Appends, flushes and answers the base offset. */
  async stored(
    records: readonly (string | Partial<RecordInput>)[],
    options: BatchInput = {},
  ): Promise<number> {
    const result = this.append(records, options)
    if (result.kind === 'refused') throw new Error(`${result.error}: ${result.message}`)
    this.journal.flush()
    await result.flushed
    return result.baseOffset
  }

  /** Flushes for as long as the operation takes. */
  async flushing<Result>(operation: Promise<Result>): Promise<Result> {
    const running = Symbol('running')
    for (;;) {
      this.journal.flush()
      const turn = this.clock.advance(0).then(() => running)
      if ((await Promise.race([operation, turn])) !== running) return operation
    }
  }

  /** Takes a checkpoint in the order of the store. */
  async takeCheckpoint(): Promise<void> {
    const state = structuredClone(this.log.checkpoint())
    this.journal.flush()
    const covered = this.journal.durable.length
    await this.log.syncDirty()
    this.checkpoint = state
    this.journal.durable = this.journal.durable.slice(covered)
  }

  /** Ends in order and starts again. */
  async reopen(): Promise<void> {
    this.journal.flush()
    await this.takeCheckpoint()
    await this.log.close()
    await this.#open()
  }

  /** Starts again from what the disk, the journal and the checkpoint are now. */
  async restart(): Promise<void> {
    await this.log.close()
    await this.#open()
  }

  /** Loses what a crash may lose and starts again. */
  async crash(model: CrashModel, seed: number): Promise<void> {
    this.disk.crash()
    this.disk = this.disk.afterCrash(model, seed)
    await this.#open()
  }

  /** All visible values from an offset on, as `offset:value`. */
  async values(from: number = this.log.logStartOffset): Promise<string[]> {
    const values: string[] = []
    for (let offset = from; offset < this.log.highWatermark;) {
      const batches = batchesOf(await this.log.read(readOf(offset)))
      if (batches.length === 0) throw new Error(`nothing is at offset ${offset}`)
      for (const batch of batches)
        for (const { offset: at, value } of decodeRecords(batch))
          if (at >= offset) values.push(`${at}:${Buffer.from(value ?? []).toString()}`)
      offset = batches.at(-1)!.lastOffset + 1
    }
    return values
  }

  segmentPath(baseOffset: number, suffix = 'log'): string {
    return `${this.folder}/${String(baseOffset).padStart(20, '0')}.${suffix}`
  }
}

export function readOf(offset: number, maxBytes = 64 * 1024) {
  return { offset, maxBytes, atLeastOneBatch: true }
}

export function batchOf(
  records: readonly (string | Partial<RecordInput>)[],
  timestampMs = 0,
  options: BatchInput = {},
): Uint8Array {
  return encodeRecordBatch(
    records.map((record) =>
      typeof record === 'string'
        ? { timestampMs, value: Buffer.from(record) }
        : { timestampMs, ...record },
    ),
    options,
  )
}

/** The batches of a read, each checked. @throws when it was refused or a CRC is wrong. */
export function batchesOf(result: ReadResult): RecordBatch[] {
  if (result.kind === 'refused') throw new Error(result.error)
  const batches: RecordBatch[] = []
  for (const chunk of result.chunks)
    for (let position = 0; position < chunk.length;) {
      const batch = new RecordBatch(chunk, position)
      if (!batch.isCrcValid) throw new Error(`the batch at ${batch.baseOffset} has a wrong CRC`)
      batches.push(batch)
      position = batch.end
    }
  return batches
}
