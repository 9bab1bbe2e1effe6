/**
 * The ledger in the hands of one worker process: writes what its handlers do, and tells the parent that there is news.
 *
 * A message to the parent goes out at most once a turn of the event loop; the file is what counts.
 */

import type { CommitEvent } from '../../consumer/index.ts'
import type { Clock, Timers } from '../../core/index.ts'
import { LedgerWriter } from './ledger-file.ts'
import type { LedgerEntry } from './lines.ts'
import type { WorkerMessage } from './worker-job.ts'

/** Which record: all that a ledger needs to know, and every client library has it. */
export interface LedgerRecord {
  readonly partition: number
  readonly offset: number
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
  #isWorking = false
  #willTell = false

  constructor(options: WorkerBookOptions) {
    this.#options = options
    this.#file = new LedgerWriter(options.path)
  }

  /** A handler starts. */
  begin(record: LedgerRecord): void {
    this.#write('begin', record)
    if (!this.#isWorking) this.#options.send({ kind: 'working' })
    this.#isWorking = true
  }

  /** Its work is done. */
  done(record: LedgerRecord): void {
    this.#write('done', record)
  }

  /** It ended without being done: in the dead letters, or skipped on purpose. */
  settled(record: LedgerRecord): void {
    this.#write('settled', record)
  }

  /** The broker stored these positions. */
  committed({ committed, durationMs }: Pick<CommitEvent, 'committed' | 'durationMs'>): void {
    for (const position of committed) this.#write('commit', position, durationMs)
  }

  #write(what: LedgerEntry['what'], { partition, offset }: LedgerRecord, agoMs = 0): void {
    const { worker, clock, timers, send } = this.#options
    this.#file.write({ what, worker, atMs: clock.wallMs() - agoMs, partition, offset })
    if (this.#willTell) return
    this.#willTell = true
    timers.soon(() => {
      this.#willTell = false
      send({ kind: 'progress' })
    })
  }
}
