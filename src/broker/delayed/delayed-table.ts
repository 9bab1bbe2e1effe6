/**
 * Which delayed records wait, which of them are due, and which batch goes where next: every decision, as a pure machine.
 *
 *   waiting (index) ──due──▶ ready (a queue a partition) ──delivering──▶ in the partition: delivered
 *                                      ▲                        └──refused: returned ──▶ ready again, one by one, after a while
 *
 * Hard state, changed by `replay` alone: the producer id, each partition's sequence and the batch that is under way there, and
 * which stored records were delivered. Soft state: the index and the queues; a start rebuilds them from the log that
 * holds the records (`add`). One batch at a time is under way to a partition, so what it holds is in order of due time.
 * Invariant: a stored record is in one place, waiting, ready or in a batch, until it was delivered or its topic is gone.
 */

import { assertInvariant } from '../../core/index.ts'
import type { DelayedRecord, TargetId, TargetState } from './delayed-records.ts'
import { DueIndex } from './due-index.ts'
import { OffsetBits } from './offset-bits.ts'

/** Records, and bytes, of one batch. */
const BATCH_RECORDS = 500
/** Records in the queues of partitions that take some: the rest of a backlog stays in the index, which is small. */
const MOST_READY = 5_000
const MAX_SEQUENCE = 2 ** 31 - 1

export interface WaitingRecord extends TargetId {
  readonly dueMs: number
  /** Where it is stored. */
  readonly offset: number
  /** About what it takes in a batch. */
  readonly bytes: number
  /** Its time was given as a delay, not as a time of day. */
  readonly isDelay: boolean
}

/** A batch that is to be appended, now or again. */
export interface Delivery extends TargetId {
  readonly baseSequence: number
  readonly offsets: readonly number[]
}

interface Target extends TargetId {
  readonly number: number
  nextSequence: number
  delivering: readonly number[] | null
  /** Soft from here on. */
  ready: { readonly offset: number; readonly bytes: number }[]
  /** Bytes of what is being delivered, by offset, to put them back. */
  bytesOf: ReadonlyMap<number, number>
  /** Not before this; after a refusal one record at a time. */
  notBeforeMs: number
  isCautious: boolean
  /** Waiting, ready and being delivered. */
  count: number
}

export class DelayedTable {
  #producerId: bigint | null = null
  readonly #targets = new Map<string, Target>()
  readonly #byNumber: (Target | undefined)[] = []
  readonly #delivered = new OffsetBits()
  readonly #index = new DueIndex()
  /** Of targets that have something ready. */
  readonly #ready = new Set<Target>()
  #count = 0
  #goneInIndex = 0

  get producerId(): bigint | null {
    return this.#producerId
  }

  /** Records that wait, or are on their way. */
  get count(): number {
    return this.#count
  }

  countOf(topicId: string, partitionCount: number): number {
    let count = 0
    for (let partition = 0; partition < partitionCount; partition++)
      count += this.#targets.get(keyOf({ topicId, partition }))?.count ?? 0
    return count
  }

  /** Below this every stored record was delivered. */
  get floor(): number {
    return this.#delivered.floor
  }

  /** Call once after the last replay of a start, before anything is added: what waited then is read from its log. */
  start(): void {
    this.#count = 0
    this.#ready.clear()
    for (const target of this.#targets.values()) {
      target.ready = []
      target.count = target.delivering?.length ?? 0
      this.#count += target.count
    }
  }

  /** Whether a stored record has to be added at a start: it was not delivered, and is in no batch. */
  isWaiting(target: TargetId, offset: number): boolean {
    if (this.#delivered.has(offset)) return false
    return this.#targets.get(keyOf(target))?.delivering?.includes(offset) !== true
  }

  /** A stored record waits from here on. */
  add({ dueMs, offset, bytes, isDelay, ...id }: WaitingRecord): void {
    const target = this.#target(id)
    target.count++
    this.#count++
    this.#index.add({ dueMs, offset, target: target.number, bytes, isDelay })
  }

  /** When something has to be looked at; infinite when nothing waits. */
  nextMs(): number {
    let nextMs = this.#index.nextDueMs
    for (const { delivering, notBeforeMs } of this.#ready)
      if (delivering === null) nextMs = Math.min(nextMs, notBeforeMs)
    return nextMs
  }

  /** What is due goes to its partitions: a record for each batch that can begin now. Decides, and moves soft state. */
  due(nowMs: number, maxBytesOf: (topicId: string) => number): readonly DelayedRecord[] {
    let readyCount = 0
    for (const { ready, notBeforeMs } of this.#ready)
      if (notBeforeMs <= nowMs) readyCount += ready.length
    for (; readyCount < MOST_READY; readyCount++) {
      const entry = this.#index.take(nowMs)
      if (entry === null) break
      const target = this.#byNumber[entry.target]
      if (target === undefined) {
        this.#goneInIndex--
        continue
      }
      target.ready.push({ offset: entry.offset, bytes: entry.bytes })
      this.#ready.add(target)
    }
    const records: DelayedRecord[] = []
    for (const target of this.#ready) {
      const { topicId, partition, delivering, notBeforeMs } = target
      if (delivering !== null || notBeforeMs > nowMs) continue
      const offsets = batchOf(target, maxBytesOf(topicId))
      records.push({ kind: 'delivering', topicId, partition, offsets })
    }
    return records
  }

  /** The batches that are under way: at a start those that a crash may have cut off. */
  deliveries(): readonly Delivery[] {
    return Array.from(this.#targets.values(), deliveryOf).filter((delivery) => delivery !== null)
  }

  delivery(target: TargetId): Delivery | null {
    const known = this.#targets.get(keyOf(target))
    return known === undefined ? null : deliveryOf(known)
  }

  /** The partition refused its batch: not again before this time, and then one record at a time. */
  slowDown(id: TargetId, notBeforeMs: number): void {
    const target = this.#target(id)
    target.notBeforeMs = notBeforeMs
    target.isCautious = true
  }

  /** What was given as a delay is due so much later (or, negative, earlier) by the wall clock. */
  shift(byMs: number): void {
    this.#index.shift(byMs)
    for (const target of this.#targets.values()) target.notBeforeMs += byMs
  }

  /** The first stored record that still waits or is on its way; infinite when none does. Looks at every one. */
  firstWaiting(): number {
    let first = this.#index.firstOffset()
    for (const { ready, delivering } of this.#targets.values()) {
      for (const { offset } of ready) first = Math.min(first, offset)
      for (const offset of delivering ?? []) first = Math.min(first, offset)
    }
    return first
  }

  replay(record: DelayedRecord): void {
    switch (record.kind) {
      case 'producer':
        this.#producerId = BigInt(record.producerId)
        return
      case 'delivering':
        return this.#begin(record, record.offsets)
      case 'delivered':
        return this.#finish(record)
      case 'returned':
        return this.#return(record)
      case 'topic-gone':
        return this.#forgetTopic(record.topicId)
      case 'trimmed':
        return this.#delivered.raiseFloor(record.offset)
      case 'state':
        this.#producerId = record.producerId === null ? null : BigInt(record.producerId)
        this.#delivered.restore(record.floor, record.delivered)
        for (const state of record.targets) this.#restore(state)
        return
    }
  }

  snapshot(): DelayedRecord {
    return {
      kind: 'state',
      producerId: this.#producerId === null ? null : String(this.#producerId),
      floor: this.#delivered.floor,
      delivered: this.#delivered.snapshot(),
      targets: Array.from(this.#targets.values())
        .filter(({ nextSequence, delivering }) => nextSequence > 0 || delivering !== null)
        .map(({ topicId, partition, nextSequence, delivering }) => ({
          topicId,
          partition,
          nextSequence,
          delivering,
        })),
    }
  }

  #begin(id: TargetId, offsets: readonly number[]): void {
    const target = this.#target(id)
    assertInvariant(
      target.delivering === null && offsets.length > 0,
      () => `two batches are delivered to ${keyOf(id)} at once`,
    )
    target.delivering = offsets
    // At a start nothing is ready: then this counts them.
    const isLive = target.ready[0]?.offset === offsets[0]
    const taken = isLive ? target.ready.splice(0, offsets.length) : []
    target.bytesOf = new Map(taken.map(({ offset, bytes }) => [offset, bytes]))
    if (!isLive) {
      target.count += offsets.length
      this.#count += offsets.length
    }
    if (target.ready.length === 0) this.#ready.delete(target)
  }

  #finish(id: TargetId): void {
    const target = this.#target(id)
    const { delivering } = target
    assertInvariant(delivering !== null, () => `nothing is delivered to ${keyOf(id)}`)
    for (const offset of delivering) this.#delivered.add(offset)
    target.nextSequence = (target.nextSequence + delivering.length) % (MAX_SEQUENCE + 1)
    target.delivering = null
    target.count -= delivering.length
    this.#count -= delivering.length
    target.isCautious = false
    target.notBeforeMs = 0
  }

  #return(id: TargetId): void {
    const target = this.#target(id)
    const { delivering, bytesOf } = target
    assertInvariant(delivering !== null, () => `nothing is delivered to ${keyOf(id)}`)
    target.delivering = null
    target.ready.unshift(
      ...delivering.map((offset) => ({ offset, bytes: bytesOf.get(offset) ?? 0 })),
    )
    this.#ready.add(target)
  }

  #restore({ nextSequence, delivering, ...id }: TargetState): void {
    this.#target(id).nextSequence = nextSequence
    if (delivering !== null) this.#begin(id, delivering)
  }

  #forgetTopic(topicId: string): void {
    for (const [key, target] of this.#targets) {
      if (target.topicId !== topicId) continue
      this.#targets.delete(key)
      this.#ready.delete(target)
      this.#byNumber[target.number] = undefined
      this.#count -= target.count
      this.#goneInIndex += target.count - target.ready.length - (target.delivering?.length ?? 0)
    }
    // What is left of topics that are gone must not grow without end.
    if (2 * this.#goneInIndex <= this.#index.size) return
    this.#index.retain((number) => this.#byNumber[number] !== undefined)
    this.#goneInIndex = 0
  }

  #target(id: TargetId): Target {
    const key = keyOf(id)
    const known = this.#targets.get(key)
    if (known !== undefined) return known
    const target: Target = {
      topicId: id.topicId,
      partition: id.partition,
      number: this.#byNumber.length,
      nextSequence: 0,
      delivering: null,
      ready: [],
      bytesOf: new Map(),
      notBeforeMs: 0,
      isCautious: false,
      count: 0,
    }
    this.#byNumber.push(target)
    this.#targets.set(key, target)
    return target
  }
}

/** At least one record. */
function batchOf({ ready, isCautious }: Target, maxBytes: number): readonly number[] {
  const offsets: number[] = []
  let size = 0
  for (const { offset, bytes } of ready) {
    size += bytes
    if (offsets.length > 0 && (size > maxBytes || isCautious || offsets.length === BATCH_RECORDS))
      break
    offsets.push(offset)
  }
  return offsets
}

function deliveryOf({ topicId, partition, nextSequence, delivering }: Target): Delivery | null {
  return delivering && { topicId, partition, baseSequence: nextSequence, offsets: delivering }
}

function keyOf({ topicId, partition }: TargetId): string {
  return `${topicId}/${partition}`
}
