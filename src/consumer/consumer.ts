/**
 * `consumer(…)`: from a declaration to members at work.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { ShoalError } from '../core/index.ts'
import type { Duration } from './duration.ts'
import { parseDuration } from './duration.ts'
import { Batcher } from './batch/batcher.ts'
import type { BatchHandle } from './batch/batcher.ts'
import type { Attempt } from './dispatch/attempt.ts'
import { engineParts } from './engine-parts.ts'
import type { EngineParts } from './engine-parts.ts'
import { Engine } from './engine.ts'
import type { EngineHooks } from './engine-hooks.ts'
import type {
  Consumer,
  Ctx,
  Decode,
  ExactlyOnceWithSchema,
  ExactlyOnceWithoutSchema,
  RetryOver,
  Running,
  UntypedOptions,
  WithBatch,
  WithWorker,
  WithSchema,
  WithoutSchema,
} from './options.ts'
import { describeSettings, resolveOptions, withBatchDefaults } from './resolve-options.ts'
import type { AnyOptions, Settings } from './resolve-options.ts'
import type { Source } from './source.ts'

/**
 * Declares a consumer: what it reads, in which order, what happens when a handler fails.
 *
 * Guarantees: at least once (a position is committed only when every record below it was handled, skipped or is in the
 * dead letters); records of one key one after the other, retries included; nothing delivered again after a drain that ran
 * to its end.
 *
 * @throws ShoalError SHOAL_INVALID_ARGUMENT that lists every problem of the options.
 *
 * @example
 * const orders = consumer({
 *   group: 'billing',
 *   source: kafka({ brokers: ['localhost:9092'], topics: ['orders'] }),
 *   schema: Order,
 *   deadLetter: 'orders.dlq',
 *   handle: (order, ctx) => charge(order, { signal: ctx.signal, idempotencyKey: ctx.id }),
 * })
 * await using running = await orders.start()
 * await running.finished
 */
export function consumer<S extends StandardSchemaV1>(options: ExactlyOnceWithSchema<S>): Consumer
export function consumer<D extends Decode = 'bytes'>(options: ExactlyOnceWithoutSchema<D>): Consumer
export function consumer<S extends StandardSchemaV1, B extends Source = Source>(
  options: WithSchema<S> & RetryOver<B>,
): Consumer
export function consumer<D extends Decode = 'bytes', B extends Source = Source>(
  options: WithoutSchema<D> & RetryOver<B>,
): Consumer
export function consumer<B extends Source>(options: WithWorker & RetryOver<B>): Consumer
export function consumer<T, B extends Source = Source>(
  options: WithBatch<T> & RetryOver<B>,
): Consumer
export function consumer<B extends Source>(options: UntypedOptions & RetryOver<B>): Consumer
export function consumer(options: object): Consumer {
  return consumerWith(options as AnyOptions, engineParts)
}

/** The same with parts of the caller's: for the simulation, which breaks one at a time. */
export function consumerWith(options: AnyOptions, parts: EngineParts): Consumer {
  const settings = resolveOptions(withBatchDefaults(options))
  return {
    describe: () => describeSettings(settings),
    start: ({ signal } = {}) => start(settings, parts, signal),
  }
}

async function start(
  settings: Settings,
  parts: EngineParts,
  signal: AbortSignal | undefined,
): Promise<Running> {
  const { batch } = settings
  if (batch === null) {
    const { engine, ended } = await startEngine(settings, parts, { signal })
    return running(engine, settings.shutdownDrainMs, ended)
  }
  const batcher = new Batcher(batch, settings.handle as unknown as BatchHandle, settings.timers)
  const handle = (value: unknown, ctx: Ctx) => batcher.take(value, ctx as Attempt)
  const { engine, ended } = await startEngine({ ...settings, handle }, parts, {
    signal,
    hooks: batcher,
  })
  return running(engine, settings.shutdownDrainMs, ended)
}

interface StartOptions {
  readonly signal?: AbortSignal | undefined
  readonly hooks?: EngineHooks
}

/** Joins the group. `ended` resolves when it has stopped, for whatever reason. */
export async function startEngine(
  settings: Settings,
  parts: EngineParts,
  { signal, hooks }: StartOptions = {},
): Promise<{ readonly engine: Engine; readonly ended: Promise<void> }> {
  const { group, source, logger, shutdownDrainMs } = settings
  if (isAborted(signal))
    throw new ShoalError('SHOAL_CLOSED', `consumer of ${group}: aborted before it started`)
  logger.log('info', 'the consumer starts', { ...describeSettings(settings) })
  const engine = new Engine(settings, parts, hooks)
  settings.threads?.open()
  const context = {
    group,
    events: engine,
    drainTimeoutMs: engine.drainTimeoutMs,
    maxDeliveries: settings.maxDeliveries,
    exactlyOnce: settings.outboxBytes !== null,
    delays: settings.retry.finally === 'park' && settings.parking === null,
  }
  const session = await source.open(context).catch(async (error: unknown) => {
    await settings.threads?.close()
    throw error
  })
  engine.begin(session)
  const stop = () => void engine.drain(shutdownDrainMs)
  // It may have aborted while the source opened: the listener alone would miss that.
  signal?.addEventListener('abort', stop, { once: true })
  if (isAborted(signal)) stop()
  const ended = engine.ended.then(async (report) => {
    await settings.threads?.close()
    signal?.removeEventListener('abort', stop)
    logger.log('info', 'the consumer has stopped', { group, ...report })
  })
  return { engine, ended }
}

function running(engine: Engine, drainMs: number, ended: Promise<void>): Running {
  return {
    finished: engine.finished,
    pause: (why) => engine.pause(why),
    resume: () => engine.resume(),
    drain: async (deadline = drainMs) => engine.drain(durationOf(deadline)),
    report: () => engine.report(),
    health: () => engine.health(),
    async [Symbol.asyncDispose]() {
      await engine.drain(drainMs)
      await ended
    },
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted ?? false
}

function durationOf(deadline: Duration): number {
  const ms = parseDuration(deadline)
  if (ms === undefined)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', `drain(${String(deadline)}): not a duration`)
  return ms
}
