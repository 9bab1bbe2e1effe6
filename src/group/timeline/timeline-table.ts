/**
 * The rebalances that all groups remember, and since when each group is there: hard state, rebuilt by records like all else.
 *
 * Bounded twice: a group keeps its latest `groupTimelineEntries` rebalances, and all groups together keep
 * `groupTimelineRows` rows, a rebalance counting one and each move that it names another. What goes first is what ended
 * first, whosever it is. The counts of a group go on whatever is forgotten.
 */

import type { RebalanceEntry, TimelineRecord } from '../records.ts'

export interface TimelineLimits {
  readonly groupTimelineEntries: number
  readonly groupTimelineRows: number
}

export interface GroupHistory {
  /** When the group was first heard of, wall time. */
  readonly createdMs: number
  /** All completed rebalances, also those that are forgotten, and the time that they took. */
  readonly rebalanceCount: number
  readonly rebalanceMs: number
  /** The latest last. */
  readonly entries: readonly RebalanceEntry[]
}

/** An entry in the order of all: whose it is, and when it ended. */
interface Remembered {
  readonly groupId: string
  readonly entry: RebalanceEntry
}

export class TimelineTable {
  readonly #limits: TimelineLimits
  readonly #histories = new Map<string, GroupHistory>()
  /** From `#first` on in the order in which they ended; entries that are forgotten already are passed over. */
  #order: Remembered[] = []
  #first = 0
  /** False after a restore, which comes group by group. */
  #isSorted = true
  #rows = 0

  constructor(limits: TimelineLimits) {
    this.#limits = limits
  }

  of(groupId: string): GroupHistory | undefined {
    return this.#histories.get(groupId)
  }

  /** The group is there; when it was not before, it began at this time. */
  seen(groupId: string, wallMs: number): void {
    if (this.#histories.has(groupId)) return
    const none = { rebalanceCount: 0, rebalanceMs: 0, entries: [] }
    this.#histories.set(groupId, { createdMs: wallMs, ...none })
  }

  ended(groupId: string, entry: RebalanceEntry): void {
    this.seen(groupId, entry.startedMs)
    const history = this.#histories.get(groupId)
    if (history === undefined) return
    this.#histories.set(groupId, {
      createdMs: history.createdMs,
      rebalanceCount: history.rebalanceCount + 1,
      rebalanceMs: history.rebalanceMs + entry.durationMs,
      entries: [...history.entries, entry],
    })
    this.#order.push({ groupId, entry })
    this.#rows += rowsOf(entry)
    if (history.entries.length >= this.#limits.groupTimelineEntries) this.#forgetFirst(groupId)
    this.#bound()
  }

  restore(record: TimelineRecord): void {
    const { groupId, entries } = record
    this.delete(groupId)
    this.#histories.set(groupId, {
      createdMs: record.createdMs,
      rebalanceCount: record.rebalanceCount,
      rebalanceMs: record.rebalanceMs,
      entries,
    })
    for (const entry of entries) {
      this.#order.push({ groupId, entry })
      this.#rows += rowsOf(entry)
    }
    this.#isSorted = false
    this.#bound()
  }

  delete(groupId: string): void {
    for (const entry of this.#histories.get(groupId)?.entries ?? []) this.#rows -= rowsOf(entry)
    this.#histories.delete(groupId)
  }

  snapshot(groupId: string): readonly TimelineRecord[] {
    const history = this.#histories.get(groupId)
    return history === undefined ? [] : [{ kind: 'timeline', groupId, ...history }]
  }

  #bound(): void {
    if (this.#rows > this.#limits.groupTimelineRows && !this.#isSorted) {
      this.#order.splice(0, this.#first)
      this.#order.sort((left, right) => endOf(left) - endOf(right))
      this.#first = 0
      this.#isSorted = true
    }
    while (this.#rows > this.#limits.groupTimelineRows && this.#first < this.#order.length) {
      const next = this.#order[this.#first++]
      if (next !== undefined && this.of(next.groupId)?.entries[0] === next.entry)
        this.#forgetFirst(next.groupId)
    }
    if (this.#first < 1_000 && this.#order.length < 4 * this.#rows + 1_000) return
    this.#order = this.#order
      .slice(this.#first)
      .filter(({ groupId, entry }) => this.of(groupId)?.entries.includes(entry) === true)
    this.#first = 0
  }

  #forgetFirst(groupId: string): void {
    const history = this.#histories.get(groupId)
    const [first, ...entries] = history?.entries ?? []
    if (history === undefined || first === undefined) return
    this.#rows -= rowsOf(first)
    this.#histories.set(groupId, { ...history, entries })
  }
}

function rowsOf({ moved }: RebalanceEntry): number {
  return 1 + moved.length
}

function endOf({ entry }: Remembered): number {
  return entry.startedMs + entry.durationMs
}
