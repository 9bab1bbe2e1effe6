/**
 * One member of a group over Redis: says that it is there, plans its share with the others, and holds leases.
 *
 *   heartbeat ─▶ who is there, who holds what ─▶ plan ─┬─ held, not planned: drain, commit, release, wake the others
 *                                                      └─ planned, free: claim ─▶ assigned
 *
 * A shard is worked on only under its lease. A lease that is not renewed in time is lost: what was done under it is not
 * acknowledged any more (the scripts see to it), and its entries are taken over by the next holder.
 */

import { ShoalError, messageOf } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type {
  CommitPosition,
  CommitResult,
  DeliveredRecord,
  OutgoingRecord,
  OwnedPartition,
  ReadAnswer,
  ReadRequest,
  SourceContext,
  SourceSession,
} from '../../consumer/index.ts'
import { within } from '../backoff.ts'
import { plannedShards, shardId, type Shard, type ShardHolder } from '../shards/shard-plan.ts'
import { gradesFor } from '../shards/suspicion.ts'
import { recordOf } from './entry-record.ts'
import { HeldShard } from './held-shard.ts'
import type { Keys } from './keys.ts'
import type { RedisSettings } from './options.ts'
import { redisError, troubleOf } from './redis-errors.ts'
import type { RedisLink } from './redis-link.ts'
import { ShardReader } from './shard-reader.ts'
import type { ShardKeys, ShardStore } from './shard-store.ts'

/** Of the session timeout; past it no handler starts without an answered heartbeat. */
const FRESH_PART = 2 / 3

export class RedisSession implements SourceSession {
  readonly #link: RedisLink
  readonly #settings: RedisSettings
  readonly #context: SourceContext
  readonly #store: ShardStore
  readonly #keys: Keys
  readonly #shards: readonly ShardKeys[]
  readonly #held = new Map<string, HeldShard>()
  readonly #releases: (() => void)[] = []
  #reader: ShardReader | null = null
  #beatTimer: Timer | null = null
  #beating: Promise<void> | null = null
  #beatAgain = false
  #lastBeatMs: number
  #isFirstBeat = true
  #closing: Promise<void> | null = null

  constructor(
    link: RedisLink,
    settings: RedisSettings,
    context: SourceContext,
    store: ShardStore,
    keys: Keys,
    shards: readonly ShardKeys[],
  ) {
    this.#link = link
    this.#settings = settings
    this.#context = context
    this.#store = store
    this.#keys = keys
    this.#shards = shards
    this.#lastBeatMs = settings.ports.clock.monotonicMs()
  }

  get memberId(): string {
    return this.#settings.consumerName
  }

  /** Begins; the caller holds the session before its first event. */
  async start(): Promise<void> {
    if (this.#closing !== null) return
    const { events, group } = this.#context
    const { host } = new URL(this.#settings.url)
    this.#releases.push(
      this.#link.watch({
        connected: () => events.notice({ kind: 'reconnected', address: host, reason: '' }),
        disconnected: (reason) => events.notice({ kind: 'disconnected', address: host, reason }),
      }),
    )
    this.#reader = new ShardReader(
      {
        settings: this.#settings,
        group,
        store: this.#store,
        events,
        held: () => this.#held.values(),
        grades: gradesFor(this.#context.maxDeliveries),
        leaseLost: (shard) => this.#lose([shard]),
        failed: (error) => this.#fail(error),
      },
      this.#link.waitingReads(),
    )
    try {
      this.#releases.push(await this.#link.listen(this.#keys.wakeChannel, () => this.#beat()))
    } catch (error) {
      // Without the channel, changes are noticed by heartbeats alone.
      events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    }
    if (this.#closing === null) this.#beat()
  }

  pause(partition: OwnedPartition): void {
    const shard = this.#current(partition)
    if (shard !== undefined) shard.isPaused = true
  }

  resume(partition: OwnedPartition): void {
    const shard = this.#current(partition)
    if (shard === undefined) return
    shard.isPaused = false
    this.#reader?.wake()
  }

  async commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    return Promise.all(
      positions.map(async (position) => {
        const { topic, partition, epoch } = position
        return { topic, partition, epoch, outcome: await this.#commitOne(position) }
      }),
    )
  }

  produce(record: OutgoingRecord): Promise<void> {
    return this.#store.append(record).catch((error: unknown) => {
      throw redisError(error, `topic ${record.topic}`)
    })
  }

  async deadLetter(letter: OutgoingRecord, of: DeliveredRecord): Promise<'done' | 'stale'> {
    const shard = this.#current(of)
    if (shard === undefined) return 'stale'
    const { offset } = of.record
    try {
      if (await this.#store.bury(shard, offset, letter)) {
        shard.ended(offset)
        this.#goOn()
        return 'done'
      }
    } catch (error) {
      throw redisError(error, `topic ${letter.topic}`)
    }
    this.#lose([shard])
    return 'stale'
  }

  async read(request: ReadRequest): Promise<ReadAnswer> {
    try {
      const entries = await this.#store.read(request)
      return {
        records: entries.map(({ offset, fields }) => recordOf(offset, fields, undefined)),
        nextOffset: (entries.at(-1)?.offset ?? request.offset - 1) + 1,
      }
    } catch (error) {
      throw redisError(error, `topic ${request.topic}`)
    }
  }

  forget(below: Omit<ReadRequest, 'maxRecords'>): Promise<void> {
    return this.#store.forget(below)
  }

  ownershipIsFresh(): boolean {
    const { ports, sessionTimeoutMs } = this.#settings
    return ports.clock.monotonicMs() - this.#lastBeatMs < sessionTimeoutMs * FRESH_PART
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  // --- membership ---

  /** One look at the group at a time; who asks during one gets another after it. */
  #beat(): void {
    if (this.#closing !== null) return
    if (this.#beating !== null) {
      this.#beatAgain = true
      return
    }
    this.#beatTimer?.cancel()
    this.#beating = this.#look().finally(() => {
      this.#beating = null
      if (this.#closing !== null) return
      if (this.#beatAgain) {
        this.#beatAgain = false
        return this.#beat()
      }
      this.#beatTimer = this.#settings.ports.timers.schedule(
        this.#settings.heartbeatIntervalMs,
        () => this.#beat(),
      )
    })
  }

  async #look(): Promise<void> {
    // An answer may lie here unread while the process stands still: what it says was so when it was asked.
    const askedMs = this.#settings.ports.clock.monotonicMs()
    try {
      const members = await this.#store.beat(this.#isFirstBeat)
      if (members === null) return this.#fail(this.#replaced())
      const holders = await this.#holders()
      this.#lastBeatMs = askedMs
      if (this.#isFirstBeat) await this.#joined()
      const counts = new Map(
        [...Map.groupBy(this.#shards, ({ topic }) => topic)].map(([topic, list]) => [
          topic,
          list.length,
        ]),
      )
      await this.#follow(plannedShards(this.memberId, members, counts, holders), holders)
    } catch (error) {
      this.#beatFailed(error)
    }
  }

  async #joined(): Promise<void> {
    this.#isFirstBeat = false
    const { memberId } = this
    this.#context.events.notice({ kind: 'joined', memberId, generation: 0, protocol: 'leases' })
    await this.#store.wakeOthers()
  }

  /** Renews what is held; says who holds the rest. */
  async #holders(): Promise<readonly ShardHolder[]> {
    const holders = await Promise.all(
      this.#shards.map(async (keys) => {
        const { topic, shard } = keys
        const mine = this.#held.get(shardId(keys))
        const { held, owner } = await this.#store.look(keys, mine?.epoch ?? null)
        if (mine !== undefined && !held) this.#lose([mine])
        return owner === '' ? [] : [{ topic, shard, memberId: owner }]
      }),
    )
    return holders.flat()
  }

  async #follow(plan: readonly Shard[], holders: readonly ShardHolder[]): Promise<void> {
    const planned = new Set(plan.map(shardId))
    const leaving = [...this.#held.values()].filter(
      (shard) => !shard.isLeaving && !planned.has(shardId(shard.keys)),
    )
    if (leaving.length > 0) void this.#handOver(leaving)
    const taken = new Set(holders.map(shardId))
    const free = this.#shards.filter((keys) => {
      const id = shardId(keys)
      return planned.has(id) && !taken.has(id) && !this.#held.has(id)
    })
    const claimed = (await Promise.all(free.map((keys) => this.#claim(keys)))).filter(
      (shard) => shard !== null,
    )
    if (claimed.length === 0) return
    if (this.#closing !== null) return this.#release(claimed)
    for (const shard of claimed) this.#held.set(shardId(shard.keys), shard)
    this.#context.events.assigned(claimed.map(({ assignment }) => assignment))
    this.#reader?.wake()
  }

  async #claim(keys: ShardKeys): Promise<HeldShard | null> {
    const claimed = await this.#store.claim(keys)
    return claimed === null ? null : new HeldShard(claimed, await this.#store.groupEnd(keys))
  }

  /** Drains, then releases: heartbeats go on meanwhile. */
  async #handOver(shards: readonly HeldShard[]): Promise<void> {
    for (const shard of shards) shard.isLeaving = true
    const { drainTimeoutMs, events } = this.#context
    const { timers } = this.#settings.ports
    try {
      await within(timers, drainTimeoutMs, events.revoked(ownedOf(shards)), () => new Error('late'))
    } catch (error) {
      // Whatever became of the drain, the shard goes: its entries that are not acknowledged go with it.
      events.notice({ kind: 'heartbeat-failed', reason: `a drain: ${messageOf(error)}` })
    }
    const ours = shards.filter((shard) => this.#held.get(shardId(shard.keys)) === shard)
    for (const shard of ours) this.#held.delete(shardId(shard.keys))
    this.#goOn()
    await this.#release(ours)
    this.#beat()
  }

  async #release(shards: readonly HeldShard[]): Promise<void> {
    try {
      await Promise.all(shards.map((shard) => this.#giveUp(shard)))
      await this.#store.wakeOthers()
    } catch (error) {
      // The lease ends by itself when nobody renews it.
      this.#context.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    }
  }

  async #giveUp(shard: HeldShard): Promise<void> {
    await this.#reader?.settle(shard)
    await this.#store.release(shard, shard.givenBack())
  }

  #beatFailed(error: unknown): void {
    const { clock } = this.#settings.ports
    const trouble = troubleOf(error)
    if (trouble !== 'away') return this.#fail(redisError(error, `group ${this.#context.group}`))
    this.#context.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    const silentMs = clock.monotonicMs() - this.#lastBeatMs
    if (silentMs >= this.#settings.sessionTimeoutMs) this.#lose([...this.#held.values()])
  }

  #lose(shards: readonly HeldShard[]): void {
    const ours = shards.filter((shard) => this.#held.get(shardId(shard.keys)) === shard)
    for (const shard of ours) {
      shard.isLeaving = true
      this.#held.delete(shardId(shard.keys))
    }
    if (ours.length > 0) this.#context.events.lost(ownedOf(ours))
    this.#goOn()
    this.#beatAgain = true
  }

  /** Something ended: suspects that were held back may be next. */
  #goOn(): void {
    const waiting = [...this.#held.values()].filter(({ isHeldBack }) => isHeldBack)
    for (const shard of waiting) shard.isHeldBack = false
    if (waiting.length > 0) this.#reader?.wake()
  }

  // --- small things ---

  async #commitOne(position: CommitPosition): Promise<CommitResult['outcome']> {
    const shard = this.#current(position)
    if (shard === undefined) return 'stale'
    try {
      const stored = await this.#store.commit(shard, position, shard.doneBelow(position.offset))
      if (stored) {
        shard.acknowledged(position.offset)
        this.#goOn()
        return 'committed'
      }
      this.#lose([shard])
      return 'stale'
    } catch (error) {
      if (troubleOf(error) === 'away') return 'retry'
      throw redisError(error, `stream ${shard.keys.stream}, group ${this.#context.group}`)
    }
  }

  #current({ topic, partition, epoch }: OwnedPartition): HeldShard | undefined {
    const shard = this.#held.get(shardId({ topic, shard: partition }))
    return shard?.epoch === epoch ? shard : undefined
  }

  #fail(error: Error): void {
    if (this.#closing === null) this.#context.events.failed(error)
  }

  #replaced(): ShoalError {
    const { memberId } = this
    const { group } = this.#context
    return new ShoalError(
      'SHOAL_MEMBER_FENCED',
      `another member of group ${group} took the name ${memberId}: give every member a consumerName of its own, or none`,
      { details: { group, memberId } },
    )
  }

  async #leave(): Promise<void> {
    this.#beatTimer?.cancel()
    await this.#beating
    for (const release of this.#releases) release()
    await this.#reader?.close()
    const shards = [...this.#held.values()]
    this.#held.clear()
    try {
      await Promise.all(shards.map((shard) => this.#giveUp(shard)))
      await this.#store.leave()
      await this.#store.wakeOthers()
    } catch (error) {
      // Leases and membership end by themselves; the others wait for the session timeout.
      const { logger } = this.#settings.ports
      logger.log('warn', 'redis: could not leave the group', { error: messageOf(error) })
    } finally {
      this.#link.close()
    }
  }
}

function ownedOf(shards: readonly HeldShard[]): readonly OwnedPartition[] {
  return shards.map(({ owned }) => owned)
}
