/**
 * Reads the shards that are held: in rounds while there is something, else waiting at the server.
 *
 * Waiting is a plain XREAD, which takes nothing: entries are taken by scripts that check the lease, so a member whose
 * lease is over never holds entries back. A lost answer is made up for by taking over what the server says is ours.
 * While a full batch is handed out the next one is asked for already, so server and handlers work side by side.
 */

import type { SourceEvents } from '../../consumer/index.ts'
import { backoffMs } from '../backoff.ts'
import { handOf } from '../shards/suspicion.ts'
import type { Grades } from '../shards/suspicion.ts'
import type { HeldShard } from './held-shard.ts'
import type { RedisSettings } from './options.ts'
import { redisError, troubleOf } from './redis-errors.ts'
import type { WaitingReads } from './redis-link.ts'
import type { ShardStore, Taken } from './shard-store.ts'

export interface ReaderHost {
  readonly settings: RedisSettings
  readonly group: string
  readonly store: ShardStore
  readonly events: SourceEvents
  held(): Iterable<HeldShard>
  readonly grades: Grades
  /** The lease is another's. */
  leaseLost(shard: HeldShard): void
  failed(error: Error): void
}

export class ShardReader {
  readonly #host: ReaderHost
  readonly #waits: WaitingReads
  #closed = false
  #failures = 0
  /** Ends the wait for something to do. */
  #wake: (() => void) | null = null
  /** Somebody called while nobody waited. */
  #isWoken = false
  #takingOver: Promise<unknown> = Promise.resolve()
  /** New entries that were asked for and that nobody has looked at. */
  readonly #ahead = new WeakMap<HeldShard, Promise<Taken | null>>()
  readonly #finished: Promise<void>

  constructor(host: ReaderHost, waits: WaitingReads) {
    this.#host = host
    this.#waits = waits
    this.#finished = this.#run()
  }

  /** There is something to read that was not there, or not to be read, before. */
  wake(): void {
    this.#isWoken = true
    this.#wake?.()
    // A connection that is away has no read to interrupt: it failed by itself.
    this.#waits.interrupt().catch(() => {})
  }

  /** Before a shard is given up: what was asked for ahead counts as handed out, so that it is given back with the rest. */
  async settle(shard: HeldShard): Promise<void> {
    const asked = this.#ahead.get(shard)
    this.#ahead.delete(shard)
    // A lost answer holds nothing that could be given back: the next holder takes it over.
    const taken = await asked?.catch(() => null)
    if (taken) shard.took(taken, this.#host.settings.count)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    this.#waits.close()
    await this.#finished
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      this.#isWoken = false
      const shards = [...this.#host.held()].filter((shard) => shard.isReadable)
      const found = await Promise.all(shards.map((shard) => this.#step(shard)))
      if (found.includes('failed')) await this.#backOff()
      else {
        this.#failures = 0
        if (!found.includes('more')) await this.#wait(shards)
      }
    }
  }

  async #step(shard: HeldShard): Promise<'more' | 'nothing' | 'failed'> {
    try {
      return await (shard.cursor === null ? this.#take(shard) : this.#takeOver(shard, shard.cursor))
    } catch (error) {
      const { group, failed } = this.#host
      if (troubleOf(error) === 'away') {
        shard.answerLost()
        return 'failed'
      }
      failed(redisError(error, `stream ${shard.keys.stream}, group ${group}`))
      return 'failed'
    }
  }

  /** Suspects are counted over all shards: shards are read side by side, so they are taken over one after the other. */
  #takeOver(shard: HeldShard, cursor: string): Promise<'more' | 'nothing'> {
    const taking = this.#takingOver.then(() => this.#takeOverNext(shard, cursor))
    this.#takingOver = taking.catch(() => {})
    return taking
  }

  async #takeOverNext(shard: HeldShard, cursor: string): Promise<'more' | 'nothing'> {
    const { store, events, held, grades } = this.#host
    const { raises } = shard
    const deliveries = [...held()].flatMap((each) => each.deliveries())
    shard.isHeldBack = true
    const hand = handOf(deliveries, grades)
    const left = await store.takeOver(shard, { cursor, raises, hand, grades })
    if (left === null) return this.#lost(shard)
    const { topic, partition } = shard.owned
    if (left.lost.length > 0)
      events.notice({
        kind: 'records-skipped',
        topic,
        partition,
        count: left.lost.length,
        reason: `trimmed or deleted in Redis before they were finished, the first is ${left.lost[0]}`,
      })
    const batch = shard.tookOver(left)
    if (batch !== null && !shard.isLeaving) events.records(batch)
    return 'more'
  }

  async #take(shard: HeldShard): Promise<'more' | 'nothing'> {
    const { store, events, settings } = this.#host
    const asked = this.#ahead.get(shard) ?? store.take(shard)
    this.#ahead.delete(shard)
    const taken = await asked
    if (taken === null) return this.#lost(shard)
    const isFull = taken.entries.length === settings.count
    if (isFull && shard.isReadable && !this.#closed) this.#ask(shard)
    const batch = shard.took(taken, settings.count)
    // What was taken and is not handed out any more stays pending: the next holder takes it over.
    if (shard.isLeaving) return 'nothing'
    if (batch !== null) events.records(batch)
    if (shard.arrivedAtEnd(taken.endOffset)) events.endOfPartition(shard.owned, taken.endOffset)
    return isFull ? 'more' : 'nothing'
  }

  #ask(shard: HeldShard): void {
    const asked = this.#host.store.take(shard)
    // What became of it is told to whoever looks at it.
    asked.catch(() => {})
    this.#ahead.set(shard, asked)
  }

  #lost(shard: HeldShard): 'nothing' {
    this.#host.leaseLost(shard)
    return 'nothing'
  }

  async #wait(shards: readonly HeldShard[]): Promise<void> {
    const positions = shards
      .filter((shard) => shard.isReadable)
      .map((shard) => ({ stream: shard.keys.stream, id: shard.lastId }))
    if (this.#closed || this.#isWoken) return
    if (positions.length === 0) return this.#untilWoken()
    try {
      await this.#waits.somethingAfter(positions, this.#host.settings.blockMs)
    } catch {
      // The next step of a shard tells what is wrong with the server; a wait that was cut short is no loss.
      if (!this.#closed) await this.#backOff()
    }
  }

  #untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null
        resolve()
      }
    })
  }

  async #backOff(): Promise<void> {
    this.#failures++
    const { ports, reconnectBackoffMs, reconnectBackoffMaxMs } = this.#host.settings
    const limits = { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs }
    await new Promise<void>((resolve) => {
      const timer = ports.timers.schedule(backoffMs(this.#failures, limits, ports.random), resolve)
      this.#wake = () => {
        this.#wake = null
        if (!this.#closed) return
        timer.cancel()
        resolve()
      }
    })
  }
}
