/**
 * Which lanes of a partition are parked, and what waits in them: the fold of the parked topic's partition.
 *
 *   fence 7 │ message a·12 by 7 │ message a·15 by 7 │ done a·12 by 7 │ fence 8 │ message a·19 by 7: void │ …
 *
 * A lane is parked from its first message until a `done` covers its last one. Before an owner of the source partition
 * takes anything it reads the log, writes a fence with the next number and reads on until it sees it: what is parked is
 * known then. A fence counts when its number is the highest; only what was written behind its own counts, and of that only what is in its sequence. An append that an owner of the past had under way, or
 * one that was made twice, lands late and is void: run then, it would be a repeat out of order. For the same reason an
 * append counts when it was read back, not when it was answered.
 *
 * Messages of a lane carry the offset they had in the source, which only rises. Whoever parked a lane had dealt with every
 * record of it before, so what comes again from below the head of a lane is done. A `done` covers all up to its own.
 * State changes by `replay` alone, in the order of the log; the protocol is model-checked over this class in
 * `test/simulation/parked-model.test.ts`. Memory: two numbers a message; payloads stay in the log.
 */

/** A record of the parked topic, read. `by` is the number of its writer's fence, `sequence` counts what it wrote since. */
export type ParkedEntry =
  | { readonly kind: 'fence'; readonly by: number }
  | {
      readonly kind: 'message'
      readonly by: number
      readonly sequence: number
      readonly lane: string
      /** The record's offset in the source partition. */
      readonly origin: number
      /** Executions of the parked record so far. */
      readonly attempts: number
      /** When it is due next; wall time. */
      readonly dueMs: number
    }
  | {
      readonly kind: 'attempt'
      readonly by: number
      readonly sequence: number
      readonly lane: string
      readonly origin: number
      readonly attempts: number
      readonly dueMs: number
    }
  | {
      readonly kind: 'done'
      readonly by: number
      readonly sequence: number
      readonly lane: string
      readonly origin: number
    }

/** The first message of a lane: the only one that may run. */
export interface ParkedHead {
  readonly lane: string
  /** Where it is in the parked topic. */
  readonly offset: number
  readonly origin: number
  readonly attempts: number
  readonly dueMs: number
}

interface ParkedLane {
  readonly offsets: number[]
  readonly origins: number[]
  /** How many at the front are done; cut off when they are half. */
  gone: number
  attempts: number
  dueMs: number
}

export class ParkedLanes {
  readonly #lanes = new Map<string, ParkedLane>()
  #size = 0
  #next = 0
  /** The number of the last fence; null: none was seen, so everything counts. */
  #owner: number | null = null
  #sequence = -1
  /** Offsets of fences that something unfinished may lie behind. */
  #fences: number[] = []

  /** Messages that are not done. */
  get size(): number {
    return this.#size
  }

  get laneCount(): number {
    return this.#lanes.size
  }

  get owner(): number | null {
    return this.#owner
  }

  has(lane: string): boolean {
    return this.#lanes.has(lane)
  }

  /**
   * What is to be done with a record of the source: `run` it, `divert` it to the end of its parked lane, or nothing, as it
   * is `kept` there, or was done before the lane was parked.
   */
  admission(lane: string, origin: number): 'run' | 'divert' | 'kept' {
    const found = this.#lanes.get(lane)
    if (found === undefined) return 'run'
    return origin > (found.origins.at(-1) as number) ? 'divert' : 'kept'
  }

  head(lane: string): ParkedHead | null {
    const found = this.#lanes.get(lane)
    if (found === undefined) return null
    const { offsets, origins, gone, attempts, dueMs } = found
    return {
      lane,
      offset: offsets[gone] as number,
      origin: origins[gone] as number,
      attempts,
      dueMs,
    }
  }

  heads(): ParkedHead[] {
    return [...this.#lanes.keys()].map((lane) => this.head(lane) as ParkedHead)
  }

  /** Where the next owner may begin to read: the last fence that nothing unfinished lies below. */
  lowest(): number {
    let lowest = this.#next
    for (const { offsets, gone } of this.#lanes.values())
      lowest = Math.min(lowest, offsets[gone] as number)
    const fence = this.#fences.findLastIndex((offset) => offset <= lowest)
    if (fence > 0) this.#fences = this.#fences.slice(fence)
    return this.#fences[0] ?? 0
  }

  /**
   * The one way in which anything changes. False: the entry is void.
   *
   * @param offset the entry's own, in the parked topic.
   */
  replay(offset: number, entry: ParkedEntry): boolean {
    this.#next = offset + 1
    if (entry.kind === 'fence') {
      if (entry.by <= (this.#owner ?? -1)) return false
      this.#owner = entry.by
      this.#sequence = -1
      this.#fences.push(offset)
      return true
    }
    if (this.#owner !== null) {
      if (entry.by !== this.#owner || entry.sequence <= this.#sequence) return false
      this.#sequence = entry.sequence
    }
    if (entry.kind === 'message') this.#append(offset, entry)
    else this.#ended(entry)
    return true
  }

  #ended(entry: Extract<ParkedEntry, { kind: 'done' | 'attempt' }>): void {
    const lane = this.#lanes.get(entry.lane)
    if (lane === undefined) return
    if (entry.kind === 'done') return this.#done(entry.lane, lane, entry.origin)
    if (lane.origins[lane.gone] !== entry.origin) return
    lane.attempts = entry.attempts
    lane.dueMs = entry.dueMs
  }

  #append(
    offset: number,
    { lane: name, origin, attempts, dueMs }: Extract<ParkedEntry, { kind: 'message' }>,
  ): void {
    const lane = this.#lanes.get(name)
    if (lane === undefined)
      this.#lanes.set(name, { offsets: [offset], origins: [origin], gone: 0, attempts, dueMs })
    else if (origin > (lane.origins.at(-1) as number)) {
      lane.offsets.push(offset)
      lane.origins.push(origin)
    } else return
    this.#size++
  }

  #done(name: string, lane: ParkedLane, origin: number): void {
    const before = lane.gone
    while (lane.gone < lane.origins.length && (lane.origins[lane.gone] as number) <= origin)
      lane.gone++
    if (lane.gone === before) return
    this.#size -= lane.gone - before
    // Those behind it have not failed: they are due at once.
    lane.attempts = 0
    lane.dueMs = 0
    if (lane.gone === lane.origins.length) this.#lanes.delete(name)
    else if (lane.gone > 32 && lane.gone * 2 > lane.origins.length) {
      lane.offsets.splice(0, lane.gone)
      lane.origins.splice(0, lane.gone)
      lane.gone = 0
    }
  }
}
