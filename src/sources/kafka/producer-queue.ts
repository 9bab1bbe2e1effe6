/**
 * Records on their way to one partition, in batches: what is sent, what waits, which numbers they carry.
 *
 * Only the first batch of a queue is ever under way, so order and sequence numbers need nothing more: a batch gets its
 * sequence when it is first sent and keeps it, and its bytes, however often it is sent again.
 */

import type { RecordInput } from '../../protocol/index.ts'

export interface SentRecord {
  readonly topic: string
  readonly partition: number
  /** -1 when the broker had the record already and no longer knows where. */
  readonly offset: number
}

export interface QueuedRecord {
  readonly record: RecordInput
  readonly byteLength: number
  readonly sent: (record: SentRecord) => void
  readonly failed: (error: Error) => void
}

export interface Batch {
  readonly records: readonly QueuedRecord[]
  readonly byteLength: number
  /** Monotonic times: when its first record came, and when it is given up. */
  readonly sinceMs: number
  readonly deadlineMs: number
}

/** A batch under way or waiting to be sent again: nothing about it changes any more. */
export interface SealedBatch extends Batch {
  readonly bytes: Uint8Array
  readonly producerId: bigint
  readonly baseSequence: number
}

interface OpenBatch extends Batch {
  readonly records: QueuedRecord[]
  byteLength: number
}

/** Sequence numbers are int32 and begin again after the last. */
const SEQUENCES = 2 ** 31

export class PartitionQueue {
  readonly topic: string
  readonly partition: number
  readonly #waiting: OpenBatch[] = []
  #sealed: SealedBatch | null = null
  #producerId = -1n
  #nextSequence = 0
  isInFlight = false
  attempts = 0
  notBeforeMs = 0

  constructor(topic: string, partition: number) {
    this.topic = topic
    this.partition = partition
  }

  get isEmpty(): boolean {
    return this.#sealed === null && this.#waiting.length === 0
  }

  get head(): Batch | null {
    return this.#sealed ?? this.#waiting[0] ?? null
  }

  /** Whether the first batch may be sent now: full, old enough, or to be sent again. */
  isReady(nowMs: number, lingerMs: number): boolean {
    if (this.isInFlight || nowMs < this.notBeforeMs) return false
    const [first] = this.#waiting
    if (this.#sealed !== null) return true
    return first !== undefined && (this.#waiting.length > 1 || nowMs - first.sinceMs >= lingerMs)
  }

  add(queued: QueuedRecord, limits: { maxBytes: number; nowMs: number; timeoutMs: number }): void {
    const last = this.#waiting.at(-1)
    if (last !== undefined && last.byteLength + queued.byteLength <= limits.maxBytes) {
      last.records.push(queued)
      last.byteLength += queued.byteLength
      return
    }
    this.#waiting.push({
      records: [queued],
      byteLength: queued.byteLength,
      sinceMs: limits.nowMs,
      deadlineMs: limits.nowMs + limits.timeoutMs,
    })
  }

  /** The first batch as it travels, encoded when it is sent for the first time. */
  seal(
    producerId: bigint,
    encode: (records: readonly RecordInput[], baseSequence: number) => Uint8Array,
  ): SealedBatch | null {
    if (this.#sealed !== null) return this.#sealed
    const [batch] = this.#waiting
    if (batch === undefined) return null
    if (producerId !== this.#producerId) {
      this.#producerId = producerId
      this.#nextSequence = 0
    }
    const baseSequence = this.#nextSequence
    const bytes = encode(
      batch.records.map(({ record }) => record),
      baseSequence,
    )
    this.#waiting.shift()
    this.#nextSequence = (baseSequence + batch.records.length) % SEQUENCES
    this.#sealed = { ...batch, bytes, producerId, baseSequence }
    this.attempts = 0
    return this.#sealed
  }

  /** The first batch is settled, one way or the other. */
  drop(): Batch | null {
    const dropped = this.#sealed ?? this.#waiting.shift() ?? null
    this.#sealed = null
    this.attempts = 0
    this.notBeforeMs = 0
    return dropped
  }

  /** Nothing of the first batch was kept: it goes back to be numbered anew. */
  unseal(): void {
    const batch = this.#sealed
    if (batch === null) return
    this.#sealed = null
    this.#producerId = -1n
    this.#waiting.unshift(reopened(batch, batch.records))
  }

  /** Nothing of the first batch was kept, for it was too large: two halves take its place and its numbers. */
  split(): boolean {
    const batch = this.#sealed
    if (batch === null || batch.records.length < 2) return false
    const middle = Math.ceil(batch.records.length / 2)
    this.#sealed = null
    this.#nextSequence = batch.baseSequence
    this.#waiting.unshift(
      reopened(batch, batch.records.slice(0, middle)),
      reopened(batch, batch.records.slice(middle)),
    )
    return true
  }

  /** Everything, for giving up. */
  takeAll(): readonly QueuedRecord[] {
    const records = [
      ...(this.#sealed?.records ?? []),
      ...this.#waiting.flatMap((one) => one.records),
    ]
    this.#sealed = null
    this.#waiting.length = 0
    return records
  }
}

function reopened(batch: Batch, records: readonly QueuedRecord[]): OpenBatch {
  const { sinceMs, deadlineMs } = batch
  const byteLength = records.reduce((sum, record) => sum + record.byteLength, 0)
  return { records: [...records], byteLength, sinceMs, deadlineMs }
}
