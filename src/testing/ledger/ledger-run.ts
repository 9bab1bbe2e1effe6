/**
 * One crash ledger under way: the topic that it fills, the worker processes over it, and the judge that follows their
 * file.
 *
 * The topic has `keys` keys in turn, each with its records in order. What to do to the workers, and when, is the
 * caller's: `crash-ledger.ts` does it by a seeded plan, a test may do what it wants.
 */

import type { Clock, Timers } from '../../core/index.ts'
import { ShoalError, systemClock, systemTimers } from '../../core/index.ts'
import type { ExpectedRecord } from './judge.ts'
import { LedgerJudge } from './judge.ts'
import { brokersOf, fillTopic, isConsumed, ledgerPlace } from './ledger-broker.ts'
import type { LedgerPlace, Sharing } from './ledger-broker.ts'
import { LedgerReader } from './ledger-file.ts'
import type { LedgerEntry } from './lines.ts'
import type { WorkerMessage } from './worker-job.ts'
import { WorkerProcess } from './worker-process.ts'
import type { WorkerExit } from './worker-process.ts'

export interface LedgerRunOptions {
  /** The user's module: it exports `handle`, or `run` (see `RunModule`). */
  readonly module: URL
  /** A URL as for `open`, or `host:port,…` of Kafka or Shoal. */
  readonly brokers: string
  /** Must not exist yet. */
  readonly topic: string
  readonly group: string
  readonly records: number
  readonly keys: number
  /** Shards on Redis and RabbitMQ. */
  readonly partitions: number
  /** How members share them; default `ordered`. Kafka knows nothing else. */
  readonly sharing?: Sharing
  /** The value of a record. */
  readonly value: (key: string, sequence: number) => string
  /** Wins over what the module says; null leaves it to the module, 100 where that says nothing. */
  readonly concurrency: number | null
  readonly sessionTimeoutMs: number
  /** No record ends for this long: the run fails. */
  readonly stuckAfterMs: number
  readonly clock?: Clock
  readonly timers?: Timers
  /** Sees every line as it is read. */
  readonly onEntry?: (entry: LedgerEntry) => void
}

/** So long without news, and it is asked whether there is anything left to come. */
const QUIET_MS = 2_000
/** A worker that was asked to stop gets this long. */
const LONGEST_STOP_MS = 60_000

export class LedgerRun implements AsyncDisposable {
  readonly judge: LedgerJudge
  readonly #options: LedgerRunOptions
  readonly #place: LedgerPlace
  readonly #timers: Timers
  readonly #clock: Clock
  readonly #ledger = LedgerReader.create()
  readonly #workers = new Set<WorkerProcess>()
  /** Those whose end was asked for. */
  readonly #asked = new Set<WorkerProcess>()
  #unexpectedExits: string[] = []
  #order: (WorkerMessage & { kind: 'order' })['order'] | null = null
  #changed = Promise.withResolvers<void>()

  private constructor(
    options: LedgerRunOptions,
    place: LedgerPlace,
    expected: readonly ExpectedRecord[],
  ) {
    this.#options = options
    this.#place = place
    this.#timers = options.timers ?? systemTimers
    this.#clock = options.clock ?? systemClock
    this.judge = new LedgerJudge(expected)
  }

  /**
   * Makes the topic and fills it.
   * @throws ShoalError SHOAL_BROKER_UNREACHABLE; SHOAL_REQUEST_FAILED when Kafka has the topic;
   *   SHOAL_INVALID_ARGUMENT for a broker that cannot be
   */
  static async open(options: LedgerRunOptions): Promise<LedgerRun> {
    const place = ledgerPlace({ ...options, sharing: options.sharing ?? 'ordered' })
    return new LedgerRun(options, place, await fillTopic(place, options))
  }

  /** What the module's consumer promises; null until a worker said it, or when it has a consumer of its own. */
  get order(): 'none' | 'partition' | 'key' | 'by' | null {
    return this.#order
  }

  /** Those that have not ended. */
  get workers(): readonly WorkerProcess[] {
    return [...this.#workers].filter(({ hasEnded }) => !hasEnded)
  }

  startWorker(name: string): WorkerProcess {
    const { module, topic, group, sessionTimeoutMs, concurrency } = this.#options
    const worker = new WorkerProcess(
      {
        module: module.href,
        worker: name,
        ledger: this.#ledger.path,
        place: this.#place,
        brokers: brokersOf(this.#place),
        topic,
        group,
        sessionTimeoutMs,
        concurrency,
      },
      (message) => {
        if (message.kind === 'order') this.#order = message.order
        this.#news()
      },
    )
    this.#workers.add(worker)
    void worker.exited.then((exit) => {
      this.look()
      if (!this.#asked.has(worker)) {
        this.judge.crashed(worker.name)
        this.#unexpectedExits.push(`${name} (${exitText(exit)})${wordsOf([worker])}`)
      }
      this.#news()
    })
    return worker
  }

  /** Workers that ended although nobody asked for it since the last call: how, and what they wrote at their end. */
  takeUnexpectedExits(): readonly string[] {
    const exits = this.#unexpectedExits
    this.#unexpectedExits = []
    return exits
  }

  /** SIGKILL, and its end. What it had not committed may come again. */
  async kill(worker: WorkerProcess): Promise<void> {
    this.#asked.add(worker)
    worker.signal('SIGKILL')
    await worker.exited
    this.look()
    this.judge.crashed(worker.name)
  }

  /** SIGSTOP: it holds its partitions and does nothing, until `resume`. */
  stop(worker: WorkerProcess): void {
    worker.signal('SIGSTOP')
    this.look()
    this.judge.crashed(worker.name)
  }

  resume(worker: WorkerProcess): void {
    worker.signal('SIGCONT')
  }

  /** Reads what is new; returns how many records have ended. */
  look(): number {
    for (const entry of this.#ledger.read()) {
      this.judge.take(entry)
      this.#options.onEntry?.(entry)
    }
    return this.judge.ended
  }

  /**
   * Resolves with `ended` when so many records have ended, with `exit` when a worker has ended that nobody killed, and
   * with `consumed` when no more will come: nobody works on anything, and the group has committed everything or, where
   * the broker does not say, nothing came for `stuckAfterMs`.
   * @throws ShoalError SHOAL_HANDLER_FAILED when nothing ended for `stuckAfterMs` although there was something to do
   */
  async untilEnded(count: number): Promise<'ended' | 'exit' | 'consumed'> {
    const { stuckAfterMs } = this.#options
    const workers = this.workers.length
    let [ended, sinceMs] = [this.look(), this.#clock.monotonicMs()]
    while (ended < count) {
      if (this.workers.length < workers) return 'exit'
      const hasNews = await this.#nextNews(Math.min(QUIET_MS, stuckAfterMs))
      const now = this.look()
      if (now > ended) [ended, sinceMs] = [now, this.#clock.monotonicMs()]
      const isStuck = this.#clock.monotonicMs() - sinceMs >= stuckAfterMs
      if (hasNews && !isStuck) continue
      const consumed = await this.#isConsumed()
      // A broker that does not say: what does not come for so long, to idle workers that had records, is lost.
      if (consumed === true || (isStuck && consumed === null && now > 0)) return 'consumed'
      if (isStuck)
        throw new ShoalError(
          'SHOAL_HANDLER_FAILED',
          `no record has ended for ${Math.round(stuckAfterMs / 1_000)} s; ${ended} of ${this.#options.records} had${wordsOf(this.#workers)}`,
        )
    }
    return 'ended'
  }

  /** Asks every worker to stop, and waits; those that do not are killed. */
  async finish(): Promise<void> {
    await Promise.all(
      this.workers.map(async (worker) => {
        this.#asked.add(worker)
        worker.signal('SIGTERM')
        const late = this.#timers.schedule(LONGEST_STOP_MS, () => worker.signal('SIGKILL'))
        await worker.exited
        late.cancel()
      }),
    )
    this.look()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.workers) await this.kill(worker)
    this.#ledger[Symbol.dispose]()
  }

  #news(): void {
    this.#changed.resolve()
  }

  /** False when there was none in that time. */
  async #nextNews(withinMs: number): Promise<boolean> {
    let isLate = false
    const timer = this.#timers.schedule(withinMs, () => {
      isLate = true
      this.#news()
    })
    await this.#changed.promise
    timer.cancel()
    this.#changed = Promise.withResolvers<void>()
    return !isLate
  }

  async #isConsumed(): Promise<boolean | null> {
    if (this.workers.some(({ name }) => this.judge.running(name) > 0)) return false
    return isConsumed(this.#place, this.#options.group)
  }
}

/** What workers complained about. */
function wordsOf(workers: Iterable<WorkerProcess>): string {
  const words = Array.from(workers, ({ stderr }) => stderr.trim()).filter((text) => text !== '')
  return words.length === 0 ? '' : `\n${words.join('\n').slice(-2_000)}`
}

function exitText({ exitCode, signal }: WorkerExit): string {
  return signal ?? (exitCode === null ? 'it did not start' : `exit code ${exitCode}`)
}
