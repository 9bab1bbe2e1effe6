/**
 * Starts handlers and deals with how they end.
 *
 * A handler starts when an item is ready, a slot is free, nobody holds the dispatcher and the ownership of its partition
 * is fresh. Handlers that return without a promise run in one loop that waits for nothing; the loop yields to I/O after
 * a slice of time, so heartbeats and fetches are never starved by work that is free.
 *
 *   start ──▶ returned ──▶ verdict ──▶ done
 *     │        threw, aborted, asked ──▶ decide ──▶ retry (waits, its slot is free) │ dead letter │ skip │ stop
 *     └─ time is up: abort, and after a grace its slot and lane are taken back (detached)
 *
 * Invariants: at most one execution per lane, whatever epoch it belongs to; a result counts only while its partition
 * is ours; slots in use <= concurrency. Not here: partitions, budgets and commits (`engine.ts`).
 */

import { messageOf } from '../../core/index.ts'
import { admissionOf } from './admission.ts'
import { Attempt } from './attempt.ts'
import { Backlog, type BacklogBatch } from './backlog.ts'
import { Caution } from '../failure/caution.ts'
import type { Failure } from '../failure/decide.ts'
import type { EngineParts } from '../engine-parts.ts'
import { decideFor, errorOf, gaveUp } from '../failure/gave-up.ts'
import { DIVERTED, LetterWriter, letterBackoffMs } from '../failure/letter-writer.ts'
import type { AbortCause } from '../options.ts'
import { Running } from './running.ts'
import type { Outbox } from '../transaction/outbox.ts'
import { WaitingRoom } from './waiting-room.ts'
import { endedAs, execute } from './execution.ts'
import { Gate } from './gate.ts'
import type { DispatcherFacts, DispatcherHost, Ending } from './dispatcher-host.ts'
import { FirstLook, type FirstLookHost } from './first-look.ts'
import { Pace } from './pace.ts'
import { StartQueue } from './start-queue.ts'
import { isThenable, thrown, verdictOf, type Verdict } from './outcome.ts'
import type { PartitionWork, WorkItem } from '../work.ts'
import type { Settings } from '../resolve-options.ts'
import { telemetry } from '../telemetry.ts'

export class Dispatcher implements FirstLookHost {
  readonly #settings: Settings
  readonly #parts: EngineParts
  readonly #host: DispatcherHost
  readonly #letters: LetterWriter
  readonly #queue: StartQueue
  readonly #backlog = new Backlog()
  readonly #waiting: WaitingRoom
  readonly #running: Running
  readonly #gate: Gate
  readonly #pace: Pace
  /** Who finds the record that kills the process; asked about careful partitions only. */
  readonly caution: Caution
  readonly outbox: Outbox | null
  readonly #looks: FirstLook
  #slots = 0
  #held = true
  #pumping = false
  #detached = 0
  #retried = 0

  constructor(settings: Settings, parts: EngineParts, host: DispatcherHost) {
    this.#settings = settings
    this.#parts = parts
    this.#host = host
    this.outbox = host.outbox
    this.#letters = new LetterWriter(settings, parts, host)
    this.#queue = new StartQueue(settings, parts)
    this.#waiting = new WaitingRoom(parts.createDelays(), settings, (items) => this.ready(items))
    this.#running = new Running(settings, (attempt, cause) => this.#detach(attempt, cause))
    this.#pace = new Pace(settings, () => this.pump())
    this.caution = new Caution(settings.crashes, {
      ...settings,
      commit: () => host.commitSoon(),
      ready: (items) => this.ready(items),
    })
    this.#looks = new FirstLook(settings, this, host)
    this.#gate = new Gate(
      settings,
      () => host.ownershipIsFresh(),
      () => this.pump(),
    )
  }

  get group(): string {
    return this.#settings.group
  }

  /** Whether more is asked before a start than who came first. */
  get isPicky(): boolean {
    return this.outbox !== null || this.#gate.watches
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs
  }

  /** What it does and what holds it up. */
  facts(): DispatcherFacts {
    const { oldestStartedMs } = this.#running
    return {
      ...this.#waiting.facts(),
      ...this.#gate.facts(),
      retried: this.#retried,
      detached: this.#detached,
      oldestStartedMs,
    }
  }

  nowMs(): number {
    return this.#settings.clock.monotonicMs()
  }

  /** The moment in which the execution that ends now is dealt with: one look at the clock serves a whole record. */
  get momentMs(): number {
    return this.#pace.nowMs
  }

  /** Starts nothing until `go`; what runs goes on. */
  hold(): void {
    this.#held = true
  }

  go(): void {
    this.#held = false
    this.pump()
  }

  /** Queues a record behind those of its lane. Call `pump` after a batch. */
  add(item: WorkItem): void {
    const { lanes } = item.partition
    if (lanes === null || lanes.append(item)) this.#queue.push(item)
  }

  /** Records that are looked at when there is room for them. */
  addLater(batch: BacklogBatch): void {
    this.#backlog.push(batch)
  }

  /** These waited for something, and may start now. */
  ready(items: readonly WorkItem[]): void {
    for (const item of items) this.#queue.push(item)
    this.pump()
  }

  /** Forgets what has not started of a partition. */
  drop(partition: PartitionWork): void {
    const gone = (item: WorkItem) => item.partition === partition
    this.#queue.remove(gone)
    this.#backlog.drop(partition)
    this.#waiting.remove(gone)
    this.caution.drop(partition)
    partition.lanes?.dropInactive()
  }

  /** Tells the handlers of a partition (of all when null) that their result no longer counts. */
  abort(partition: PartitionWork | null, cause: AbortCause): void {
    this.#running.abort(partition, cause)
  }

  /** Whether something else comes before records that nobody has looked at. */
  get isInterrupted(): boolean {
    return this.#held || !this.#queue.isEmpty
  }

  /** Tells the host of everything that is done, were it a moment ago. */
  tell(): void {
    this.#looks.tell()
  }

  /** Starts what may start. */
  pump(): void {
    if (this.#pumping || this.#held || (this.#queue.isEmpty && this.#backlog.isEmpty)) return
    this.#pumping = true
    try {
      this.#pace.look()
      while (this.#slots < this.#gate.concurrency && this.#mayStart()) {
        const item = this.#queue.shift(this.#gate.concurrency - this.#slots, this.#pace.nowMs)
        if (item === null && this.#backlog.isEmpty) {
          this.#gate.askAgain(this.#queue.nextMs(this.#pace.nowMs))
          break
        }
        this.#pace.begin()
        if (item === null) this.#pace.ran(this.#backlog.look(this.#pace.run, this.#looks))
        else if (item.letter !== null) this.#writeLetter(item)
        else if (this.#admit(item)) this.#start(item)
        else this.#queue.held(item)
        this.#pace.look()
      }
      this.#looks.end()
    } catch (error) {
      this.#host.broken(error)
    } finally {
      this.#pumping = false
    }
  }

  close(): void {
    this.hold()
    this.caution.close()
    this.#waiting.close()
    this.#running.close()
    this.#gate.close()
  }

  // --- starting ---

  #mayStart(): boolean {
    if (this.#held || this.#pace.isOver) return false
    return this.outbox?.isFull !== true && this.#gate.isOpen(this.#pace.nowMs)
  }

  /** A handler was called for a record that was just looked at, and goes on or has failed. */
  wentOn(attempt: Attempt, result: unknown, failure: Failure | null): void {
    this.#slots++
    this.#running.add(attempt)
    if (failure === null) this.#began(attempt, result)
    else this.#settle(attempt, failure)
  }

  /** False: it does not run now, or not here. */
  #admit(item: WorkItem): boolean {
    const answer = admissionOf(item, this.caution)
    if (answer === 'run' || answer === 'hold') return answer === 'run'
    if (answer === 'divert') {
      item.letter = { ...DIVERTED, failedMs: this.#settings.clock.wallMs(), failures: 0 }
      this.#writeLetter(item)
      return false
    }
    this.#occupy(item)
    this.#vacate(item)
    if (answer === 'kept') this.#done(item, 'parked')
    else this.#failed(this.#attempt(item), { kind: 'died' }, null)
    return false
  }

  #start(item: WorkItem): void {
    this.#occupy(item)
    item.attempts++
    const attempt = this.#attempt(item)
    this.#running.add(attempt)
    this.outbox?.begin(attempt)
    if (this.#gate.watches) this.#gate.started(attempt)
    let result: unknown
    try {
      result = execute(this.#settings, attempt)
    } catch (error) {
      return this.#settle(attempt, thrown(error))
    }
    this.#began(attempt, result)
  }

  #attempt(item: WorkItem): Attempt {
    const { record, partition, chunk } = item
    return new Attempt(this, record, partition, chunk, item, this.#pace.nowMs)
  }

  /** The handler has returned. */
  #began(attempt: Attempt, result: unknown): void {
    if (!isThenable(result)) return this.#settle(attempt, verdictOf(result))
    this.#running.watch(attempt.run.deadlineMs)
    Promise.resolve(result).then(
      (outcome: unknown) => this.#settleLater(attempt, verdictOf(outcome)),
      (error: unknown) => this.#settleLater(attempt, thrown(error)),
    )
  }

  // --- ending ---

  #settleLater(attempt: Attempt, verdict: Verdict): void {
    try {
      this.#pace.look()
      this.#settle(attempt, verdict)
      this.pump()
    } catch (error) {
      this.#host.broken(error)
    }
  }

  /** An execution ended. */
  #settle(attempt: Attempt, verdict: Verdict): void {
    const { item, cause } = attempt
    this.outbox?.settled(attempt, verdict.kind === 'handled' && cause === null)
    if (attempt.run.detached) {
      this.#detached--
      if (item.partition.state === 'gone') this.#host.late(item)
      return
    }
    this.#running.remove(attempt)
    const outageMs = this.#gate.watches ? this.#tellGate(attempt, verdict) : null
    this.#vacate(item)
    // What a handler returns after its signal aborted may be the abort itself, swallowed: it does not count as done.
    if (cause === 'timeout') this.#failed(attempt, { kind: 'aborted', cause }, outageMs)
    else if (cause !== null || item.partition.state === 'gone') this.#giveBack(item)
    else if (verdict.kind === 'handled' || verdict.kind === 'skipped')
      this.#done(item, verdict.kind)
    else this.#failed(attempt, verdict, outageMs)
  }

  #tellGate(attempt: Attempt, verdict: Verdict): number | null {
    return this.#gate.ended(attempt, endedAs(attempt, verdict), this.nowMs(), this.#slots)
  }

  /** @param outageMs how long what is behind the handler is left in peace, when it is down. */
  #failed(attempt: Attempt, failure: Failure, outageMs: number | null): void {
    const { item } = attempt
    if (item.partition.state === 'gone') return this.#giveBack(item)
    if (failure.kind === 'not-yet' || outageMs !== null) {
      // The record has nothing to do with it: this was no attempt.
      item.attempts--
      const afterMs = failure.kind === 'not-yet' ? failure.afterMs : (outageMs ?? 0)
      return this.#retry(attempt, afterMs, failure)
    }
    const wallMs = this.#settings.clock.wallMs()
    if (item.firstFailureMs === 0) item.firstFailureMs = wallMs
    const decision = decideFor(this.#settings, this.#parts, item, failure)
    switch (decision.kind) {
      case 'retry':
        return this.#retry(attempt, decision.afterMs, failure)
      case 'skip':
        return this.#done(item, 'skipped')
      case 'stop':
        return this.#stop(item, `${decision.reason}: ${decision.error}`, errorOf(failure))
      case 'dead-letter':
      case 'park': {
        const { kind, reason, error } = decision
        const afterMs = kind === 'park' ? decision.afterMs : 0
        item.letter = { kind, reason, error, afterMs, failedMs: wallMs, failures: 0 }
        this.#writeLetter(item)
        item.partition.ended()
      }
    }
  }

  #retry(attempt: Attempt, afterMs: number, failure: Failure): void {
    this.#retried++
    const error = errorOf(failure) ?? failure.kind
    if (telemetry.retry.hasSubscribers)
      telemetry.retry.publish({ group: this.group, ctx: attempt, afterMs, error })
    const { item } = attempt
    if (item.record.retried !== undefined && item.partition.state === 'open') {
      item.letter = { ...DIVERTED, afterMs, failedMs: this.#settings.clock.wallMs(), failures: 0 }
      this.#writeLetter(item)
      return item.partition.ended()
    }
    if (item.parked === null || item.partition.state !== 'open') return this.#delay(item, afterMs)
    item.partition.parking?.failed(item, afterMs)
    item.partition.ended()
  }

  /** Its head place in the lane stays, its slot is free. A partition that drains waits for no retries. */
  #delay(item: WorkItem, afterMs: number): void {
    if (item.partition.state !== 'open') return this.#giveBack(item)
    this.#waiting.add(item, afterMs)
    item.partition.ended()
  }

  #writeLetter(item: WorkItem): void {
    const { letter } = item
    if (letter === null) return
    this.#occupy(item)
    try {
      const topic = letter.kind === 'park' ? '' : this.#letters.topicFor(item)
      void this.#letters
        .write(item, letter, topic)
        .then((written) => this.#letterSettled(item, letter.failures, written))
    } catch (error) {
      this.#vacate(item)
      this.#stop(item, messageOf(error), error)
    }
  }

  #letterSettled(item: WorkItem, failures: number, written: boolean): void {
    try {
      this.#pace.look()
      this.#vacate(item)
      const chance = this.#settings.random.next()
      if (item.partition.state === 'gone') this.#giveBack(item)
      else if (written) this.#done(item, item.letter?.kind === 'park' ? 'parked' : 'deadLettered')
      else this.#delay(item, letterBackoffMs(failures, chance))
      this.pump()
    } catch (error) {
      this.#host.broken(error)
    }
  }

  #stop(item: WorkItem, why: string, cause: unknown): void {
    const error = gaveUp(this.group, item, why, cause)
    this.caution.stopped(item)
    // Its lane is not released: what comes after it must not overtake it, and everything is dropped now.
    this.#host.gaveUp(item, error)
    item.partition.ended()
  }

  #done(item: WorkItem, how: Ending): void {
    this.#release(item)
    this.#host.done(item, how)
    item.partition.ended()
  }

  #giveBack(item: WorkItem): void {
    this.#release(item)
    if (item.partition.state === 'gone') this.#host.late(item)
    else this.#host.abandoned(item)
    item.partition.ended()
  }

  /** Each `occupy` is answered by one `vacate` and one `partition.ended()`. */
  #occupy(item: WorkItem): void {
    item.active = true
    item.partition.active++
    this.#slots++
    this.#queue.occupied(item)
  }

  #vacate(item: WorkItem): void {
    item.active = false
    this.#slots--
    if (item.partition.careful) this.caution.ended(item)
    this.#queue.vacated(item)
  }

  /** The lane goes on, maybe with a record of a later epoch that waited behind this one. */
  #release(item: WorkItem): void {
    if (item.parked !== null) return
    const next = item.partition.lanes?.advance(item) ?? null
    if (next !== null) this.#queue.push(next)
  }

  // --- time limits ---

  deadlineMoved(deadlineMs: number): void {
    this.#running.watch(deadlineMs)
  }

  /** A handler that ignores its signal: others must not wait for it for ever. */
  #detach(attempt: Attempt, cause: AbortCause): void {
    const { item } = attempt
    this.#detached++
    const outageMs = this.#tellGate(attempt, { kind: 'aborted', cause })
    this.#vacate(item)
    if (cause === 'timeout') this.#failed(attempt, { kind: 'aborted', cause }, outageMs)
    else {
      this.#release(item)
      if (item.partition.state !== 'gone') this.#host.abandoned(item)
      item.partition.ended()
    }
    this.pump()
  }
}
