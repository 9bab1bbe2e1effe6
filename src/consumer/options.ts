/**
 * What a user declares, and what a handler is given and may answer: the types of the public API.
 *
 * Policy and handler are separate: the handler is a plain function of a typed value and a context, and what happens when
 * it fails is said beside it. Checked once, at the edge, by `resolve-options.ts`.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Clock, Logger, Random, Timers } from '../core/index.ts'
export type { DedupeStore } from './failure/dedupe-store.ts'
export type { ErrorClass } from './failure/error-classes.ts'
import type { Duration } from './duration.ts'
import type { DedupeStore } from './failure/dedupe-store.ts'
import type { ErrorClass } from './failure/error-classes.ts'
import type { Source, SourceCapabilities } from './source.ts'
import type { Output } from './transaction/output.ts'
export type { Output } from './transaction/output.ts'

/** Where a record comes from and what came with it. */
export interface Meta {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The key as text (UTF-8); `keyBytes` has it as it travelled. */
  readonly key: string | null
  readonly keyBytes: Uint8Array | null
  /** The last value of each header. */
  readonly headers: ReadonlyMap<string, Uint8Array>
  readonly timestamp: Date
}

/** Why a handler's signal aborted. What the handler returns afterwards no longer counts. */
export type AbortCause = 'timeout' | 'revoked' | 'shutdown'

/**
 * Who owns the record now. A service behind the handler that remembers the highest epoch it saw can refuse a zombie: a
 * process that was paused, lost its partition and woke up.
 */
export interface FencingToken {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Rises with every assignment of the partition; over restarts and members where the broker counts generations. */
  readonly epoch: number
}

/** What a handler gets beside the value. */
export interface Ctx extends Meta {
  /**
   * `topic/partition/offset` of the record's first delivery, also after a redrive from the dead letters: an idempotency
   * key for downstream calls.
   */
  readonly id: string
  /**
   * Which execution this is, the first one included. Counts on after a crash where the broker counts deliveries (Redis Streams,
   * quorum queues of RabbitMQ), anew elsewhere.
   */
  readonly attempt: number
  /** The broker says that it handed this record out before, or this is not the first attempt. */
  readonly redelivered: boolean
  /** Aborts with an `AbortCause` as its reason. */
  readonly signal: AbortSignal
  readonly fencingToken: FencingToken
  /** Gives the handler this much time from now, instead of what was left. */
  extend(by: Duration): Promise<void>
}

/** What a handler gets where its outputs are part of a transaction. */
export interface TransactionalCtx extends Ctx {
  /**
   * Sends a record in the transaction that commits the record in hand: readers of `read_committed` see it once, or never
   * when the handler fails. Nothing is written before; outputs of one partition keep the order of their records' ends.
   * @throws ShoalError SHOAL_CLOSED after the handler ended; SHOAL_INVALID_ARGUMENT
   */
  send(output: Output): void
}

/**
 * What a handler says by returning: nothing means done. A throw is a failed attempt. `retry` asks for another attempt
 * after a while and counts as one; `deadLetter` and `skip` end the record with a reason.
 */
export type Outcome = void | { retry: Duration } | { deadLetter: string } | { skip: string }

/** Which records may not overtake each other; everything else runs side by side. */
export type Order<T> =
  | 'none'
  | 'partition'
  | 'key'
  | { readonly by: (value: T, meta: Meta) => string | null }

export type Backoff =
  | {
      readonly kind: 'fixed' | 'exponential'
      readonly base: Duration
      /** Longest wait; default 30 s. */
      readonly max?: Duration
      /** Growth per attempt; default 2. */
      readonly factor?: number
      /** `full`: anywhere between nothing and the wait (default); `equal`: at least half of it. */
      readonly jitter?: 'none' | 'full' | 'equal'
    }
  | ((attempt: number, error: unknown) => Duration)

export interface Retry {
  /** Executions in all, the first one included; default 5. */
  readonly attempts?: number
  /** Default: exponential from 200 ms to 30 s, full jitter. */
  readonly backoff?: Backoff
  /** False: this error will not go away, do not try again. */
  readonly when?: (error: unknown) => boolean
  /** Errors that are tried again, and no others: classes, predicates, or an error's `code` or `name`. Default: all. */
  readonly retriable?: readonly ErrorClass[]
  /** Errors that no attempt will mend: straight to the end. Said of one error, it wins over `retriable`. */
  readonly fatal?: readonly ErrorClass[]
  /**
   * A record that the broker has handed out more often than this, and that never ended, is not started again: it goes to the
   * dead letters (reason `too-many-deliveries`), for it may be what kills the process; without dead letters the consumer
   * stops. Default 10. Needs a broker that counts deliveries.
   */
  readonly maxDeliveries?: number
  /**
   * After the last attempt in place the record moves to a retry topic and is tried again after each of these waits. It
   * holds nothing up: the ORDER of its key is LOST. Default: none. Needs a source that can read a topic back, or whose
   * broker keeps them meanwhile (RabbitMQ: seven weeks at most; shared streams of Redis).
   */
  readonly later?: readonly Duration[]
  /**
   * What happens after the last attempt; default `dead-letter` when there is a topic for it, else `stop`. `park-key`: the
   * record and all that follow it with the same key move to a parked lane, durably and in order, and are tried there
   * (see `parked`) while everything else flows.
   */
  readonly finally?: 'dead-letter' | 'park-key' | 'stop' | 'skip'
  /**
   * A record that kills the process counts no attempts. After a crash the records that may have caused it are started few at
   * a time, in the end one alone, and each start is stored before it happens; a record that was started so often and never
   * ended goes where `finally` says (not to the parked keys), without running again. Default 3; false: never. Needs
   * `completionMemory`, and commits that are the consumer's: none with the poll loop's `autoCommit: false`. Brokers that
   * count deliveries themselves have their own limits.
   */
  readonly crashes?: number | false
}

/**
 * Where parked keys and retry topics live, and how they are tried. The topic needs as many partitions as the one it
 * belongs to, and no time limit: what is deleted there is lost.
 */
export interface Parked {
  /** By source topic; default `GROUP.TOPIC.parked`, for `retry.later` `GROUP.TOPIC.retry`. */
  readonly topic?: (from: string) => string
  /** Executions of a parked record; default 10 when there is a dead-letter topic, else without end. */
  readonly attempts?: number
  /** Default: exponential from 10 s to 10 minutes, at least half of it. */
  readonly backoff?: Backoff
  /** What happens to the record then; its lane goes on. Default `dead-letter`. */
  readonly finally?: 'dead-letter' | 'stop' | 'skip'
  /** Parked records of one partition from which its intake pauses; default 250,000, some 4 MB of memory. */
  readonly maxRecords?: number
  /** Parked records of one partition that are tried at once; default 16. */
  readonly concurrency?: number
}

/** Limits of what waits in memory. A full partition is paused at 100 % and goes on at 70 %, the others flow on. */
export interface Buffer {
  /** Records of all partitions; default 100,000. */
  readonly records?: number
  /** Bytes of all partitions; default 64 MiB. */
  readonly bytes?: number
  /** One partition; default 10,000 records, 16 MiB. */
  readonly perPartition?: { readonly records?: number; readonly bytes?: number }
  /** Records of one key; default 4,000. Past it the key's partition pauses. */
  readonly perKey?: number
  /**
   * Records of one partition from the oldest unfinished one to the newest delivered; default 100,000. What finished
   * beyond the oldest unfinished one is delivered again after a crash.
   */
  readonly window?: number
}

/**
 * A number, or found while it runs: with a `target` it grows by one while executions take less than that on average, and
 * shrinks by a tenth above it; without, it grows until they take longer than they have to.
 */
export type Concurrency =
  | number
  | {
      /** Default 10. */
      readonly start?: number
      /** Default 1. */
      readonly min?: number
      /** Default 100. */
      readonly max?: number
      readonly target?: Duration
    }

/** So many starts in a period, evenly, and at most `burst` at once. */
export interface Rate {
  readonly records: number
  /** Default 1 s. */
  readonly per?: Duration
  /** Default `records`. */
  readonly burst?: number
}

export interface TopicLimits {
  /** A topic with a higher one goes first; default 0. */
  readonly priority?: number
  /** Of the concurrency, slots that no other topic takes; default 0. */
  readonly reservedSlots?: number
  readonly rate?: Rate
}

/** When a share of the last executions failed, nothing starts for a while; then a few try whether it is over. */
export interface BreakerOptions {
  /** For logs and events; default `downstream`. */
  readonly name?: string
  /** Default 0.5. */
  readonly failureRate?: number
  /** Executions that are looked at; default the last 20. */
  readonly window?: number
  /** How long it stays open; default 10 s. */
  readonly open?: Duration
  /** Executions that try whether it is over; default 1. */
  readonly probes?: number
  /** Which errors count; default those that may be tried again. A timeout is `SHOAL_REQUEST_TIMEOUT`. */
  readonly errors?: readonly ErrorClass[]
}

export interface Dedupe<T> {
  readonly store: DedupeStore
  /** What is the same for records that are the same; default `ctx.id`, which is the same for redeliveries and redrives. */
  readonly key?: (value: T, ctx: Ctx) => string
  /** How long what is done is remembered; default 24 hours. */
  readonly ttl?: Duration
  /** After how long a claim of a process that died is given up; default the handler's `timeout` and 10 s. */
  readonly lease?: Duration
}

/**
 * What a source of this type can do when a handler fails. What it cannot is no option: parked keys and retries after longer
 * waits need a place where records wait.
 */
export interface RetryOver<B extends Source> {
  readonly source: B
  readonly retry?: {
    readonly finally?: B['capabilities'] extends { readonly readsBack: false }
      ? Exclude<NonNullable<Retry['finally']>, 'park-key'>
      : NonNullable<Retry['finally']>
    readonly later?: B['capabilities'] extends {
      readonly readsBack: false
      readonly nativeDelay: false
    }
      ? never
      : readonly Duration[]
  }
}

/** What every declaration has, whatever its payload. */
export interface ConsumerOptions<T> {
  /** The consumer group. */
  readonly group: string
  readonly source: Source
  /** Default `key`. Records without a key keep their order within their partition. */
  readonly order?: Order<T>
  /** Handlers that run at once; default 100. */
  readonly concurrency?: Concurrency
  /** How fast handlers start, over all topics; default: as fast as they can. */
  readonly rate?: Rate
  /** Topics that are not like the others, by name. */
  readonly topics?: Readonly<Record<string, TopicLimits>>
  /** Pauses consumption while what is behind the handler is down; several look at errors of their own each. Default: none. */
  readonly breaker?: BreakerOptions | readonly BreakerOptions[] | false
  readonly buffer?: Buffer
  /** How long one execution may take before its signal aborts and it counts as failed; default 5 minutes. */
  readonly timeout?: Duration
  readonly retry?: Retry
  readonly parked?: Parked
  /**
   * Where records go that cannot be handled; a function chooses by the topic they came from. Default: nowhere, so the
   * consumer stops rather than lose one.
   */
  readonly deadLetter?: string | ((topic: string) => string) | false
  /** Skips records that were handled before, by a store that remembers. Default: none. */
  readonly dedupe?: Dedupe<T>
  /**
   * When positions are committed: at the latest after `every` (1 s) or this many records (1,000; over RabbitMQ at most a
   * quarter of its prefetch), at once when idle.
   */
  readonly commit?: { readonly every?: Duration; readonly records?: number }
  /**
   * What finished beyond the committed position is stored as the commit's metadata, so that a crash repeats only what
   * finished since the last commit. Default true, where the broker stores metadata. `maxLength`: of the text, in UTF-16
   * units, default 4,096, Kafka's `offset.metadata.max.bytes`. `whenFull`: `pause` the partition until it fits again
   * (default), or `forget` what finished last.
   */
  readonly completionMemory?:
    | boolean
    | { readonly maxLength?: number; readonly whenFull?: 'pause' | 'forget' }
  /** How long running handlers may go on when their partition moves to another member; default 20 s. */
  readonly rebalance?: { readonly drain?: Duration }
  /** How long running handlers may go on when the consumer stops (by its signal or `await using`); default 20 s. */
  readonly shutdown?: { readonly drain?: Duration }
  /** Records wait and none finished for this long: `health()` says `stuck`; default 1 minute. */
  readonly stuckAfter?: Duration
  /** `true` is `WithExactlyOnce`: its source needs transactions. */
  readonly exactlyOnce?: false
  readonly handle: (value: T, ctx: Ctx) => Promise<Outcome> | Outcome
  /** Default: none. */
  readonly logger?: Logger
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
}

/** What a service whose group and source come from elsewhere (`shoal run`) may still decide. */
export type ServiceOptions = Omit<ConsumerOptions<unknown>, 'group' | 'source' | 'handle'> & {
  readonly decode?: Decode
}

/** How the bytes of a value become what the schema, or the handler, sees. A null value stays null. */
export type Decode = 'json' | 'text' | 'bytes'

/** Values checked by a schema: zod, valibot, arktype or anything else that speaks Standard Schema. */
export interface WithSchema<S extends StandardSchemaV1> extends ConsumerOptions<
  StandardSchemaV1.InferOutput<S>
> {
  readonly schema: S
  /** What the schema is given; default `json`. */
  readonly decode?: Decode
}

export interface WithoutSchema<D extends Decode> extends ConsumerOptions<Decoded[D]> {
  readonly schema?: undefined
  readonly decode?: D
}

/**
 * A handler of batches: `handle` gets up to `batch.max` records, as soon as there are so many or the first one has waited for
 * `batch.wait`. It returns when all are handled; when it throws, each has failed an attempt and is tried alone.
 */
export interface WithBatch<T> extends Omit<ConsumerOptions<T>, 'handle' | 'order' | 'concurrency'> {
  readonly batch: {
    readonly max: number
    /** Default 100 ms. */
    readonly wait?: Duration
    /** What a batch holds: any records, in no order; those of one partition, or of one key, in order. Default `partition`. */
    readonly by?: 'any' | 'partition' | 'key'
  }
  /** Records that wait or are handled at once; default ten batches. */
  readonly concurrency?: number
  readonly schema?: StandardSchemaV1<unknown, T>
  readonly decode?: Decode
  readonly handle: (
    items: readonly { readonly value: T; readonly ctx: Ctx }[],
  ) => Promise<void> | void
}

/**
 * A handler in worker threads, for work that keeps a core busy: `worker` is the URL of a module that exports `handle(value,
 * ctx)`. Values are copied to it. A thread that dies is one failed attempt of each record that it held.
 */
export interface WithWorker extends Omit<ConsumerOptions<unknown>, 'handle'> {
  readonly worker: URL
  /** Default 2. `concurrency` says how many records are there at once, over all threads. */
  readonly threads?: number
  readonly handle?: undefined
  readonly schema?: StandardSchemaV1
  readonly decode?: Decode
}

/**
 * Exactly once from topic to topic: what a handler sends by `ctx.send`, its dead letter and its position are committed in one
 * transaction, a commit (`commit.every`) each. Needs a source whose broker has transactions: Apache Kafka.
 */
export interface WithExactlyOnce<T> extends Omit<
  ConsumerOptions<T>,
  'handle' | 'source' | 'exactlyOnce'
> {
  readonly exactlyOnce: true
  readonly source: Source<SourceCapabilities & { readonly transactions: true }>
  /** Bytes of outputs that wait for their commit, from which no handler starts; default 32 MiB. */
  readonly maxOutputBytes?: number
  readonly handle: (value: T, ctx: TransactionalCtx) => Promise<Outcome> | Outcome
}

/** Exactly once, with values that a schema checks; see `WithExactlyOnce`. */
export interface ExactlyOnceWithSchema<S extends StandardSchemaV1> extends WithExactlyOnce<
  StandardSchemaV1.InferOutput<S>
> {
  readonly schema: S
  /** What the schema is given; default `json`. */
  readonly decode?: Decode
}

/** Exactly once, with values as they are decoded; see `WithExactlyOnce`. */
export interface ExactlyOnceWithoutSchema<D extends Decode> extends WithExactlyOnce<Decoded[D]> {
  readonly schema?: undefined
  /** Default `bytes`. */
  readonly decode?: D
}

/** A declaration put together at run time: whether there is a schema is not known, so the handler gets `unknown`. */
export interface UntypedOptions extends ConsumerOptions<unknown> {
  readonly schema?: StandardSchemaV1
  readonly decode?: Decode
}

/** What a handler without a schema gets. */
export interface Decoded {
  json: unknown
  text: string | null
  bytes: Uint8Array | null
}

export interface Consumer {
  /**
   * Joins the group and begins. Rejects when the source cannot be opened. Each call is a member of its own, so one
   * process can hold several. An aborted `signal` stops it like `drain()`.
   */
  start(options?: { readonly signal?: AbortSignal }): Promise<Running>
  /** The declaration with its defaults filled in, and what it guarantees in words. */
  describe(): ConsumerDescription
}

export interface ConsumerDescription {
  readonly group: string
  readonly source: string
  readonly order: 'none' | 'partition' | 'key' | 'by'
  readonly concurrency: number
  readonly attempts: number
  readonly afterLastAttempt: 'dead-letter' | 'park-key' | 'retry-topic' | 'stop' | 'skip'
  readonly guarantees: readonly string[]
}

/** A consumer at work. `await using` drains it. */
export interface Running extends AsyncDisposable {
  /**
   * Settles when the consumer has stopped: with its report after a drain; rejects with SHOAL_HANDLER_FAILED when a record
   * failed and the policy is to stop, or with the source's error when its session ended for good.
   */
  readonly finished: Promise<Report>
  /** Starts no more handlers; membership and running handlers go on. */
  pause(why: string): void
  resume(): void
  /**
   * Stops: running handlers get until the deadline, then their signal aborts; what finished is committed, the group is
   * left. What waited, for its turn or for a retry, is not committed: its next owner gets it. A second call with a
   * shorter deadline shortens the first.
   */
  drain(deadline?: Duration): Promise<Report>
  /** What happened so far. */
  report(): Report
  health(): Health
}

export interface Health {
  readonly status: 'ok' | 'degraded' | 'stuck'
  readonly reasons: readonly string[]
  /** Age of the longest running execution. */
  readonly oldestInFlightMs: number
  /** Keys that wait for a retry or for a dead-letter write, parked ones included. */
  readonly blockedKeys: number
}

/**
 * What became of every record that was delivered to this member: once it has stopped,
 * `delivered = handled + deadLettered + skipped + parked + failed + abandoned`.
 */
export interface Report {
  readonly delivered: number
  readonly handled: number
  /** Records that failed for good with nowhere to go: the reason why the consumer stopped. */
  readonly failed: number
  readonly deadLettered: number
  readonly skipped: number
  /** Moved to the parked lane of their key, or to a retry topic. */
  readonly parked: number
  /** Parked records that were handled, went to the dead letters or were skipped; not part of the sum. */
  readonly recovered: number
  /** Given back unfinished, by a rebalance or the end: their next owner gets them again. */
  readonly abandoned: number
  /** Records that were not delivered, as a former owner of their partition had finished them. */
  readonly remembered: number
  /** Executions that failed and were, or will be, tried again. */
  readonly retried: number
  /** Executions that ended after their partition was gone: not committed. */
  readonly late: number
  /** The last committed offset by `topic/partition`. */
  readonly committed: Readonly<Record<string, number>>
}
