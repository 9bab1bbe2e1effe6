/**
 * From what a user declared to what the engine works with: every option checked once, every default filled in.
 *
 * All problems are told in one SHOAL_INVALID_ARGUMENT, each with its option and the value that would do.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Clock, Logger, Random, Timers } from '../core/index.ts'
import {
  silentLogger,
  systemClock,
  systemRandom,
  systemTimers,
  unreachable,
  uuidText,
} from '../core/index.ts'
import type { BatchPolicy } from './batch/batcher.ts'
import { MOST_STARTS } from './completion/crash-notes.ts'
import type { BudgetLimits } from './dispatch/budget.ts'
import type { RetryPolicy } from './failure/decide.ts'
import type {
  Backoff,
  ConsumerDescription,
  ConsumerOptions,
  Ctx,
  Decode,
  Order,
  WithBatch,
} from './options.ts'
import { payloadReader } from './payload.ts'
import type { PayloadReader } from './payload.ts'
import { OptionCheck } from './option-check.ts'
import type { ParkingSettings } from './parking/parking.ts'
import { resolveLimits } from './resolve-limits.ts'
import type { ResolvedLimits } from './resolve-limits.ts'
import { deduped } from './failure/dedupe.ts'
import type { DedupeSettings } from './failure/dedupe.ts'
import { parseDuration } from './duration.ts'
import { isErrorClass, matchesAny } from './failure/error-classes.ts'
import { nodeThread } from './threads/node-thread.ts'
import { ThreadPool } from './threads/thread-pool.ts'
import { resolveParking } from './parking/resolve-parking.ts'
import type { Source } from './source.ts'

/** A declaration whose payload type nobody needs any more. */
export interface AnyOptions extends Omit<ConsumerOptions<never>, 'exactlyOnce'> {
  readonly exactlyOnce?: boolean | undefined
  readonly maxOutputBytes?: number | undefined
  readonly schema?: StandardSchemaV1 | undefined
  readonly decode?: Decode | undefined
  readonly worker?: URL | undefined
  readonly threads?: number | undefined
  readonly batch?: WithBatch<never>['batch'] | undefined
}

export interface Settings extends ResolvedLimits {
  readonly group: string
  readonly source: Source
  readonly order: Order<unknown>
  readonly budget: BudgetLimits
  readonly perKey: number
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  /** A record that was handed out more often is not started. */
  readonly maxDeliveries: number
  /** null: records are never parked. */
  readonly parking: ParkingSettings | null
  /** What happens to a parked record that fails again. */
  readonly parkedRetry: RetryPolicy
  readonly deadLetterTopic: ((topic: string) => string) | null
  readonly commitEveryMs: number
  readonly commitRecords: number
  /** Commits that nobody waits for keep this distance. */
  readonly commitSpacingMs: number
  /** False: positions are committed when the user says so, and only then. */
  readonly commitsAlone: boolean
  /** Longest completion map, in UTF-16 units; 0: none is kept. */
  readonly mapLength: number
  /** The source stores no positions: what is done beyond the committable one is acknowledged alone. */
  readonly acknowledges: boolean
  /** Starts without an end after which a record is given up; 0: starts are not counted. */
  readonly crashes: number
  /** Outputs that may wait for their commit; null: not exactly once, handlers send nothing. */
  readonly outboxBytes: number | null
  readonly rebalanceDrainMs: number
  readonly shutdownDrainMs: number
  readonly stuckAfterMs: number
  readonly read: PayloadReader | null
  readonly handle: (value: unknown, ctx: Ctx) => unknown
  /** null: `handle` gets single records. */
  readonly batch: BatchPolicy | null
  /** Where `handle` runs; null: in the main thread. */
  readonly threads: ThreadPool | null
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

const DEFAULT_BACKOFF: Backoff = { kind: 'exponential', base: 200, max: 30_000, jitter: 'full' }

/** Nothing is parked, so nothing parked fails. */
const NEVER_PARKED: RetryPolicy = {
  attempts: 1,
  backoff: DEFAULT_BACKOFF,
  when: () => false,
  finally: 'stop',
  hasDeadLetters: false,
}

const DEFAULT_TIMEOUT_MS = 5 * 60_000

/** At full speed a thousand records take a few milliseconds. Not where the broker waits for commits. */
const COMMIT_SPACING_MS = 25

const MIB = 1024 * 1024

export function resolveOptions(options: AnyOptions): Settings {
  const check = new OptionCheck()
  const { retry = {}, buffer = {}, deadLetter = false } = options
  check.text('group', options.group)
  check.that(
    typeof options.source?.open === 'function',
    'source: not a source, use kafka({ … }) or another one',
  )
  const threads = threadsOf(check, options)
  checkChoices(check, options)
  const backoff = retry.backoff ?? DEFAULT_BACKOFF
  checkBackoff(check, backoff)
  const hasDeadLetters = deadLetter !== false
  if (retry.finally === 'dead-letter' && !hasDeadLetters)
    check.that(false, "retry.finally: 'dead-letter' needs the option deadLetter to say where to")

  const memory = completionMemoryOf(check, options)
  const when = retriableOf(check, retry)
  const parks = resolveParking(check, { ...options, retry: { ...retry, when } }, hasDeadLetters)
  const finish = retry.finally === 'park-key' ? undefined : retry.finally
  const settings: Settings = {
    group: options.group,
    source: options.source,
    order: (options.order ?? 'key') as unknown as Order<unknown>,
    ...resolveLimits(check, options, when),
    budget: {
      records: check.count('buffer.records', buffer.records, 100_000),
      bytes: check.count('buffer.bytes', buffer.bytes, 64 * MIB),
      partitionRecords: check.count(
        'buffer.perPartition.records',
        buffer.perPartition?.records,
        10_000,
      ),
      partitionBytes: check.count(
        'buffer.perPartition.bytes',
        buffer.perPartition?.bytes,
        16 * MIB,
      ),
      window: check.count('buffer.window', buffer.window, 100_000),
      pausesOnFullMap: memory.whenFull === 'pause',
    },
    mapLength: memory.maxLength,
    acknowledges: memory.acknowledges,
    crashes: crashesOf(check, options, memory.maxLength),
    perKey: check.count('buffer.perKey', buffer.perKey, 4_000),
    timeoutMs: check.duration('timeout', options.timeout, DEFAULT_TIMEOUT_MS),
    retry: {
      attempts: check.count('retry.attempts', retry.attempts, 5),
      backoff,
      when,
      finally: parks === null ? (finish ?? (hasDeadLetters ? 'dead-letter' : 'stop')) : 'park',
      ...(parks === null ? {} : { parkedBackoff: parks.firstWait }),
      hasDeadLetters,
    },
    maxDeliveries: check.count('retry.maxDeliveries', retry.maxDeliveries, 10),
    parking: parks?.parking ?? null,
    parkedRetry: parks?.policy ?? NEVER_PARKED,
    deadLetterTopic: deadLetterTopicOf(check, deadLetter),
    commitEveryMs: check.duration('commit.every', options.commit?.every, 1_000),
    commitRecords: Math.min(
      check.count('commit.records', options.commit?.records, 1_000),
      Math.ceil((options.source?.unacknowledgedLimit ?? Number.POSITIVE_INFINITY) / 4),
    ),
    commitSpacingMs: options.source?.unacknowledgedLimit === undefined ? COMMIT_SPACING_MS : 0,
    commitsAlone: true,
    outboxBytes: outboxBytesOf(check, options),
    rebalanceDrainMs: check.duration('rebalance.drain', options.rebalance?.drain, 20_000),
    shutdownDrainMs: check.duration('shutdown.drain', options.shutdown?.drain, 20_000),
    stuckAfterMs: check.duration('stuckAfter', options.stuckAfter, 60_000),
    read: readerOf(options),
    handle: handlerOf(check, options, threads),
    threads,
    batch: batchOf(check, options),
    logger: options.logger ?? silentLogger,
    clock: options.clock ?? systemClock,
    timers: options.timers ?? systemTimers,
    random: options.random ?? systemRandom,
  }
  check.done()
  return settings
}

export function describeSettings(settings: Settings): ConsumerDescription {
  const { group, source, concurrency, retry } = settings
  const order = typeof settings.order === 'string' ? settings.order : 'by'
  const parks = settings.parking?.keeps === 'key' ? 'park-key' : 'retry-topic'
  const then = retry.finally === 'park' ? parks : retry.finally
  return {
    group,
    source: source.name,
    order,
    concurrency,
    attempts: retry.attempts,
    afterLastAttempt: then,
    guarantees: [
      settings.outboxBytes === null
        ? 'at least once: a position is committed only when every record below it is done'
        : 'exactly once from topic to topic: what a record sends by ctx.send is committed with its position, or never seen',
      orderGuarantee(order),
      `after a crash, what finished in the last ${settings.commitEveryMs} ms${settings.mapLength > 0 ? '' : ' and what finished beyond the oldest unfinished record'} is delivered again`,
      'after a drain that ran to its end nothing is delivered again',
      afterGuarantee(then),
    ],
  }
}

function orderGuarantee(order: ConsumerDescription['order']): string {
  switch (order) {
    case 'none':
      return 'no order: any record may overtake any other'
    case 'partition':
      return 'records of a partition are handled one after the other, retries included'
    case 'key':
      return 'records of a key are handled one after the other, retries included; records without a key one after the other in their partition'
    case 'by':
      return 'records for which order.by says the same are handled one after the other within their partition, retries included'
    default:
      return unreachable(order)
  }
}

function afterGuarantee(then: ConsumerDescription['afterLastAttempt']): string {
  switch (then) {
    case 'dead-letter':
      return 'a record that fails for good is committed only after its dead letter is written'
    case 'park-key':
      return 'a record that uses up its attempts moves, with all that follow it with the same key, to a parked lane, in order and over restarts'
    case 'retry-topic':
      return 'a record that uses up its attempts moves to a retry topic: the records of its key overtake it'
    case 'stop':
      return 'a record that fails for good stops the consumer and is not committed'
    case 'skip':
      return 'a record that fails for good is skipped'
    default:
      return unreachable(then)
  }
}

function checkChoices(check: OptionCheck, { order, decode, retry, schema }: AnyOptions): void {
  const orderIsKnown =
    order === undefined ||
    ['none', 'partition', 'key'].includes(order as string) ||
    (typeof order === 'object' && order !== null && typeof order.by === 'function')
  check.that(orderIsKnown, "order: 'none', 'partition', 'key' or { by: (value, meta) => key }")
  check.that(
    decode === undefined || ['json', 'text', 'bytes'].includes(decode),
    "decode: 'json', 'text' or 'bytes'",
  )
  check.that(
    retry?.finally === undefined ||
      ['dead-letter', 'park-key', 'stop', 'skip'].includes(retry.finally),
    "retry.finally: 'dead-letter', 'park-key', 'stop' or 'skip'",
  )
  check.that(
    retry?.when === undefined || typeof retry.when === 'function',
    'retry.when: not a function',
  )
  check.that(
    schema === undefined || typeof schema?.['~standard']?.validate === 'function',
    'schema: not a Standard Schema (zod, valibot, arktype …)',
  )
}

/** The batcher keeps the order, so the engine has to keep none; and more than one batch has to have room. */
export function withBatchDefaults(options: AnyOptions): AnyOptions {
  const { batch, concurrency } = options
  if (batch === undefined) return options
  return { ...options, order: 'none', concurrency: concurrency ?? 10 * batch.max }
}

function batchOf(check: OptionCheck, { batch, dedupe, worker }: AnyOptions): BatchPolicy | null {
  if (batch === undefined) return null
  const by = batch.by ?? 'partition'
  check.that(['any', 'partition', 'key'].includes(by), "batch.by: 'any', 'partition' or 'key'")
  check.that(dedupe === undefined, 'batch: dedupe looks at single records, not at batches')
  check.that(worker === undefined, 'batch: a worker gets single records, not batches')
  return {
    max: check.count('batch.max', batch.max, 1),
    waitMs: check.duration('batch.wait', batch.wait, 100),
    by,
  }
}

function threadsOf(check: OptionCheck, { worker, threads, handle }: AnyOptions): ThreadPool | null {
  const size = check.count('threads', threads, 2)
  if (worker === undefined) {
    check.that(typeof handle === 'function', 'handle: not a function')
    return null
  }
  check.that(
    worker instanceof URL,
    "worker: a URL, such as new URL('./handler.ts', import.meta.url)",
  )
  check.that(handle === undefined, 'handle or worker, not both')
  return new ThreadPool(worker, size, nodeThread)
}

/** The handler, behind what stands before it. */
function handlerOf(
  check: OptionCheck,
  options: AnyOptions,
  threads: ThreadPool | null,
): Settings['handle'] {
  const handle = threads?.handle ?? (options.handle as unknown as Settings['handle'])
  const { dedupe, timeout, logger = silentLogger, random = systemRandom } = options
  if (dedupe === undefined) return handle
  check.that(typeof dedupe.store?.claim === 'function', 'dedupe.store: not a dedupe store')
  const timeoutMs = parseDuration(timeout) ?? DEFAULT_TIMEOUT_MS
  const settings = {
    store: dedupe.store,
    keyOf: (dedupe.key as unknown as DedupeSettings['keyOf'] | undefined) ?? ((_, { id }) => id),
    ttlMs: check.duration('dedupe.ttl', dedupe.ttl, 24 * 3_600_000),
    leaseMs: check.duration('dedupe.lease', dedupe.lease, timeoutMs + 10_000),
  }
  return deduped(handle, settings, uuidText(random), logger)
}

function retriableOf(
  check: OptionCheck,
  { when, retriable, fatal = [] }: NonNullable<AnyOptions['retry']>,
): (error: unknown) => boolean {
  for (const [name, classes] of Object.entries({ retriable: retriable ?? [], fatal }))
    check.that(
      Array.isArray(classes) && classes.every(isErrorClass),
      `retry.${name}: a list of error classes, predicates, or codes`,
    )
  return (error) =>
    !matchesAny(fatal, error) &&
    (retriable === undefined || matchesAny(retriable, error)) &&
    (when === undefined || when(error))
}

function checkBackoff(check: OptionCheck, backoff: Backoff): void {
  if (typeof backoff === 'function') return
  check.that(
    backoff.kind === 'fixed' || backoff.kind === 'exponential',
    "retry.backoff.kind: 'fixed' or 'exponential'",
  )
  check.duration('retry.backoff.base', backoff.base ?? 'missing', 0)
  check.duration('retry.backoff.max', backoff.max, 0)
  check.that(
    backoff.factor === undefined || (Number.isFinite(backoff.factor) && backoff.factor >= 1),
    'retry.backoff.factor: a number of at least 1',
  )
  check.that(
    backoff.jitter === undefined || ['none', 'full', 'equal'].includes(backoff.jitter),
    "retry.backoff.jitter: 'none', 'full' or 'equal'",
  )
}

function completionMemoryOf(
  check: OptionCheck,
  { completionMemory = true, source }: AnyOptions,
): {
  readonly maxLength: number
  readonly acknowledges: boolean
  readonly whenFull: 'pause' | 'forget'
} {
  const wanted = typeof completionMemory === 'object' ? completionMemory : {}
  const { whenFull = 'pause' } = wanted
  check.that(
    whenFull === 'pause' || whenFull === 'forget',
    "completionMemory.whenFull: 'pause' or 'forget'",
  )
  const maxLength = check.count('completionMemory.maxLength', wanted.maxLength, 4_096)
  check.that(maxLength >= 64, 'completionMemory.maxLength: at least 64')
  const can = source?.capabilities
  const wants = completionMemory !== false && can?.completionMemory
  const stores = wants && can.offsets
  return { maxLength: stores ? maxLength : 0, acknowledges: wants && !stores, whenFull }
}

function outboxBytesOf(check: OptionCheck, options: AnyOptions): number | null {
  const { exactlyOnce = false, source, worker, batch, retry } = options
  check.that(typeof exactlyOnce === 'boolean', 'exactlyOnce: true or false')
  if (!exactlyOnce) {
    check.that(options.maxOutputBytes === undefined, 'maxOutputBytes: only with exactlyOnce: true')
    return null
  }
  const kind = source?.capabilities?.kind ?? 'unknown'
  check.that(
    source?.capabilities?.transactions,
    `exactlyOnce: a source of kind ${kind} has no transactions; read from Apache Kafka, or leave it out and make the handler idempotent by ctx.id`,
  )
  check.that(worker === undefined, 'exactlyOnce: a worker thread cannot send in a transaction')
  check.that(batch === undefined, 'exactlyOnce: takes single records, not batches')
  check.that(
    retry?.later === undefined && retry?.finally !== 'park-key',
    "exactlyOnce: retry.later and finally: 'park-key' move records outside of the transaction",
  )
  return check.count('maxOutputBytes', options.maxOutputBytes, 32 * MIB)
}

function crashesOf(check: OptionCheck, { retry, source }: AnyOptions, mapLength: number): number {
  const crashes = retry?.crashes ?? 3
  const limit = crashes === false ? 0 : check.count('retry.crashes', crashes, 3)
  check.that(limit < MOST_STARTS, `retry.crashes: less than ${MOST_STARTS}`)
  return mapLength > 0 && source?.capabilities?.returnsMetadata === true ? limit : 0
}

function deadLetterTopicOf(
  check: OptionCheck,
  deadLetter: NonNullable<AnyOptions['deadLetter']>,
): Settings['deadLetterTopic'] {
  if (deadLetter === false) return null
  if (typeof deadLetter === 'function') return deadLetter
  check.text('deadLetter', deadLetter)
  return () => deadLetter
}

function readerOf({ schema, decode }: AnyOptions): PayloadReader | null {
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') return null
  return payloadReader(decode ?? (schema === undefined ? 'bytes' : 'json'), schema)
}
