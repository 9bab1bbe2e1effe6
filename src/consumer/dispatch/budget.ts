/**
 * How much may wait in memory, and who has to pause when it is too much.
 *
 * Counts records and bytes of everything that was delivered and is not done, whether it is queued, runs, waits for a
 * retry or for its dead letter. A partition pauses at 100 % of a limit and goes on at 70 %, so that it does not flutter;
 * only the one that is over its own limit, or delivers while the whole is full, is paused.
 * Pure: the engine tells the source.
 */

export interface BudgetLimits {
  readonly records: number
  readonly bytes: number
  readonly partitionRecords: number
  readonly partitionBytes: number
  /** Records from the oldest unfinished to the newest delivered of one partition. */
  readonly window: number
  /** Whether a partition pauses when its completion map does not fit into a commit's metadata. */
  readonly pausesOnFullMap: boolean
}

/** What one partition holds. */
export interface Usage {
  records: number
  bytes: number
  paused: boolean
}

/** What the lanes and the tracker of the partition add to the question whether it may go on. */
export interface Pressure {
  readonly fullLanes: number
  readonly span: number
  /** Share of a commit's metadata that the completion map takes; 1: something had to be left out. */
  readonly mapFill: number
  /** Share of the limit that the partition's parked records take. */
  readonly parkedFill: number
}

/** Why a partition has to pause. */
export type PauseCause = 'buffer' | 'completion-map' | 'parked'

const RESUME_AT = 0.7

export class Budget {
  readonly #limits: BudgetLimits
  #records = 0
  #bytes = 0
  #full = false

  constructor(limits: BudgetLimits) {
    this.#limits = limits
  }

  get records(): number {
    return this.#records
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether all partitions together are over the limit, from 100 % until 70 %. */
  get full(): boolean {
    return this.#full
  }

  take(usage: Usage, records: number, bytes: number): void {
    usage.records += records
    usage.bytes += bytes
    this.#records += records
    this.#bytes += bytes
    if (this.#records >= this.#limits.records || this.#bytes >= this.#limits.bytes)
      this.#full = true
  }

  /** True when the whole stopped being full: look at every paused partition again. */
  release(usage: Usage, records: number, bytes: number): boolean {
    usage.records -= records
    usage.bytes -= bytes
    this.#records -= records
    this.#bytes -= bytes
    if (!this.#full) return false
    const { records: maxRecords, bytes: maxBytes } = this.#limits
    this.#full = this.#records > maxRecords * RESUME_AT || this.#bytes > maxBytes * RESUME_AT
    return !this.#full
  }

  /** Why the partition has to pause; null: it may go on. */
  mustPause(usage: Usage, { fullLanes, span, mapFill, parkedFill }: Pressure): PauseCause | null {
    const { partitionRecords, partitionBytes, window, pausesOnFullMap } = this.#limits
    if (
      this.#full ||
      usage.records >= partitionRecords ||
      usage.bytes >= partitionBytes ||
      span >= window ||
      fullLanes > 0
    )
      return 'buffer'
    if (parkedFill >= 1) return 'parked'
    return pausesOnFullMap && mapFill >= 1 ? 'completion-map' : null
  }

  mayResume(usage: Usage, { fullLanes, span, mapFill, parkedFill }: Pressure): boolean {
    return (
      parkedFill <= RESUME_AT &&
      (mapFill <= RESUME_AT || !this.#limits.pausesOnFullMap) &&
      !this.#full &&
      usage.records <= this.#limits.partitionRecords * RESUME_AT &&
      usage.bytes <= this.#limits.partitionBytes * RESUME_AT &&
      span <= this.#limits.window * RESUME_AT &&
      fullLanes === 0
    )
  }
}
