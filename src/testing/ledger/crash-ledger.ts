/**
 * The crash ledger: runs a user's own handler in processes that are killed and stopped at seeded moments, and says what
 * became of every record.
 *
 *   fill a topic ─▶ start workers ─▶ [ so many done ─▶ SIGKILL or SIGSTOP ─▶ a new worker ] … ─▶ all done ─▶ report
 *
 * The same seed kills after the same numbers of records; what runs at that moment is the machine's.
 */

import type { Clock, Random, Timers } from '../../core/index.ts'
import {
  randomBelow,
  seededRandom,
  ShoalError,
  sleep,
  systemClock,
  systemRandom,
  systemTimers,
} from '../../core/index.ts'
import type { Crash } from './crash-plan.ts'
import { planCrashes } from './crash-plan.ts'
import type { Verdict } from './judge.ts'
import type { Sharing } from './ledger-broker.ts'
import type { LedgerEntry } from './lines.ts'
import { LedgerRun } from './ledger-run.ts'
import type { WorkerBook } from './worker-book.ts'
import type { WorkerJob } from './worker-job.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface CrashLedgerOptions {
  /**
   * The module under test. It exports `handle(message, ctx, { log })` and may export `schema` and `options`, as for
   * `shoal run`; or it exports `run(job)` and consumes by itself (`RunModule`).
   */
  readonly module: URL
  /** Shoal or Kafka: `host:port`, several with commas. Any broker: a URL as for `open` (`redis://…`, `amqp://…`). */
  readonly brokers: string
  /** Default 4,000. */
  readonly records?: number
  /** Default 200. */
  readonly keys?: number
  /** Shards on Redis and RabbitMQ; default 8. */
  readonly partitions?: number
  /** How members share them on Redis and RabbitMQ; default `ordered`. `competing` promises no order. */
  readonly sharing?: Sharing
  /** Workers at once; default 1. */
  readonly members?: number
  /** SIGKILLs; default 3. */
  readonly kills?: number
  /** SIGSTOPs, each followed by SIGCONT after `stopMs`; default 0. */
  readonly stops?: number
  /** How long a stopped worker stays so, milliseconds; default twice the session timeout. */
  readonly stopMs?: number
  /** Default: what the module says, else 100. */
  readonly concurrency?: number
  /** How long a killed worker's partitions wait for it, milliseconds; default 6,000, Kafka's least. */
  readonly sessionTimeoutMs?: number
  /** The value of a record; default JSON with `key` and `sequence`. */
  readonly value?: (key: string, sequence: number) => string
  /** Decides the moments; default: by chance, and told in the report. */
  readonly seed?: number
  /** No record ends for this long: the run fails. Milliseconds; default 120,000. */
  readonly stuckAfterMs?: number
  /** Default `shoal-ledger-SEED-…`; must not exist yet. */
  readonly topic?: string
  readonly onProgress?: (progress: LedgerProgress) => void
  readonly onEntry?: (entry: LedgerEntry) => void
  /** Ends it early: rejects with SHOAL_CLOSED. */
  readonly signal?: AbortSignal
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
}

/** A module with a consumer of its own, whatever client it uses. */
export interface RunModule {
  /**
   * Consumes `job.topic` as a member of `job.group` until `signal` aborts or the process is killed; calls
   * `ledger.begin(record)` when it starts a record and `ledger.done(record)` when the work is done.
   */
  run(job: LedgerJob): Promise<void>
}

export interface LedgerJob extends Omit<WorkerJob, 'ledger'> {
  readonly ledger: WorkerBook
  readonly signal: AbortSignal
}

export type LedgerProgress =
  | { readonly kind: 'records'; readonly ended: number; readonly records: number }
  | {
      readonly kind: 'crash'
      readonly crash: Crash['kind']
      readonly worker: string
      readonly ended: number
    }

/** What became of the records. */
export interface CrashReport extends Verdict {
  readonly records: number
  readonly keys: number
  readonly partitions: number
  readonly members: number
  readonly kills: number
  readonly stops: number
  readonly seed: number
  /** What the consumer under test promises; null when it has not said. */
  readonly order: 'none' | 'partition' | 'key' | 'by' | null
  /** Workers that ended although nobody killed them: `worker-3 (exit code 1): the end of what it wrote to stderr`. */
  readonly unexpectedExits: readonly string[]
  readonly durationMs: number
  /** Nothing lost, nothing out of order that was promised in order, no worker ended by itself. */
  readonly passed: boolean
}

/** So many workers may end by themselves before the run gives up. */
const UNEXPECTED_EXITS = 10

/**
 * Fills a topic, runs the module over it, kills and stops its processes, and reports.
 *
 * @throws ShoalError SHOAL_BROKER_UNREACHABLE; SHOAL_HANDLER_FAILED when the workers end again and again or get nowhere;
 *   SHOAL_INVALID_ARGUMENT for options that cannot work
 *
 * @example
 * await using broker = await TestBroker.start()
 * const report = await crashLedger({ module: new URL('./worker.ts', import.meta.url), brokers: broker.bootstrap })
 * assert.equal(report.lost.length, 0)
 */
export async function crashLedger(options: CrashLedgerOptions): Promise<CrashReport> {
  const settings = withDefaults(options)
  const clock = options.clock ?? systemClock
  const startedMs = clock.monotonicMs()
  const { records, keys, partitions, kills, stops, members, seed } = settings
  await using run = await LedgerRun.open({ ...options, ...settings })
  const unexpectedExits = await new Crasher(run, settings, options).play()
  const verdict = run.judge.verdict()
  const order = settings.sharing === 'competing' ? 'none' : run.order
  return {
    ...verdict,
    records,
    keys,
    partitions,
    members,
    kills,
    stops,
    seed,
    order,
    unexpectedExits,
    durationMs: clock.monotonicMs() - startedMs,
    passed:
      verdict.lost.length === 0 &&
      (verdict.outOfOrder.length === 0 || order === 'none') &&
      unexpectedExits.length === 0,
  }
}

type Settings = ReturnType<typeof withDefaults>

/** Plays the plan: one crash after the other, then the rest in peace. */
class Crasher {
  readonly #run: LedgerRun
  readonly #settings: Settings
  readonly #options: CrashLedgerOptions
  readonly #random: Random
  readonly #stopped = new Set<WorkerProcess>()
  readonly #resumed: Promise<void>[] = []
  #started = 0
  readonly #unexpectedExits: string[] = []

  constructor(run: LedgerRun, settings: Settings, options: CrashLedgerOptions) {
    this.#run = run
    this.#settings = settings
    this.#options = options
    this.#random = seededRandom(settings.seed)
  }

  /** Resolves with the workers that ended by themselves. */
  async play(): Promise<readonly string[]> {
    const { records, members } = this.#settings
    for (let member = 0; member < members; member++) this.#start()
    for (const crash of planCrashes(this.#settings, this.#random)) {
      if (!(await this.#until(crash.afterRecords))) break
      await this.#crash(crash.kind)
    }
    await this.#until(records)
    await Promise.all(this.#resumed)
    await this.#run.finish()
    return [...this.#unexpectedExits, ...this.#run.takeUnexpectedExits()]
  }

  #start(): void {
    this.#run.startWorker(`worker-${++this.#started}`)
  }

  /** Workers that end by themselves are counted and replaced, up to a limit. False when no more records will come. */
  async #until(count: number): Promise<boolean> {
    while (this.#run.look() < count) {
      if (this.#options.signal?.aborted === true)
        throw new ShoalError('SHOAL_CLOSED', 'the crash ledger was stopped before its end')
      const how = await this.#run.untilEnded(Math.min(count, this.#run.judge.ended + this.#stride))
      if (how === 'consumed') return false
      this.#tellProgress()
      this.#replaceEnded()
    }
    return true
  }

  /** How many records pass between two looks at the progress. */
  get #stride(): number {
    return Math.max(1, Math.floor(this.#settings.records / 100))
  }

  async #crash(kind: Crash['kind']): Promise<void> {
    const victim = await this.#victim()
    if (victim === undefined) return
    if (kind === 'kill') {
      await this.#run.kill(victim)
    } else this.#stop(victim)
    this.#tellProgress({ kind: 'crash', crash: kind, worker: victim.name })
    this.#start()
  }

  /**
   * One that works: who has begun nothing has nothing to lose, and never begins when the others had time for everything.
   */
  async #victim(): Promise<WorkerProcess | undefined> {
    for (;;) {
      const candidates = this.#run.workers.filter((worker) => !this.#stopped.has(worker))
      const atWork = candidates.filter(({ isWorking }) => isWorking)
      if (atWork.length > 0) return atWork[randomBelow(this.#random, atWork.length)]
      const ended = this.#run.look()
      if (candidates.length === 0 || ended >= this.#settings.records) return candidates[0]
      if ((await this.#run.untilEnded(ended + 1)) === 'consumed') return candidates[0]
      this.#replaceEnded()
    }
  }

  /** The successor takes the partitions over; the stopped one wakes up as a zombie. */
  #stop(victim: WorkerProcess): void {
    this.#run.stop(victim)
    this.#stopped.add(victim)
    const { stopMs, timers } = this.#settings
    const resumed = sleep(timers, stopMs).then(() => {
      this.#run.resume(victim)
      this.#stopped.delete(victim)
    })
    this.#resumed.push(resumed)
  }

  #replaceEnded(): void {
    for (const exit of this.#run.takeUnexpectedExits()) {
      this.#unexpectedExits.push(exit)
      if (this.#unexpectedExits.length >= UNEXPECTED_EXITS)
        throw new ShoalError(
          'SHOAL_HANDLER_FAILED',
          `${this.#unexpectedExits.length} workers ended by themselves\n${exit}`,
        )
      this.#start()
    }
  }

  #tellProgress(
    what: { kind: 'records' } | { kind: 'crash'; crash: Crash['kind']; worker: string } = {
      kind: 'records',
    },
  ): void {
    const { ended } = this.#run.judge
    const { records } = this.#settings
    this.#options.onProgress?.(
      what.kind === 'records' ? { ...what, ended, records } : { ...what, ended },
    )
  }
}

function withDefaults(options: CrashLedgerOptions) {
  const sessionTimeoutMs = options.sessionTimeoutMs ?? 6_000
  const seed = options.seed ?? randomBelow(options.random ?? systemRandom, 2 ** 31)
  const tag = randomBelow(options.random ?? systemRandom, 2 ** 31).toString(36)
  const topic = options.topic ?? `shoal-ledger-${seed}-${tag}`
  const settings = {
    records: options.records ?? 4_000,
    keys: options.keys ?? 200,
    partitions: options.partitions ?? 8,
    sharing: options.sharing ?? 'ordered',
    members: options.members ?? 1,
    kills: options.kills ?? 3,
    stops: options.stops ?? 0,
    stopMs: options.stopMs ?? sessionTimeoutMs * 2,
    sessionTimeoutMs,
    stuckAfterMs: options.stuckAfterMs ?? 120_000,
    concurrency: options.concurrency ?? null,
    seed,
    topic,
    group: `${topic}-group`,
    value: options.value ?? ((key: string, sequence: number) => JSON.stringify({ key, sequence })),
    timers: options.timers ?? systemTimers,
  }
  const atLeastOne = ['records', 'keys', 'partitions', 'members', 'sessionTimeoutMs'] as const
  const problems = [
    ...atLeastOne.filter((name) => !isWhole(settings[name], 1)),
    ...(['kills', 'stops', 'stopMs'] as const).filter((name) => !isWhole(settings[name], 0)),
  ].map((name) => `${name} is ${settings[name]}`)
  if (settings.records < 10 * (settings.kills + settings.stops))
    problems.push(
      `records is ${settings.records}: too few for ${settings.kills + settings.stops} crashes, at least 10 for each`,
    )
  if (problems.length > 0)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `crash ledger: ${problems.join('; ')}`)
  return settings
}

function isWhole(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least
}
