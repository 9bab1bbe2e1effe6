/**
 * Gathers records into batches before the handler, and takes them apart again after it.
 *
 *   records ─▶ group (all, one partition, one key) ─▶ batch: full, or the first one waited long enough ─▶ handler
 *                 ▲                                                            │ returned: all are done
 *                 └── came back for another attempt, alone ◀── threw: all have failed an attempt
 *
 * A group of a partition or a key runs one batch at a time, in order of offset. After a failure nothing of it goes on until
 * every record of the failed batch has come back or is over; then they run one by one, so that only the culprit ends in
 * the dead letters. The engine sees single records: lanes, limits, commits and rebalances are its own.
 */

import type { Timer, Timers } from '../../core/index.ts'
import type { Attempt } from '../dispatch/attempt.ts'
import { NotYet } from '../dispatch/outcome.ts'
import type { PartitionWork, WorkItem } from '../work.ts'

export interface BatchPolicy {
  readonly max: number
  readonly waitMs: number
  readonly by: 'any' | 'partition' | 'key'
}

export interface BatchItem<T> {
  readonly value: T
  readonly ctx: Attempt
}

export type BatchHandle = (items: readonly BatchItem<unknown>[]) => unknown

interface Member extends BatchItem<unknown> {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Group {
  /** In order of offset, those that came back first. */
  queue: Member[]
  /** Batches that run: more than one only where no order is kept. */
  running: number
  /** Records of a failed batch that have not come back and are not over. */
  readonly awaited: Set<WorkItem>
  timer: Timer | null
  isDue: boolean
}

export class Batcher {
  readonly #policy: BatchPolicy
  readonly #handle: BatchHandle
  readonly #timers: Timers
  readonly #groups = new Map<string, Group>()
  /** The group of every record that is awaited. */
  readonly #awaited = new Map<WorkItem, string>()

  constructor(policy: BatchPolicy, handle: BatchHandle, timers: Timers) {
    this.#policy = policy
    this.#handle = handle
    this.#timers = timers
  }

  /** As a handler of single records. */
  readonly take = (value: unknown, ctx: Attempt): Promise<void> =>
    new Promise((resolve, reject) => {
      const name = this.#nameOf(ctx)
      const group = this.#groups.get(name) ?? newGroup()
      this.#groups.set(name, group)
      this.#cameBack(ctx.item)
      insert(group.queue, { value, ctx, resolve, reject })
      this.#go(name, group)
    })

  /** A record is over, whatever became of it. */
  readonly done = (item: WorkItem): void => {
    const name = this.#awaited.get(item)
    if (name === undefined) return
    const group = this.#cameBack(item)
    if (group !== undefined) this.#go(name, group)
  }

  /** What has not begun goes back unseen; what failed is not waited for. */
  readonly draining = (work: PartitionWork): void => {
    for (const [name, group] of this.#groups) {
      const [gone, kept] = split(group.queue, ({ ctx }) => ctx.item.partition === work)
      group.queue = kept
      for (const item of group.awaited) if (item.partition === work) this.#cameBack(item)
      for (const { reject } of gone) reject(new NotYet(0))
      this.#go(name, group)
    }
  }

  #go(name: string, group: Group): void {
    const { by, max, waitMs } = this.#policy
    while (group.queue.length > 0) {
      if (by !== 'any' && (group.running > 0 || group.awaited.size > 0)) return
      const [first] = group.queue
      const isAlone = (first?.ctx.attempt ?? 1) > 1
      if (!isAlone && group.queue.length < max && !group.isDue) {
        group.timer ??= this.#timers.schedule(waitMs, () => {
          group.timer = null
          group.isDue = true
          this.#go(name, group)
        })
        return
      }
      group.timer?.cancel()
      group.timer = null
      group.isDue = false
      void this.#run(name, group, takeBatch(group.queue, isAlone ? 1 : max))
    }
    group.timer?.cancel()
    group.timer = null
    if (group.running === 0 && group.awaited.size === 0) this.#groups.delete(name)
  }

  /** Never rejects. */
  async #run(name: string, group: Group, batch: readonly Member[]): Promise<void> {
    group.running++
    try {
      await this.#handle(batch.map(({ value, ctx }) => ({ value, ctx })))
      for (const { resolve } of batch) resolve()
    } catch (error) {
      for (const { ctx } of batch)
        if (ctx.item.partition.state === 'open') this.#await(ctx.item, name, group)
      for (const { reject } of batch) reject(error)
    }
    group.running--
    this.#go(name, group)
  }

  #await(item: WorkItem, name: string, group: Group): void {
    group.awaited.add(item)
    this.#awaited.set(item, name)
  }

  #cameBack(item: WorkItem): Group | undefined {
    const group = this.#groups.get(this.#awaited.get(item) ?? '')
    this.#awaited.delete(item)
    group?.awaited.delete(item)
    return group
  }

  #nameOf({ item, topic, partition }: Attempt): string {
    switch (this.#policy.by) {
      case 'any':
        return ''
      case 'partition':
        return `${topic}/${partition}`
      case 'key': {
        const { key } = item.record
        return `${topic}/${partition}/${key === null ? '' : `k${Buffer.from(key).toString('base64')}`}`
      }
    }
  }
}

function newGroup(): Group {
  return { queue: [], running: 0, awaited: new Set(), timer: null, isDue: false }
}

/** Records mostly come in order: looked for from the end. Of several partitions, each keeps its own order. */
function insert(queue: Member[], member: Member): void {
  let index = queue.length
  while (index > 0 && comesBefore(member, queue[index - 1] as Member)) index--
  queue.splice(index, 0, member)
}

function comesBefore(left: Member, right: Member): boolean {
  return left.ctx.item.partition === right.ctx.item.partition && left.ctx.offset < right.ctx.offset
}

/** The first so many, but none that comes back with those that come for the first time. */
function takeBatch(queue: Member[], max: number): Member[] {
  const again = max === 1 ? -1 : queue.findIndex(({ ctx }) => ctx.attempt > 1)
  return queue.splice(0, again < 0 ? max : Math.min(max, again))
}

function split<T>(items: readonly T[], takes: (item: T) => boolean): [T[], T[]] {
  return [items.filter(takes), items.filter((item) => !takes(item))]
}
