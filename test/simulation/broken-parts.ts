/**
 * Builds of the runtime with one part broken on purpose: the checker must notice each, or its silence means nothing.
 */

import { DelayQueue } from '../../src/consumer/dispatch/delay-queue.ts'
import { engineParts } from '../../src/consumer/engine-parts.ts'
import type { EngineParts } from '../../src/consumer/engine-parts.ts'
import { LaneTable, ReadyQueue } from '../../src/consumer/dispatch/lanes.ts'
import type { Completions } from '../../src/consumer/completion/completion-map.ts'
import { OffsetTracker } from '../../src/consumer/completion/offset-tracker.ts'
import type { WorkItem } from '../../src/consumer/work.ts'

export interface BrokenBuild {
  readonly name: string
  readonly parts: () => EngineParts
}

/** Commits what was delivered, not what is done. */
class HighestSeenTracker extends OffsetTracker {
  override committable(): number {
    return this.nextOffset
  }
}

/** Commits the highest record that is done, whatever is open below it. */
class HighestDoneTracker extends OffsetTracker {
  readonly #offsets = new Map<number, number>()
  #highest = -1

  override deliver(offset: number): number {
    const ordinal = super.deliver(offset)
    this.#offsets.set(ordinal, offset)
    return ordinal
  }

  override finish(ordinal: number): void {
    super.finish(ordinal)
    this.#highest = Math.max(this.#highest, this.#offsets.get(ordinal) ?? -1)
  }

  override committable(): number {
    return Math.max(super.committable(), this.#highest + 1)
  }
}

/** Its map says that everything up to the highest record done is done. */
class ForgetfulTracker extends OffsetTracker {
  override completions(): Completions {
    return { ...super.completions(), open: [] }
  }
}

/** Leaves queued records of a partition that went in their lanes. */
class StaleLanes extends LaneTable<WorkItem> {
  override dropInactive(): void {}
}

/** Every record has a lane of its own. */
class NoLanes extends LaneTable<WorkItem> {
  override append(item: WorkItem): boolean {
    item.laneKey = Uint8Array.of(...ordinalBytes(item.ordinal))
    return super.append(item)
  }
}

/** A record that waits for its retry goes behind those of its key that came after it. */
class RetryAtTail extends DelayQueue<WorkItem> {
  readonly #ready: ReadyQueue<WorkItem>

  constructor(ready: ReadyQueue<WorkItem>) {
    super()
    this.#ready = ready
  }

  override push(item: WorkItem, dueMs: number): void {
    const next = item.partition.lanes?.advance(item) ?? null
    if (next !== null) this.#ready.push(next)
    super.push(item, dueMs)
  }

  override shift(nowMs: number): WorkItem | null {
    const item = super.shift(nowMs)
    if (item === null || item.partition.lanes?.append(item) !== false) return item
    return this.shift(nowMs)
  }
}

/** Giving back what waits for its retry, as at the end, counts as done. */
class DropsAreDone extends DelayQueue<WorkItem> {
  override remove(gone: (item: WorkItem) => boolean): void {
    for (const item of this.values()) if (gone(item)) item.partition.tracker.finish(item.ordinal)
    super.remove(gone)
  }
}

export const brokenBuilds: readonly BrokenBuild[] = [
  {
    name: 'commits the highest record seen',
    parts: () => ({
      ...engineParts,
      createTracker: (startOffset, remembered) => new HighestSeenTracker(startOffset, remembered),
    }),
  },
  {
    name: 'commits the highest record done',
    parts: () => ({
      ...engineParts,
      createTracker: (startOffset, remembered) => new HighestDoneTracker(startOffset, remembered),
    }),
  },
  {
    name: 'remembers records as done that are not',
    parts: () => ({
      ...engineParts,
      createTracker: (startOffset, remembered) => new ForgetfulTracker(startOffset, remembered),
    }),
  },
  {
    name: 'keeps records of a partition that went',
    parts: () => ({ ...engineParts, createLanes: (limits) => new StaleLanes(limits) }),
  },
  {
    name: 'starts records of a key side by side',
    parts: () => ({ ...engineParts, createLanes: (limits) => new NoLanes(limits) }),
  },
  {
    name: 'moves a record that is retried behind its key',
    parts: () => {
      // One queue of each for every engine: the broken one has to find the other.
      let ready = new ReadyQueue<WorkItem>()
      return {
        ...engineParts,
        createReady: () => (ready = new ReadyQueue<WorkItem>()),
        createDelays: () => new RetryAtTail(ready),
      }
    },
  },
  {
    name: 'commits what waits for its retry when it gives up a partition',
    parts: () => ({ ...engineParts, createDelays: () => new DropsAreDone() }),
  },
  {
    name: 'takes a dead letter for written that was not',
    parts: () => ({
      ...engineParts,
      writeLetter: (letter, produce) => produce(letter).catch(() => {}),
    }),
  },
  {
    name: 'takes a failed record for done',
    parts: () => ({
      ...engineParts,
      decide: (failure, attempt, policy, chance) => {
        const decision = engineParts.decide(failure, attempt, policy, chance)
        return decision.kind === 'dead-letter' ? { kind: 'skip', reason: 'broken' } : decision
      },
    }),
  },
]

function ordinalBytes(ordinal: number): number[] {
  return [ordinal & 0xff, (ordinal >>> 8) & 0xff, (ordinal >>> 16) & 0xff, ordinal >>> 24]
}
