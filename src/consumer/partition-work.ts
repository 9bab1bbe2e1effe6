/**
 * What the runtime holds of one partition in one epoch.
 *
 *   open ──revoked──▶ draining ──all done or the time is up──▶ gone
 *     └──────────────────────lost──────────────────────────────▶┘
 *
 * open: records come in, handlers start. draining: nothing starts, what runs may finish and counts. gone: what still
 * runs is late and changes nothing. A partition that comes back is a new object with a higher epoch.
 */

import type { Pressure, Usage } from './budget.ts'
import type { LaneTable } from './lanes.ts'
import type { OffsetTracker } from './offset-tracker.ts'
import type { Assignment } from './source.ts'

export class PartitionWork {
  readonly id: string
  readonly topic: string
  readonly partition: number
  readonly epoch: number
  readonly generation: number
  readonly tracker: OffsetTracker
  /** null when records need no order. */
  readonly lanes: LaneTable | null
  readonly usage: Usage = { records: 0, bytes: 0, paused: false }
  state: 'open' | 'draining' | 'gone' = 'open'
  /** Executions and dead-letter writes under way. */
  active = 0
  /** The partition's end as the broker last told it. */
  endOffset: number
  /** When something was last delivered or finished, or the partition was empty; monotonic. */
  progressMs: number
  #waiting: (() => void)[] = []

  constructor(
    assignment: Assignment,
    tracker: OffsetTracker,
    lanes: LaneTable | null,
    nowMs: number,
  ) {
    this.id = partitionId(assignment)
    this.topic = assignment.topic
    this.partition = assignment.partition
    this.epoch = assignment.epoch
    this.generation = assignment.generation ?? assignment.epoch
    this.endOffset = assignment.startOffset
    this.tracker = tracker
    this.lanes = lanes
    this.progressMs = nowMs
  }

  /** Resolves when nothing is active any more, or the partition is gone. */
  quiet(): Promise<void> {
    if (this.active === 0 || this.state === 'gone') return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  pressure(): Pressure {
    return { fullLanes: this.lanes?.fullLanes ?? 0, span: this.tracker.span }
  }

  /** One execution less. */
  ended(): void {
    this.active--
    if (this.active === 0) this.#wake()
  }

  leave(): void {
    this.state = 'gone'
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
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
