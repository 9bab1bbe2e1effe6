/**
 * Per-record delivery, alive: share-partitions over the journal of the groups, polls that wait, handles that settle, dead
 * letters behind them. `delivery.ts` says what callers may rely on.
 *
 * Listens to the records of the groups: a commit or the end of a group changes deliveries, a member that leaves or gives a
 * partition up leaves what it held to the others. A stalled process ends no lock: every deadline moves by the time lost.
 */

import type { Clock, Logger, Timers } from '../../core/index.ts'
import { ShoalError } from '../../core/index.ts'
import {
  type AssignedPartitions,
  type AcknowledgementBatch,
  acknowledgeRecords,
  type AcknowledgeResponse,
  commitSharePartition,
  deliveryCounts,
  startSharePartition,
  type GroupRecord,
  heldBy,
  dueDeadLetters,
  releaseMember,
  type SharePartitionId,
} from '../../group/index.ts'
import type { LogStore } from '../../log/index.ts'
import type { GroupService } from '../group-service.ts'
import type { BrokerSettings } from '../settings/broker-settings.ts'
import { StallWatch } from '../stall-watch.ts'
import type { TopicService } from '../topics/topic-service.ts'
import { DeadLetterWriter } from './dead-letters.ts'
import type {
  Deliveries,
  DeliveredRecord,
  DeliveryCount,
  DeliveryPartition,
  DeliveryPoll,
  DeliveryPollResult,
  DeliveryProblem,
  Settlement,
  SettlementResult,
} from './delivery.ts'
import { DeliveryConfigs } from './delivery-config.ts'
import { PartitionSlot, type SlotWorld } from './partition-slot.ts'
import { type PolledPartition, pollPartitions, type PollRequest, type PollWorld } from './poll.ts'
import { deliveredRecords } from './delivered.ts'
import type { Receipt, ReceiptKey } from './receipt-handle.ts'
import { settleReceipts } from './settle.ts'

export interface DeliveryServiceOptions {
  readonly groups: GroupService
  readonly topics: TopicService
  readonly receipts: ReceiptKey
  readonly logs: Pick<LogStore, 'flushed'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readonly settings: BrokerSettings
  /** Ends the instance: a decision broke an invariant. */
  readonly fail: (error: Error) => void
}

export class DeliveryService implements Deliveries {
  readonly configs: DeliveryConfigs
  readonly #options: DeliveryServiceOptions
  /** Group → topic id and partition. */
  readonly #slots = new Map<string, Map<string, PartitionSlot>>()
  readonly #stalls: StallWatch
  readonly #letters: DeadLetterWriter
  readonly #world: PollWorld & SlotWorld
  readonly #gone = new AbortController()
  #stalledMs = 0

  constructor(options: DeliveryServiceOptions) {
    this.#options = options
    const { clock, timers, groups, topics, logger, settings, fail } = options
    const isShareGroup = (groupId: string) => groups.isShareGroup(groupId)
    this.configs = new DeliveryConfigs({ topics, settings, isShareGroup })
    this.#stalls = new StallWatch({
      clock,
      timers,
      isNeeded: () => this.#all().some((slot) => slot.hasHolds),
      onStall: (durationMs) => {
        this.#stalledMs += durationMs
      },
    })
    const wallMs = () => clock.wallMs()
    this.#letters = new DeadLetterWriter({ topics, timers, logger, wallMs, fail })
    this.#world = {
      shares: groups.shares,
      topics,
      timers,
      fail,
      nowMs: () => this.#nowMs(),
      configOf: (id) => this.configs.of(id),
      isOrderedByKey: (id) => this.configs.isOrderedByKey(id),
      hasTopic: ({ topicId }) => topics.table.byId(topicId) !== undefined,
      committedOffset: ({ groupId, topicId, partition }) => {
        const topic = topics.table.byId(topicId)
        return topic === undefined ? null : groups.committedOffset(groupId, topic.name, partition)
      },
      record: (id, records) => {
        this.#requireOpen()
        groups.recordDeliveries(id, records)
      },
      watch: () => this.#stalls.watch(),
      closing: this.#gone.signal,
      deadLettersDue: (slot) => this.#letters.due(slot),
      slotOf: (groupId, partition) => this.#slotOf({ groupId, ...partition }),
    }
    groups.onRecords((records) => this.#recorded(records))
  }

  /**
   * Call once, when the journal is replayed: goes on with the dead letters that a crash left, and with the end of topics
   * that it cut in two.
   */
  start(): void {
    const { groups, topics } = this.#options
    for (const share of groups.shares.all()) {
      const { groupId, topicId, partition } = share
      const id = { groupId, topicId, partition }
      if (topics.table.byId(topicId) === undefined) this.forget(id)
      else if (dueDeadLetters(share).length > 0) this.#letters.due(this.#slotOf(id))
    }
  }

  async poll(poll: DeliveryPoll): Promise<DeliveryPollResult> {
    const { receipts, clock, topics } = this.#options
    const polled = await this.acquire({ ...poll, mode: 'record-limit' })
    const world = { receipts, wallMs: clock.wallMs() }
    const records: DeliveredRecord[] = []
    const problems: DeliveryProblem[] = []
    for (const each of polled) {
      const { topicId, partition, problem } = each
      const topic = topics.table.byId(topicId)?.name
      // Deleted while it was read: what could not be read then is not damaged.
      if (topic === undefined) problems.push({ topicId, partition, problem: UNKNOWN_TOPIC })
      else if (problem !== null) problems.push({ topicId, partition, problem })
      else records.push(...deliveredRecords(each, poll, { ...world, topic }))
    }
    await this.#options.logs.flushed()
    return { records, problems }
  }

  /** The same as `poll`, as batches. The caller waits for the flush before it answers. */
  acquire(request: PollRequest): Promise<readonly PolledPartition[]> {
    this.#requireOpen()
    return pollPartitions(request, this.#world)
  }

  async settle(
    receiptHandles: readonly string[],
    settlement: Settlement,
    memberId: string | null,
  ): Promise<readonly SettlementResult[]> {
    this.#requireOpen()
    const { receipts, topics, logs, clock } = this.#options
    const results: SettlementResult[] = []
    const bySlot = new Map<PartitionSlot, { readonly index: number; readonly receipt: Receipt }[]>()
    for (const [index, handle] of receiptHandles.entries()) {
      const receipt = receipts.receiptOf(handle)
      const refusal = receipt === null ? INVALID : this.#refusalOf(receipt, memberId)
      if (receipt === null || refusal !== null) {
        results[index] = refusal ?? INVALID
        continue
      }
      const slot = this.#slotOf(receipt)
      const indexed = bySlot.get(slot) ?? []
      indexed.push({ index, receipt })
      bySlot.set(slot, indexed)
    }
    const world = { clock, nowMs: () => this.#nowMs() }
    for (const [slot, indexed] of bySlot) {
      const topic = topics.table.byId(slot.id.topicId)?.name ?? slot.id.topicId
      const settled = settleReceipts(
        slot,
        topic,
        indexed.map(({ receipt }) => receipt),
        settlement,
        world,
      )
      for (const [position, { index }] of indexed.entries()) {
        const result = settled[position]
        if (result !== undefined) results[index] = result
      }
    }
    await logs.flushed()
    return results
  }

  async releaseMember(
    groupId: string,
    memberId: string,
    partitions?: readonly DeliveryPartition[],
  ): Promise<void> {
    this.#release(groupId, memberId, (id) =>
      partitions === undefined
        ? true
        : partitions.some(
            ({ topicId, partition }) => topicId === id.topicId && partition === id.partition,
          ),
    )
    await this.#options.logs.flushed()
  }

  counts(groupId: string): readonly DeliveryCount[] {
    const result: DeliveryCount[] = []
    for (const { topicId, partition, startOffset } of this.#options.groups.shares.of(groupId)) {
      const { state } = this.#slotOf({ groupId, topicId, partition })
      if (state === null) continue
      const counts = deliveryCounts(state, this.#nowMs())
      const { available, acquired, delayed, archiving, acknowledged, archived } = counts
      const done = acknowledged + archived
      const inFlight = { available, acquired, delayed, archiving, done }
      result.push({ topicId, partition, ...inFlight, startOffset })
    }
    return result
  }

  /**
   * Acknowledges, releases, rejects or renews by offsets, as Kafka's share consumers do; the caller waits for the flush.
   * Null when the group was delivered nothing there.
   */
  acknowledge(
    id: SharePartitionId,
    memberId: string,
    batches: readonly AcknowledgementBatch[],
  ): AcknowledgeResponse | null {
    this.#requireOpen()
    return this.#slotOf(id).decide((state, nowMs) =>
      acknowledgeRecords(state, { memberId, batches, nowMs }),
    )
  }

  /** The group begins anew at this offset; what it was delivered is forgotten. */
  beginAt(id: SharePartitionId, offset: number): void {
    const { groups } = this.#options
    groups.recordDeliveries(id, [startSharePartition(id, groups.shares.get(id), offset)])
  }

  /** The group has no state in the partition any more. */
  forget(id: SharePartitionId): void {
    const { groups } = this.#options
    const partition = groups.shares.get(id)
    if (partition !== null) groups.recordDeliveries(id, commitSharePartition(partition, -1))
  }

  /** Ends waits and timers. Idempotent. */
  close(): void {
    this.#gone.abort()
    this.#stalls.close()
    this.#letters.close()
    for (const slot of this.#all()) slot.close()
  }

  #requireOpen(): void {
    if (this.#gone.signal.aborted) throw new ShoalError('SHOAL_CLOSED', 'the broker closed')
  }

  #refusalOf(
    { groupId, topicId, memberId: holder, partition }: Receipt,
    memberId: string | null,
  ): SettlementResult | null {
    const { topics, groups } = this.#options
    if (memberId !== null && memberId !== holder)
      return refuse('HELD_BY_OTHER', `the handle was given to member ${holder}, not to ${memberId}`)
    if (topics.table.byId(topicId) === undefined)
      return refuse('UNKNOWN', 'the topic of the handle is gone')
    return groups.shares.get({ groupId, topicId, partition }) === null
      ? refuse('UNKNOWN', `group ${groupId} has no deliveries of the topic any more`)
      : null
  }

  #recorded(records: readonly GroupRecord[]): void {
    for (const record of records)
      switch (record.kind) {
        case 'group-deleted':
          for (const slot of this.#slots.get(record.groupId)?.values() ?? []) slot.refresh()
          this.#slots.delete(record.groupId)
          break
        case 'share-started':
        case 'share-delivery':
        case 'share-failed':
        case 'share-log-start':
        case 'share-committed':
        case 'share-deleted':
          this.#known(record)?.refresh()
          break
        case 'consumer-member-left':
        case 'consumer-member-replaced':
        case 'share-group-member-left':
          this.#release(record.groupId, record.memberId, () => true)
          break
        case 'member-epoch': {
          const owned = [...record.assigned, ...record.pendingRevocation]
          this.#release(record.groupId, record.memberId, (id) => !isOwned(owned, id))
          break
        }
        default:
      }
  }

  /** What a member held in these partitions is available again. */
  #release(groupId: string, memberId: string, isGone: (id: SharePartitionId) => boolean): void {
    if (this.#gone.signal.aborted) return
    for (const slot of this.#slots.get(groupId)?.values() ?? []) {
      if (!slot.hasHolds || !isGone(slot.id)) continue
      const { state } = slot
      if (state === null || heldBy(state, memberId, this.#nowMs()).length === 0) continue
      slot.decide((current, nowMs) => releaseMember(current, memberId, nowMs))
    }
  }

  #nowMs(): number {
    this.#stalls.notice()
    return this.#options.clock.monotonicMs() - this.#stalledMs
  }

  #slotOf({ groupId, topicId, partition }: SharePartitionId): PartitionSlot {
    const known = this.#known({ groupId, topicId, partition })
    if (known !== undefined) return known
    const slot = new PartitionSlot({ groupId, topicId, partition }, this.#world)
    const slots = this.#slots.get(groupId) ?? new Map<string, PartitionSlot>()
    slots.set(keyOf(slot.id), slot)
    this.#slots.set(groupId, slots)
    return slot
  }

  #known(id: SharePartitionId): PartitionSlot | undefined {
    return this.#slots.get(id.groupId)?.get(keyOf(id))
  }

  #all(): PartitionSlot[] {
    return [...this.#slots.values()].flatMap((slots) => [...slots.values()])
  }
}

function isOwned(owned: readonly AssignedPartitions[], id: SharePartitionId): boolean {
  return owned.some(
    ({ topicId, partitions }) =>
      topicId === id.topicId && partitions.some(([partition]) => partition === id.partition),
  )
}

function refuse(
  refusal: 'INVALID_HANDLE' | 'UNKNOWN' | 'HELD_BY_OTHER',
  message: string,
): SettlementResult {
  return { kind: 'refused', refusal, message }
}

const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION'

const INVALID = refuse('INVALID_HANDLE', 'not a receipt handle of this broker')

function keyOf({ topicId, partition }: Pick<SharePartitionId, 'topicId' | 'partition'>): string {
  return `${topicId}/${partition}`
}
