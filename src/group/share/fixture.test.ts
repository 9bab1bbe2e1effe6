/** A share-partition with its journal, over simulated time; crashes at will. Also checks what holds for every decision. */

import assert from 'node:assert/strict'
import { Fields } from '../json-fields.ts'
import {
  type AcknowledgementBatch,
  acknowledgeRecords,
  AcknowledgeType,
  acquireRecords,
  type AcquireRequest,
  applyShareRecord,
  deadLettersWritten,
  DEFAULT_SHARE_CONFIG,
  expireHolds,
  holdsAfter,
  moveLogStart,
  NO_HOLDS,
  releaseMember,
  type ShareConfig,
  type ShareDecision,
  type SharePartition,
  type ShareRecord,
  shareSnapshotOf,
  type ShareState,
  startSharePartition,
} from './index.ts'
import { shareRecordFromJson, shareRecordToJson } from './record-codec.ts'
import { segments } from './holds.ts'

export const ID = { groupId: 'orders-workers', topicId: 'topic-1', partition: 0 }
export const { Gap, Accept, Release, Reject, Renew } = AcknowledgeType

export class ShareSim {
  nowMs = 1_000
  state: ShareState
  journal: ShareRecord[]

  constructor(config: Partial<ShareConfig> = {}, startOffset = 0) {
    this.journal = [startSharePartition(ID, null, startOffset)]
    this.state = {
      partition: replay(this.journal),
      holds: NO_HOLDS,
      config: { ...DEFAULT_SHARE_CONFIG, ...config },
    }
  }

  /** A member reads batches of ten from one offset to another, or what it says it read. */
  acquire(
    memberId: string,
    fromOffset: number,
    toOffset: number,
    more: Partial<AcquireRequest> = {},
  ) {
    const batches = []
    for (let offset = fromOffset; offset < toOffset; offset += 10)
      batches.push({ firstOffset: offset, lastOffset: Math.min(offset + 9, toOffset - 1) })
    return this.take(
      acquireRecords(this.state, {
        memberId,
        maxRecords: 1_000,
        mode: 'record-limit',
        read: { fromOffset, toOffset, batches },
        nowMs: this.nowMs,
        ...more,
      }),
    )
  }

  acknowledge(memberId: string, ...batches: AcknowledgementBatch[]) {
    return this.take(acknowledgeRecords(this.state, { memberId, batches, nowMs: this.nowMs }))
  }

  expire() {
    return this.take(expireHolds(this.state, this.nowMs))
  }

  leave(memberId: string) {
    return this.take(releaseMember(this.state, memberId, this.nowMs))
  }

  moveLogStart(offset: number) {
    return this.take(moveLogStart(this.state, offset))
  }

  deadLettersWritten(...ranges: { firstOffset: number; lastOffset: number }[]) {
    return this.take(deadLettersWritten(this.state, ranges, this.nowMs))
  }

  /** Records that came from elsewhere: a commit, a reset. */
  takeOver(records: readonly ShareRecord[]): void {
    const before = this.state.partition
    const partition = records.reduce<SharePartition | null>(applyShareRecord, before)
    assert.ok(partition !== null)
    for (const record of records) assert.deepEqual(overDisk(record), record)
    this.journal.push(...records)
    this.state = {
      ...this.state,
      partition,
      holds: holdsAfter(before, partition, this.state.holds),
    }
    assertHolds(this.state)
  }

  crash({ fromSnapshot = false } = {}): void {
    const { partition, config } = this.state
    if (fromSnapshot) this.journal = [shareSnapshotOf(partition)]
    const restarted = replay(this.journal)
    assert.deepEqual(restarted, partition)
    this.state = { partition: restarted, holds: NO_HOLDS, config }
  }

  /** How every offset in flight stands, as short words: `2 b`: delivered twice, b has it. */
  get view(): string[] {
    const { partition, holds } = this.state
    const { startOffset, endOffset } = partition
    return segments(partition, holds, { firstOffset: startOffset, lastOffset: endOffset - 1 }).map(
      ({ firstOffset, lastOffset, delivery, hold }) => {
        const count = 'deliveryCount' in delivery ? ` ${delivery.deliveryCount}` : ''
        const holder = hold?.kind === 'lock' ? ` ${hold.memberId}` : ''
        const until = hold === null ? '' : ` until ${hold.untilMs}`
        return `${firstOffset}-${lastOffset} ${delivery.state}${count}${holder}${until}`
      },
    )
  }

  take<T>(decision: ShareDecision<T>) {
    const { records, response, holds } = decision
    const before = JSON.stringify(this.state)
    const partition = records.reduce<SharePartition | null>(applyShareRecord, this.state.partition)
    assert.ok(partition !== null)
    assert.equal(JSON.stringify(this.state), before, 'replay changed a value in place')
    for (const record of records) assert.deepEqual(overDisk(record), record)
    this.journal.push(...records)
    this.state = { ...this.state, partition, holds }
    assertHolds(this.state)
    return { response, records }
  }
}

export function replay(records: readonly ShareRecord[]): SharePartition {
  const partition = records.reduce<SharePartition | null>(applyShareRecord, null)
  assert.ok(partition !== null)
  return partition
}

/** One acknowledge type for a range of offsets. */
export function batch(firstOffset: number, lastOffset: number, ...types: number[]) {
  return { firstOffset, lastOffset, acknowledgeTypes: types }
}

function overDisk(record: ShareRecord): ShareRecord {
  const json: unknown = JSON.parse(JSON.stringify(shareRecordToJson(record)))
  return shareRecordFromJson(record.kind, record.groupId, new Fields(json, 'record'))
}

/** Ranges are sorted, merged and without overlap; what is held is available. */
function assertHolds({ partition, holds }: ShareState): void {
  for (const list of [partition.deliveries, holds])
    for (const [index, range] of list.entries()) {
      assert.ok(range.firstOffset <= range.lastOffset)
      const next = list[index + 1]
      if (next === undefined) continue
      assert.ok(range.lastOffset < next.firstOffset)
      if (range.lastOffset + 1 === next.firstOffset) assert.notDeepEqual(range.value, next.value)
    }
  for (const range of holds) {
    const held = segments(partition, holds, range)
    assert.equal(
      held.reduce((sum, part) => sum + part.lastOffset - part.firstOffset + 1, 0),
      range.lastOffset - range.firstOffset + 1,
    )
    for (const { delivery } of held) assert.equal(delivery.state, 'available')
  }
}
