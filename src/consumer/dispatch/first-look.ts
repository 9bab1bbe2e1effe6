/**
 * A record is looked at for the first time: it starts at once when its lane is free, or waits in it.
 *
 *   lane free ──▶ handler called ──▶ returned ──▶ done: no item was made, its key was never read
 *       │                │
 *       └─ busy: item    └─ goes on, or failed: item, lane, and the dispatcher deals with the rest
 *
 * This is the path of most records of a consumer that keeps up, so what it does not need it does not ask for.
 */

import type { Failure } from '../failure/decide.ts'
import type { Settings } from '../resolve-options.ts'
import type { SourceRecord } from '../source.ts'
import { WorkItem } from '../work.ts'
import { Attempt, type AttemptHost } from './attempt.ts'
import type { BacklogBatch, Onlooker } from './backlog.ts'
import type { DispatcherHost } from './dispatcher-host.ts'
import { execute } from './execution.ts'
import { thrown } from './outcome.ts'
import { Passing } from './passing.ts'

export interface FirstLookHost extends AttemptHost {
  readonly isInterrupted: boolean
  /** A handler goes on (`failure` is null; `result` may be a promise) or has failed. */
  wentOn(attempt: Attempt, result: unknown, failure: Failure | null): void
}

export class FirstLook implements Onlooker {
  readonly #settings: Settings
  readonly #host: FirstLookHost
  readonly #engine: DispatcherHost
  readonly #passing: Passing

  constructor(settings: Settings, host: FirstLookHost, engine: DispatcherHost) {
    this.#settings = settings
    this.#host = host
    this.#engine = engine
    this.#passing = new Passing((work, chunk, count) => engine.passed(work, chunk, count))
  }

  get isInterrupted(): boolean {
    return this.#host.isInterrupted
  }

  lookAt(record: SourceRecord, batch: BacklogBatch): boolean {
    const { work, chunk } = batch
    if (work.lanes === null || work.lanes.size === 0) return this.#start(record, batch)
    const key = this.#keyOf(record)
    if (!work.lanes.isBusy(key)) return this.#start(record, batch, key)
    this.#append(new WorkItem(record, work, chunk, work.tracker.deliver(record.offset)), key)
    return false
  }

  lookedAt({ work, nextOffset }: BacklogBatch): void {
    this.tell()
    work.tracker.endBatch(nextOffset)
    this.#engine.lookedAt(work)
  }

  /** Tells of everything that is done, were it a moment ago. */
  tell(): void {
    this.#passing.tell()
  }

  /** The same, and nothing is kept of what was looked at. */
  end(): void {
    this.#passing.end()
  }

  /** @param key of its lane, where it was read already */
  #start(record: SourceRecord, { work, chunk }: BacklogBatch, key?: Uint8Array | null): boolean {
    const attempt = new Attempt(this.#host, record, work, chunk, null, this.#host.momentMs)
    work.active++
    let result: unknown
    let failure: Failure | null = null
    try {
      result = execute(this.#settings, attempt)
    } catch (error) {
      failure = thrown(error)
    }
    if (
      result === undefined &&
      failure === null &&
      work.state === 'open' &&
      !attempt.hasItem &&
      !this.#engine.watchesEnds
    ) {
      work.active--
      work.tracker.pass(record.offset)
      this.#passing.add(work, chunk)
      return true
    }
    const { item } = attempt
    item.active = true
    this.#append(item, key === undefined ? this.#keyOf(record) : key)
    this.#host.wentOn(attempt, result, failure)
    return false
  }

  #keyOf(record: SourceRecord): Uint8Array | null {
    return this.#settings.order === 'key' ? record.key : null
  }

  #append(item: WorkItem, key: Uint8Array | null): void {
    item.laneKey = key
    item.partition.lanes?.append(item)
  }
}
