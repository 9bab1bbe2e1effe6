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
import { Attempt } from './attempt.ts'
import type { AttemptHost } from './attempt.ts'
import { Caution } from '../failure/caution.ts'
import { backoffMs } from '../failure/decide.ts'
import type { Decision, Failure } from '../failure/decide.ts'
import type { EngineParts } from '../engine-parts.ts'
import { errorOf, gaveUp } from '../failure/gave-up.ts'
import type { ReadyQueue } from './lanes.ts'
import { DIVERTED, LetterWriter } from '../failure/letter-writer.ts'
import type { AbortCause } from '../options.ts'
import { Running } from './running.ts'
import type { Outbox } from '../transaction/outbox.ts'
import { WaitingRoom } from './waiting-room.ts'
import { endedAs, execute } from './execution.ts'
import { Gate } from './gate.ts'
import type { DispatcherHost, Ending } from './dispatcher-host.ts'
import { TopicQueues } from './topic-queues.ts'
import { Circuits } from '../failure/circuits.ts'
import { isThenable, thrown, verdictOf } from './outcome.ts'
import type { Verdict } from './outcome.ts'
import type { PartitionWork, WorkItem } from '../work.ts'
import type { Settings } from '../resolve-options.ts'
import { telemetry } from '../telemetry.ts'

/** How long handlers are started in one go before I/O gets its turn. */
const SLICE_MS = 10
const LETTER_RETRY = { kind: 'exponential', base: 200, max: 30_000, jitter: 'full' } as const

export class Dispatcher implements AttemptHost {
  readonly #settings: Settings
  readonly #parts: EngineParts
  readonly #host: DispatcherHost
  readonly #letters: LetterWriter
  readonly #ready: ReadyQueue<WorkItem>
  readonly #waiting: WaitingRoom
  readonly #running: Running
  readonly #gate: Gate
  /** Instead of `#ready`, where topics are not all alike. */
  readonly #topics: TopicQueues | null
  /** Who finds the record that kills the process; asked about careful partitions only. */
  readonly caution: Caution
  readonly outbox: Outbox | null
  #slots = 0
  #held = true
  #pumping = false
  #nowMs = 0
  /** When this turn of the event loop began to start handlers; null: none has started in it. */
  #sliceMs: number | null = null
  #detached = 0
  #retried = 0

  constructor(settings: Settings, parts: EngineParts, host: DispatcherHost) {
    this.#settings = settings
    this.#parts = parts
    this.#host = host
    this.outbox = host.outbox
    this.#letters = new LetterWriter(settings, parts, host)
    this.#ready = parts.createReady()
    this.#waiting = new WaitingRoom(parts.createDelays(), settings, (items) => this.ready(items))
    this.#running = new Running(settings, (attempt, cause) => this.#detach(attempt, cause))
    this.#topics = settings.topics.size === 0 ? null : new TopicQueues(settings.topics)
    this.caution = new Caution(settings.crashes, {
      ...settings,
      commit: () => host.commitSoon(),
      ready: (items) => this.ready(items),
    })
    const circuits =
      settings.breakers.length === 0 ? null : new Circuits(settings.breakers, settings)
    this.#gate = new Gate(
      settings,
      circuits,
      () => host.ownershipIsFresh(),
      () => this.pump(),
    )
  }

  get group(): string {
    return this.#settings.group
  }

  get retried(): number {
    return this.#retried
  }

  get inDoubt(): boolean {
    return this.#gate.inDoubt
  }

  /** Handlers that may run at once now. */
  get concurrency(): number {
    return this.#gate.concurrency
  }

  /** What holds everything up. */
  get heldBy(): readonly string[] {
    return this.#gate.reasons()
  }

  get #readyCount(): number {
    return this.#topics === null ? this.#ready.length : this.#topics.length
  }

  /** What waits, and what goes on although nobody waits for it. */
  get waiting(): { readonly retries: number; readonly letters: number; readonly detached: number } {
    const { retries, letters } = this.#waiting
    return { retries, letters, detached: this.#detached }
  }

  get oldestStartedMs(): number | undefined {
    return this.#running.oldestStartedMs
  }

  nowMs(): number {
    return this.#settings.clock.monotonicMs()
  }

  /** The moment in which the execution that ends now is dealt with: one look at the clock serves a whole record. */
  get momentMs(): number {
    return this.#nowMs
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
    if (lanes === null || lanes.append(item)) this.#enqueue(item)
  }

  /** These waited for something, and may start now. */
  ready(items: readonly WorkItem[]): void {
    for (const item of items) this.#enqueue(item)
    this.pump()
  }

  /** Forgets what has not started of a partition. */
  drop(partition: PartitionWork): void {
    const gone = (item: WorkItem) => item.partition === partition
    this.#ready.remove(gone)
    this.#topics?.remove(gone)
    this.#waiting.remove(gone)
    this.caution.drop(partition)
    partition.lanes?.dropInactive()
  }

  /** Tells the handlers of a partition (of all when null) that their result no longer counts. */
  abort(partition: PartitionWork | null, cause: AbortCause): void {
    this.#running.abort(partition, cause)
  }

  /** Starts what may start. */
  pump(): void {
    if (this.#pumping || this.#held || this.#readyCount === 0) return
    this.#pumping = true
    try {
      this.#nowMs = this.nowMs()
      while (this.#slots < this.#gate.concurrency && this.#mayStart()) {
        const item = this.#next()
        if (item === null) break
        this.#openSlice()
        if (item.letter !== null) this.#writeLetter(item)
        else if (this.#isPlain(item) || this.#admit(item)) this.#start(item)
        else this.#topics?.held(item)
        this.#nowMs = this.nowMs()
      }
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

  /** Handlers that never wait would keep the event loop to themselves: every turn has a slice, then I/O comes first. */
  #openSlice(): void {
    if (this.#sliceMs !== null) return
    this.#sliceMs = this.#nowMs
    this.#settings.timers.soon(() => {
      this.#sliceMs = null
      this.pump()
    })
  }

  #mayStart(): boolean {
    if (this.#held || this.#nowMs - (this.#sliceMs ?? this.#nowMs) >= SLICE_MS) return false
    return this.outbox?.isFull !== true && this.#gate.isOpen(this.#nowMs)
  }

  #next(): WorkItem | null {
    if (this.#topics === null) return this.#ready.shift()
    const item = this.#topics.shift(this.#gate.concurrency - this.#slots, this.#nowMs)
    if (item === null) this.#gate.askAgain(this.#topics.nextMs(this.#nowMs))
    return item
  }

  #enqueue(item: WorkItem): void {
    if (this.#topics === null) this.#ready.push(item)
    else this.#topics.push(item)
  }

  #isPlain({ partition }: WorkItem): boolean {
    return partition.parking === null && !partition.careful
  }

  /** False: it does not run now, or not here. */
  #admit(item: WorkItem): boolean {
    if (item.parked !== null) return true
    switch (item.partition.parking?.admission(item)) {
      case 'divert':
        item.letter = { ...DIVERTED, failedMs: this.#settings.clock.wallMs(), failures: 0 }
        this.#writeLetter(item)
        return false
      case 'kept':
        this.#occupy(item)
        this.#vacate(item)
        this.#done(item, 'parked')
        return false
      case 'hold':
        return false
      default:
        return !item.partition.careful || this.#admitWithCare(item)
    }
  }

  #admitWithCare(item: WorkItem): boolean {
    const answer = this.caution.admission(item)
    if (answer !== 'give-up') return answer === 'run'
    this.#occupy(item)
    this.#vacate(item)
    this.#failed(new Attempt(item, this, this.#nowMs, this.#nowMs), { kind: 'died' }, null)
    return false
  }

  #start(item: WorkItem): void {
    this.#occupy(item)
    item.attempts++
    const deadlineMs = this.#nowMs + this.#settings.timeoutMs
    const attempt = new Attempt(item, this, this.#nowMs, deadlineMs)
    this.#running.add(attempt)
    this.outbox?.begin(attempt)
    if (this.#gate.watches) this.#gate.started(attempt)
    let result: unknown
    try {
      result = execute(this.#settings, attempt)
    } catch (error) {
      this.#settle(attempt, thrown(error))
      return
    }
    if (!isThenable(result)) {
      this.#settle(attempt, verdictOf(result))
      return
    }
    this.#running.watch(deadlineMs)
    Promise.resolve(result).then(
      (outcome: unknown) => this.#settleLater(attempt, verdictOf(outcome)),
      (error: unknown) => this.#settleLater(attempt, thrown(error)),
    )
  }

  // --- ending ---

  #settleLater(attempt: Attempt, verdict: Verdict): void {
    try {
      this.#nowMs = this.nowMs()
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
    if (attempt.detached) {
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
      return this.#retry(
        attempt,
        failure.kind === 'not-yet' ? failure.afterMs : (outageMs ?? 0),
        failure,
      )
    }
    const wallMs = this.#settings.clock.wallMs()
    if (item.firstFailureMs === 0) item.firstFailureMs = wallMs
    const decision = this.#decide(item, failure)
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

  #decide(item: WorkItem, failure: Failure): Decision {
    const { retry, parkedRetry, random } = this.#settings
    const isLater = item.parked !== null || item.record.retried !== undefined
    const policy = isLater ? parkedRetry : retry
    try {
      return this.#parts.decide(failure, item.attempts, policy, random.next())
    } catch (error) {
      return { kind: 'stop', reason: 'the retry policy threw', error: messageOf(error) }
    }
  }

  #retry(attempt: Attempt, afterMs: number, failure: Failure): void {
    this.#retried++
    if (telemetry.retry.hasSubscribers)
      telemetry.retry.publish({
        group: this.group,
        ctx: attempt,
        afterMs,
        error: errorOf(failure) ?? failure.kind,
      })
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
      this.#nowMs = this.nowMs()
      this.#vacate(item)
      const chance = this.#settings.random.next()
      if (item.partition.state === 'gone') this.#giveBack(item)
      else if (written) this.#done(item, item.letter?.kind === 'park' ? 'parked' : 'deadLettered')
      else this.#delay(item, backoffMs(LETTER_RETRY, failures, undefined, chance))
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
    this.#topics?.occupied(item)
  }

  #vacate(item: WorkItem): void {
    item.active = false
    this.#slots--
    if (item.partition.careful) this.caution.ended(item)
    this.#topics?.vacated(item)
  }

  /** The lane goes on, maybe with a record of a later epoch that waited behind this one. */
  #release(item: WorkItem): void {
    if (item.parked !== null) return
    const next = item.partition.lanes?.advance(item) ?? null
    if (next !== null) this.#enqueue(next)
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
    this.#settings.logger.log('error', 'a handler goes on although its signal aborted', {
      group: this.group,
      partition: item.partition.id,
      offset: item.record.offset,
      cause,
    })
    if (cause === 'timeout') this.#failed(attempt, { kind: 'aborted', cause }, outageMs)
    else {
      this.#release(item)
      if (item.partition.state !== 'gone') this.#host.abandoned(item)
      item.partition.ended()
    }
    this.pump()
  }
}
