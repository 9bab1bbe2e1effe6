/** What a poll acquired, as records for a member: decoded, each with the handle that settles it. */

import {
  type AcknowledgementBatch,
  acknowledgeRecords,
  AcknowledgeType,
  type OffsetRange,
} from '../../group/index.ts'
import type { RecordBatch } from '../../protocol/index.ts'
import type { DeliveredRecord, DeliveryPoll } from './delivery.ts'
import type { PolledPartition } from './poll.ts'
import { recordsOf } from './read-log.ts'
import type { ReceiptKey } from './receipt-handle.ts'

export interface DeliveredWorld {
  readonly receipts: ReceiptKey
  readonly wallMs: number
  readonly topic: string
}

/** A batch whose inside is not what its header says is nobody's: its records are given up here. */
export function deliveredRecords(
  { topicId, partition, slot, acquired }: PolledPartition,
  { groupId, memberId, lockDurationMs }: DeliveryPoll,
  { receipts, wallMs, topic }: DeliveredWorld,
): readonly DeliveredRecord[] {
  const state = slot?.state ?? null
  if (slot === null || acquired === null || state === null) return []
  const lockedUntilMs = wallMs + (lockDurationMs ?? state.config.recordLockDurationMs)
  const { stateEpoch } = state.partition
  const where = { topic, topicId, partition, lockedUntilMs }
  const delivered: DeliveredRecord[] = []
  const unreadable: AcknowledgementBatch[] = []
  for (const batch of acquired.batches) {
    const records = recordsOf(batch)
    if (records === null) unreadable.push(...rejectionOf(batch, acquired.records, wallMs))
    for (const record of records ?? []) {
      const { offset } = record
      const range = acquired.records.find((each) => isIn(each, offset))
      if (range === undefined) continue
      const { deliveryCount } = range
      const receipt = { groupId, memberId, topicId, partition, offset, deliveryCount, stateEpoch }
      const receiptHandle = receipts.handleOf(receipt)
      delivered.push({ ...record, ...where, deliveryCount, receiptHandle })
    }
  }
  if (unreadable.length > 0)
    slot.decide((current, nowMs) =>
      acknowledgeRecords(current, { memberId, batches: unreadable, nowMs }),
    )
  return delivered
}

function rejectionOf(
  { baseOffset, lastOffset }: RecordBatch,
  acquired: readonly OffsetRange[],
  atMs: number,
): AcknowledgementBatch[] {
  return acquired
    .filter((range) => range.firstOffset <= lastOffset && baseOffset <= range.lastOffset)
    .map((range) => ({
      firstOffset: Math.max(range.firstOffset, baseOffset),
      lastOffset: Math.min(range.lastOffset, lastOffset),
      acknowledgeTypes: [AcknowledgeType.Reject],
      failure: { error: 'the batch of the record cannot be read', atMs },
    }))
}

function isIn({ firstOffset, lastOffset }: OffsetRange, offset: number): boolean {
  return firstOffset <= offset && offset <= lastOffset
}
