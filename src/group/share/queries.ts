/** What the shell asks of a share-partition before it does anything. */

import { isLockOf, type Segment, segments } from './holds.ts'
import { countOf, type OffsetRange, within } from './ranges.ts'
import type { DeadLetterReason, Failure } from './records.ts'
import type { SharePartition } from './share-partition.ts'
import type { ShareState } from './turn.ts'

/** Where to read the log for the next acquisition; null when there is nothing to acquire before something comes back. */
export function nextFetchOffset({ partition, holds, config }: ShareState, nowMs: number) {
  const { startOffset, endOffset } = partition
  for (const segment of segments(partition, holds, everything(partition))) {
    const isFree = segment.hold === null || segment.hold.untilMs <= nowMs
    if (segment.delivery.state === 'available' && isFree) return segment.firstOffset
  }
  return endOffset - startOffset < config.partitionMaxRecordLocks ? endOffset : null
}

/** When the next lock or delay is over; null when nothing is held. */
export function nextDeadlineMs({ holds }: Pick<ShareState, 'holds'>): number | null {
  return holds.reduce<number | null>(
    (least, { value }) => (least === null ? value.untilMs : Math.min(least, value.untilMs)),
    null,
  )
}

export interface DueDeadLetters extends OffsetRange {
  readonly deliveryCount: number
  readonly reason: DeadLetterReason
}

/** Records whose dead letters are to be written, after a restart too. */
export function dueDeadLetters({ deliveries }: SharePartition): DueDeadLetters[] {
  return deliveries.flatMap(({ firstOffset, lastOffset, value }) =>
    value.state === 'archiving'
      ? [{ firstOffset, lastOffset, deliveryCount: value.deliveryCount, reason: value.reason }]
      : [],
  )
}

/** How one offset stands; null when it was never delivered, or is done and below the start. */
export function deliveryAt({ partition, holds }: ShareState, offset: number): Segment | null {
  return segments(partition, holds, { firstOffset: offset, lastOffset: offset })[0] ?? null
}

/** What members said of the failed deliveries of a record; null when nothing. */
export function failureAt({ failures }: SharePartition, offset: number): Failure | null {
  return within(failures, { firstOffset: offset, lastOffset: offset })[0]?.value ?? null
}

/** What a member holds now: to cut what it may be sent, to list it. */
export function heldBy({ holds }: Pick<ShareState, 'holds'>, memberId: string, nowMs: number) {
  return holds.flatMap(({ firstOffset, lastOffset, value }): OffsetRange[] =>
    isLockOf(value, memberId) && value.untilMs > nowMs ? [{ firstOffset, lastOffset }] : [],
  )
}

export interface DeliveryCounts {
  readonly available: number
  readonly acquired: number
  readonly delayed: number
  readonly acknowledged: number
  readonly archiving: number
  readonly archived: number
}

/** How many of the records in flight stand where. */
export function deliveryCounts({ partition, holds }: ShareState, nowMs: number): DeliveryCounts {
  const counts = {
    available: 0,
    acquired: 0,
    delayed: 0,
    acknowledged: 0,
    archiving: 0,
    archived: 0,
  }
  for (const segment of segments(partition, holds, everything(partition))) {
    const { delivery, hold } = segment
    const isHeld = hold !== null && hold.untilMs > nowMs
    const heldAs = hold?.kind === 'lock' ? 'acquired' : 'delayed'
    counts[isHeld ? heldAs : delivery.state] += countOf(segment)
  }
  return counts
}

function everything({ startOffset, endOffset }: SharePartition): OffsetRange {
  return { firstOffset: startOffset, lastOffset: endOffset - 1 }
}
