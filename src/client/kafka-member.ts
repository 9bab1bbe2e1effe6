/**
 * A member over Kafka's protocol: a session of the Kafka source, whose pushed batches it keeps until they are fetched.
 *
 *   source ──records──▶ buffer of the partition ──fetch──▶ consumer
 *     ▲ pause/resume ◀──── above / below a limit                │ release
 *     │                         ┌── due ◀── redeliveries ◀──────┘
 *
 * Kafka knows no negative acknowledgement: a released record waits here and is delivered again, counted, while the records
 * after it flow; after its last attempt it goes to `<topic>-dlq`. The count begins anew when the partition moves.
 */

import { ShoalError, sleep } from '../core/index.ts'
import type { Clock, Logger, Timers } from '../core/index.ts'
import { deadLetterOf } from '../consumer/index.ts'
import type {
  Assignment,
  CommitPosition,
  OwnedPartition,
  Source,
  SourceBatch,
  SourceEvents,
  SourceNotice,
  SourceRecord,
  SourceSession,
} from '../consumer/index.ts'
import type { ConsumerSettings } from './config.ts'
import type {
  Delivery,
  Member,
  MemberEvents,
  NackOutcome,
  PollLimits,
  Settlement,
  SettlementResult,
} from './member.ts'
import { Redeliveries } from './redeliveries.ts'
import { notStored } from './settling.ts'
import { Signal } from './signal.ts'

/** A partition with more records than this is paused, and goes on at half of it. */
const BUFFERED_RECORDS = 1_000
const RETRY_MS = 100
/** Kept of the time that a revoke may take, for the commit. */
const REVOKE_SHARE = 0.8

export interface KafkaMemberParts {
  readonly source: Source
  readonly settings: ConsumerSettings
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

interface Buffer extends OwnedPartition {
  records: readonly SourceRecord[]
  /** The first of `records` that was not fetched. */
  next: number
  isPaused: boolean
}

export class KafkaMember implements Member, SourceEvents {
  readonly #parts: KafkaMemberParts
  readonly #events: MemberEvents
  readonly #buffers = new Map<string, Buffer>()
  readonly #redeliveries = new Redeliveries()
  readonly #firstFailures = new WeakMap<SourceRecord, number>()
  readonly #arrived: Signal
  #session: SourceSession | null = null
  #failure: Error | null = null
  #turn = 0

  private constructor(parts: KafkaMemberParts, events: MemberEvents) {
    this.#parts = parts
    this.#events = events
    this.#arrived = new Signal(parts.timers)
  }

  static async open(parts: KafkaMemberParts, events: MemberEvents): Promise<KafkaMember> {
    const member = new KafkaMember(parts, events)
    const { groupId: group, rebalanceTimeoutMs } = parts.settings
    member.#session = await parts.source.open({
      group,
      events: member,
      drainTimeoutMs: rebalanceTimeoutMs,
    })
    return member
  }

  get memberId(): string {
    return this.#session?.memberId ?? ''
  }

  // --- what the consumer asks ---

  async fetch(limits: PollLimits): Promise<readonly Delivery[]> {
    const { clock } = this.#parts
    const { timeoutMs, signal } = limits
    const endMs = clock.monotonicMs() + timeoutMs
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const deliveries = this.#take(limits)
      const leftMs = endMs - clock.monotonicMs()
      if (deliveries.length > 0 || leftMs <= 0 || signal.aborted) return deliveries
      const dueMs = this.#redeliveries.nextDueMs() - clock.monotonicMs()
      await this.#arrived.wait(Math.max(0, Math.min(leftMs, dueMs)), signal)
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    const { clock, timers, settings } = this.#parts
    const endMs = clock.monotonicMs() + settings.requestTimeoutMs
    const results: SettlementResult[] = []
    let left: readonly CommitPosition[] = settlements.map(positionOf)
    for (;;) {
      const answers = await this.#open().commit(left)
      for (const { outcome, ...owned } of answers)
        if (outcome !== 'retry')
          results.push({ ...owned, outcome: outcome === 'stale' ? 'stale' : 'settled' })
      const again = new Set(answers.filter(({ outcome }) => outcome === 'retry').map(idOf))
      left = left.filter((position) => again.has(idOf(position)))
      if (left.length === 0) return results
      if (this.#failure !== null) throw this.#failure
      if (clock.monotonicMs() >= endMs) throw notStored(settings)
      await sleep(timers, RETRY_MS)
    }
  }

  async release(
    delivery: Delivery,
    delayMs: number | null,
    reason: string | null,
  ): Promise<NackOutcome> {
    const { settings, clock } = this.#parts
    const { record, deliveryCount } = delivery
    this.#noteFailure(record)
    if (deliveryCount >= settings.maxAttempts)
      return this.#bury(delivery, 'attempts-exhausted', reason ?? 'negatively acknowledged')
    const { nackBackoffMs, nackBackoffMaxMs } = settings
    const waitMs = delayMs ?? Math.min(nackBackoffMaxMs, nackBackoffMs * 2 ** (deliveryCount - 1))
    this.#redeliveries.add(
      { ...delivery, deliveryCount: deliveryCount + 1 },
      clock.monotonicMs() + waitMs,
    )
    this.#arrived.raise()
    return { kind: 'released', visibleAtMs: clock.wallMs() + waitMs }
  }

  async reject(delivery: Delivery, reason: string): Promise<NackOutcome> {
    this.#noteFailure(delivery.record)
    return this.#bury(delivery, 'rejected', reason)
  }

  async close(): Promise<void> {
    await this.#session?.close()
    this.#buffers.clear()
    this.#redeliveries.clear()
  }

  // --- what the source tells ---

  assigned(assignments: readonly Assignment[]): void {
    for (const { topic, partition, epoch } of assignments) {
      const owned = { topic, partition, epoch }
      this.#buffers.set(idOf(owned), { ...owned, records: [], next: 0, isPaused: false })
    }
    this.#events.assigned(assignments, assignments[0]?.generation ?? null)
  }

  async revoked(
    partitions: readonly OwnedPartition[],
    limitMs: number = this.#parts.settings.rebalanceTimeoutMs,
  ): Promise<void> {
    this.#forget(partitions)
    await this.#events.revoked(partitions, limitMs * REVOKE_SHARE)
  }

  lost(partitions: readonly OwnedPartition[]): void {
    this.#forget(partitions)
    this.#events.lost(partitions)
  }

  records(batch: SourceBatch): void {
    const buffer = this.#buffers.get(idOf(batch))
    if (buffer?.epoch !== batch.epoch) return
    const left = buffer.next === buffer.records.length ? [] : buffer.records.slice(buffer.next)
    buffer.records = [...left, ...batch.records]
    buffer.next = 0
    if (buffer.records.length > BUFFERED_RECORDS && !buffer.isPaused) {
      buffer.isPaused = true
      this.#session?.pause(buffer)
    }
    this.#arrived.raise()
  }

  endOfPartition(): void {}

  notice({ kind, ...facts }: SourceNotice): void {
    const level = kind === 'joined' || kind === 'reconnected' ? 'info' : 'warn'
    const { logger, settings } = this.#parts
    logger.log(level, `source: ${kind}`, { group: settings.groupId, ...facts })
  }

  failed(error: Error): void {
    this.#failure = error
    this.#arrived.raise()
  }

  // --- buffers ---

  /** Redeliveries that are due, then the partitions in turns, so that none starves the others. */
  #take({ maxRecords, isFull }: PollLimits): readonly Delivery[] {
    const nowMs = this.#parts.clock.monotonicMs()
    const deliveries: Delivery[] = this.#redeliveries.takeDue(nowMs, maxRecords)
    if (this.#session?.ownershipIsFresh() === false) return deliveries
    const buffers = [...this.#buffers.values()]
    this.#turn++
    for (let index = 0; index < buffers.length && deliveries.length < maxRecords; index++) {
      const buffer = buffers[(index + this.#turn) % buffers.length]
      if (buffer !== undefined && !isFull(buffer)) this.#takeFrom(buffer, deliveries, maxRecords)
    }
    return deliveries
  }

  #takeFrom(buffer: Buffer, deliveries: Delivery[], maxRecords: number): void {
    const { topic, partition, epoch, records } = buffer
    for (; buffer.next < records.length && deliveries.length < maxRecords; buffer.next++) {
      const record = records[buffer.next]
      if (record !== undefined)
        deliveries.push({ topic, partition, epoch, record, deliveryCount: 1 })
    }
    if (buffer.isPaused && records.length - buffer.next < BUFFERED_RECORDS / 2) {
      buffer.isPaused = false
      this.#session?.resume(buffer)
    }
  }

  #forget(partitions: readonly OwnedPartition[]): void {
    for (const owned of partitions) {
      if (this.#buffers.get(idOf(owned))?.epoch === owned.epoch) this.#buffers.delete(idOf(owned))
      this.#redeliveries.forget(owned)
    }
  }

  // --- dead letters ---

  #noteFailure(record: SourceRecord): void {
    if (!this.#firstFailures.has(record))
      this.#firstFailures.set(record, this.#parts.clock.wallMs())
  }

  async #bury(delivery: Delivery, reason: string, error: string): Promise<NackOutcome> {
    const { clock, settings } = this.#parts
    const topic = `${delivery.topic}-dlq`
    const lastFailureMs = clock.wallMs()
    await this.#open().produce(
      deadLetterOf(
        { record: delivery.record, partition: delivery },
        {
          group: settings.groupId,
          topic,
          reason,
          error,
          attempts: delivery.deliveryCount,
          firstFailureMs: this.#firstFailures.get(delivery.record) ?? lastFailureMs,
          lastFailureMs,
        },
      ),
    )
    return { kind: 'dead-lettered', topic }
  }

  #open(): SourceSession {
    if (this.#session === null)
      throw new ShoalError('SHOAL_CLOSED', 'the consumer is not in its group yet')
    return this.#session
  }
}

function positionOf({ topic, partition, epoch, position }: Settlement): CommitPosition {
  return { topic, partition, epoch, offset: position, metadata: '' }
}

function idOf({ topic, partition }: Pick<OwnedPartition, 'topic' | 'partition'>): string {
  return `${topic}/${partition}`
}
