/**
 * What the broker has of our positions, and what it should have: pure.
 *
 *   acknowledged ≤ committable      dirty = committable beyond acknowledged, or more finished beyond it than the broker
 *                                   knows of; a plan holds every dirty partition, with its completion map as metadata
 *
 * A position becomes acknowledged by the broker's answer alone, and only as far as was sent: what finished meanwhile
 * stays dirty. An answer that comes after the partition went is known by its epoch and changes nothing. Within an
 * epoch `acknowledged` never goes back, whatever order answers come in.
 */

import { encodeCompletions } from './completion-map.ts'
import { partitionId } from '../work.ts'
import type { PartitionWork } from '../work.ts'
import type { Assignment, CommitPosition, CommitResult } from '../source.ts'

/** Not even the start position is known to the group. */
const NOTHING = -1
const NO_MAP = ''

interface Entry {
  readonly work: PartitionWork
  acknowledged: number
  /** Records that had finished when the position under way was planned, and when the last stored one was. */
  plannedFinished: number
  storedFinished: number
  /** Of `PartitionStarts`, when the position under way was planned. */
  plannedStarts: number
}

/** What a round of answers means. */
export interface CommitSummary {
  readonly committed: readonly CommitPosition[]
  /** Some positions are not stored: send again. */
  readonly retry: boolean
  readonly stale: readonly CommitPosition[]
}

export class CommitLedger {
  readonly #entries = new Map<string, Entry>()
  readonly #committed = new Map<string, number>()
  readonly #mapLength: number
  readonly #acknowledges: boolean

  /**
   * @param mapLength how long a completion map may be, in UTF-16 units; 0: none is written.
   * @param acknowledges the source ends what is done beyond the position record by record: it gets it as it is, not as text.
   */
  constructor(mapLength = 0, acknowledges = false) {
    this.#mapLength = mapLength
    this.#acknowledges = acknowledges
  }

  /** A new partition. A start that the group has not committed is dirty at once: it decides what `latest` meant. */
  track(work: PartitionWork, { committed, startOffset }: Assignment): void {
    const acknowledged = committed?.offset === startOffset ? startOffset : NOTHING
    const entry = { work, acknowledged, plannedFinished: 0, storedFinished: 0, plannedStarts: 0 }
    this.#entries.set(work.id, entry)
  }

  /** The partition is not ours any more: nothing of this epoch is sent again. */
  forget(work: PartitionWork): void {
    if (this.#entries.get(work.id)?.work === work) this.#entries.delete(work.id)
  }

  /** Whether there is something to be stored of these partitions, of all when left out. */
  isDirty(only?: readonly PartitionWork[]): boolean {
    for (const entry of this.#entries.values())
      if (this.#dirty(entry) && (only === undefined || only.includes(entry.work))) return true
    return false
  }

  plan(): CommitPosition[] {
    const positions: CommitPosition[] = []
    for (const entry of this.#entries.values()) {
      if (!this.#dirty(entry)) continue
      const { work } = entry
      const { topic, partition, epoch, tracker } = work
      entry.plannedFinished = tracker.finished
      entry.plannedStarts = work.starts?.version ?? 0
      const metadata = this.#mapOf(work)
      const position = { topic, partition, epoch, offset: tracker.committable(), metadata }
      positions.push(
        this.#acknowledges ? { ...position, completions: tracker.completions() } : position,
      )
    }
    return positions
  }

  #dirty({ work, acknowledged, storedFinished }: Entry): boolean {
    const { tracker, starts } = work
    if (starts !== null && starts.version > starts.storedVersion) return true
    if (tracker.committable() > acknowledged) return true
    return (this.#mapLength > 0 || this.#acknowledges) && tracker.finished > storedFinished
  }

  #mapOf(work: PartitionWork): string {
    if (this.#mapLength === 0) return NO_MAP
    const { parking, starts, tracker } = work
    const done = tracker.completions()
    const parked = parking === null ? {} : { parkedFrom: parking.lowest }
    const crashes = starts?.notes(done.base)
    const completions = { ...done, ...parked, ...(crashes === undefined ? {} : { crashes }) }
    const { metadata, fill } = encodeCompletions(completions, this.#mapLength)
    work.mapFill = fill
    return metadata
  }

  answer(sent: readonly CommitPosition[], results: readonly CommitResult[]): CommitSummary {
    const committed: CommitPosition[] = []
    const stale: CommitPosition[] = []
    let retry = false
    for (const position of sent) {
      const outcome = outcomeOf(position, results)
      const entry = this.#entries.get(partitionId(position))
      const current = entry !== undefined && entry.work.epoch === position.epoch
      switch (outcome) {
        case 'committed':
          this.#committed.set(partitionId(position), position.offset)
          if (current) {
            entry.acknowledged = Math.max(entry.acknowledged, position.offset)
            entry.storedFinished = Math.max(entry.storedFinished, entry.plannedFinished)
            if (entry.work.starts !== null) entry.work.starts.storedVersion = entry.plannedStarts
          }
          committed.push(position)
          break
        case 'stale':
          if (current) this.#entries.delete(partitionId(position))
          stale.push(position)
          break
        case 'retry':
          retry ||= current
      }
    }
    return { committed, retry, stale }
  }

  /** The last position the broker acknowledged, by `topic/partition`, of every partition this member has held. */
  committed(): Record<string, number> {
    return Object.fromEntries(this.#committed)
  }
}

/** A partition that the answer leaves out is not known to be stored. */
function outcomeOf(
  position: CommitPosition,
  results: readonly CommitResult[],
): CommitResult['outcome'] {
  const result = results.find(
    ({ topic, partition, epoch }) =>
      topic === position.topic && partition === position.partition && epoch === position.epoch,
  )
  return result?.outcome ?? 'retry'
}
