/**
 * One execution of a handler: the context the handler sees.
 *
 * Everything a handler may never ask for (signal, headers, key as text) is made when it first asks: most records are
 * handled without, and an `AbortController` alone costs more than the rest of the dispatch. A record that its handler
 * ends at once needs no work item and no `Run` either: they are made when somebody asks for them.
 */

import type { Duration } from '../duration.ts'
import { ShoalError, originId } from '../../core/index.ts'
import { parseDuration } from '../duration.ts'
import type { AbortCause, FencingToken, TransactionalCtx } from '../options.ts'
import type { RecordHeader, SourceRecord } from '../source.ts'
import type { Output } from '../transaction/output.ts'
import type { Outbox } from '../transaction/outbox.ts'
import { WorkItem, attemptsOf } from '../work.ts'
import type { Chunk, PartitionWork } from '../work.ts'
import { originOf } from '../failure/dead-letter.ts'
import { Run } from './run.ts'

/** What an execution needs of the engine. */
export interface AttemptHost {
  readonly group: string
  /** null: the consumer has no transactions. */
  readonly outbox: Outbox | null
  /** How long a handler may take. */
  readonly timeoutMs: number
  /** The moment in which executions begin and end: while a handler is called, that at which it was. */
  readonly momentMs: number
  nowMs(): number
  /** The deadline of an execution moved. */
  deadlineMoved(deadlineMs: number): void
}

const utf8 = new TextDecoder()

export class Attempt implements TransactionalCtx {
  readonly record: SourceRecord
  readonly work: PartitionWork
  readonly #chunk: Chunk
  readonly #host: AttemptHost
  #item: WorkItem | null
  #run: Run<Attempt> | null

  /**
   * @param item null: it is made, and its record taken note of, when somebody asks for it
   * @param startedMs monotonic
   */
  constructor(
    host: AttemptHost,
    record: SourceRecord,
    work: PartitionWork,
    chunk: Chunk,
    item: WorkItem | null,
    startedMs: number,
  ) {
    this.record = record
    this.work = work
    this.#chunk = chunk
    this.#item = item
    this.#host = host
    this.#run =
      item === null ? null : new Run(this, attemptsOf(item), startedMs, startedMs + host.timeoutMs)
  }

  /** What is kept of it while it runs. */
  get run(): Run<Attempt> {
    if (this.#run === null) {
      const { momentMs, timeoutMs } = this.#host
      this.#run = new Run(this, 1, momentMs, momentMs + timeoutMs)
    }
    return this.#run
  }

  get attempt(): number {
    return this.#run?.number ?? 1
  }

  /** Set once its result no longer counts. */
  get cause(): AbortCause | null {
    return this.#run?.cause ?? null
  }

  get item(): WorkItem {
    if (this.#item === null) {
      const ordinal = this.work.tracker.deliver(this.record.offset)
      this.#item = new WorkItem(this.record, this.work, this.#chunk, ordinal)
      this.#item.attempts = this.attempt
    }
    return this.#item
  }

  get hasItem(): boolean {
    return this.#item !== null
  }

  get topic(): string {
    return this.work.topic
  }

  get partition(): number {
    return this.work.partition
  }

  get offset(): number {
    return this.record.offset
  }

  get keyBytes(): Uint8Array | null {
    return this.record.key
  }

  get key(): string | null {
    return keyText(this.record)
  }

  get headers(): ReadonlyMap<string, Uint8Array> {
    return (this.run.headers ??= headerMap(this.record.headers))
  }

  get timestamp(): Date {
    return new Date(this.record.timestampMs)
  }

  get id(): string {
    return originId(originOf({ record: this.record, partition: this.work }))
  }

  get redelivered(): boolean {
    return this.attempt > 1 || (this.record.deliveryCount ?? 1) > 1
  }

  get signal(): AbortSignal {
    const { run } = this
    run.controller ??= new AbortController()
    if (run.cause !== null && !run.controller.signal.aborted) run.controller.abort(run.cause)
    return run.controller.signal
  }

  get fencingToken(): FencingToken {
    const { topic, partition, generation } = this.work
    return { group: this.#host.group, topic, partition, epoch: generation }
  }

  async extend(by: Duration): Promise<void> {
    const byMs = parseDuration(by)
    if (byMs === undefined)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', `extend(${String(by)}): not a duration`)
    if (this.cause !== null) return
    this.run.deadlineMs = this.#host.nowMs() + byMs
    this.#host.deadlineMoved(this.run.deadlineMs)
  }

  send(output: Output): void {
    if (this.#host.outbox === null)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        'context.send needs the option exactlyOnce: true',
      )
    this.#host.outbox.send(this, output)
  }
}

export function keyText(record: SourceRecord): string | null {
  return record.key === null ? null : utf8.decode(record.key)
}

export function headerMap(headers: readonly RecordHeader[]): ReadonlyMap<string, Uint8Array> {
  const map = new Map<string, Uint8Array>()
  for (const { key, value } of headers) if (value !== null) map.set(key, value)
  return map
}
