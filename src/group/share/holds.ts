/**
 * Which available records may not be given out right now: soft state, gone after a restart.
 *
 * lock   a member has acquired the record, until the acquisition lock (visibility timeout) ends
 * delay  a member released the record for later
 *
 * Invariants: only records that are available are held; each by one hold, so by one member at most.
 * A hold ends by the clock, not by a timer: from `untilMs` on it is over, whether anyone has noticed or not. Times are of
 * the monotonic clock. After a restart nothing is held: locks and delays are over, delivery counts are not.
 */

import type { Delivery } from './records.ts'
import { type OffsetRange, type RangeList, within } from './ranges.ts'
import type { SharePartition } from './share-partition.ts'

export type Hold =
  | { readonly kind: 'lock'; readonly memberId: string; readonly untilMs: number }
  | { readonly kind: 'delay'; readonly untilMs: number }

export type ShareHolds = RangeList<Hold>

export const NO_HOLDS: ShareHolds = []

/** Records that stand alike and are held alike. */
export interface Segment extends OffsetRange {
  readonly delivery: Delivery
  readonly hold: Hold | null
}

/** What is in flight in a range, from its first offset to its last. */
export function segments(
  partition: SharePartition,
  holds: ShareHolds,
  range: OffsetRange,
): Segment[] {
  const result: Segment[] = []
  for (const part of within(partition.deliveries, range)) {
    let next = part.firstOffset
    const piece = (lastOffset: number, hold: Hold | null) => {
      if (lastOffset < next) return
      result.push({ firstOffset: next, lastOffset, delivery: part.value, hold })
      next = lastOffset + 1
    }
    for (const { firstOffset, lastOffset, value } of within(holds, part)) {
      piece(firstOffset - 1, null)
      piece(lastOffset, value)
    }
    piece(part.lastOffset, null)
  }
  return result
}

/** What is still held after a record that did not come from a decision about these holds: a commit, a reset, retention. */
export function holdsAfter(
  before: SharePartition | null,
  after: SharePartition | null,
  holds: ShareHolds,
): ShareHolds {
  if (after === null || before?.stateEpoch !== after.stateEpoch) return NO_HOLDS
  if (after.startOffset === before.startOffset) return holds
  return within(holds, { firstOffset: after.startOffset, lastOffset: Number.MAX_SAFE_INTEGER })
}

export function isLockOf(hold: Hold | null, memberId: string): boolean {
  return hold?.kind === 'lock' && hold.memberId === memberId
}
