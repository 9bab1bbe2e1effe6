/**
 * The ledger in the hands of one worker process: writes what its handlers do, and tells the parent that there is news.
 *
 * A message to the parent goes out at most once a turn of the event loop; the file is what counts.
 */

import type { CommitEvent } from '../../consumer/index.ts'
import type { Clock, Timers } from '../../core/index.ts'
import { RECORD_HEADER } from './ledger-broker.ts'
import { LedgerWriter } from './ledger-file.ts'
import type { LedgerEntry } from './lines.ts'
import type { WorkerMessage } from './worker-job.ts'

/**
 * Which record: a handler's `ctx`, or on Kafka, where its place is enough, what every client library has. Where offsets are
 * counted anew by each member, the headers say it.
 */
export interface LedgerRecord {
  readonly partition: number
  readonly offset: number
  readonly headers?: ReadonlyMap<string, Uint8Array>
}

export interface WorkerBookOptions {
  readonly worker: string
  readonly path: string
  readonly clock: Clock
  readonly timers: Timers
  send(message: WorkerMessage): void
}

export class WorkerBook {
  readonly #options: WorkerBookOptions
  readonly #file: LedgerWriter
  /** Numbers of records that were begun and have not ended, by where they stand. */
  readonly #numbers = new Map<string, number>()
  #isWorking = false
  #willTell = false

  constructor(options: WorkerBookOptions) {
    this.#options = options
    this.#file = new LedgerWriter(options.path)
  }

  /** A handler starts. */
  begin(record: LedgerRecord): void {
    const number = numberOf(record)
    if (number !== undefined) this.#numbers.set(placeOf(record), number)
    this.#write('begin', record, number)
    if (!this.#isWorking) this.#options.send({ kind: 'working' })
    this.#isWorking = true
  }

  /** Its work is done. */
  done(record: LedgerRecord): void {
    this.#write('done', record, this.#leave(record))
  }

  /** It ended without being done: in the dead letters, or skipped on purpose. */
  settled(record: LedgerRecord): void {
    this.#write('settled', record, this.#leave(record))
  }

  /** The broker stored these positions. */
  committed({ committed, durationMs }: Pick<CommitEvent, 'committed' | 'durationMs'>): void {
    for (const position of committed) this.#write('commit', position, undefined, durationMs)
  }

  /** These partitions are another's: what was not committed of them will not be. */
  lost(partitions: readonly { readonly partition: number }[]): void {
    for (const { partition } of partitions) this.#write('lost', { partition, offset: 0 }, undefined)
  }

  /** A dead letter is told by the place of its record alone. */
  #leave(record: LedgerRecord): number | undefined {
    const place = placeOf(record)
    const number = numberOf(record) ?? this.#numbers.get(place)
    this.#numbers.delete(place)
    return number
  }

  #write(
    what: LedgerEntry['what'],
    { partition, offset }: LedgerRecord,
    record: number | undefined,
    agoMs = 0,
  ): void {
    const { worker, clock, timers, send } = this.#options
    const entry = { what, worker, atMs: clock.wallMs() - agoMs, partition, offset }
    this.#file.write(record === undefined ? entry : { ...entry, record })
    if (this.#willTell) return
    this.#willTell = true
    timers.soon(() => {
      this.#willTell = false
      send({ kind: 'progress' })
    })
  }
}

function placeOf({ partition, offset }: LedgerRecord): string {
  return `${partition}/${offset}`
}

function numberOf({ headers }: LedgerRecord): number | undefined {
  const header = headers?.get(RECORD_HEADER)
  return header === undefined ? undefined : Number(new TextDecoder().decode(header))
}
