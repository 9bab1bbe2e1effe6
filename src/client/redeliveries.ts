/**
 * Records that wait to be delivered again, the next one first.
 *
 * Of two that are due at the same moment the one that was released first comes first. Pure: time is a parameter.
 */

import type { OwnedPartition } from '../consumer/index.ts'
import type { Delivery } from './member.ts'

interface Waiting {
  readonly delivery: Delivery
  readonly dueMs: number
}

export class Redeliveries {
  /** By due time, the last one first to come. */
  #waiting: Waiting[] = []

  add(delivery: Delivery, dueMs: number): void {
    let low = 0
    let high = this.#waiting.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#waiting[middle]?.dueMs ?? 0) > dueMs) low = middle + 1
      else high = middle
    }
    this.#waiting.splice(low, 0, { delivery, dueMs })
  }

  /** Infinity when nothing waits. */
  nextDueMs(): number {
    return this.#waiting.at(-1)?.dueMs ?? Number.POSITIVE_INFINITY
  }

  takeDue(nowMs: number, maxRecords: number): Delivery[] {
    const due: Delivery[] = []
    while (due.length < maxRecords && this.nextDueMs() <= nowMs) {
      const next = this.#waiting.pop()
      if (next !== undefined) due.push(next.delivery)
    }
    return due
  }

  forget({ topic, partition, epoch }: OwnedPartition): void {
    this.#waiting = this.#waiting.filter(
      ({ delivery }) =>
        delivery.topic !== topic || delivery.partition !== partition || delivery.epoch > epoch,
    )
  }

  clear(): void {
    this.#waiting = []
  }
}
