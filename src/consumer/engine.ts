/**
 * One member at work: takes what the source delivers, hands it to the dispatcher, keeps the books, commits.
 *
 *   source ─records─▶ epoch check ─▶ tracker, budget ─▶ lanes ─▶ dispatcher ─▶ handler
 *                                        ▲                            │ done
 *   source ◀─commit── commit loop ◀── tracker.finish ◀────────────────┘
 *
 * A partition that is revoked drains: what waits is dropped, what runs may finish, what finished is committed, then the
 * source may give it away. One that is lost is dropped at once. Stopping is the same for all partitions together.
 * Invariant: a position is committed only when every record below it was handled, skipped, or is in the dead letters.
 */

import { ShoalError, messageOf } from '../core/index.ts'
import { CommitLedger } from './completion/commit-ledger.ts'
import { CommitLoop } from './completion/commit-loop.ts'
import { Deadline } from './dispatch/deadline.ts'
import { Dispatcher } from './dispatch/dispatcher.ts'
import type { DispatcherHost, Ending } from './dispatch/dispatcher-host.ts'
import { Flow, type FlowHost } from './dispatch/flow.ts'
import type { EngineHooks } from './engine-hooks.ts'
import type { EngineParts } from './engine-parts.ts'
import { asShoalError } from './failure/gave-up.ts'
import { assessHealth } from './health.ts'
import { healthFacts } from './health-facts.ts'
import { Intake } from './dispatch/intake.ts'
import { tellEnd, tellNotice, tellRebalance } from './notices.ts'
import type { Health, Report } from './options.ts'
import { NOTHING_YET } from './engine-hooks.ts'
import type { ParkingHost } from './parking/parking.ts'
import { Partitions } from './partitions.ts'
import type { Chunk, PartitionWork, WorkItem } from './work.ts'
import type { Settings } from './resolve-options.ts'
import type {
  Assignment,
  CommitPosition,
  CommitResult,
  OutgoingRecord,
  OwnedPartition,
  SourceBatch,
  SourceEvents,
  SourceNotice,
  SourceSession,
} from './source.ts'
import { telemetry } from './telemetry.ts'
import { outboxOf, type Outbox } from './transaction/outbox.ts'
import { refusedLetter } from './transaction/refused.ts'
import { Watch } from './watch.ts'

/** Of the time a revoke may take, this much is kept for the commit, at most a fifth of it. */
const COMMIT_MARGIN_MS = 5_000
/** How long aborted handlers get to clean up when the consumer stops. */
const ABORT_GRACE_MS = 1_000
const LAST_COMMIT_MS = 5_000
const LEAVE_MS = 10_000

export class Engine implements SourceEvents, DispatcherHost, FlowHost {
  readonly #settings: Settings
  readonly #partitions: Partitions
  readonly #dispatcher: Dispatcher
  readonly #flow: Flow
  readonly #intake: Intake
  readonly #ledger: CommitLedger
  readonly #commits: CommitLoop
  readonly #watch: Watch
  readonly #ended = Promise.withResolvers<Report>()
  readonly #counts = { ...NOTHING_YET }
  readonly finished: Promise<Report>
  session: SourceSession | null = null
  /** null: handlers send nothing, positions go alone. */
  readonly outbox: Outbox | null
  #pausedWhy: string | null = null
  #failure: ShoalError | null = null
  #stopping: Deadline | null = null
  #progressMs: number

  readonly #hooks: EngineHooks

  constructor(settings: Settings, parts: EngineParts, hooks: EngineHooks = {}) {
    const { clock, timers, random, logger, group } = settings
    this.#settings = settings
    this.#hooks = hooks
    this.#progressMs = clock.monotonicMs()
    this.outbox = outboxOf(settings, (item, reason) => this.#refused(item, reason))
    this.#partitions = new Partitions(settings, parts, this.#parkingHost())
    this.#ledger = new CommitLedger(settings.mapLength, settings.acknowledges, this.outbox)
    this.#flow = new Flow(settings.budget, this)
    this.#dispatcher = new Dispatcher(settings, parts, this)
    this.#intake = new Intake(settings, this.#dispatcher)
    this.#commits = new CommitLoop({
      group,
      ledger: this.#ledger,
      everyMs: settings.commitEveryMs,
      records: settings.commitRecords,
      spacingMs: settings.commitSpacingMs,
      automatic: settings.commitsAlone,
      clock,
      timers,
      random,
      logger,
      choose: () => this.#dispatcher.caution.choose(),
      stored: () => this.#dispatcher.caution.stored(),
      commit: (positions) => this.#commit(positions),
    })
    this.#watch = new Watch({
      group,
      clock,
      timers,
      logger,
      health: () => this.health(),
      owned: () => [...this.#partitions].length,
    })
    this.finished = this.#ended.promise.then((report) => {
      if (this.#failure !== null) throw this.#failure
      return report
    })
    // Whoever looks at `finished` sees the failure; a process must not end because nobody looks.
    this.finished.catch(() => {})
  }

  /** Resolves with the report once it has stopped, for whatever reason. */
  get ended(): Promise<Report> {
    return this.#ended.promise
  }

  /** How long the source may wait for `revoked`. */
  get drainTimeoutMs(): number {
    return this.#settings.rebalanceDrainMs + COMMIT_MARGIN_MS
  }

  /** The source is open: what it delivered meanwhile may start. */
  begin(session: SourceSession): void {
    this.session = session
    if (this.#failure !== null) return void this.drain(0)
    this.#watch.begin()
    this.#flow.begin(session)
    for (const work of this.#partitions) work.parking?.begin()
    this.#dispatcher.go()
    this.#commits.soon()
  }

  // --- what the source tells ---

  assigned(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) {
      const former = this.#partitions.get(assignment)
      if (former !== undefined) this.#lose(former)
      const work = this.#partitions.add(assignment, this.nowMs())
      this.#ledger.track(work, assignment)
      this.#dispatcher.caution.watch(work)
      if (this.#stopping !== null) this.#drain(work)
      else if (this.session !== null) work.parking?.begin()
    }
    tellRebalance(this.#settings, 'assigned', assignments)
    if (this.session !== null) this.#commits.atOnce()
  }

  records(batch: SourceBatch): void {
    const work = this.#partitions.get(batch)
    // Whatever was under way when an epoch ended belongs to its next owner.
    if (work === undefined || work.epoch !== batch.epoch || work.state !== 'open') return
    try {
      if (this.#flow.records === 0) this.#progressMs = this.nowMs()
      const taken = this.#intake.take(work, batch)
      work.progressMs = this.nowMs()
      this.#counts.delivered += taken
      if (taken > 0) this.#flow.take(work, taken, batch.byteLength)
      else this.#commitWhenIdle()
      this.#flow.pauseIfFull(work)
      this.#dispatcher.pump()
      this.#flow.restIfAhead(work)
    } catch (error) {
      this.broken(error)
    }
  }

  async revoked(
    partitions: readonly OwnedPartition[],
    limitMs = this.drainTimeoutMs,
  ): Promise<void> {
    const works = this.#partitions.owned(partitions)
    tellRebalance(this.#settings, 'revoking', works)
    const { clock, timers, rebalanceDrainMs } = this.#settings
    const marginMs = Math.min(COMMIT_MARGIN_MS, limitMs / 5)
    const endMs = this.nowMs() + limitMs
    const deadline = new Deadline(clock, timers, Math.min(rebalanceDrainMs, limitMs - marginMs))
    for (const work of works) this.#drain(work)
    await deadline.before(Promise.all(works.map((work) => work.quiet())))
    deadline.cancel()
    // Without what was lost meanwhile, and with what a stop has left: that is released when its commit is answered.
    const ours = this.#partitions.owned(partitions)
    for (const work of ours) this.#leave(work)
    const lastMs = Math.max(this.nowMs(), endMs - marginMs / 2)
    if (ours.length > 0) await this.#commits.last(lastMs, ours)
    for (const work of ours) this.#forget(work)
    tellRebalance(this.#settings, 'released', ours)
  }

  lost(partitions: readonly OwnedPartition[]): void {
    const works = this.#partitions.owned(partitions)
    tellRebalance(this.#settings, 'lost', works)
    for (const work of works) this.#lose(work)
    this.#dispatcher.pump()
  }

  endOfPartition(partition: OwnedPartition, offset: number): void {
    const work = this.#partitions.get(partition)
    if (work?.epoch === partition.epoch) this.#hooks.partitionEnd?.(work, offset)
    if (telemetry.partitionEnd.hasSubscribers)
      telemetry.partitionEnd.publish({ group: this.#settings.group, partition, offset })
  }

  notice(notice: SourceNotice): void {
    tellNotice(this.#settings, notice)
  }

  failed(error: Error): void {
    this.#fail(asShoalError(error, 'SHOAL_REQUEST_FAILED'))
  }

  // --- what the dispatcher tells ---

  done(item: WorkItem, how: Ending): void {
    const { partition: work, chunk } = item
    if (item.parked !== null) {
      this.#counts.recovered++
      if (telemetry.end.hasSubscribers) tellEnd(this.group, item, how)
      return work.parking?.finished(item)
    }
    work.tracker.finish(item.ordinal)
    this.outbox?.done(item)
    this.#hooks.done?.(item)
    if (telemetry.end.hasSubscribers) tellEnd(this.group, item, how)
    this.#count(work, chunk, how)
    if (this.outbox?.wantsCommit === true) this.#commits.soon()
  }

  passed(work: PartitionWork, chunk: Chunk, count: number): void {
    this.#count(work, chunk, 'handled', count)
  }

  get watchesEnds(): boolean {
    return this.#hooks.done !== undefined || telemetry.end.hasSubscribers
  }

  lookedAt(work: PartitionWork): void {
    this.#flow.lookedAt(work)
  }

  abandoned(item: WorkItem): void {
    // It stays where it is parked: its next owner finds it there.
    if (item.parked !== null) return
    this.#counts.abandoned++
    this.#flow.release(item.partition, 1, 0)
  }

  late(item: WorkItem): void {
    this.#counts.late++
    this.#partitions.forgetLanes(item.partition)
  }

  gaveUp(item: WorkItem, error: ShoalError): void {
    if (item.parked === null) this.#counts.failed++
    if (item.parked === null) this.#flow.release(item.partition, 1, 0)
    this.#fail(error)
  }

  broken(error: unknown): void {
    this.#fail(asShoalError(error, 'SHOAL_INVARIANT', 'the consumer broke: '))
  }

  commitSoon(): void {
    this.#commits.atOnce()
  }

  ownershipIsFresh(): boolean {
    return this.session?.ownershipIsFresh() ?? false
  }

  produce(record: OutgoingRecord): Promise<void> {
    return this.#open().produce(record)
  }

  get group(): string {
    return this.#settings.group
  }

  partitions(): Iterable<PartitionWork> {
    return this.#partitions
  }

  // --- what the user asks ---

  pause(why: string): void {
    this.#pausedWhy = why
    this.#dispatcher.hold()
    this.#flow.tell('paused', null, 'user')
  }

  resume(): void {
    this.#pausedWhy = null
    if (this.#stopping === null) this.#dispatcher.go()
    this.#flow.tell('resumed', null, 'user')
  }

  /** Resolves with the report once it has stopped, also when a failure stopped it. */
  drain(withinMs: number): Promise<Report> {
    if (this.#stopping === null) {
      this.#stopping = new Deadline(this.#settings.clock, this.#settings.timers, withinMs)
      void this.#shutDown(this.#stopping)
    } else this.#stopping.shorten(withinMs)
    return this.#ended.promise
  }

  report(): Report {
    this.#dispatcher.tell()
    return {
      ...this.#counts,
      remembered: this.#intake.remembered,
      retried: this.#dispatcher.facts().retried,
      committed: this.#ledger.committed(),
    }
  }

  /** Stores what is done once `counted` has resolved; false: not within the limit. */
  commitNow(counted: Promise<void>, withinMs: number): Promise<boolean> {
    return this.#commits.asked(counted, withinMs)
  }

  health(): Health {
    this.#dispatcher.tell()
    return assessHealth(
      healthFacts({
        settings: this.#settings,
        partitions: this.#partitions,
        dispatcher: this.#dispatcher,
        commits: this.#commits,
        nowMs: this.nowMs(),
        progressMs: this.#progressMs,
        buffered: this.#flow.records,
        pausedWhy: this.#pausedWhy,
        failed: this.#failure?.message ?? null,
      }),
    )
  }

  #parkingHost(): ParkingHost {
    const { group, clock, timers, random, logger } = this.#settings
    const session = () => this.session
    return {
      group,
      clock,
      timers,
      random,
      logger,
      get session() {
        return session()
      },
      ready: (items) => this.#dispatcher.ready(items),
      parkedChanged: (work) => this.#flow.reconsider(work),
      broken: (error) => this.broken(error),
    }
  }

  // --- stopping ---

  #fail(error: ShoalError): void {
    if (this.#failure !== null) return
    this.#failure = error
    const { group, logger, shutdownDrainMs } = this.#settings
    logger.log('error', 'the consumer stops', { group, code: error.code, error: error.message })
    if (this.session !== null) void this.drain(shutdownDrainMs)
  }

  /** Every step is taken even when the one before it failed: a member that does not leave blocks its group. */
  async #shutDown(deadline: Deadline): Promise<void> {
    const { clock, timers } = this.#settings
    this.#dispatcher.hold()
    const works = [...this.#partitions]
    for (const work of works) this.#drain(work)
    const quiet = Promise.all(works.map((work) => work.quiet()))
    await deadline.before(quiet)
    deadline.cancel()
    if (works.some((work) => work.active > 0)) {
      this.#dispatcher.abort(null, 'shutdown')
      const grace = new Deadline(clock, timers, ABORT_GRACE_MS)
      await grace.before(quiet)
      grace.cancel()
    }
    for (const work of this.#partitions) this.#leave(work)
    await this.#step('commit', () => this.#commits.last(this.nowMs() + LAST_COMMIT_MS))
    this.#commits.close()
    await this.#step('leave the group', async () => {
      const limit = new Deadline(clock, timers, LEAVE_MS)
      await limit.before(this.session?.close() ?? Promise.resolve())
      limit.cancel()
    })
    for (const work of this.#partitions) this.#forget(work)
    this.#dispatcher.close()
    this.#watch.close()
    this.#ended.resolve(this.report())
  }

  async #step(what: string, take: () => Promise<void>): Promise<void> {
    try {
      await take()
    } catch (error) {
      const { group, logger } = this.#settings
      logger.log('error', `stopping: could not ${what}`, { group, error: messageOf(error) })
    }
  }

  // --- the life of a partition ---

  /** Takes nothing more; what waits is given back, what runs may finish. */
  #drain(work: PartitionWork): void {
    if (work.state !== 'open') return
    this.#dispatcher.tell()
    work.state = 'draining'
    this.#hooks.draining?.(work)
    const waiting = work.usage.records - work.active
    this.#dispatcher.drop(work)
    this.#counts.abandoned += waiting
    this.#flow.release(work, waiting, work.usage.bytes)
  }

  /** From now on nothing that still runs counts. */
  #leave(work: PartitionWork): void {
    if (work.state === 'gone') return
    this.#drain(work)
    this.#counts.abandoned += work.usage.records
    this.#flow.release(work, work.usage.records, 0)
    work.leave()
    this.#dispatcher.abort(work, 'revoked')
  }

  #lose(work: PartitionWork): void {
    this.#leave(work)
    this.#forget(work)
  }

  #forget(work: PartitionWork): void {
    this.outbox?.drop(work)
    this.#ledger.forget(work)
    this.#partitions.forget(work)
  }

  // --- small things ---

  #count(work: PartitionWork, chunk: Chunk, how: Ending, count = 1): void {
    this.#counts[how] += count
    work.progressMs = this.#dispatcher.momentMs
    this.#progressMs = work.progressMs
    chunk.remaining -= count
    const isOver = chunk.remaining === 0 && work.state === 'open'
    this.#flow.release(work, count, isOver ? chunk.byteLength : 0)
    this.#commits.completed(count)
    this.#commitWhenIdle()
  }

  #commitWhenIdle(): void {
    if (this.#flow.records === 0) this.#commits.soon()
  }

  async #commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    // The maps that go with it have just been measured.
    for (const work of this.#partitions) this.#flow.reconsider(work)
    const results = await this.#open().commit(positions)
    this.outbox?.answered(positions, results)
    if (this.outbox !== null) this.#dispatcher.pump()
    return results
  }

  /** What a record sent can never be written: its dead letter is, or the consumer stops. */
  #refused(item: WorkItem, reason: string): OutgoingRecord | null {
    try {
      const letter = refusedLetter(this.#settings, item, reason)
      this.#counts.handled--
      this.#counts.deadLettered++
      return letter
    } catch (error) {
      this.broken(error)
      return null
    }
  }

  #open(): SourceSession {
    if (this.session === null)
      throw new ShoalError('SHOAL_CLOSED', 'the consumer is not in its group yet')
    return this.session
  }

  nowMs(): number {
    return this.#settings.clock.monotonicMs()
  }
}
