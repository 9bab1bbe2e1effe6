/**
 * The poll loop over the engine: `poll`, `commit`, `for await`, `close`.
 *
 *   engine ─▶ handler that waits ─▶ queue ─▶ poll() ─▶ the application ─▶ done() ─▶ the handler returns ─▶ tracker
 *
 * A commit covers what was handled, never what was polled: a message is open until the application says `done`, commits it,
 * or, under `autoCommit`, polls for the next one. The committed position is the lowest open message, so a failed one holds
 * it, whatever was committed after. Messages that wait in the queue when their partition moves are given back unseen.
 * Heartbeats, fetching and rebalances go on between polls, however long the application takes.
 */

import { ShoalError } from '../../core/index.ts'
import { startEngine } from '../consumer.ts'
import type { Attempt } from '../dispatch/attempt.ts'
import { NotYet } from '../dispatch/outcome.ts'
import { engineParts } from '../engine-parts.ts'
import type { Engine } from '../engine.ts'
import type { Health, Report } from '../options.ts'
import { parseDuration } from '../duration.ts'
import type { Duration } from '../duration.ts'
import type { Settings } from '../resolve-options.ts'
import type { PartitionWork, WorkItem } from '../work.ts'
import { PolledMessage } from './message.ts'
import type { Message, PartitionEnd } from './message.ts'

type Polled = PolledMessage | PartitionEnd

/**
 * true: polling for the next message says that the ones before were handled, and positions are committed alone. false:
 * messages are done, and positions committed, when the application says so. `what-was-polled`: as most clients commit; a
 * crash between poll and the end of the work LOSES the message, and a warning says so.
 */
export type AutoCommit = boolean | 'what-was-polled'

export interface CommitOptions {
  /** Do not wait for the broker's answer; a failure is logged and repaired by the next commit. Default false. */
  readonly async?: boolean
}

/** A member of a group that is asked for messages one by one. `await using` closes it. */
export interface PollConsumer<T> extends AsyncDisposable {
  /** The next message, or word of a partition's end; null when nothing came within the timeout, default 1 s, or it closed. */
  poll(timeout?: Duration): Promise<Message<T> | PartitionEnd | null>
  /**
   * Commits what was handled: what was said to be `done`, the message that is given, or, without one, the message in hand
   * when it is the only one open. Resolves when the broker has it.
   *
   * @throws ShoalError SHOAL_REQUEST_TIMEOUT when it is not stored within 30 s, SHOAL_CLOSED after `close`
   */
  commit(message?: Message<T>, options?: CommitOptions): Promise<void>
  /** The messages, one after the other, until it closes. Leaving the loop closes it; the message in hand stays open. */
  messages(): AsyncIterableIterator<Message<T>, void, undefined>
  /** Leaves the group, after a commit of what is done under `autoCommit`. Open messages are the next owner's. */
  close(): Promise<Report>
  report(): Report
  health(): Health
}

const COMMIT_MS = 30_000

export async function openPollConsumer(
  settings: Settings,
  autoCommit: AutoCommit,
  partitionEnds: boolean,
): Promise<PollConsumer<unknown>> {
  const poller = new Poller(settings, autoCommit, partitionEnds)
  await poller.open()
  return poller
}

class Poller implements PollConsumer<unknown> {
  readonly #settings: Settings
  readonly #autoCommit: AutoCommit
  readonly #partitionEnds: boolean
  readonly #queue: Polled[] = []
  readonly #waiting: ((polled: Polled | null) => void)[] = []
  /** Messages that were handed out and are not done, oldest first. */
  readonly #open = new Set<PolledMessage>()
  /** What waits until the engine has counted it. */
  readonly #counted = new Map<WorkItem, () => void>()
  /** Ends of partitions whose messages have not all reached the queue. */
  readonly #ends = new Map<PartitionWork, number>()
  #engine: Engine | null = null
  #inHand: PolledMessage | null = null
  #failure: unknown = null
  #isClosed = false
  #saidFull = false
  #saidSlow = false
  /** When the message in hand was handed out; null: none was, or its slowness was told. */
  #handedMs: number | null = null

  constructor(settings: Settings, autoCommit: AutoCommit, partitionEnds: boolean) {
    this.#settings = {
      ...settings,
      commitsAlone: autoCommit !== false,
      // Starts are noted in commits: where the application alone commits, none would come.
      crashes: autoCommit === false ? 0 : settings.crashes,
      handle: (value, ctx) => this.#take(value, ctx as Attempt),
    }
    this.#autoCommit = autoCommit
    this.#partitionEnds = partitionEnds
  }

  async open(): Promise<void> {
    const { engine } = await startEngine(this.#settings, engineParts, {
      hooks: {
        draining: (work) => this.#giveBack(work),
        done: (item) => {
          this.#counted.get(item)?.()
          this.#counted.delete(item)
        },
        partitionEnd: (work, offset) => this.#atEnd(work, offset),
      },
    })
    this.#engine = engine
    engine.finished.then(
      () => this.#closed(null),
      (error: unknown) => this.#closed(error),
    )
  }

  // --- what the application asks ---

  async poll(timeout: Duration = 1_000): Promise<Message<unknown> | PartitionEnd | null> {
    const timeoutMs = timeout === Number.POSITIVE_INFINITY ? timeout : parseDuration(timeout)
    if (timeoutMs === undefined)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', `poll(${String(timeout)}): not a duration`)
    if (this.#autoCommit === true) for (const message of this.#open) message.done()
    if (this.#autoCommit === 'what-was-polled') this.#warnIfSlow()
    const polled = this.#queue.shift() ?? (await this.#wait(timeoutMs))
    if (polled === null && this.#failure !== null) throw this.#failure
    if (polled?.kind !== 'message') return polled
    this.#handOut(polled)
    return polled
  }

  async commit(message?: Message<unknown>, { async = false }: CommitOptions = {}): Promise<void> {
    const engine = this.#engine
    if (engine === null || this.#isClosed)
      throw new ShoalError('SHOAL_CLOSED', `consumer of ${this.#settings.group}: it is closed`)
    const handled = message ?? (this.#open.size === 1 ? this.#inHand : null)
    const counted = handled instanceof PolledMessage ? this.#end(handled) : Promise.resolve()
    const stored = engine.commitNow(counted, COMMIT_MS).then((isStored) => {
      if (!isStored)
        throw new ShoalError('SHOAL_REQUEST_TIMEOUT', 'the commit was not stored in time')
    })
    if (!async) return stored
    stored.catch(() => {
      this.#settings.logger.log('warn', 'a commit that nobody waits for was not stored', {
        group: this.#settings.group,
      })
    })
  }

  /** Says that it was handled; resolves when the engine has counted it, or it counts no more. */
  #end(message: PolledMessage): Promise<void> {
    if (!message.isOpen || message.signal.aborted) {
      message.done()
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#counted.set(message.context.item, resolve)
      message.signal.addEventListener('abort', () => resolve(), { once: true })
      message.done()
    })
  }

  async *messages(): AsyncIterableIterator<Message<unknown>, void, undefined> {
    try {
      while (!this.#isClosed) {
        const polled = await this.poll(Number.POSITIVE_INFINITY)
        if (polled?.kind === 'message') yield polled
      }
    } finally {
      await this.close()
    }
  }

  async close(): Promise<Report> {
    const engine = this.#engine
    if (engine === null) throw new ShoalError('SHOAL_CLOSED', 'the consumer was never open')
    // What is open will not be done by waiting: nobody works on it but the application that closes us.
    const drained = engine.drain(0)
    for (const message of this.#open) message.fail(new NotYet(0))
    const report = await drained
    this.#closed(null)
    return report
  }

  report(): Report {
    return this.#started().report()
  }

  health(): Health {
    return this.#started().health()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // --- what the engine gives ---

  #take(value: unknown, ctx: Attempt): Promise<void> {
    return new Promise((resolve, reject) => {
      const message = new PolledMessage(value, ctx, (failure) => {
        this.#open.delete(message)
        if (failure === null) resolve()
        else reject(failure.error)
      })
      this.#offer(message)
      this.#atEndAfter(ctx.item.partition)
    })
  }

  #offer(polled: Polled): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#queue.push(polled)
    else waiting(polled)
  }

  #handOut(message: PolledMessage): void {
    this.#inHand = message
    this.#handedMs = this.#settings.clock.monotonicMs()
    this.#open.add(message)
    if (this.#autoCommit === 'what-was-polled') message.done()
    const { concurrency, group, logger } = this.#settings
    if (this.#open.size < concurrency || this.#saidFull) return
    this.#saidFull = true
    logger.log('warn', 'nothing more is delivered until some open messages are done', {
      group,
      open: this.#open.size,
    })
  }

  /** It was committed before it was done, and its work took long enough for that to matter. */
  #warnIfSlow(): void {
    const { clock, commitEveryMs, group, logger } = this.#settings
    const tookMs = clock.monotonicMs() - (this.#handedMs ?? Number.POSITIVE_INFINITY)
    if (tookMs < commitEveryMs || this.#saidSlow) return
    this.#saidSlow = true
    logger.log(
      'warn',
      'a message was committed long before it was handled: a crash meanwhile loses it, use autoCommit: true',
      { group, tookMs: Math.round(tookMs), commitEveryMs },
    )
  }

  #atEnd(work: PartitionWork, offset: number): void {
    if (!this.#partitionEnds) return
    this.#ends.set(work, offset)
    this.#atEndAfter(work)
  }

  /** An end is told once every message before it is in the queue. */
  #atEndAfter(work: PartitionWork): void {
    const offset = this.#ends.get(work)
    if (offset === undefined || work.usage.records > work.active) return
    this.#ends.delete(work)
    const { topic, partition } = work
    this.#offer({ kind: 'partition-end', topic, partition, offset })
  }

  /** Nobody has seen them: their next owner gets them. */
  #giveBack(work: PartitionWork): void {
    this.#ends.delete(work)
    const kept = this.#queue.filter((polled) => {
      if (polled.kind !== 'message' || polled.context.item.partition !== work) return true
      polled.fail(new NotYet(0))
      return false
    })
    this.#queue.splice(0, this.#queue.length, ...kept)
  }

  #closed(failure: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#failure = failure
    for (const waiting of this.#waiting.splice(0)) waiting(null)
    for (const counted of this.#counted.values()) counted()
    this.#counted.clear()
  }

  #wait(timeoutMs: number): Promise<Polled | null> {
    if (this.#isClosed || timeoutMs <= 0) return Promise.resolve(null)
    return new Promise((resolve) => {
      const take = (polled: Polled | null) => {
        timer?.cancel()
        resolve(polled)
      }
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY
          ? null
          : this.#settings.timers.schedule(timeoutMs, () => {
              this.#waiting.splice(this.#waiting.indexOf(take), 1)
              resolve(null)
            })
      this.#waiting.push(take)
    })
  }

  #started(): Engine {
    if (this.#engine === null) throw new ShoalError('SHOAL_CLOSED', 'the consumer was never open')
    return this.#engine
  }
}
