/**
 * What the runtime holds: a partition in one epoch, and one delivered record on its way.
 *
 *   partition   open ──revoked──▶ draining ──all done or the time is up──▶ gone
 *                 └──────────────────────lost──────────────────────────────▶┘
 *   item        queued ──ready, slot free──▶ running ──▶ done
 *                            ▲                 │ failed           │ no attempts left
 *                            └── due ── waiting ◀─┘               └──▶ letter (to be written, tried until it is)
 *
 * open: records come in, handlers start. draining: nothing starts, what runs may finish and counts. gone: what still
 * runs is late and changes nothing. A partition that comes back is a new object with a higher epoch.
 * The item is the node of two intrusive lists at once, its lane and the ready queue, so queueing allocates nothing.
 */

import type { Pressure, Usage } from './dispatch/budget.ts'
import type { Delayed } from './dispatch/delay-queue.ts'
import type { Lane, LaneTable, Queued } from './dispatch/lanes.ts'
import type { OffsetTracker } from './completion/offset-tracker.ts'
import type { PartitionStarts } from './failure/partition-starts.ts'
import type { ParkedHead } from './parking/parked-lanes.ts'
import type { Assignment, SourceRecord } from './source.ts'

/** The parked lanes of a partition, to those who start records and end them (`parking/parking.ts`). */
export interface ParkedWork {
  readonly size: number
  readonly laneCount: number
  /** Share of the limit that is used. */
  readonly fill: number
  /** Where the next owner may begin to read what is parked. */
  readonly lowest: number
  begin(): void
  close(): void
  /** `hold`: it is kept, and comes back. `kept`: it is parked already. */
  admission(item: WorkItem): 'run' | 'hold' | 'divert' | 'kept'
  append(item: WorkItem, letter: Letter): Promise<void>
  finished(item: WorkItem): void
  failed(item: WorkItem, afterMs: number): void
}

export class PartitionWork {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly generation: number
  readonly tracker: OffsetTracker
  /** null when records need no order. */
  readonly lanes: LaneTable<WorkItem> | null
  readonly usage: Usage = { records: 0, bytes: 0, paused: false }
  state: 'open' | 'draining' | 'gone' = 'open'
  /** Executions and dead-letter writes under way. */
  active = 0
  /** Share of a commit's metadata that its completion map took the last time. */
  mapFill = 0
  /** The partition's end as the broker last told it. */
  endOffset: number
  /** When something was last delivered or finished, or it was let go on; monotonic. */
  progressMs: number
  /** What of it nobody has looked at: its batches and records in the dispatcher's backlog. */
  waitingBatches = 0
  waitingRecords = 0
  /** Its source rests, for more than enough waits. */
  isAhead = false
  /** The position after everything that was delivered, looked at or not. */
  deliveredOffset: number
  /** null when records are never parked. */
  parking: ParkedWork | null = null
  /** Starts that are noted in commits; null: none are. */
  starts: PartitionStarts | null = null
  /** Whether records ask before they start (`failure/caution.ts`). */
  careful = false
  readonly #waiting: (() => void)[] = []

  constructor(
    assignment: Assignment,
    tracker: OffsetTracker,
    lanes: LaneTable<WorkItem> | null,
    nowMs: number,
  ) {
    this.id = partitionId(assignment)
    this.topic = assignment.topic
    this.partition = assignment.partition
    this.epoch = assignment.epoch
    this.generation = assignment.generation ?? assignment.epoch
    this.endOffset = assignment.startOffset
    this.deliveredOffset = assignment.startOffset
    this.tracker = tracker
    this.lanes = lanes
    this.progressMs = nowMs
  }

  /** Resolves when nothing is active any more, or the partition is gone. */
  quiet(): Promise<void> {
    if (this.active === 0 || this.state === 'gone') return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  pressure(): Pressure {
    return {
      fullLanes: this.lanes?.fullLanes ?? 0,
      span: this.tracker.span,
      // A map that a former owner filled gets room when what is open below its end is delivered and done.
      mapFill: this.tracker.openCount === 0 ? 0 : this.mapFill,
      parkedFill: this.parking?.fill ?? 0,
    }
  }

  /** One execution less. */
  ended(): void {
    this.active--
    if (this.active === 0) this.#wake()
  }

  leave(): void {
    this.state = 'gone'
    this.parking?.close()
    this.starts?.leave()
    this.#wake()
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** The records that arrived together: their memory is free when the last of them is done. */
export interface Chunk {
  readonly byteLength: number
  remaining: number
}

/** A record that has to be written elsewhere before it counts as done, and what will be said of it there. */
export interface Letter {
  readonly kind: 'dead-letter' | 'park'
  /** Parked: how long until it is tried again. */
  readonly afterMs: number
  readonly reason: string
  readonly error: string
  /** Wall time of the last failed execution. */
  readonly failedMs: number
  /** Writes that failed so far. */
  failures: number
}

export class WorkItem implements Queued<WorkItem>, Delayed {
  readonly record: SourceRecord
  readonly partition: PartitionWork
  readonly chunk: Chunk
  /** Its place in the partition's offset tracker. */
  readonly ordinal: number
  laneKey: Uint8Array | null = null
  lane: Lane<WorkItem> | null = null
  next: WorkItem | null = null
  nextReady: WorkItem | null = null
  dueMs = 0
  dueOrder = 0
  active = false
  /** Executions begun. */
  attempts = 0
  letter: Letter | null = null
  /** Where it is parked; null: it comes from its source partition. */
  parked: ParkedHead | null = null
  /** Wall time of the first failed execution, 0 before. */
  firstFailureMs = 0
  /** What the payload said, where its lane had to be read from it. */
  decoded: { readonly value: unknown } | { readonly error: unknown } | null = null

  constructor(record: SourceRecord, partition: PartitionWork, chunk: Chunk, ordinal: number) {
    this.record = record
    this.partition = partition
    this.chunk = chunk
    this.ordinal = ordinal
  }
}

/** Executions of a record in all, as far as the broker counts what it handed out. */
export function attemptsOf({ attempts, record }: WorkItem): number {
  return attempts + (record.deliveryCount ?? 1) - 1
}

/** `topic/partition`: topic names have no slash. */
export function partitionId({
  topic,
  partition,
}: {
  readonly topic: string
  readonly partition: number
}): string {
  return `${topic}/${partition}`
}
