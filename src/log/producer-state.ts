/**
 * Which batches of an idempotent producer a partition has seen: each one is stored once, in order, however often it comes.
 *
 *   sequence   … 7 8 9 │10 11 12│13 14│ ← last of five remembered batches        next must be 15
 *                      └────────┴─── sent again: a duplicate, answered with its old offset
 *              older, another size, a gap: OUT_OF_ORDER_SEQUENCE_NUMBER
 *
 * Sequences wrap from 2^31-1 to 0. A higher producer epoch starts anew at 0 and fences the lower ones. Of a producer that
 * is not known (first seen, expired, pushed out by `maxProducers`) any first sequence is taken, as Kafka does.
 * Pure: `check` decides and changes nothing, `record` alone changes state; it is called for live and redone batches alike.
 */

import { assertInvariant } from '../core/index.ts'
import type { ProducerCheckpoint } from './partition-checkpoint.ts'

export interface ProducerBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
  /** Its largest timestamp: what a duplicate is answered with where the broker sets the time. */
  readonly maxTimestampMs: number
}

export type SequenceCheck =
  | { readonly kind: 'next' }
  /** It is stored already, at this offset. */
  | { readonly kind: 'duplicate'; readonly baseOffset: number; readonly maxTimestampMs: number }
  | {
      readonly kind: 'refused'
      readonly error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' | 'INVALID_PRODUCER_EPOCH'
      readonly message: string
    }

export interface ProducerLimits {
  readonly maxProducers: number
  readonly producerIdExpirationMs: number
}

/** How many batches a producer may have in flight and still be recognised. */
export const REMEMBERED_BATCHES = 5

interface StoredBatch {
  readonly baseSequence: number
  readonly recordCount: number
  readonly baseOffset: number
  readonly maxTimestampMs: number
}

interface Producer {
  readonly epoch: number
  readonly lastAppendMs: number
  /** At least one, at most `REMEMBERED_BATCHES`, oldest first. */
  readonly batches: readonly StoredBatch[]
}

const MAX_SEQUENCE = 2 ** 31 - 1

const NEXT: SequenceCheck = { kind: 'next' }

export class ProducerStates {
  readonly #limits: ProducerLimits
  /** The one idle longest comes first. */
  readonly #producers = new Map<bigint, Producer>()

  constructor(limits: ProducerLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#producers.size
  }

  check(batch: ProducerBatch): SequenceCheck {
    const producer = this.#producers.get(batch.producerId)
    if (producer === undefined) return NEXT
    const { producerId, producerEpoch: epoch, baseSequence } = batch
    if (epoch < producer.epoch)
      return {
        kind: 'refused',
        error: 'INVALID_PRODUCER_EPOCH',
        message: `producer ${producerId} came with epoch ${epoch}, the last seen is ${producer.epoch}`,
      }
    const due = epoch > producer.epoch ? 0 : sequenceAfter(producer.batches.at(-1))
    if (epoch === producer.epoch) {
      const stored = producer.batches.find((known) => isSame(known, batch))
      if (stored !== undefined) {
        const { baseOffset, maxTimestampMs } = stored
        return { kind: 'duplicate', baseOffset, maxTimestampMs }
      }
    }
    if (baseSequence === due) return NEXT
    return {
      kind: 'refused',
      error: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      message: `producer ${producerId} at epoch ${epoch} came with sequence ${baseSequence}, the next is ${due}`,
    }
  }

  /** The batch is in the log. */
  record(batch: ProducerBatch, baseOffset: number, nowMs: number): void {
    const { producerId, producerEpoch: epoch, baseSequence, recordCount, maxTimestampMs } = batch
    const known = this.#producers.get(producerId)
    assertInvariant(
      known === undefined || epoch >= known.epoch,
      () => `producer ${producerId}: epoch ${epoch} is recorded after ${known?.epoch}`,
    )
    const earlier = known?.epoch === epoch ? known.batches : []
    const batches = [
      ...earlier.slice(1 - REMEMBERED_BATCHES),
      { baseSequence, recordCount, baseOffset, maxTimestampMs },
    ]
    this.#producers.delete(producerId)
    this.#producers.set(producerId, { epoch, lastAppendMs: nowMs, batches })
    if (this.#producers.size > this.#limits.maxProducers) this.#forgetOne()
  }

  /** Forgets producers that were idle for too long. Wall time may jump back: then they live longer, never shorter. */
  expire(nowMs: number): void {
    for (const [producerId, { lastAppendMs }] of this.#producers)
      if (nowMs - lastAppendMs >= this.#limits.producerIdExpirationMs)
        this.#producers.delete(producerId)
  }

  checkpoint(): readonly ProducerCheckpoint[] {
    return Array.from(this.#producers, ([producerId, { epoch, lastAppendMs, batches }]) => ({
      producerId: String(producerId),
      epoch,
      lastAppendMs,
      batches: batches.map(
        ({ baseSequence, recordCount, baseOffset, maxTimestampMs }) =>
          [baseSequence, recordCount, baseOffset, maxTimestampMs] as const,
      ),
    }))
  }

  restore(producers: readonly ProducerCheckpoint[]): void {
    for (const { producerId, epoch, lastAppendMs, batches } of producers)
      this.#producers.set(BigInt(producerId), {
        epoch,
        lastAppendMs,
        batches: batches.map(([baseSequence, recordCount, baseOffset, maxTimestampMs]) => ({
          baseSequence,
          recordCount,
          baseOffset,
          maxTimestampMs,
        })),
      })
  }

  #forgetOne(): void {
    const oldest = this.#producers.keys().next()
    if (oldest.done !== true) this.#producers.delete(oldest.value)
  }
}

function isSame(stored: StoredBatch, batch: ProducerBatch): boolean {
  return stored.baseSequence === batch.baseSequence && stored.recordCount === batch.recordCount
}

function sequenceAfter(batch: StoredBatch | undefined): number {
  if (batch === undefined) return 0
  return (batch.baseSequence + batch.recordCount) % (MAX_SEQUENCE + 1)
}
