/**
 * One execution of a handler: the context the handler sees, and its place in the list of what runs.
 *
 * Everything a handler may never ask for (signal, headers, key as text) is made when it first asks: most records are
 * handled without, and an `AbortController` alone costs more than the rest of the dispatch. A record that its handler
 * ends at once needs no work item either: the item is made when somebody asks for it.
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

/** What an execution needs of the engine. */
export interface AttemptHost {
  readonly group: string
  /** null: the consumer has no transactions. */
  readonly outbox: Outbox | null
  /** How long a handler may take. */
  readonly timeoutMs: number
  nowMs(): number
  /** The deadline of an execution moved. */
  deadlineMoved(deadlineMs: number): void
}

const NO_TICKETS: readonly number[] = []

const utf8 = new TextDecoder()

export class Attempt implements TransactionalCtx {
  readonly record: SourceRecord
  readonly work: PartitionWork
  readonly #chunk: Chunk
  readonly #host: AttemptHost
  #item: WorkItem | null
  readonly attempt: number
  /** When it began and when its time is up; monotonic. */
  readonly startedMs: number
  deadlineMs: number
  /** Set once its result no longer counts. */
  cause: AbortCause | null = null
  /** Its part in the circuit breakers, where there are any. */
  tickets: readonly number[] = NO_TICKETS
  /** Its slot and its lane were taken back, though it still runs. */
  detached = false
  /** Neighbours in the list of what runs. */
  before: Attempt | null = null
  after: Attempt | null = null
  #controller: AbortController | null = null
  #headers: ReadonlyMap<string, Uint8Array> | null = null

  /** @param item null: it is made, and its record taken note of, when somebody asks for it. */
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
    this.attempt = item === null ? 1 : attemptsOf(item)
    this.startedMs = startedMs
    this.deadlineMs = startedMs + host.timeoutMs
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
    return (this.#headers ??= headerMap(this.record.headers))
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
    this.#controller ??= new AbortController()
    if (this.cause !== null && !this.#controller.signal.aborted) this.#controller.abort(this.cause)
    return this.#controller.signal
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
    this.deadlineMs = this.#host.nowMs() + byMs
    this.#host.deadlineMoved(this.deadlineMs)
  }

  send(output: Output): void {
    if (this.#host.outbox === null)
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        'context.send needs the option exactlyOnce: true',
      )
    this.#host.outbox.send(this, output)
  }

  /** Tells the handler that its result no longer counts. The first cause stays. */
  abort(cause: AbortCause): void {
    if (this.cause !== null) return
    this.cause = cause
    this.#controller?.abort(cause)
  }
}

/** What runs, oldest first: an intrusive list, so that adding and removing cost nothing. */
export class RunningList {
  #first: Attempt | null = null
  #last: Attempt | null = null
  #length = 0

  get length(): number {
    return this.#length
  }

  get oldest(): Attempt | null {
    return this.#first
  }

  add(attempt: Attempt): void {
    attempt.before = this.#last
    if (this.#last === null) this.#first = attempt
    else this.#last.after = attempt
    this.#last = attempt
    this.#length++
  }

  remove(attempt: Attempt): void {
    if (attempt.before === null) this.#first = attempt.after
    else attempt.before.after = attempt.after
    if (attempt.after === null) this.#last = attempt.before
    else attempt.after.before = attempt.before
    attempt.before = null
    attempt.after = null
    this.#length--
  }

  *[Symbol.iterator](): Generator<Attempt> {
    for (let attempt = this.#first; attempt !== null;) {
      const next: Attempt | null = attempt.after
      yield attempt
      attempt = next
    }
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
