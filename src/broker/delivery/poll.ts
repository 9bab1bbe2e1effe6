/**
 * One poll from its first look to its answer: over its partitions, at most `maxWaitMs`, until there is something.
 *
 *   look at all ─▶ records, a problem, or no time left? ─▶ answer after the flush
 *      ▲             └─ no ─▶ wait: a log grows, a lock or delay ends, a record is released ─▶ look again
 *
 * Nothing is looked at twice while nothing changed, and no change between looking and waiting is missed: both sides
 * have a number.
 */

import type { Timers } from '../../core/index.ts'
import type { PartitionLog } from '../../log/index.ts'
import type { TopicService } from '../topics/topic-service.ts'
import {
  type Acquired,
  acquireFrom,
  type AcquireProblem,
  type AcquireStart,
  type AcquireWorld,
  beginDelivery,
} from './acquire.ts'
import type { DeliveryPartition, DeliveryPoll } from './delivery.ts'
import type { PartitionSlot } from './partition-slot.ts'

export interface PollRequest extends Omit<DeliveryPoll, 'start'> {
  readonly start: AcquireStart
  readonly mode: 'batch-optimized' | 'record-limit'
}

export interface PollWorld extends AcquireWorld {
  readonly topics: TopicService
  readonly timers: Timers
  readonly closing: AbortSignal
  slotOf(groupId: string, partition: DeliveryPartition): PartitionSlot
}

export interface PolledPartition extends DeliveryPartition {
  /** Null for a partition that is not there. */
  readonly slot: PartitionSlot | null
  readonly problem: AcquireProblem | 'UNKNOWN_TOPIC_OR_PARTITION' | null
  readonly acquired: Acquired | null
}

/** A partition that had nothing, as it was. */
interface Looked {
  readonly slot: PartitionSlot
  readonly version: number
  readonly log: PartitionLog
  readonly highWatermark: number
}

/** Only partitions that have something to say. */
export async function pollPartitions(
  request: PollRequest,
  world: PollWorld,
): Promise<readonly PolledPartition[]> {
  const { signal, maxWaitMs } = request
  const wait = new Wait([signal, world.closing], maxWaitMs, world.timers)
  try {
    for (;;) {
      const looked: Looked[] = []
      const polled = await lookAtAll(request, world, looked)
      if (polled.length > 0 || wait.isOver) return polled
      await wait.forChange(looked)
    }
  } finally {
    wait.close()
  }
}

async function lookAtAll(
  request: PollRequest,
  world: PollWorld,
  looked: Looked[],
): Promise<readonly PolledPartition[]> {
  const polled: PolledPartition[] = []
  let records = 0
  let bytes = 0
  for (const partition of request.partitions) {
    const maxRecords = request.maxRecords - records
    const maxBytes = request.maxBytes - bytes
    if (maxRecords <= 0 || (maxBytes <= 0 && records > 0)) break
    const { topicId, partition: index } = partition
    const topic = world.topics.table.byId(topicId)
    if (topic === undefined || index < 0 || index >= topic.partitionCount) {
      polled.push({ topicId, partition: index, slot: null, problem: UNKNOWN, acquired: null })
      continue
    }
    const slot = world.slotOf(request.groupId, partition)
    const result = await slot.exclusively(() =>
      lookAt(slot, { ...request, maxRecords, maxBytes }, world, looked),
    )
    if (result === null) continue
    if (typeof result === 'string')
      polled.push({ topicId, partition: index, slot, problem: result, acquired: null })
    else {
      polled.push({ topicId, partition: index, slot, problem: null, acquired: result })
      records += result.count
      bytes += result.byteLength
    }
  }
  return polled
}

async function lookAt(
  slot: PartitionSlot,
  request: PollRequest,
  world: PollWorld,
  looked: Looked[],
): Promise<Acquired | Exclude<PolledPartition['problem'], null> | null> {
  // Who is gone takes nothing with it.
  if (request.signal.aborted || world.closing.aborted) return null
  const { topicId, partition } = slot.id
  const topic = world.topics.table.byId(topicId)
  if (topic === undefined) return UNKNOWN
  const log = world.topics.openLog(topic, partition) ?? (await world.topics.log(topic, partition))
  // It may have gone, with its member or its topic, while the log was opened.
  if (log === null || world.topics.table.byId(topicId) === undefined) return UNKNOWN
  if (request.signal.aborted) return null
  const problem = await beginDelivery(slot, log, request.start, world)
  if (problem !== null) return problem
  const { version } = slot
  const { highWatermark } = log
  const acquired = await acquireFrom(slot, log, request, world)
  if (typeof acquired === 'string' || acquired.count > 0) return acquired
  looked.push({ slot, version, log, highWatermark })
  return null
}

const UNKNOWN = 'UNKNOWN_TOPIC_OR_PARTITION'

/** Wakes a poll: something changed, the time is over, or the client is gone. */
class Wait {
  isOver: boolean
  readonly #signals: readonly AbortSignal[]
  readonly #timer: { cancel(): void } | null
  #wake: () => void = () => {}
  readonly #end = () => {
    this.isOver = true
    this.#wake()
  }

  /** Not `AbortSignal.any`: the broker's lives as long as the broker, and every poll would hang on to it. */
  constructor(signals: readonly AbortSignal[], maxWaitMs: number, timers: Timers) {
    this.#signals = signals
    this.isOver = maxWaitMs <= 0 || signals.some(({ aborted }) => aborted)
    this.#timer = this.isOver ? null : timers.schedule(maxWaitMs, this.#end)
    for (const signal of signals) signal.addEventListener('abort', this.#end, { once: true })
  }

  async forChange(looked: readonly Looked[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    if (this.isOver) return
    const listeners = looked.flatMap(({ slot, version, log, highWatermark }) => [
      slot.onChange(version, resolve),
      log.onReadable(highWatermark, resolve),
    ])
    await promise
    for (const listener of listeners) listener.cancel()
  }

  close(): void {
    this.#timer?.cancel()
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#end)
  }
}
