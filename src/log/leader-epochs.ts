/**
 * Which leader epoch began at which offset, so that a consumer can find out where its epoch ended.
 *
 * Invariant: epochs and start offsets both rise. A single node has no elections: the list is one entry long unless the
 * store raises the epoch. Pure.
 */

import { assertInvariant } from '../core/index.ts'

export type EpochEntry = readonly [leaderEpoch: number, startOffset: number]

/** What Kafka answers for an epoch that it does not know. */
const UNKNOWN = { leaderEpoch: -1, endOffset: -1 } as const

export class LeaderEpochs {
  #entries: EpochEntry[]

  constructor(entries: readonly EpochEntry[]) {
    this.#entries = [...entries]
  }

  /** -1 before the first. */
  get current(): number {
    return this.#entries.at(-1)?.[0] ?? -1
  }

  /** Appends from `startOffset` on are of this epoch. Nothing happens when they already are. */
  begin(leaderEpoch: number, startOffset: number): void {
    const last = this.#entries.at(-1)
    if (last?.[0] === leaderEpoch) return
    assertInvariant(
      last === undefined || (leaderEpoch > last[0] && startOffset >= last[1]),
      () => `leader epoch ${leaderEpoch} at offset ${startOffset} follows ${String(last)}`,
    )
    // An epoch in which nothing was written leaves no trace.
    if (last?.[1] === startOffset) this.#entries.pop()
    this.#entries.push([leaderEpoch, startOffset])
  }

  /** The epoch in which the offset was written. */
  at(offset: number): number {
    const found = this.#entries.findLast(([, startOffset]) => startOffset <= offset)
    return (found ?? this.#entries[0])?.[0] ?? -1
  }

  /** The largest epoch at or below the asked one, and the offset at which it ended. */
  endOf(leaderEpoch: number, endOffset: number): { leaderEpoch: number; endOffset: number } {
    if (leaderEpoch < 0 || leaderEpoch > this.current) return UNKNOWN
    const next = this.#entries.findIndex(([epoch]) => epoch > leaderEpoch)
    const following = this.#entries[next]
    const found = next === -1 ? this.#entries.at(-1) : this.#entries[next - 1]
    return {
      leaderEpoch: found?.[0] ?? leaderEpoch,
      endOffset: following?.[1] ?? endOffset,
    }
  }

  /** Forgets epochs that ended at or below the log start offset. */
  startAt(logStartOffset: number): void {
    const keep = this.#entries.findLastIndex(([, startOffset]) => startOffset <= logStartOffset)
    if (keep <= 0) return
    const [leaderEpoch] = this.#entries[keep] as EpochEntry
    this.#entries = [[leaderEpoch, logStartOffset], ...this.#entries.slice(keep + 1)]
  }

  entries(): readonly EpochEntry[] {
    return [...this.#entries]
  }
}
