/**
 * One member of a group over RabbitMQ: tells the others that it is there, plans its share with them, and consumes queues.
 *
 *   ordered      greeting ─▶ plan ─┬─ consumed, not planned: drain, acknowledge, close the channel, tell the others
 *                                  └─ planned, held by nobody: consume ─▶ assigned
 *   competing    every queue, at once, without a plan
 *
 * The single active consumer of a queue is the lease: two members that plan the same queue for a moment do not both get its
 * messages. When the connection goes, everything is lost and begun anew: the server gives the messages to whoever is next.
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
  SourceContext,
  SourceSession,
} from '../../consumer/index.ts'
import { backoffMs, within } from '../backoff.ts'
import { plannedShards, shardId, type Shard } from '../shards/shard-plan.ts'
import { gradesFor, handOf } from '../shards/suspicion.ts'
import type { Grades, Hand } from '../shards/suspicion.ts'
import { GroupChannel } from './group-channel.ts'
import type { RabbitSettings } from './options.ts'
import { Presence, type Announcement } from './presence.ts'
import { Publisher } from './publisher.ts'
import { QueueConsumer, type QueueHost } from './queue-consumer.ts'
import { mayPass, rabbitError, troubleOf } from './rabbit-errors.ts'
import type { RabbitLink } from './rabbit-link.ts'
import { SuspectRegister } from './suspect-register.ts'
import { declareTopic, queueName } from './topology.ts'

/** Of the session timeout; past it no handler starts unless the server was heard of. */
const FRESH_PART = 2 / 3

export class RabbitSession implements SourceSession, QueueHost {
  readonly settings: RabbitSettings
  readonly grades: Grades
  readonly #link: RabbitLink
  readonly #context: SourceContext
  readonly #nextEpoch: () => number
  readonly #publisher: Publisher
  readonly #presence: Presence
  readonly #consumers = new Map<string, QueueConsumer>()
  readonly #stopWatching: () => void
  #group: GroupChannel | null = null
  #timer: Timer | null = null
  #following: Promise<void> | null = null
  #followAgain = false
  #isDown = false
  /** Refused for good: nothing more is tried. */
  #hasFailed = false
  /** A queue went: it is made again before anything is consumed. */
  #mustDeclare = false
  #failures = 0
  /** Which beginning is under way: one that a loss overtook is over. */
  #beginning = 0
  #heardMs: number
  /** Looks whose own announcement has not come back. */
  #unheard = 0
  #closing: Promise<void> | null = null

  constructor(
    link: RabbitLink,
    settings: RabbitSettings,
    context: SourceContext,
    nextEpoch: () => number,
  ) {
    this.#link = link
    this.settings = settings
    this.grades = gradesFor(context.maxDeliveries)
    this.#context = context
    this.#nextEpoch = nextEpoch
    this.#publisher = new Publisher(link, settings)
    this.#presence = new Presence(settings.sessionTimeoutMs)
    this.#heardMs = settings.ports.clock.monotonicMs()
    this.#stopWatching = link.onDown((reason) => this.#down(reason))
  }

  get events(): SourceContext['events'] {
    return this.#context.events
  }

  get group(): string {
    return this.#context.group
  }

  get memberId(): string {
    return this.settings.consumerName
  }

  /** Joins the others on the connection that there is; called again after each loss. */
  async begin(): Promise<void> {
    const beginning = ++this.#beginning
    const isOver = () => this.#closing !== null || beginning !== this.#beginning
    try {
      await this.#link.reach()
      if (isOver()) return
      await this.#declare()
      if (isOver()) return
      this.#heardMs = this.#nowMs()
      this.#unheard = 0
      if (this.settings.sharing === 'ordered') await this.#greet(isOver)
      if (isOver()) return
      this.#failures = 0
      this.events.notice({
        kind: 'joined',
        memberId: this.memberId,
        generation: 0,
        protocol: this.settings.sharing,
      })
      const greetingMs = this.settings.sharing === 'ordered' ? this.settings.greetingMs : 0
      this.#schedule(greetingMs)
    } catch (error) {
      if (!isOver()) this.#beginFailed(error)
    }
  }

  pause(partition: OwnedPartition): void {
    this.#current(partition)?.pause()
  }

  resume(partition: OwnedPartition): void {
    this.#current(partition)?.resume()
  }

  async commit(positions: readonly CommitPosition[]): Promise<readonly CommitResult[]> {
    return positions.map(({ topic, partition, epoch, offset, completions }) => {
      const consumer = this.#current({ topic, partition, epoch })
      const outcome = consumer?.acknowledge(consumer.settle(offset, completions ?? null)) === true
      return { topic, partition, epoch, outcome: outcome ? 'committed' : 'stale' }
    })
  }

  produce(record: OutgoingRecord): Promise<void> {
    return this.#publisher.publish(record)
  }

  /** The letter first, confirmed; then the acknowledgement, on the channel that delivered. */
  async deadLetter(letter: OutgoingRecord, of: DeliveredRecord): Promise<'done' | 'stale'> {
    const { offset } = of.record
    const consumer = this.#current(of)
    if (consumer?.has(offset) !== true) return 'stale'
    await this.#publisher.publish(letter)
    // Where the channel went meanwhile the message comes again, and its letter, of the same id, may be written twice.
    return consumer.end(offset) ? 'done' : 'stale'
  }

  async delay(of: DeliveredRecord, afterMs: number, retried: Retried): Promise<'done' | 'stale'> {
    const { offset } = of.record
    const consumer = this.#current(of)
    if (consumer?.has(offset) !== true) return 'stale'
    await this.#publisher.delay(consumer.queue, of.record, afterMs, retried)
    // Where the channel went meanwhile the message comes again, and once more when its time is up.
    return consumer.end(offset) ? 'done' : 'stale'
  }

  ownershipIsFresh(): boolean {
    if (this.#isDown) return false
    if (this.settings.sharing === 'competing') return true
    return this.#nowMs() - this.#heardMs < this.settings.sessionTimeoutMs * FRESH_PART
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave()
    return this.#closing
  }

  hand(): Hand {
    const deliveries = [...this.#consumers.values()].flatMap((each) => each.deliveries())
    return handOf(deliveries, this.grades)
  }

  suspectsEnded(): void {
    for (const each of this.#consumers.values()) each.goOn()
  }

  failed(error: unknown): void {
    if (this.#closing !== null || this.#isDown) return
    this.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    // A member that cannot write is of no use to the queue: everything is begun anew.
    for (const consumer of this.#consumers.values()) void this.#giveUp(consumer)
  }

  async #giveUp(consumer: QueueConsumer): Promise<void> {
    await consumer.release()
    this.closed(consumer)
  }

  closed(consumer: QueueConsumer): void {
    const id = idOf(consumer.owned)
    if (this.#consumers.get(id) !== consumer) return
    this.#consumers.delete(id)
    this.suspectsEnded()
    this.events.lost([consumer.owned])
    this.#mustDeclare = true
    if (!this.#isDown)
      this.events.notice({
        kind: 'disconnected',
        address: consumer.queue,
        reason:
          'RabbitMQ closed the channel of the queue (see its log: consumer timeout, queue deleted)',
      })
    this.#schedule(this.settings.reconnectBackoffMs)
  }

  // --- with the others ---

  async #greet(isOver: () => boolean): Promise<void> {
    this.#presence.clear()
    const hear = (announcement: Announcement) => {
      const nowMs = this.#nowMs()
      // It may have lain here unread while the process stood still.
      if (announcement.memberId === this.memberId) {
        this.#heardMs = Math.min(nowMs, Math.max(this.#heardMs, announcement.sentMs ?? nowMs))
        this.#unheard = 0
      }
      const isNews = this.#presence.heard(announcement, nowMs)
      if (announcement.isGreeting === true && announcement.memberId !== this.memberId)
        this.#announce()
      if (isNews) this.#follow()
    }
    const { group } = this.#context
    const lost = () =>
      this.#groupLost(opened, 'RabbitMQ closed the channel to the others (see its log)')
    let opened: GroupChannel | null = null
    opened = await GroupChannel.open(this.#link, group, hear, lost)
    if (isOver()) return opened.close()
    this.#group = opened
    this.#announce({ isGreeting: true })
  }

  /** What is consumed stays so; the others are asked anew who they are. */
  #groupLost(lost: GroupChannel | null, reason: string): void {
    if (lost === null || this.#group !== lost) return
    this.#group = null
    // Where it went with its connection, that is what is told and dealt with.
    this.settings.ports.timers.soon(() => {
      if (!this.#isAtWork || this.#group !== null) return
      this.events.notice({ kind: 'heartbeat-failed', reason })
      this.#beginAgain()
    })
  }

  #announce(more: { readonly isGreeting?: boolean; readonly isLeaving?: boolean } = {}): void {
    this.#group?.announce({
      memberId: this.memberId,
      topics: this.settings.topics,
      holds: [...this.#consumers.keys()],
      sentMs: this.#nowMs(),
      ...more,
    })
  }

  /** Neither ending nor beginning anew. */
  get #isAtWork(): boolean {
    return this.#closing === null && !this.#isDown && !this.#hasFailed && this.#failures === 0
  }

  /** The next look, and the ones after it. */
  #schedule(delayMs: number): void {
    if (!this.#isAtWork) return
    this.#timer?.cancel()
    this.#timer = this.settings.ports.timers.schedule(delayMs, () => {
      this.#timer = null
      this.#follow()
    })
  }

  /** One at a time; who asks during one gets another after it. Before the greeting is over there is nothing to follow. */
  #follow(): void {
    if (!this.#isAtWork) return
    if (this.#following !== null) {
      this.#followAgain = true
      return
    }
    this.#following = this.#act()
      .catch((error: unknown) => this.#actFailed(error))
      .finally(() => {
        this.#following = null
        if (this.#followAgain) {
          this.#followAgain = false
          this.#follow()
        } else this.#schedule(this.settings.heartbeatIntervalMs)
      })
  }

  /** It speaks, and its own word does not come back: the exchange went, and somebody else made it anew. */
  get #isDeaf(): boolean {
    const silentMs = this.#nowMs() - this.#heardMs
    return this.#unheard >= 2 && silentMs >= this.settings.sessionTimeoutMs / 2
  }

  async #act(): Promise<void> {
    if (this.#group !== null && this.#isDeaf) {
      const deaf = this.#group
      this.#groupLost(deaf, 'what is said to the other members does not come back')
      return deaf.close()
    }
    this.#unheard++
    this.#announce()
    this.#presence.forgetSilent(this.#nowMs())
    const plan = this.#plan()
    const planned = new Set(plan.map(shardId))
    const leaving = [...this.#consumers.values()].filter(
      (consumer) => !consumer.isLeaving && !planned.has(idOf(consumer.owned)),
    )
    if (leaving.length > 0)
      this.#handOver(leaving).catch((error: unknown) => this.#actFailed(error))
    const others = new Set(
      this.#presence
        .holders()
        .filter(({ memberId }) => memberId !== this.memberId)
        .map(shardId),
    )
    const free = plan.filter((shard) => {
      const id = shardId(shard)
      return !this.#consumers.has(id) && !others.has(id)
    })
    if (free.length > 0) await this.#consume(free)
  }

  async #declare(): Promise<void> {
    for (const topic of this.settings.topics)
      await declareTopic(this.#link, this.settings, topic, this.settings.shards)
    this.#mustDeclare = false
  }

  #plan(): readonly Shard[] {
    const { topics, shards, sharing } = this.settings
    if (sharing === 'competing')
      return topics.flatMap((topic) =>
        Array.from({ length: shards }, (_, shard) => ({ topic, shard })),
      )
    const counts = new Map(topics.map((topic) => [topic, shards]))
    const { memberId } = this
    const others = this.#presence.members().filter((member) => member.memberId !== memberId)
    const holders = this.#presence.holders().filter((holder) => holder.memberId !== memberId)
    const mine = [...this.#consumers.values()].map(({ owned }) => ({
      topic: owned.topic,
      shard: owned.partition,
      memberId,
    }))
    return plannedShards(memberId, [...others, { memberId, topics }], counts, [...holders, ...mine])
  }

  async #consume(shards: readonly Shard[]): Promise<void> {
    if (this.#mustDeclare) await this.#declare()
    const opened = await Promise.allSettled(
      shards.map(async ({ topic, shard }) => {
        const owned = { topic, partition: shard, epoch: this.#nextEpoch() }
        const queue = queueName(topic, shard, this.settings.shards)
        const register = new SuspectRegister(this.#link, queue)
        return new QueueConsumer(this, await this.#link.channel(), owned, queue, register)
      }),
    )
    const consumers = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const failed = opened.find((each) => each.status === 'rejected')
    // What went before it was said to be held would be held by nobody.
    const isGone = this.#isDown || consumers.some(({ isOver }) => isOver)
    if (this.#closing !== null || failed !== undefined || isGone) {
      await Promise.all(consumers.map((consumer) => consumer.release()))
      if (failed !== undefined) throw failed.reason
      return
    }
    for (const consumer of consumers) this.#consumers.set(idOf(consumer.owned), consumer)
    this.events.assigned(
      consumers.map(({ owned }) => ({ ...owned, committed: null, startOffset: 0 })),
    )
    this.#announce()
    await this.#link.limited(Promise.all(consumers.map((consumer) => this.#begin(consumer))))
  }

  /** A queue that vanished meanwhile closes its channel, which is dealt with there. */
  async #begin(consumer: QueueConsumer): Promise<void> {
    try {
      await consumer.consume()
    } catch (error) {
      if (troubleOf(error) !== 'gone') throw error
    }
  }

  /** Drains, acknowledges, gives back; announcements go on meanwhile. */
  async #handOver(consumers: readonly QueueConsumer[]): Promise<void> {
    for (const consumer of consumers) consumer.isLeaving = true
    const { drainTimeoutMs } = this.#context
    try {
      const partitions = consumers.map(({ owned }) => owned)
      await within(
        this.settings.ports.timers,
        drainTimeoutMs,
        this.events.revoked(partitions),
        () => new Error(`longer than ${drainTimeoutMs} ms`),
      )
    } catch (error) {
      // Whatever became of the drain, the queue goes: what is not acknowledged goes back to it.
      this.events.notice({ kind: 'heartbeat-failed', reason: `a drain: ${messageOf(error)}` })
    }
    for (const consumer of consumers) {
      if (this.#consumers.get(idOf(consumer.owned)) === consumer)
        this.#consumers.delete(idOf(consumer.owned))
      await consumer.release()
    }
    this.#announce()
    this.#follow()
  }

  // --- losses ---

  #down(reason: string): void {
    if (this.#closing !== null || this.#isDown) return
    this.#isDown = true
    this.#beginning++
    this.#timer?.cancel()
    this.#group = null
    this.events.notice({
      kind: 'disconnected',
      address: new URL(this.settings.url).host,
      reason,
    })
    const lost = [...this.#consumers.values()]
    this.#consumers.clear()
    if (lost.length > 0) this.events.lost(lost.map(({ owned }) => owned))
    this.#beginAgain()
  }

  #beginAgain(): void {
    const { ports, reconnectBackoffMs, reconnectBackoffMaxMs } = this.settings
    const limits = { firstMs: reconnectBackoffMs, longestMs: reconnectBackoffMaxMs }
    this.#failures++
    this.#timer?.cancel()
    this.#timer = ports.timers.schedule(backoffMs(this.#failures, limits, ports.random), () => {
      this.#isDown = false
      void this.begin()
    })
  }

  #beginFailed(error: unknown): void {
    if (this.#closing !== null || this.#isDown) return
    if (mayPass(error)) {
      this.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
      this.#beginAgain()
    } else this.#refused(error)
  }

  #actFailed(error: unknown): void {
    if (this.#closing !== null || this.#isDown) return
    if (mayPass(error)) this.events.notice({ kind: 'heartbeat-failed', reason: messageOf(error) })
    else this.#refused(error)
  }

  #refused(error: unknown): void {
    this.#hasFailed = true
    this.events.failed(rabbitError(error, `group ${this.#context.group}`))
  }

  async #leave(): Promise<void> {
    this.#timer?.cancel()
    this.#stopWatching()
    await this.#following
    const consumers = [...this.#consumers.values()]
    this.#consumers.clear()
    await Promise.all(consumers.map((consumer) => consumer.release()))
    this.#announce({ isLeaving: true })
    await this.#group?.close()
    await this.#publisher.close()
    await this.#link.close()
  }

  #current({ topic, partition, epoch }: OwnedPartition): QueueConsumer | undefined {
    const consumer = this.#consumers.get(`${topic}/${partition}`)
    return consumer?.owned.epoch === epoch ? consumer : undefined
  }

  #nowMs(): number {
    return this.settings.ports.clock.monotonicMs()
  }
}

function idOf({ topic, partition }: OwnedPartition): string {
  return `${topic}/${partition}`
}
