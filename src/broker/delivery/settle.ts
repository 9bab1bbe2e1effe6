/**
 * Settling deliveries by their handles: what each handle's delivery is now, one decision for those that still hold, and
 * what became of each record.
 *
 * A handle settles one delivery. Acknowledging what is done already is answered as before (`repeated`), for an answer may
 * have been lost; anything else about a delivery that is over is refused, and nothing changes.
 */

import {
  type AcknowledgementBatch,
  acknowledgeRecords,
  AcknowledgeType,
  deliveryAt,
  deliveryCounts,
  type ShareState,
} from '../../group/index.ts'
import { assertInvariant, type Clock } from '../../core/index.ts'
import { deadLetterTopicOf } from './dead-letters.ts'
import type { SettledRecord, Settlement, SettlementRefusal, SettlementResult } from './delivery.ts'
import type { PartitionSlot } from './partition-slot.ts'
import type { Receipt } from './receipt-handle.ts'

export interface SettleWorld {
  readonly clock: Clock
  nowMs(): number
}

/** How a handle's delivery stands: it holds, it was acknowledged before, or it is over. */
type Standing = 'holds' | 'repeated' | Exclude<SettlementRefusal, 'INVALID_HANDLE'>

/** Settles receipts of one share-partition; the results are in their order. */
export function settleReceipts(
  slot: PartitionSlot,
  topic: string,
  receipts: readonly Receipt[],
  settlement: Settlement,
  world: SettleWorld,
): readonly SettlementResult[] {
  const { state } = slot
  if (state === null)
    return receipts.map(() => refused('UNKNOWN', `the group has no deliveries of ${topic}`))
  const nowMs = world.nowMs()
  const first = new Map<number, Receipt>()
  const standings = receipts.map((receipt): Standing => {
    const standing = standingOf(state, receipt, settlement, nowMs)
    if (standing !== 'holds' || !first.has(receipt.offset)) {
      if (standing === 'holds') first.set(receipt.offset, receipt)
      return standing
    }
    // Twice in one request: the second meets what the first one left.
    return settlement.kind === 'acknowledge' ? 'repeated' : 'EXPIRED'
  })
  settleHeld(slot, [...first.values()], settlement, { atMs: world.clock.wallMs(), nowMs })
  const after = slot.state ?? state
  const common = {
    topic,
    committedOffset: after.partition.startOffset,
    hasAdvanced: after.partition.startOffset > state.partition.startOffset,
    inFlightCount: deliveryCounts(after, nowMs).acquired,
  }
  return receipts.map((receipt, index) => {
    const standing = standings[index] ?? 'UNKNOWN'
    if (standing !== 'holds' && standing !== 'repeated')
      return refused(standing, sentences[standing](topic, receipt))
    const outcome =
      standing === 'repeated' ? REPEATED : outcomeOf(after, receipt, settlement, { topic, world })
    const { groupId, partition, offset, deliveryCount } = receipt
    return { kind: 'settled', groupId, partition, offset, deliveryCount, ...common, ...outcome }
  })
}

/** Decides at the moment at which the receipts were found to hold: a lock may end right after it. */
function settleHeld(
  slot: PartitionSlot,
  receipts: readonly Receipt[],
  settlement: Settlement,
  { atMs, nowMs }: { readonly atMs: number; readonly nowMs: number },
): void {
  const byMember = Map.groupBy(receipts, ({ memberId }) => memberId)
  for (const [memberId, held] of byMember) {
    const batches = batchesOf(held, settlement, atMs)
    const response = slot.decide((state) => acknowledgeRecords(state, { memberId, batches, nowMs }))
    assertInvariant(
      response === null || response.errorCode === 'NONE',
      'a delivery that was held could not be settled',
    )
  }
}

/** Neighbours that were delivered alike are settled as one range. */
function batchesOf(
  receipts: readonly Receipt[],
  settlement: Settlement,
  atMs: number,
): AcknowledgementBatch[] {
  const batches: AcknowledgementBatch[] = []
  const inOrder = [...receipts].sort((left, right) => left.offset - right.offset)
  for (const { offset, deliveryCount } of inOrder) {
    const last = batches.at(-1)
    if (last?.lastOffset === offset - 1 && last.deliveryCount === deliveryCount)
      batches[batches.length - 1] = { ...last, lastOffset: offset }
    else
      batches.push({
        firstOffset: offset,
        lastOffset: offset,
        deliveryCount,
        ...actOf(settlement),
        ...failureOf(settlement, atMs),
      })
  }
  return batches
}

/** What the member says went wrong: kept until the record is done. */
function failureOf(settlement: Settlement, atMs: number) {
  const error = 'reason' in settlement ? settlement.reason : undefined
  return error === undefined ? {} : { failure: { error, atMs } }
}

function actOf(settlement: Settlement) {
  switch (settlement.kind) {
    case 'acknowledge':
      return { acknowledgeTypes: [AcknowledgeType.Accept] }
    case 'reject':
      return { acknowledgeTypes: [AcknowledgeType.Reject] }
    case 'release':
      return {
        acknowledgeTypes: [AcknowledgeType.Release],
        ...(settlement.delayMs === undefined ? {} : { durationMs: settlement.delayMs }),
      }
    case 'renew':
      return {
        acknowledgeTypes: [AcknowledgeType.Renew],
        ...(settlement.lockDurationMs === undefined
          ? {}
          : { durationMs: settlement.lockDurationMs }),
      }
  }
}

function standingOf(
  state: ShareState,
  { stateEpoch, offset, memberId, deliveryCount }: Receipt,
  settlement: Settlement,
  nowMs: number,
): Standing {
  const { partition } = state
  if (stateEpoch !== partition.stateEpoch) return 'EXPIRED'
  const isAcknowledging = settlement.kind === 'acknowledge'
  if (offset < partition.startOffset) return isAcknowledging ? 'repeated' : 'EXPIRED'
  const segment = deliveryAt(state, offset)
  if (segment === null) return 'EXPIRED'
  const { delivery, hold } = segment
  if (delivery.state === 'acknowledged') return isAcknowledging ? 'repeated' : 'EXPIRED'
  if (delivery.state !== 'available') return 'EXPIRED'
  if (hold?.kind !== 'lock' || hold.untilMs <= nowMs) return 'EXPIRED'
  if (hold.memberId !== memberId) return 'HELD_BY_OTHER'
  return delivery.deliveryCount === deliveryCount ? 'holds' : 'EXPIRED'
}

type Outcome = Pick<SettledRecord, 'outcome' | 'untilMs' | 'deadLetterTopic'>

const REPEATED: Outcome = { outcome: 'repeated', untilMs: null, deadLetterTopic: null }

/** What became of a record that was settled. */
function outcomeOf(
  after: ShareState,
  { offset }: Receipt,
  settlement: Settlement,
  { topic, world }: { readonly topic: string; readonly world: SettleWorld },
): Outcome {
  if (settlement.kind === 'acknowledge')
    return { outcome: 'acknowledged', untilMs: null, deadLetterTopic: null }
  const segment = deliveryAt(after, offset)
  if (segment === null || segment.delivery.state !== 'available')
    return {
      outcome: 'dead-lettered',
      untilMs: null,
      deadLetterTopic: after.config.hasDeadLetters ? deadLetterTopicOf(topic) : null,
    }
  const nowMs = world.nowMs()
  const untilMs = Math.round(world.clock.wallMs() + (segment.hold?.untilMs ?? nowMs) - nowMs)
  const outcome = settlement.kind === 'renew' ? 'renewed' : 'released'
  return { outcome, untilMs, deadLetterTopic: null }
}

function refused(refusal: SettlementRefusal, message: string): SettlementResult {
  return { kind: 'refused', refusal, message }
}

const sentences = {
  UNKNOWN: (topic: string, { groupId }: Receipt) =>
    `group ${groupId} has no deliveries of ${topic} any more`,
  EXPIRED: (topic: string, { partition, offset }: Receipt) =>
    `the delivery of ${topic}/${partition} offset ${offset} is over: its lock ended or it was settled; poll again`,
  HELD_BY_OTHER: (topic: string, { partition, offset, memberId }: Receipt) =>
    `${topic}/${partition} offset ${offset} is held by another member than ${memberId}`,
} as const
