/**
 * Where records wait for their next attempt, or for the next try to write their letter: they hold no slot, only their
 * place at the head of their lane.
 */

import type { Clock, Timers } from '../../core/index.ts'
import type { WorkItem } from '../work.ts'
import { Alarm } from './alarm.ts'
import type { DelayQueue } from './delay-queue.ts'

export class WaitingRoom {
  readonly #queue: DelayQueue<WorkItem>
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #due: (items: readonly WorkItem[]) => void
  #letters = 0

  constructor(
    queue: DelayQueue<WorkItem>,
    { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
    due: (items: readonly WorkItem[]) => void,
  ) {
    this.#queue = queue
    this.#clock = clock
    this.#alarm = new Alarm(clock, timers, () => this.#takeDue())
    this.#due = due
  }

  facts(): { readonly retriesWaiting: number; readonly lettersWaiting: number } {
    return { retriesWaiting: this.#queue.length - this.#letters, lettersWaiting: this.#letters }
  }

  add(item: WorkItem, afterMs: number): void {
    if (item.letter !== null) this.#letters++
    this.#queue.push(item, this.#clock.monotonicMs() + afterMs)
    this.#set()
  }

  remove(gone: (item: WorkItem) => boolean): void {
    this.#queue.remove(gone)
    this.#letters = 0
    for (const item of this.#queue.values()) if (item.letter !== null) this.#letters++
  }

  close(): void {
    this.#alarm.cancel()
  }

  #takeDue(): void {
    const nowMs = this.#clock.monotonicMs()
    const items: WorkItem[] = []
    for (let item = this.#queue.shift(nowMs); item !== null; item = this.#queue.shift(nowMs)) {
      if (item.letter !== null) this.#letters--
      items.push(item)
    }
    this.#set()
    this.#due(items)
  }

  #set(): void {
    this.#alarm.by(this.#queue.nextDueMs ?? Number.POSITIVE_INFINITY)
  }
}
