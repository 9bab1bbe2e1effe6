/**
 * Scripted lives of a log store on the simulated disk, and how to look at one after a crash.
 *
 * A script is plain steps; each is noted in the ledger as it happens. Limits are tiny, so that a few kilobytes bring rolls,
 * checkpoints, new journal files and retention. Time moves only by a step; what a crash stops never goes on.
 */

import { seededRandom, silentLogger, type Timers, VirtualClock } from '../../src/core/index.ts'
import {
  type FileStore,
  type FlushPolicy,
  type LogStore,
  openLogStore,
  type PartitionLog,
  type PartitionLogConfig,
  type PartitionLogId,
  type SimDisk,
  type StateMachine,
} from '../../src/log/index.ts'
import { encodeRecordBatch } from '../../src/protocol/index.ts'
import { Ledger, type Recovered, Violation } from './ledger.ts'

export type Step =
  /** Appends a batch to each of the partitions in one turn, then waits for all of them; `unwaited` only queues them. */
  | {
      readonly kind: 'append'
      readonly to: readonly number[]
      readonly bytes: number
      readonly unwaited?: true
    }
  | { readonly kind: 'record'; readonly count: number }
  | { readonly kind: 'retention' }
  | { readonly kind: 'delete-records'; readonly of: number; readonly before: number }
  | { readonly kind: 'delete-partition'; readonly of: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'capacity'; readonly bytes: number }
  | { readonly kind: 'reopen' }

export interface Workload {
  readonly name: string
  readonly policy?: FlushPolicy
  readonly config?: Partial<PartitionLogConfig>
  readonly checkpointBytes?: number
  readonly journalFileBytes?: number
  /** By how much the journal grows ahead of rounds of less than half of it. */
  readonly journalRoomBytes?: number
  readonly capacityBytes?: number
  /** Bytes that a segment must get in one flush to get them past the journal; without it nothing is that large. */
  readonly directWriteBytes?: number
  readonly maxDirectSegments?: number
  readonly steps: readonly Step[]
}

const CONFIG: PartitionLogConfig = {
  segmentBytes: 600,
  segmentMs: 7 * 86_400_000,
  indexIntervalBytes: 200,
  retentionMs: -1,
  retentionBytes: -1,
  maxMessageBytes: 1_000_000,
  timestampType: 'CreateTime',
  cleanupPolicy: 'delete',
}

/** Partitions that a script may name. */
export const PARTITIONS = [0, 1, 2] as const

export function idOf(partition: number): PartitionLogId {
  return { topicId: Buffer.alloc(16, 7).toString('base64url'), partition }
}

class RecordList implements StateMachine {
  readonly name = 'list'
  readonly records: string[] = []

  replay(record: Uint8Array): void {
    this.records.push(Buffer.from(record).toString('utf8'))
  }

  snapshot(): Iterable<Uint8Array> {
    return this.records.map((text) => Buffer.from(text, 'utf8'))
  }
}

/** One process that works on a disk. */
export class Life {
  readonly workload: Workload
  readonly ledger: Ledger
  readonly failures: Error[] = []
  readonly #clock = new VirtualClock()
  readonly #random = seededRandom(5)
  #list = new RecordList()
  #store: LogStore | null = null
  readonly #logs = new Map<number, PartitionLog>()

  constructor(workload: Workload, ledger: Ledger) {
    this.workload = workload
    this.ledger = ledger
  }

  async open(files: FileStore): Promise<void> {
    this.#list = new RecordList()
    const timers: Timers = {
      schedule: (delayMs, fire) => this.#clock.schedule(delayMs, fire),
      soon: (fire) => queueMicrotask(fire),
    }
    this.#store = await openLogStore({
      files,
      clock: this.#clock,
      timers,
      random: this.#random,
      logger: silentLogger,
      flushPolicy: this.workload.policy ?? 'group',
      checkpointBytes: this.workload.checkpointBytes ?? 2_500,
      journalFileBytes: this.workload.journalFileBytes ?? 1_200,
      journalRoomBytes: this.workload.journalRoomBytes ?? 600,
      reserveBytes: 512,
      directWriteBytes: this.workload.directWriteBytes ?? 1_000_000,
      maxDirectSegments: this.workload.maxDirectSegments ?? 16,
      machines: [this.#list],
      fail: (error) => this.failures.push(error),
    })
    this.#logs.clear()
  }

  /** What is there right after a start. Partitions are opened, so one that was deleted begins anew. */
  async look(): Promise<Recovered> {
    for (const partition of PARTITIONS) await this.#log(partition)
    return { store: this.#opened(), logs: this.#logs, records: [...this.#list.records] }
  }

  async run(disk: SimDisk, files: FileStore): Promise<void> {
    await this.open(files)
    for (const step of this.workload.steps) {
      if (step.kind === 'reopen') {
        await this.close()
        await this.open(files)
      } else if (step.kind === 'capacity') disk.capacityBytes = step.bytes
      else await this.step(step)
    }
    await this.close()
  }

  async close(): Promise<void> {
    await this.#opened().close()
  }

  async step(step: Exclude<Step, { readonly kind: 'reopen' | 'capacity' }>): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#append(step.to, step.bytes, step.unwaited === true)
      case 'record':
        return this.#record(step.count)
      case 'retention':
        return this.#opened().applyRetention()
      case 'delete-records': {
        const log = await this.#log(step.of)
        await log.deleteRecordsBefore(Math.min(step.before, log.highWatermark))
        return
      }
      case 'delete-partition': {
        const deletion = this.#opened().deletePartition(idOf(step.of))
        this.#logs.delete(step.of)
        const note = { kind: 'deletion', partition: step.of, acknowledged: false } as const
        this.ledger.note(note, deletion)
        return deletion
      }
      case 'advance':
        return this.#clock.advance(step.ms)
    }
  }

  async #append(to: readonly number[], bytes: number, unwaited: boolean): Promise<void> {
    const logs = await Promise.all(to.map((partition) => this.#log(partition)))
    const flushed: Promise<void>[] = []
    for (const [index, log] of logs.entries()) {
      const batch = this.#batch(bytes)
      const result = log.append(batch)
      // A full disk refuses: that is an answer, and nothing of the batch may ever appear.
      if (result.kind === 'refused') continue
      const note = {
        kind: 'batch',
        partition: to[index] ?? -1,
        baseOffset: result.baseOffset,
        nextOffset: log.logEndOffset,
        bytes: batch,
        acknowledged: false,
      } as const
      this.ledger.note(note, result.flushed)
      flushed.push(result.flushed)
    }
    if (!unwaited) await Promise.all(flushed)
  }

  /** Three records of random bytes that fill about `bytes`. */
  #batch(bytes: number): Uint8Array {
    const part = Math.max(1, Math.floor(bytes / 3))
    const records = [0, 1, 2].map((index) => ({
      timestampMs: this.#clock.wallMs() + index,
      value: this.#random.bytes(part),
    }))
    return encodeRecordBatch(records)
  }

  async #record(count: number): Promise<void> {
    const texts = Array.from({ length: count }, () =>
      Buffer.from(this.#random.bytes(6)).toString('hex'),
    )
    const store = this.#opened()
    const records = texts.map((text) => Buffer.from(text, 'utf8'))
    store.appendMetadata('list', records)
    for (const record of records) this.#list.replay(record)
    const flushed = store.flushed()
    for (const text of texts)
      this.ledger.note({ kind: 'record', text, acknowledged: false }, flushed)
    await flushed
  }

  async #log(partition: number): Promise<PartitionLog> {
    const known = this.#logs.get(partition)
    if (known !== undefined) return known
    const log = await this.#opened().openPartition(idOf(partition), {
      ...CONFIG,
      ...this.workload.config,
    })
    this.#logs.set(partition, log)
    this.ledger.watch(partition, log)
    return log
  }

  #opened(): LogStore {
    if (this.#store === null) throw new Violation('the store is not open')
    return this.#store
  }
}

const append = (to: readonly number[], bytes: number): Step => ({ kind: 'append', to, bytes })
const queue = (to: readonly number[], bytes: number): Step => ({
  kind: 'append',
  to,
  bytes,
  unwaited: true,
})
const record = (count: number): Step => ({ kind: 'record', count })
const repeat = (count: number, steps: readonly Step[]): Step[] =>
  Array.from({ length: count }, () => steps).flat()

export const workloads: readonly Workload[] = [
  {
    name: 'one partition, one batch at a time',
    steps: repeat(8, [append([0], 60)]),
  },
  {
    name: 'several partitions and records in the same rounds',
    steps: repeat(5, [queue([0, 1], 90), record(2), append([2, 0], 150), record(1)]),
  },
  {
    name: 'rolls and checkpoints',
    steps: repeat(9, [append([0, 1], 240), record(1)]),
  },
  {
    name: 'rounds that queue while the last one is flushed',
    steps: [
      ...repeat(4, [queue([0], 100), queue([1], 300), record(1), queue([0, 2], 50)]),
      append([0, 1, 2], 10),
    ],
  },
  {
    name: 'retention by size',
    config: { retentionBytes: 700 },
    steps: repeat(6, [append([0, 1], 300), { kind: 'retention' }]),
  },
  {
    name: 'retention by age, with a checkpoint before and after',
    config: { retentionMs: 1_000 },
    steps: repeat(3, [
      append([0], 500),
      append([0], 500),
      { kind: 'advance', ms: 40_000 },
      { kind: 'retention' },
      record(1),
    ]),
  },
  {
    name: 'records deleted on request',
    steps: [
      ...repeat(3, [append([0, 1], 200)]),
      { kind: 'delete-records', of: 0, before: 4 },
      append([0], 300),
      { kind: 'delete-records', of: 1, before: 9 },
      ...repeat(3, [append([0, 1], 300)]),
      { kind: 'delete-records', of: 0, before: 12 },
      append([1], 50),
    ],
  },
  {
    name: 'a partition is deleted among others',
    steps: [
      ...repeat(3, [append([0, 1, 2], 200)]),
      { kind: 'delete-partition', of: 1 },
      ...repeat(3, [append([0, 2], 300), record(1)]),
      { kind: 'delete-partition', of: 2 },
      append([0], 100),
    ],
  },
  {
    name: 'closed and opened again',
    steps: repeat(3, [append([0, 1], 100), record(1), { kind: 'reopen' }, append([1, 2], 150)]),
  },
  {
    name: 'checkpoints when nothing happens',
    checkpointBytes: 1_000_000,
    steps: repeat(3, [
      append([0, 1], 100),
      { kind: 'advance', ms: 31_000 },
      record(1),
      { kind: 'advance', ms: 31_000 },
    ]),
  },
  {
    name: 'the disk is full for a while',
    capacityBytes: 12_000,
    steps: [
      ...repeat(10, [queue([0, 1], 400), { kind: 'advance', ms: 10 }]),
      { kind: 'capacity', bytes: 60_000 },
      { kind: 'advance', ms: 5_000 },
      ...repeat(3, [append([0, 1], 200), record(1)]),
    ],
  },
  {
    name: 'acknowledged by the operating system',
    policy: 'os',
    steps: repeat(4, [append([0, 1], 240), record(1), { kind: 'advance', ms: 600 }]),
  },
  {
    name: 'never synced but at checkpoints',
    policy: 'none',
    steps: repeat(6, [append([0, 1], 240), record(1)]),
  },
]

/** Batches of 250 bytes and more go straight to their segments, unless one is new or its share of the flush is too small. */
const direct = { directWriteBytes: 250, config: { segmentBytes: 2_500 } } as const

export const directWorkloads: readonly Workload[] = [
  {
    name: 'large batches of one partition',
    ...direct,
    checkpointBytes: 1_000_000,
    steps: repeat(9, [append([0], 300)]),
  },
  {
    name: 'large batches among small ones, in several partitions',
    ...direct,
    checkpointBytes: 4_000,
    steps: repeat(5, [
      queue([0, 1], 300),
      queue([0], 20),
      record(1),
      append([1], 20),
      queue([0], 20),
      append([0, 2], 400),
    ]),
  },
  {
    name: 'segments that roll under large batches, and checkpoints between',
    ...direct,
    config: { segmentBytes: 1_200 },
    steps: repeat(7, [append([0, 1], 330), queue([0], 30), append([0], 330), record(1)]),
  },
  {
    name: 'more large shares in a flush than it may write directly',
    ...direct,
    maxDirectSegments: 1,
    checkpointBytes: 5_000,
    steps: repeat(6, [queue([0, 1], 260), queue([2], 400), record(1), append([0, 1, 2], 300)]),
  },
  {
    name: 'many small batches that are large together',
    ...direct,
    steps: repeat(5, [...repeat(6, [queue([0], 30), queue([1], 12)]), append([0], 30), record(1)]),
  },
  {
    name: 'large batches, retention and records deleted on request',
    ...direct,
    config: { segmentBytes: 900, retentionBytes: 1_800 },
    steps: repeat(4, [
      append([0, 1], 330),
      append([0], 330),
      { kind: 'retention' },
      append([0], 330),
      { kind: 'delete-records', of: 1, before: 5 },
    ]),
  },
  {
    name: 'large batches of a partition that is deleted',
    ...direct,
    steps: [
      ...repeat(3, [append([0, 1], 330)]),
      queue([1], 330),
      { kind: 'delete-partition', of: 1 },
      ...repeat(3, [append([0, 2], 330), record(1)]),
    ],
  },
  {
    name: 'large batches, closed and opened again',
    ...direct,
    steps: repeat(3, [append([0, 1], 330), append([0], 20), { kind: 'reopen' }, append([1], 330)]),
  },
  {
    name: 'large batches on a disk that is full for a while',
    ...direct,
    capacityBytes: 8_000,
    steps: [
      ...repeat(7, [queue([0, 1], 400), queue([0], 20), { kind: 'advance', ms: 10 }]),
      { kind: 'capacity', bytes: 60_000 },
      { kind: 'advance', ms: 5_000 },
      ...repeat(3, [append([0, 1], 330), record(1)]),
    ],
  },
]

export const allWorkloads: readonly Workload[] = [...workloads, ...directWorkloads]

export function workloadNamed(name: string): Workload {
  const found = allWorkloads.find((workload) => workload.name === name)
  if (found === undefined) throw new Error(`there is no workload ${name}`)
  return found
}
