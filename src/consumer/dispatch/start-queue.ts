/**
 * Items that may start: one queue, or one for each topic where topics are not all alike.
 */

import type { EngineParts } from '../engine-parts.ts'
import type { Settings } from '../resolve-options.ts'
import type { WorkItem } from '../work.ts'
import type { ReadyQueue } from './lanes.ts'
import { TopicQueues } from './topic-queues.ts'

export class StartQueue {
  readonly #all: ReadyQueue<WorkItem>
  /** Instead of `#all`, where topics are not all alike. */
  readonly #topics: TopicQueues | null

  constructor({ topics }: Settings, parts: EngineParts) {
    this.#all = parts.createReady()
    this.#topics = topics.size === 0 ? null : new TopicQueues(topics)
  }

  get isEmpty(): boolean {
    return (this.#topics === null ? this.#all.length : this.#topics.length) === 0
  }

  push(item: WorkItem): void {
    if (this.#topics === null) this.#all.push(item)
    else this.#topics.push(item)
  }

  /** The item that starts now, when one may. */
  shift(freeSlots: number, nowMs: number): WorkItem | null {
    return this.#topics === null ? this.#all.shift() : this.#topics.shift(freeSlots, nowMs)
  }

  /** When an item that only a rate holds back may start. */
  nextMs(nowMs: number): number {
    return this.#topics === null ? Number.POSITIVE_INFINITY : this.#topics.nextMs(nowMs)
  }

  /** Removes the items for which `gone` holds. */
  remove(gone: (item: WorkItem) => boolean): void {
    this.#all.remove(gone)
    this.#topics?.remove(gone)
  }

  /** It was taken out and does not start now. */
  held(item: WorkItem): void {
    this.#topics?.held(item)
  }

  occupied(item: WorkItem): void {
    this.#topics?.occupied(item)
  }

  vacated(item: WorkItem): void {
    this.#topics?.vacated(item)
  }
}
