/**
 * Lets partitions flow and stops them: the budget's answers, told to the source.
 *
 * Only the partition that is over a limit pauses, or the one that delivers while the whole is full; the others flow on.
 * `budget.ts` decides; this knows which partitions there are and tells of every pause.
 */

import type { SourceSession } from '../source.ts'
import { telemetry } from '../telemetry.ts'
import type { PauseEvent } from '../telemetry.ts'
import type { PartitionWork } from '../work.ts'
import { Budget } from './budget.ts'
import type { BudgetLimits } from './budget.ts'

/** Records of a partition that wait to be looked at, from which its source rests: it keeps what it reads packed meanwhile. */
const AHEAD = 500

export interface FlowHost {
  readonly group: string
  readonly session: SourceSession | null
  partitions(): Iterable<PartitionWork>
  nowMs(): number
}

export class Flow {
  readonly #budget: Budget
  readonly #host: FlowHost

  constructor(limits: BudgetLimits, host: FlowHost) {
    this.#budget = new Budget(limits)
    this.#host = host
  }

  /** Records that were delivered and are not done. */
  get records(): number {
    return this.#budget.records
  }

  /** A member begins: what filled up before there was a session is paused now. */
  begin(session: SourceSession): void {
    for (const work of this.#host.partitions())
      if (work.usage.paused || work.isAhead) session.pause(work)
  }

  /** After a batch: a source that is far enough ahead of the handlers need not bring more yet. This is no limit. */
  restIfAhead(work: PartitionWork): void {
    if (work.isAhead || work.waitingRecords < AHEAD || work.state !== 'open') return
    work.isAhead = true
    this.#host.session?.pause(work)
  }

  /** All that waited was looked at. */
  lookedAt(work: PartitionWork): void {
    this.pauseIfFull(work)
    if (!work.isAhead || work.waitingBatches > 0 || work.state !== 'open') return
    work.isAhead = false
    if (!work.usage.paused) this.#host.session?.resume(work)
  }

  take(work: PartitionWork, records: number, bytes: number): void {
    this.#budget.take(work.usage, records, bytes)
  }

  release(work: PartitionWork, records: number, bytes: number): void {
    const reopened = this.#budget.release(work.usage, records, bytes)
    if (reopened) for (const each of this.#host.partitions()) this.#resumeIfRoom(each)
    else if (work.usage.paused) this.#resumeIfRoom(work)
  }

  /** Something that the limits look at has changed. */
  reconsider(work: PartitionWork): void {
    if (work.usage.paused) this.#resumeIfRoom(work)
    else this.pauseIfFull(work)
  }

  pauseIfFull(work: PartitionWork): void {
    if (work.usage.paused || work.state !== 'open') return
    const reason = this.#budget.mustPause(work.usage, work.pressure())
    if (reason === null) return
    work.usage.paused = true
    this.#host.session?.pause(work)
    this.tell('paused', work, reason)
  }

  tell(
    kind: PauseEvent['kind'],
    partition: PartitionWork | null,
    reason: PauseEvent['reason'],
  ): void {
    if (telemetry.pause.hasSubscribers)
      telemetry.pause.publish({ group: this.#host.group, kind, partition, reason })
  }

  #resumeIfRoom(work: PartitionWork): void {
    const { usage } = work
    if (!usage.paused || work.state !== 'open') return
    if (!this.#budget.mayResume(usage, work.pressure())) return
    usage.paused = false
    work.progressMs = this.#host.nowMs()
    if (!work.isAhead) this.#host.session?.resume(work)
    this.tell('resumed', work, 'buffer')
  }
}
