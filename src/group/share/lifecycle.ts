/**
 * What happens to a share-partition without a member asking: its beginning, time, members that go, retention, dead letters.
 */

import { within } from './ranges.ts'
import type { OffsetRange } from './ranges.ts'
import { isLockOf, NO_HOLDS } from './holds.ts'
import type { SharePartitionId, ShareStartedRecord } from './records.ts'
import type { SharePartition } from './share-partition.ts'
import { type ShareDecision, type ShareState, ShareTurn } from './turn.ts'

/**
 * Sets the first offset to deliver, at the first start or anew: all state of deliveries ends. Whoever calls it anew has
 * made sure that the group is empty, and drops the holds.
 */
export function startSharePartition(
  id: SharePartitionId,
  before: SharePartition | null,
  startOffset: number,
): ShareStartedRecord {
  const { groupId, topicId, partition } = id
  const stateEpoch = (before?.stateEpoch ?? 0) + 1
  return { kind: 'share-started', groupId, topicId, partition, stateEpoch, startOffset }
}

/** Ends the locks and delays that are over. To be called at `nextDeadlineMs`; early and late are fine. */
export function expireHolds(state: ShareState, nowMs: number): ShareDecision<void> {
  return new ShareTurn(state, nowMs).decision(undefined)
}

/** A member left, was fenced, or its session closed: what it held is available again, at once. */
export function releaseMember(
  state: ShareState,
  memberId: string,
  nowMs: number,
): ShareDecision<void> {
  const turn = new ShareTurn(state, nowMs)
  for (const range of state.holds)
    if (range.value.untilMs > nowMs && isLockOf(range.value, memberId)) turn.giveBack(range)
  return turn.decision(undefined)
}

/** Retention or DeleteRecords took the records below an offset: nobody can have them, or dead-letter them, any more. */
export function moveLogStart(state: ShareState, logStartOffset: number): ShareDecision<void> {
  const { partition, holds } = state
  if (logStartOffset <= partition.startOffset) return { response: undefined, records: [], holds }
  const { groupId, topicId, stateEpoch } = partition
  const left = { firstOffset: logStartOffset, lastOffset: Number.MAX_SAFE_INTEGER }
  return {
    response: undefined,
    records: [
      {
        kind: 'share-log-start',
        groupId,
        topicId,
        partition: partition.partition,
        stateEpoch,
        logStartOffset,
      },
    ],
    holds: partition.endOffset <= logStartOffset ? NO_HOLDS : within(holds, left),
  }
}

/**
 * The dead letters of these records are written, best in the same journal entry as the records of this decision. What is
 * not waiting for that (done by an earlier call, gone from the log) stays as it is.
 */
export function deadLettersWritten(
  state: ShareState,
  ranges: readonly OffsetRange[],
  nowMs: number,
): ShareDecision<void> {
  const turn = new ShareTurn(state, nowMs)
  for (const range of ranges)
    for (const segment of turn.segments(range))
      if (segment.delivery.state === 'archiving') turn.deliver(segment, { state: 'archived' })
  return turn.decision(undefined)
}
