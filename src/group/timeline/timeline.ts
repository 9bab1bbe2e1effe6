/** A group's timeline as it is told, and the figures that are made of it. Pure. */

import type { SoftState } from '../classic/soft-state.ts'
import type { Group } from '../group-table.ts'
import type { GroupTimeline } from '../queries.ts'
import type { GroupHistory } from './timeline-table.ts'

const HOUR_MS = 3_600_000

export interface RebalanceFigures {
  /** Of the last hour; extrapolated where the timeline does not reach back so far. */
  readonly rebalancesPerHour: number
  /** All time in rebalances since the group is there, with the one that runs. */
  readonly timeInRebalanceMs: number
}

export function timelineOf(
  group: Group,
  soft: SoftState | undefined,
  history: GroupHistory | undefined,
): GroupTimeline {
  return {
    groupId: group.groupId,
    generation: group.type === 'classic' ? group.generation : group.groupEpoch,
    createdMs: history?.createdMs ?? 0,
    rebalanceCount: history?.rebalanceCount ?? 0,
    rebalanceMs: history?.rebalanceMs ?? 0,
    // A round of joins is not on record before its first member is in or out.
    current: group.rebalance ?? soft?.round?.start ?? null,
    rebalances: history?.entries ?? [],
  }
}

export function rebalanceFigures(timeline: GroupTimeline, nowMs: number): RebalanceFigures {
  const { rebalances, rebalanceCount, rebalanceMs, current } = timeline
  const sinceMs = nowMs - HOUR_MS
  const recent = rebalances.filter(({ startedMs, durationMs }) => startedMs + durationMs >= sinceMs)
  const [oldest] = recent
  const isCut = recent.length === rebalances.length && rebalanceCount > rebalances.length
  const seenMs = isCut && oldest !== undefined ? Math.max(1_000, nowMs - oldest.startedMs) : HOUR_MS
  return {
    rebalancesPerHour: Number(((recent.length * HOUR_MS) / seenMs).toFixed(2)),
    timeInRebalanceMs:
      rebalanceMs + (current === null ? 0 : Math.max(0, nowMs - current.startedMs)),
  }
}
