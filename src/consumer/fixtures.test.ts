/**
 * Not a test: what the unit tests of this folder are made of. Items and partitions without an engine, and a consumer
 * over the memory broker in virtual time.
 */

import { VirtualClock, memoryLogger, seededRandom } from '../core/index.ts'
import { consumer } from './consumer.ts'
import { LaneTable } from './dispatch/lanes.ts'
import { MemoryBroker } from './memory-broker/memory-broker.ts'
import type { Ctx, Report, Running, UntypedOptions } from './options.ts'
import { OffsetTracker } from './completion/offset-tracker.ts'
import { PartitionWork, WorkItem } from './work.ts'
import type { SourceRecord } from './source.ts'

export interface WorkOptions {
  readonly topic?: string
  readonly partition?: number
  readonly epoch?: number
  readonly startOffset?: number
  readonly lanes?: LaneTable<WorkItem> | null
}

export function workOf({
  topic = 'orders',
  partition = 0,
  epoch = 1,
  startOffset = 0,
  lanes = new LaneTable({ seed: 1, perKey: 1_000 }),
}: WorkOptions = {}): PartitionWork {
  const assignment = { topic, partition, epoch, committed: null, startOffset }
  return new PartitionWork(assignment, new OffsetTracker(startOffset), lanes, 0)
}

export function recordOf(
  offset: number,
  key: Uint8Array | null = null,
  headers: SourceRecord['headers'] = [],
): SourceRecord {
  return { offset, timestampMs: 1_000 + offset, key, value: Uint8Array.of(offset & 0xff), headers }
}

export function itemOf(
  work: PartitionWork,
  offset: number,
  key: Uint8Array | null = null,
): WorkItem {
  const chunk = { byteLength: 100, remaining: 1 }
  const item = new WorkItem(recordOf(offset, key), work, chunk, work.tracker.deliver(offset))
  item.laneKey = key
  return item
}

export const GROUP = 'billing'
export const TOPIC = 'orders'
export const LETTERS = 'orders.dlq'
export const PARKED = 'billing.orders.parked'
export const RETRIES = 'billing.orders.retry'

export interface WorldOptions extends Partial<Omit<UntypedOptions, 'group'>> {
  readonly partitionCount?: number
  readonly maxBatchRecords?: number
}

/** A broker with a topic, and members that can be started on it. */
export class World {
  readonly clock = new VirtualClock()
  readonly broker = new MemoryBroker({ clock: this.clock, timers: this.clock })
  readonly logger = memoryLogger()

  constructor(partitionCount = 1) {
    this.broker.createTopic(TOPIC, partitionCount)
    this.broker.createTopic(LETTERS, 1)
    this.broker.createTopic(PARKED, partitionCount)
    this.broker.createTopic(RETRIES, partitionCount)
  }

  /** Appends records with these keys and values, one after the other. */
  produce(keys: readonly (string | null)[], partition = 0): void {
    for (const [index, key] of keys.entries())
      this.broker.append({
        topic: TOPIC,
        partition,
        key: key === null ? null : bytes(key),
        value: bytes(JSON.stringify({ index })),
      })
  }

  async start({ maxBatchRecords = 500, ...options }: WorldOptions = {}): Promise<Running> {
    const source = this.broker.source({ topics: [TOPIC], maxBatchRecords })
    const running = await consumer({
      group: GROUP,
      source,
      random: seededRandom(1),
      clock: this.clock,
      timers: this.clock,
      logger: this.logger,
      handle: () => {},
      ...options,
    }).start()
    await this.pass(0)
    return running
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms)
  }

  /** Waits for something, letting time pass as it needs. */
  async until<T>(something: Promise<T>): Promise<T> {
    const state = { settled: false }
    const mark = () => void (state.settled = true)
    something.then(mark, mark)
    for (let left = 10_000; !state.settled && left > 0; left--)
      await this.clock.advance(Math.max(1, this.clock.nextDelayMs ?? 1))
    return something
  }

  async drain(running: Running, deadline?: number): Promise<Report> {
    return this.until(running.drain(deadline))
  }

  committed(partition = 0): number | undefined {
    return this.broker.group(GROUP).committed(TOPIC, partition)?.offset
  }

  get memberIds(): readonly string[] {
    return this.broker.group(GROUP).memberIds
  }
}

/** A handler whose executions end when the test says so. */
export function heldHandler(): HeldHandler {
  return new HeldHandler()
}

export interface Held {
  readonly ctx: Ctx
  done(): void
  fail(error?: unknown): void
}

export class HeldHandler {
  /** Every execution begun, oldest first. */
  readonly all: Held[] = []
  readonly open: Held[] = []

  readonly handle = (_value: unknown, ctx: Ctx): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const close = (settle: () => void) => {
      this.open.splice(this.open.indexOf(held), 1)
      settle()
    }
    const held: Held = {
      ctx,
      done: () => close(resolve),
      fail: (error = new Error('failed')) => close(() => reject(error)),
    }
    this.all.push(held)
    this.open.push(held)
    return promise
  }

  /** Offsets of the open executions. */
  get offsets(): number[] {
    return this.open.map(({ ctx }) => ctx.offset)
  }

  at(offset: number): Held {
    const held = this.open.find(({ ctx }) => ctx.offset === offset)
    if (held === undefined) throw new Error(`${offset} does not run: ${this.offsets.join()} do`)
    return held
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function text(value: Uint8Array | null | undefined): string | null {
  return value === null || value === undefined ? null : new TextDecoder().decode(value)
}

/** What a dead letter says under this name; null when it says nothing. */
export function letterHeader(
  record: { readonly headers: readonly { key: string; value: Uint8Array | null }[] } | undefined,
  name: string,
): string | null {
  return text(record?.headers.find(({ key }) => key === `shoal-dlq-${name}`)?.value)
}
