/**
 * One share-partition, alive: its hard state in the journal of the groups, its locks and delays here, one timer for them.
 *
 *   decide ─▶ records journaled and replayed, holds taken over ─▶ (one turn) ─▶ whoever waits looks again
 *
 * A commit, a reset or the end of a group changes the hard state from outside: `refresh` drops the holds it has no use for.
 * Acquisitions of one share-partition run one after another (`exclusively`), for they read the log in between.
 * A deadline that is due waits one turn, in which what the sockets hold is read.
 */

import type { Timer, Timers } from '../../core/index.ts'
import {
  expireHolds,
  holdsAfter,
  nextDeadlineMs,
  NO_HOLDS,
  type ShareConfig,
  type ShareDecision,
  type ShareHolds,
  type SharePartition,
  type SharePartitionId,
  type SharePartitions,
  type ShareRecord,
  type ShareState,
} from '../../group/index.ts'

/** What a slot needs of the service around it. */
export interface SlotWorld {
  readonly shares: SharePartitions
  readonly timers: Timers
  /** Aborts when the broker closes: nothing is decided any more. */
  readonly closing: AbortSignal
  /** Monotonic time without the stalls of the host. */
  nowMs(): number
  configOf(id: SharePartitionId): ShareConfig
  /** Journals and replays; calls `refresh` of the slot before it returns. */
  record(id: SharePartitionId, records: readonly ShareRecord[]): void
  /** There are holds, and so deadlines. */
  watch(): void
  /** Records wait for their dead letters. */
  deadLettersDue(slot: PartitionSlot): void
  fail(error: Error): void
}

export class PartitionSlot {
  readonly id: SharePartitionId
  readonly #world: SlotWorld
  readonly #waiters = new Set<() => void>()
  #seen: SharePartition | null
  #holds: ShareHolds = NO_HOLDS
  #version = 0
  #timer: { readonly dueMs: number; readonly timer: Timer } | null = null
  #turn: Promise<unknown> = Promise.resolve()

  constructor(id: SharePartitionId, world: SlotWorld) {
    this.id = id
    this.#world = world
    this.#seen = world.shares.get(id)
  }

  /** Null before the group began here, and after its state ended. */
  get state(): ShareState | null {
    const partition = this.#world.shares.get(this.id)
    if (partition === null) return null
    return { partition, holds: this.#holds, config: this.#world.configOf(this.id) }
  }

  get hasHolds(): boolean {
    return this.#holds.length > 0
  }

  /** Another number whenever there may be something to acquire that was not there before. */
  get version(): number {
    return this.#version
  }

  /** Decides, and makes it so; the answer may leave after the flush. Null when there is no state, or the broker closes. */
  decide<Response>(
    decision: (state: ShareState, nowMs: number) => ShareDecision<Response>,
  ): Response | null {
    const { state } = this
    if (state === null || this.#world.closing.aborted) return null
    try {
      const { response, records, holds } = decision(state, this.#world.nowMs())
      this.#holds = holds
      if (records.length > 0) this.#world.record(this.id, records)
      else if (holds !== state.holds) this.#changed()
      return response
    } catch (error) {
      // It broke an invariant: nothing that follows could be trusted.
      this.#world.fail(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** The hard state changed. */
  refresh(): void {
    const after = this.#world.shares.get(this.id)
    this.#holds = holdsAfter(this.#seen, after, this.#holds)
    this.#seen = after
    this.#changed()
  }

  /** One after another, in the order of the calls. */
  exclusively<Result>(act: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(act, act)
    // Its caller has the error; who comes next does not care.
    this.#turn = result.catch(() => {})
    return result
  }

  /** Calls `listener` once, when the version is another one than `seen`. */
  onChange(seen: number, listener: () => void): { cancel(): void } {
    if (seen !== this.#version) listener()
    else this.#waiters.add(listener)
    return { cancel: () => void this.#waiters.delete(listener) }
  }

  close(): void {
    this.#timer?.timer.cancel()
    this.#timer = null
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
  }

  #changed(): void {
    this.#version++
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const wake of waiters) wake()
    this.#arm()
    if (this.#seen?.deliveries.some(({ value }) => value.state === 'archiving') === true)
      this.#world.deadLettersDue(this)
  }

  /** Lazily: a timer that fires before the next deadline finds nothing due and is set anew. */
  #arm(): void {
    const dueMs = nextDeadlineMs({ holds: this.#holds })
    if (dueMs === null || (this.#timer !== null && this.#timer.dueMs <= dueMs)) return
    this.#timer?.timer.cancel()
    const delayMs = Math.max(0, dueMs - this.#world.nowMs())
    const armed = { dueMs, timer: this.#world.timers.schedule(delayMs, () => this.#due(armed)) }
    this.#timer = armed
    this.#world.watch()
  }

  #due(armed: object): void {
    this.#world.timers.soon(() => {
      if (this.#timer !== armed) return
      this.#timer = null
      const dueMs = nextDeadlineMs({ holds: this.#holds })
      if (dueMs !== null && dueMs <= this.#world.nowMs()) this.decide(expireHolds)
      else this.#arm()
    })
  }
}
