/**
 * One of several members that take entries from the same streams side by side, in no order.
 *
 *   new entries (XREADGROUP >) ─▶ records ─▶ commit ─▶ XACK
 *   at the start, what the server says is ours · from time to time, what has been idle with a member that died
 *
 * Work of ours is kept alive on the server every third of the idle limit, so no other member claims it while its handler
 * runs, however long. What was claimed from us all the same (a stalled process) is not acknowledged by us: the acknowledgement
 * of an entry that another member has would end its work, so what is not ours any more is left out.
 */

import { messageOf } from '../../core/index.ts'
import type { Timer } from '../../core/index.ts'
import type {
  CommitPosition,
  CommitResult,
  DeliveredRecord,
  OutgoingRecord,
  OwnedPartition,
  Retried,
  SourceBatch,
  SourceContext,
  SourceSession,
} from '../../consumer/index.ts'
import { backoffMs } from '../backoff.ts'
import { gradesFor, handOf } from '../shards/suspicion.ts'
import type { Grades } from '../shards/suspicion.ts'
import { CompetingStream } from './competing-stream.ts'
import type { HandedOut } from './competing-stream.ts'
import { fieldsOf } from './entry-record.ts'
import type { LaterEntries } from './later-entries.ts'
import type { RedisSettings } from './options.ts'
import { FIRST_PENDING } from './pending-claim.ts'
import type { ClaimRequest, TakenOver } from './pending-claim.ts'
import { redisError, troubleOf } from './redis-errors.ts'
import type { RedisLink, WaitingReads } from './redis-link.ts'
import type { ShardKeys, ShardStore } from './shard-store.ts'
import { StreamStore } from './stream-store.ts'

export class CompetingSession implements SourceSession {
  readonly #link: RedisLink
  readonly #settings: RedisSettings
  readonly #context: SourceContext
  readonly #shards: ShardStore
  readonly #streams: StreamStore
  /** Topics' streams, then those of their retries. */
  readonly #held: readonly CompetingStream[]
  readonly #grades: Grades
  readonly #later: LaterEntries | null
  /** Acknowledgements that were settled and are not known to be stored. */
  readonly #unsent: { readonly stream: CompetingStream; readonly ids: readonly string[] }[] = []
  #waits: WaitingReads | null = null
  #reading: Promise<void> | null = null
  #timer: Timer | null = null
  #wake: (() => void) | null = null
  /** Answers may have been lost: what the server says is ours is read again. */
  #mustReadOwn = true
  #isFirstRead = true
  #isTending = false
  #tendAgain = false
  /** Suspects wait for the end of others. Said while it is asked, too: what ends meanwhile is not missed. */
  #isHeldBack = false
  #failures = 0
  #keptAliveMs: number
  #closing: Promise<void> | null = null

  constructor(
    link: RedisLink,
    settings: RedisSettings,
    context: SourceContext,
    shards: ShardStore,
    keys: readonly ShardKeys[],
    epoch: number,
    later: LaterEntries | null,
  ) {
    this.#link = link
    this.#settings = settings
    this.#context = context
    this.#shards = shards
    this.#streams = new StreamStore(link, context.group, settings.consumerName, settings.count)
    this.#later = later
    const held = keys.map(
      ({ topic, shard, stream }) => new CompetingStream({ topic, partition: shard, epoch }, stream),
    )
    this.#grades = gradesFor(context.maxDeliveries)
    const retries = (of: CompetingStream) =>
      later === null ? [] : [new CompetingStream(of.owned, later.retriesOf(of.stream), of)]
    this.#held = [...held, ...held.flatMap(retries)]
    this.#keptAliveMs = settings.ports.clock.monotonicMs()
  }

  get memberId(): string {
    return this.#settings.consumerName
  }

  async start(): Promise<void> {
    if (this.#closing !== null) return
    const { events } = this.#context
    const { memberId } = this
    events.notice({ kind: 'joined', memberId, generation: 0, protocol: 'competing' })
    const owned = this.#held.filter(({ isRetries }) => !isRetries).map((stream) => stream.owned)
    events.assigned(owned.map((each) => ({ ...each, committed: null, startOffset: 0 })))
    this.#later?.start()
    this.#reading = this.#read()
    this.#tend()
  }

  pause(partition: OwnedPartition): void {
    for (const stream of this.#streamsOf(partition)) stream.isPaused = true
  }

  resume(partition: OwnedPartition): void {
    const streams = this.#streamsOf(partition)
    for (const stream of streams) stream.isPaused = false
    if (streams.length > 0) this.#stir()
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
    return this.#shards.append(record).catch((error: unknown) => {
      throw redisError(error, `topic ${record.topic}`)
    })
  }

  async deadLetter(letter: OutgoingRecord, of: DeliveredRecord): Promise<'done' | 'stale'> {
    const { offset } = of.record
    const entry = this.#current(of)?.entryAt(offset) ?? null
    if (entry === null) return 'stale'
    try {
      const letters = await this.#shards.streamFor(letter)
      const isOurs = await this.#streams.bury(entry.of, entry.id, letters, fieldsOf(letter))
      return this.#ended(entry, offset, isOurs)
    } catch (error) {
      throw redisError(error, `topic ${letter.topic}`)
    }
  }

  async delay(of: DeliveredRecord, afterMs: number, retried: Retried): Promise<'done' | 'stale'> {
    const { offset } = of.record
    const stream = this.#current(of)
    const entry = stream?.entryAt(offset) ?? null
    if (stream === undefined || entry === null || this.#later === null) return 'stale'
    const { isRetries: isRetry } = entry.of
    const put = { stream: stream.stream, entry: entry.id, isRetry, record: of.record }
    try {
      return this.#ended(entry, offset, await this.#later.delay(put, afterMs, retried))
    } catch (error) {
      throw redisError(error, `stream ${stream.stream}, group ${this.#context.group}`)
    }
  }

  /** Our entries are ours until they were idle for the limit; what we hold is kept alive at a third of it. */
  ownershipIsFresh(): boolean {
    const { ports, claimIdleMs } = this.#settings
    return ports.clock.monotonicMs() - this.#keptAliveMs < claimIdleMs
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  // --- reading ---

  async #read(): Promise<void> {
    while (this.#closing === null) {
      try {
        if (this.#mustReadOwn) await this.#readOwn()
        await this.#readNew(this.#held.filter(({ isPaused }) => !isPaused))
        this.#failures = 0
      } catch (error) {
        if (this.#closing !== null) return
        if (troubleOf(error) !== 'away') return this.#fail(error)
        this.#mustReadOwn = true
        this.#context.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
        await this.#backOff()
      }
    }
  }

  /** At the start it is what a process of our name died with, and is claimed as of any other; later, what a lost answer held. */
  async #readOwn(): Promise<void> {
    for (const stream of this.#held)
      if (this.#isFirstRead) {
        await this.#streams.disown(stream.stream)
        await this.#streams.show(stream.stream)
      } else
        await this.#claimAll(stream, false, (request) =>
          this.#streams.claimOwn(stream.stream, request),
        )
    if (this.#isFirstRead) this.#tendSoon()
    this.#isFirstRead = false
    this.#mustReadOwn = false
  }

  async #readNew(readable: readonly CompetingStream[]): Promise<void> {
    // Closed meanwhile: a connection that is made now is closed by nobody.
    if (this.#closing !== null) return
    if (readable.length === 0) return this.#untilResumed()
    const names = readable.map(({ stream }) => stream)
    const waits = (this.#waits ??= this.#link.waitingReads())
    const found = await this.#streams.readNew(waits, names, this.#settings.blockMs)
    for (const stream of readable) this.#handOut(stream.handOut(found.get(stream.stream) ?? []))
  }

  #handOut(batch: SourceBatch | null): void {
    // After close has begun, what was read is given back with the rest.
    if (batch !== null && this.#closing === null) this.#context.events.records(batch)
  }

  #untilResumed(): Promise<void> {
    if (this.#closing !== null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #stir(): void {
    this.#wake?.()
    this.#wake = null
    // A connection that is away has no read to interrupt: it failed by itself.
    this.#waits?.interrupt().catch(() => {})
  }

  #backOff(): Promise<void> {
    this.#failures++
    const { ports, reconnectBackoffMs, reconnectBackoffMaxMs } = this.#settings
    const limits = { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs }
    return new Promise((resolve) => {
      ports.timers.schedule(backoffMs(this.#failures, limits, ports.random), resolve)
    })
  }

  // --- work of ours, and of members that died ---

  /** Something ended: suspects that were held back may be next. */
  #goOn(): void {
    if (this.#isHeldBack && this.#closing === null) this.#tendSoon()
  }

  #tendSoon(): void {
    this.#timer?.cancel()
    if (this.#isTending) this.#tendAgain = true
    else this.#tend()
  }

  /** Again and again while the member lives. */
  #tend(): void {
    const { ports, claimIdleMs } = this.#settings
    this.#isTending = true
    this.#tendAgain = false
    void this.#keepAndClaim()
      .catch((error: unknown) => {
        if (this.#closing === null)
          this.#context.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
      })
      .finally(() => {
        this.#isTending = false
        if (this.#closing !== null) return
        const afterMs = this.#tendAgain ? 0 : claimIdleMs / 3
        this.#timer = ports.timers.schedule(afterMs, () => this.#tend())
      })
  }

  async #keepAndClaim(): Promise<void> {
    const { ports, claimIdleMs } = this.#settings
    const startedMs = ports.clock.monotonicMs()
    for (const stream of this.#held) {
      const kept = new Set(await this.#streams.keepAlive(stream.stream, stream.mine))
      stream.gone(stream.mine.filter((id) => !kept.has(id)))
    }
    this.#keptAliveMs = startedMs
    this.#isHeldBack = true
    let isHeldBack = false
    for (const stream of this.#held) {
      if (stream.isPaused) continue
      const isDone = await this.#claimAll(stream, true, (request) =>
        this.#streams.claimIdle(stream.stream, request, claimIdleMs),
      )
      isHeldBack ||= !isDone
    }
    this.#isHeldBack = isHeldBack
  }

  /** Until nothing is left, or too many suspects are in hand: false. */
  async #claimAll(
    stream: CompetingStream,
    raises: boolean,
    claim: (request: ClaimRequest) => Promise<TakenOver | null>,
  ): Promise<boolean> {
    const grades = this.#grades
    for (let cursor: string | null = FIRST_PENDING; cursor !== null;) {
      const deliveries = this.#held.flatMap((each) => each.deliveries())
      const hand = handOf(deliveries, grades)
      const found: TakenOver | null = await claim({ cursor, raises, hand, grades })
      if (found === null) return true
      if (found.lost.length > 0) this.#tellLost(stream, found.lost)
      this.#handOut(stream.handOut(found.entries))
      if (found.isHeldBack) return false
      cursor = found.cursor
    }
    return true
  }

  #tellLost({ owned: { topic, partition } }: CompetingStream, lost: readonly string[]): void {
    this.#context.events.notice({
      kind: 'records-skipped',
      topic,
      partition,
      count: lost.length,
      reason: `trimmed or deleted in Redis before they were finished, the first is ${lost[0]}`,
    })
  }

  // --- small things ---

  async #commitOne(position: CommitPosition): Promise<CommitResult['outcome']> {
    const stream = this.#current(position)
    if (stream === undefined) return 'stale'
    const done = stream.settle(position.offset, position.completions ?? null)
    for (const [entriesOf, entries] of Map.groupBy(done, (entry) => entry.of)) {
      const ids = entries.map(({ id }) => id).filter((id) => entriesOf.has(id))
      this.#unsent.push({ stream: entriesOf, ids })
    }
    try {
      for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
        await this.#streams.acknowledge(next.stream, next.ids)
        next.stream.gone(next.ids)
        this.#unsent.shift()
        this.#goOn()
      }
      return 'committed'
    } catch (error) {
      if (troubleOf(error) === 'away') return 'retry'
      throw redisError(error, `stream ${stream.stream}, group ${this.#context.group}`)
    }
  }

  /** An entry that was ended alone, where it was ours. */
  #ended({ of, id }: HandedOut, offset: number, isOurs: boolean): 'done' | 'stale' {
    if (isOurs) of.ended(offset, id)
    this.#goOn()
    return isOurs ? 'done' : 'stale'
  }

  /** The topic's stream. */
  #current(partition: OwnedPartition): CompetingStream | undefined {
    return this.#streamsOf(partition)[0]
  }

  /** The topic's stream, and that of its retries. */
  #streamsOf({ topic, partition, epoch }: OwnedPartition): readonly CompetingStream[] {
    return this.#held.filter(
      ({ owned }) =>
        owned.topic === topic && owned.partition === partition && owned.epoch === epoch,
    )
  }

  #fail(error: unknown): void {
    const topics = this.#settings.topics.join(', ')
    this.#context.events.failed(redisError(error, `topics ${topics}, group ${this.#context.group}`))
  }

  async #leave(): Promise<void> {
    this.#timer?.cancel()
    this.#stir()
    this.#waits?.close()
    await this.#reading
    await this.#later?.close()
    try {
      for (const stream of this.#held)
        await this.#streams.giveBack(stream.stream, stream.givenBack())
    } catch (error) {
      // What is not given back is claimed once it has been idle for the limit.
      const { logger } = this.#settings.ports
      logger.log('warn', 'redis: could not give entries back', { error: messageOf(error) })
    } finally {
      this.#link.close()
    }
  }
}
