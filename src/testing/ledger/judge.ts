/**
 * Reads a crash ledger line by line and says what holds of it: lost, out of order, repeated, and how much repeating the
 * crashes explain.
 *
 *   lost           never done, and neither in the dead letters nor skipped
 *   out of order   begun although the record before it of its key was never done (or settled) before
 *   repeated       done again
 *   explained      for each process that ended by force, and each partition that one lost: what it had done and no stored
 *                  position covered, and what it had begun and not done
 *
 * Two explanations are kept apart. By position: everything done at or above the partition's committed position. By
 * completion: of that, what was done after the last commit was sent; it is the smaller one, and holds only where the
 * commit remembers what finished beyond its position. Pure; memory grows with the records.
 */

import { ShoalError } from '../../core/index.ts'
import type { LedgerEntry } from './lines.ts'

/** A record of the ledger's topic; its place in the list is its number. */
export interface ExpectedRecord {
  /** Where it stands, so that a worker need not see its number; null where the broker does not tell. */
  readonly place: { readonly partition: number; readonly offset: number } | null
  readonly key: string
  /** Which record of its key, from 0. */
  readonly sequence: number
}

export interface Verdict {
  /** Different records done at least once. */
  readonly done: number
  /** Different records that ended in the dead letters or were skipped, and were never done. */
  readonly settled: number
  /** `key/sequence` of each. */
  readonly lost: readonly string[]
  /** `key/sequence by worker` of each. */
  readonly outOfOrder: readonly string[]
  /** How often records were done too often, in all. */
  readonly repeated: number
  /** Executions that a crash cut off. */
  readonly inFlight: number
  /** The most repeats that the crashes explain without memory of what finished beyond a position. */
  readonly explainedByPosition: number
  /** The same with that memory: done since the last commit, and in flight. */
  readonly explainedByCompletion: number
}

/**
 * A handler's line stands a moment before the runtime counts the record as finished, so a commit that is sent in this
 * moment does not cover it. Milliseconds.
 */
const FINISH_GAP_MS = 5

interface RecordState extends ExpectedRecord {
  doneTimes: number
  isSettled: boolean
}

/** What one process has begun, and what it has done and not yet seen committed, by partition. */
interface Uncommitted {
  /** With their partitions. */
  readonly running: Map<RecordState, number>
  readonly done: Map<number, { readonly offset: number; readonly atMs: number }[]>
  readonly lastCommitMs: Map<number, number>
}

export class LedgerJudge {
  readonly #records: readonly RecordState[]
  readonly #byPlace = new Map<string, RecordState>()
  /** The highest sequence of each key that was done or settled. */
  readonly #endedUpTo = new Map<string, number>()
  readonly #outOfOrder: string[] = []
  readonly #workers = new Map<string, Uncommitted>()
  #remaining: number
  #repeated = 0
  #inFlight = 0
  #explainedByPosition = 0
  #explainedByCompletion = 0

  constructor(expected: readonly ExpectedRecord[]) {
    this.#records = expected.map((record) => ({ ...record, doneTimes: 0, isSettled: false }))
    for (const record of this.#records)
      if (record.place !== null) this.#byPlace.set(placeOf(record.place), record)
    this.#remaining = expected.length
  }

  /** Different records that are done or settled. */
  get ended(): number {
    return this.#records.length - this.#remaining
  }

  /** How many records a process has begun and not ended. */
  running(worker: string): number {
    return this.#worker(worker).running.size
  }

  /** @throws ShoalError SHOAL_INVALID_ARGUMENT for a record that is not expected. */
  take(entry: LedgerEntry): void {
    const worker = this.#worker(entry.worker)
    if (entry.what === 'commit') return committed(worker, entry)
    if (entry.what === 'lost') return this.#comesAgain(worker, entry.partition)
    const record =
      entry.record === undefined ? this.#byPlace.get(placeOf(entry)) : this.#records[entry.record]
    if (record === undefined)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `${entry.worker} has a record that is not of this ledger: partition ${entry.partition}, offset ${entry.offset}`,
      )
    if (entry.what === 'begin') this.#begun(worker, entry, record)
    else this.#ended(worker, entry, record)
  }

  /** A process was ended, or stopped, by force: what it had not committed may come again. */
  crashed(name: string): void {
    const worker = this.#worker(name)
    this.#inFlight += worker.running.size
    for (const partition of new Set([...worker.running.values(), ...worker.done.keys()]))
      this.#comesAgain(worker, partition)
  }

  verdict(): Verdict {
    const all = this.#records
    return {
      done: all.filter(({ doneTimes }) => doneTimes > 0).length,
      settled: all.filter(({ doneTimes, isSettled }) => isSettled && doneTimes === 0).length,
      lost: all.filter((record) => !hasEnded(record)).map(nameOf),
      outOfOrder: [...this.#outOfOrder],
      repeated: this.#repeated,
      inFlight: this.#inFlight,
      explainedByPosition: this.#explainedByPosition,
      explainedByCompletion: this.#explainedByCompletion,
    }
  }

  /** Of one partition: what was not committed, and what is under way. */
  #comesAgain({ running, done, lastCommitMs }: Uncommitted, partition: number): void {
    for (const [record, its] of running)
      if (its === partition) {
        running.delete(record)
        this.#explainedByPosition++
        this.#explainedByCompletion++
      }
    const ends = done.get(partition) ?? []
    done.delete(partition)
    const sinceMs = (lastCommitMs.get(partition) ?? Number.NEGATIVE_INFINITY) - FINISH_GAP_MS
    this.#explainedByPosition += ends.length
    this.#explainedByCompletion += ends.filter(({ atMs }) => atMs >= sinceMs).length
  }

  #begun(worker: Uncommitted, entry: LedgerEntry, record: RecordState): void {
    worker.running.set(record, entry.partition)
    // Doing again what was done before is a repeat, no disorder; what may not happen is to run ahead of a predecessor.
    if (record.sequence > (this.#endedUpTo.get(record.key) ?? -1) + 1)
      this.#outOfOrder.push(`${nameOf(record)} by ${entry.worker}`)
  }

  #ended(worker: Uncommitted, entry: LedgerEntry, record: RecordState): void {
    const { what, atMs, partition, offset } = entry
    const { key, sequence } = record
    const isKnown = worker.running.delete(record)
    this.#endedUpTo.set(key, Math.max(this.#endedUpTo.get(key) ?? -1, sequence))
    if (!hasEnded(record)) this.#remaining--
    if (what === 'settled') {
      record.isSettled = true
      return
    }
    record.doneTimes++
    if (record.doneTimes > 1) this.#repeated++
    // What went on after its partition was lost is explained already.
    if (!isKnown) return
    const ends = worker.done.get(partition)
    if (ends === undefined) worker.done.set(partition, [{ offset, atMs }])
    else ends.push({ offset, atMs })
  }

  #worker(name: string): Uncommitted {
    let worker = this.#workers.get(name)
    if (worker === undefined) {
      worker = { running: new Map(), done: new Map(), lastCommitMs: new Map() }
      this.#workers.set(name, worker)
    }
    return worker
  }
}

function committed(worker: Uncommitted, { partition, offset, atMs }: LedgerEntry): void {
  worker.lastCommitMs.set(partition, atMs)
  const ends = worker.done.get(partition) ?? []
  worker.done.set(
    partition,
    ends.filter((end) => end.offset >= offset),
  )
}

function hasEnded({ doneTimes, isSettled }: RecordState): boolean {
  return doneTimes > 0 || isSettled
}

function nameOf({ key, sequence }: ExpectedRecord): string {
  return `${key}/${sequence}`
}

function placeOf({ partition, offset }: { partition: number; offset: number }): string {
  return `${partition}/${offset}`
}
