/**
 * The partitions that a member has, each in one epoch, and the lanes of those it had.
 *
 * Lanes outlive an assignment while a handler of it still runs: when the partition comes back, the new records of that key
 * wait behind it. Not here: draining and committing (`engine.ts`).
 */

import { decodeCompletions } from './completion/completion-map.ts'
import type { Completions } from './completion/completion-map.ts'
import { Remembered } from './completion/remembered.ts'
import { PartitionStarts } from './failure/partition-starts.ts'
import type { LaneTable } from './dispatch/lanes.ts'
import type { EngineParts } from './engine-parts.ts'
import { Parking } from './parking/parking.ts'
import type { ParkingHost } from './parking/parking.ts'
import type { Settings } from './resolve-options.ts'
import type { Assignment, OwnedPartition } from './source.ts'
import { PartitionWork, partitionId } from './work.ts'
import type { WorkItem } from './work.ts'

export class Partitions {
  readonly #settings: Settings
  readonly #parts: EngineParts
  readonly #parkingHost: ParkingHost
  readonly #works = new Map<string, PartitionWork>()
  /** Lanes by partition; kept while handlers of a former epoch run. */
  readonly #lanes = new Map<string, LaneTable<WorkItem>>()

  constructor(settings: Settings, parts: EngineParts, parkingHost: ParkingHost) {
    this.#settings = settings
    this.#parts = parts
    this.#parkingHost = parkingHost
  }

  [Symbol.iterator](): Iterator<PartitionWork> {
    return this.#works.values()
  }

  get(partition: {
    readonly topic: string
    readonly partition: number
  }): PartitionWork | undefined {
    return this.#works.get(partitionId(partition))
  }

  /** Those of them that are still here, in the epoch they are asked for. */
  owned(partitions: readonly OwnedPartition[]): PartitionWork[] {
    return partitions.flatMap((partition) => {
      const work = this.get(partition)
      return work?.epoch === partition.epoch ? [work] : []
    })
  }

  add(assignment: Assignment, nowMs: number): PartitionWork {
    const id = partitionId(assignment)
    const known = this.#recall(assignment)
    const remembered = known === null ? null : new Remembered(known)
    const tracker = this.#parts.createTracker(assignment.startOffset, remembered)
    const work = new PartitionWork(assignment, tracker, this.#lanesOf(id), nowMs)
    const { parking, crashes, mapLength } = this.#settings
    if (crashes > 0) work.starts = new PartitionStarts(assignment.startOffset, known, mapLength)
    if (parking !== null)
      work.parking = new Parking(parking, this.#parkingHost, work, known?.parkedFrom ?? 0)
    this.#works.set(id, work)
    return work
  }

  forget(work: PartitionWork): void {
    if (this.#works.get(work.id) === work) this.#works.delete(work.id)
    // A handler that has only begun is in no lane yet; it may still have to be waited for.
    if (work.active === 0) this.forgetLanes(work)
  }

  /** Nothing of a partition that is not ours runs any more. */
  forgetLanes({ id }: PartitionWork): void {
    if (!this.#works.has(id) && this.#lanes.get(id)?.size === 0) this.#lanes.delete(id)
  }

  #lanesOf(id: string): LaneTable<WorkItem> | null {
    const { order, perKey, random } = this.#settings
    const known = this.#lanes.get(id)
    if (known !== undefined || order === 'none') return known ?? null
    const lanes = this.#parts.createLanes({
      seed: Math.floor(random.next() * 2 ** 32),
      perKey: order === 'partition' ? Number.POSITIVE_INFINITY : perKey,
    })
    this.#lanes.set(id, lanes)
    return lanes
  }

  /** What a former owner had finished beyond the committed offset. */
  #recall({ topic, partition, committed, startOffset }: Assignment): Completions | null {
    const { group, logger, mapLength } = this.#settings
    // A position that was given up for an earlier one is meant to be read again.
    if (committed === null || mapLength === 0 || startOffset < committed.offset) return null
    const decoded = decodeCompletions(committed.metadata, committed.offset)
    if (decoded.kind === 'map') return decoded.completions
    if (decoded.kind === 'unreadable')
      logger.log('warn', 'the metadata of a commit is no completion map and is ignored', {
        group,
        partition: partitionId({ topic, partition }),
        offset: committed.offset,
        reason: decoded.reason,
      })
    return null
  }
}
