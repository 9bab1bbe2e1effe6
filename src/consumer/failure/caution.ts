/**
 * Finds the record that kills the process: after a crash, what may have run then is started few at a time, and each
 * start is written into the commit's metadata before it happens.
 *
 *   starts without an end    0          1         2 and more
 *   at once, of all          64         8         1              one of 64 is found in three starts, the last one alone
 *
 *   ready ─▶ candidate ─▶ noted in the next commit ─▶ stored: it runs ─▶ ended, however: cleared
 *                │ started so often without an end: given up, unseen by the handler
 *
 * Only records that may have run at the crash come here, and only in partitions whose last owner died; all others run as
 * ever, but for one commit before the first record of an assignment, which says that somebody is at work there.
 * Invariants: a record with as many starts as the limit was alone in its last one; a careful record never runs before
 * the broker has its start. The most suspicious go first, so a culprit holds the others up for the shortest time.
 */

import type { Clock, Logger, Timers } from '../../core/index.ts'
import { Alarm } from '../dispatch/alarm.ts'
import { telemetry } from '../telemetry.ts'
import type { PartitionWork, WorkItem } from '../work.ts'

const AT_ONCE = [64, 8, 1] as const
/** A partition that was left properly does not wait longer than this for its first commit. */
const LONGEST_WAIT_MS = 1_000

export interface CautionHost {
  readonly group: string
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  /** Commit now: something waits for it. */
  commit(): void
  /** These may start now. */
  ready(items: readonly WorkItem[]): void
}

export class Caution {
  readonly #host: CautionHost
  readonly #limit: number
  /** Of partitions whose first commit is not stored. */
  #early: WorkItem[] = []
  /** Ready to run, most starts first. */
  #suspects: WorkItem[] = []
  /** Ready to run, not started before as far as is known. */
  #others: WorkItem[] = []
  /** Noted: with the version of their partition's notes that has to be stored; 0: they run. */
  readonly #chosen = new Map<WorkItem, number>()
  readonly #patience: Alarm

  /** @param limit starts without an end after which a record is given up. */
  constructor(limit: number, host: CautionHost) {
    this.#host = host
    this.#limit = limit
    this.#patience = new Alarm(host.clock, host.timers, () => this.#lookAgain(true))
  }

  /** A partition was assigned. */
  watch(work: PartitionWork): void {
    const { starts } = work
    if (starts === null) return
    work.careful = true
    if (starts.needsCare) this.#tell('found', work, null, starts.suspectCount)
  }

  /** Whether a record may start. `hold`: it is kept here, and comes back by `ready`. */
  admission(item: WorkItem): 'run' | 'hold' | 'give-up' {
    const { partition, record } = item
    const { starts } = partition
    if (starts === null || item.parked !== null || this.#chosen.get(item) === 0) return 'run'
    if (starts.storedVersion === 0) {
      this.#early.push(item)
      this.#patience.by(this.#host.clock.monotonicMs() + LONGEST_WAIT_MS)
      return 'hold'
    }
    if (!starts.isSuspicious(record.offset, partition.endOffset)) return 'run'
    const count = starts.startsOf(record.offset)
    if (count >= this.#limit) {
      item.attempts = count
      this.#tell('given-up', partition, record.offset, count)
      return 'give-up'
    }
    if (count === 0) this.#others.push(item)
    else {
      this.#suspects.push(item)
      this.#suspects.sort((a, b) => startsOf(b) - startsOf(a))
    }
    this.#host.commit()
    return 'hold'
  }

  /** Positions are about to be committed: chooses what their metadata says will start. */
  choose(): void {
    while (this.#chooseOne(this.#suspects) || this.#chooseOne(this.#others));
  }

  /** Positions were stored: what was noted with them starts. */
  stored(): void {
    this.#lookAgain(false)
    const ready: WorkItem[] = []
    for (const [item, version] of this.#chosen) {
      if (version === 0 || (item.partition.starts?.storedVersion ?? 0) < version) continue
      this.#chosen.set(item, 0)
      ready.push(item)
    }
    if (ready.length > 0) this.#host.ready(ready)
  }

  /** An execution ended, or the record is dealt with without one. */
  ended(item: WorkItem): void {
    const { starts } = item.partition
    if (this.#chosen.delete(item)) {
      starts?.survived(item.record.offset)
      this.#goOn()
    }
    this.#relax(item.partition)
  }

  /** The consumer stops over a record that was given up. */
  stopped({ partition, record }: WorkItem): void {
    partition.starts?.grantOne(record.offset)
  }

  /** What has not started of a partition is forgotten. */
  drop(partition: PartitionWork): void {
    const stays = (item: WorkItem) => item.partition !== partition
    this.#early = this.#early.filter(stays)
    this.#suspects = this.#suspects.filter(stays)
    this.#others = this.#others.filter(stays)
    for (const item of this.#chosen.keys()) {
      if (stays(item) || item.active) continue
      this.#chosen.delete(item)
      partition.starts?.undo(item.record.offset)
    }
    this.#goOn()
  }

  close(): void {
    this.#patience.cancel()
  }

  /** There may be room for others now. */
  #goOn(): void {
    if (this.#suspects.length > 0 || this.#others.length > 0) this.#host.commit()
  }

  /** The first of these is noted as started, when there is room for it beside what runs with care. */
  #chooseOne(candidates: WorkItem[]): boolean {
    const item = candidates[0]
    if (item === undefined) return false
    // What was started before comes first, always.
    if (candidates === this.#others && this.#suspects.length > 0) return false
    let most = this.#atOnce(startsOf(item))
    for (const each of this.#chosen.keys()) most = Math.min(most, this.#atOnce(startsOf(each) - 1))
    const { starts } = item.partition
    if (this.#chosen.size >= most || starts === null || !starts.begin(item.record.offset))
      return false
    candidates.shift()
    this.#chosen.set(item, starts.version)
    return true
  }

  #atOnce(starts: number): number {
    // With few starts to spare the last one still has to be alone.
    return AT_ONCE[Math.min(2, starts + Math.max(0, AT_ONCE.length - this.#limit))] ?? 1
  }

  /** Partitions whose first commit is stored go on, and those that have waited long enough for it. */
  #lookAgain(patienceIsOver: boolean): void {
    const early = this.#early
    if (early.length === 0) return
    this.#early = []
    const ready: WorkItem[] = []
    for (const item of early) {
      const { starts } = item.partition
      if (patienceIsOver && starts?.needsCare === false) starts.storedVersion ||= -1
      if (starts?.storedVersion === 0) this.#early.push(item)
      else ready.push(item)
      this.#relax(item.partition)
    }
    if (ready.length > 0) this.#host.ready(ready)
  }

  /** All that was suspicious is done: the partition runs as others do. */
  #relax(partition: PartitionWork): void {
    const { starts, tracker, endOffset } = partition
    if (!partition.careful || starts === null || starts.storedVersion === 0) return
    const committable = tracker.committable()
    starts.forgetBelow(committable)
    if (starts.suspectCount === 0 && committable >= starts.zoneEnd(endOffset))
      partition.careful = false
  }

  #tell(
    kind: 'found' | 'given-up',
    { id, topic, partition }: PartitionWork,
    offset: number | null,
    starts: number,
  ): void {
    const { group, logger } = this.#host
    if (kind === 'found')
      logger.log('warn', 'the last owner of a partition died: its records start with care', {
        group,
        partition: id,
        suspects: starts,
      })
    else
      logger.log('error', 'a record was started and the process died, again and again: given up', {
        group,
        partition: id,
        offset,
        starts,
      })
    telemetry.suspect.publish({ group, kind, topic, partition, offset, starts })
  }
}

function startsOf({ partition, record }: WorkItem): number {
  return partition.starts?.startsOf(record.offset) ?? 0
}
