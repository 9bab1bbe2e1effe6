/**
 * One request to a share-partition being decided: what it would make of the state, step by step.
 *
 * Begins with what the clock ended in the meantime, so a request never meets a lock that is over. Nothing has happened
 * until the records of the decision are replayed; they are all of its hard changes, by construction: the same
 * `withDelivery` makes the next step here and replays there.
 */

import type {
  Delivery,
  DeadLetterReason,
  DeliveryRange,
  FailedRange,
  ShareRecord,
} from './records.ts'
import { type Hold, segments, type Segment, type ShareHolds } from './holds.ts'
import type { ShareConfig } from './limits.ts'
import { append, assign, type OffsetRange } from './ranges.ts'
import { type SharePartition, withDelivery } from './share-partition.ts'

/** A share-partition, whole: hard state, soft state and what holds for it. */
export interface ShareState {
  readonly partition: SharePartition
  readonly holds: ShareHolds
  readonly config: ShareConfig
}

/**
 * What a request leads to. The shell replays the records at once, takes over the holds in the same turn of the event loop,
 * and lets the response leave once everything replayed so far is flushed.
 */
export interface ShareDecision<Response> {
  readonly response: Response
  readonly records: readonly ShareRecord[]
  readonly holds: ShareHolds
}

export class ShareTurn {
  readonly config: ShareConfig
  readonly nowMs: number
  #partition: SharePartition
  #holds: ShareHolds
  readonly #deliveries: DeliveryRange[] = []
  readonly #failed: FailedRange[] = []

  constructor(state: ShareState, nowMs: number) {
    this.config = state.config
    this.nowMs = nowMs
    this.#partition = state.partition
    this.#holds = state.holds
    for (const range of state.holds) {
      if (range.value.untilMs > nowMs) continue
      if (range.value.kind === 'delay') this.hold(range, null)
      else this.giveBack(range)
    }
  }

  get partition(): SharePartition {
    return this.#partition
  }

  segments(range: OffsetRange): Segment[] {
    return segments(this.#partition, this.#holds, range)
  }

  hold({ firstOffset, lastOffset }: OffsetRange, hold: Hold | null): void {
    this.#holds = assign(this.#holds, { firstOffset, lastOffset }, hold)
  }

  /** What became of records; a hold on them is over. */
  deliver({ firstOffset, lastOffset }: OffsetRange, value: Delivery): void {
    const range = { firstOffset, lastOffset, value }
    this.hold(range, null)
    this.#partition = withDelivery(this.#partition, range)
    append(this.#deliveries, range)
  }

  /** What a member says of a failed delivery: kept for the dead letter, should there be one. */
  fail(failed: FailedRange): void {
    this.#failed.push(failed)
  }

  /** No further delivery: to the dead letters, if there are any. */
  giveUp(segment: Segment, reason: DeadLetterReason): void {
    const { delivery } = segment
    if (this.config.hasDeadLetters && delivery.state === 'available')
      this.deliver(segment, {
        state: 'archiving',
        deliveryCount: delivery.deliveryCount,
        reason,
      })
    else this.deliver(segment, { state: 'archived' })
  }

  /** Delivered, and not dealt with: available again after a delay, unless that was the last attempt. */
  giveBack(range: OffsetRange, delayMs: (deliveryCount: number) => number = () => 0): void {
    for (const segment of this.segments(range)) {
      const { delivery } = segment
      if (delivery.state !== 'available') continue
      if (this.isExhausted(delivery)) {
        this.giveUp(segment, 'delivery-limit')
        continue
      }
      const wait = delayMs(delivery.deliveryCount)
      this.hold(segment, wait > 0 ? { kind: 'delay', untilMs: this.nowMs + wait } : null)
    }
  }

  isExhausted({ deliveryCount }: { readonly deliveryCount: number }): boolean {
    return deliveryCount >= this.config.deliveryCountLimit
  }

  lockFor(memberId: string, durationMs: number | undefined): Hold {
    const untilMs = this.nowMs + (durationMs ?? this.config.recordLockDurationMs)
    return { kind: 'lock', memberId, untilMs }
  }

  decision<Response>(response: Response): ShareDecision<Response> {
    const { groupId, topicId, partition, stateEpoch } = this.#partition
    const id = { groupId, topicId, partition, stateEpoch }
    const records: ShareRecord[] = []
    // First: a delivery may end a record, and with it what is known of its failures.
    if (this.#failed.length > 0) records.push({ kind: 'share-failed', ...id, failed: this.#failed })
    if (this.#deliveries.length > 0)
      records.push({ kind: 'share-delivery', ...id, deliveries: this.#deliveries })
    return { response, records, holds: this.#holds }
  }
}
