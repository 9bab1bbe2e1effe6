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
import type { Outbox } from '../transaction/outbox.ts'
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
  /** Exactly once: up to where the map that is stored, and the one under way, knows what is done. */
  storedEnd: number
  plannedEnd: number
  /** Records that had finished when no map was found that knows as much as the stored one; -1: there was one. */
  stuckFinished: number
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
  readonly #outbox: Outbox | null

  /**
   * @param mapLength how long a completion map may be, in UTF-16 units; 0: none is written.
   * @param acknowledges the source ends what is done beyond the position record by record: it gets it as it is, not as text.
   * @param outbox what is committed together with positions; null: they go alone.
   */
  constructor(mapLength = 0, acknowledges = false, outbox: Outbox | null = null) {
    this.#outbox = outbox
    this.#mapLength = mapLength
    this.#acknowledges = acknowledges
  }

  /** A new partition. A start that the group has not committed is dirty at once: it decides what `latest` meant. */
  track(work: PartitionWork, { committed, startOffset }: Assignment): void {
    const acknowledged = committed?.offset === startOffset ? startOffset : NOTHING
    const storedEnd = Math.max(startOffset, work.tracker.rememberedEnd)
    this.#entries.set(work.id, {
      work,
      acknowledged,
      plannedFinished: 0,
      storedFinished: 0,
      plannedStarts: 0,
      storedEnd,
      plannedEnd: storedEnd,
      stuckFinished: -1,
    })
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
      const position = this.#dirty(entry) ? this.#planOne(entry) : null
      if (position !== null) positions.push(position)
    }
    return positions
  }

  #planOne(entry: Entry): CommitPosition | null {
    const { work } = entry
    const { topic, partition, epoch, tracker } = work
    entry.plannedFinished = tracker.finished
    entry.plannedStarts = work.starts?.version ?? 0
    const { metadata, end } = this.#mapOf(work, Number.POSITIVE_INFINITY)
    const position = { topic, partition, epoch, offset: tracker.committable(), metadata }
    if (this.#acknowledges) return { ...position, completions: tracker.completions() }
    return this.#outbox === null ? position : this.#withOutputs(entry, position, end)
  }

  /**
   * Outputs of what is done go with the commit that says so. A map that knows less than the stored one would make records
   * run again whose outputs are visible: then nothing is committed until one fits.
   */
  #withOutputs(entry: Entry, position: CommitPosition, end: number): CommitPosition | null {
    const { work } = entry
    let known = { metadata: position.metadata, end }
    if (end < entry.storedEnd && entry.storedEnd > position.offset)
      known = this.#mapOf(work, entry.storedEnd)
    const isLess = known.end < entry.storedEnd && entry.storedEnd > position.offset
    entry.stuckFinished = isLess ? work.tracker.finished : -1
    if (isLess) return null
    entry.plannedEnd = Math.max(known.end, position.offset)
    const outputs = this.#outbox?.plan(work, entry.plannedEnd) ?? []
    return { ...position, metadata: known.metadata, outputs }
  }

  #dirty({ work, acknowledged, storedFinished, stuckFinished }: Entry): boolean {
    const { tracker, starts } = work
    if (stuckFinished === tracker.finished) return false
    if (starts !== null && starts.version > starts.storedVersion) return true
    if (tracker.committable() > acknowledged) return true
    return (this.#mapLength > 0 || this.#acknowledges) && tracker.finished > storedFinished
  }

  /** @param most offsets from here on are left out. */
  #mapOf(work: PartitionWork, most: number): { readonly metadata: string; readonly end: number } {
    const { parking, starts, tracker } = work
    if (this.#mapLength === 0) return { metadata: NO_MAP, end: tracker.committable() }
    const done = tracker.completions()
    const { base } = done
    const end = Math.max(base, Math.min(done.end, most))
    const open = end < done.end ? done.open.filter((offset) => offset < end) : done.open
    const parked = parking === null ? {} : { parkedFrom: parking.lowest }
    const crashes = starts?.notes(base)
    const completions = {
      base,
      end,
      open,
      ...parked,
      ...(crashes === undefined ? {} : { crashes }),
    }
    const encoded = encodeCompletions(completions, this.#mapLength, this.#roomForNotes(work))
    work.mapFill = end < done.end ? 1 : encoded.fill
    return encoded
  }

  /** Exactly once: notes must never push out of the map what was in it. */
  #roomForNotes({ starts }: PartitionWork): number {
    return this.#outbox === null || starts === null ? 0 : starts.mostBytes
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
            entry.storedEnd = entry.plannedEnd
            if (entry.work.starts !== null) entry.work.starts.storedVersion = entry.plannedStarts
          }
          committed.push(position)
          break
        case 'stale':
          if (current) this.#entries.delete(partitionId(position))
          stale.push(position)
          break
        case 'retry':
        case 'refused':
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
