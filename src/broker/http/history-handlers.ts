/** What happened to a group, and how far behind it is. */

import type { GroupTimeline, RebalanceEntry, RebalanceStart } from '../../group/index.ts'
import { rebalanceFigures } from '../../group/index.ts'
import type { brokerRoutes, Handlers } from '../../http/index.ts'
import { problem } from '../../http/index.ts'
import { LagReader, type PartitionLag } from '../lag/group-lag.ts'
import type { HttpContext } from './http-context.ts'

type HistoryHandlers = Pick<Handlers<typeof brokerRoutes>, 'rebalances' | 'groupLag'>

export function historyHandlers({ context }: HttpContext): HistoryHandlers {
  const { clock, groups, topics } = context
  const lags = new LagReader(groups, topics, clock)
  return {
    rebalances: async ({ params: { groupId }, query }) => {
      const timeline = await groups.ask((coordinator) => coordinator.timeline(groupId))
      if (timeline === undefined) return unknownGroup(groupId)
      const nowMs = clock.wallMs()
      const sinceMs = query.since === undefined ? null : momentOf(query.since, nowMs)
      if (sinceMs !== null && Number.isNaN(sinceMs))
        return problem('INVALID_REQUEST', `since ${query.since}: expected 1h or an RFC 3339 time`, {
          errors: [{ path: 'query.since', message: 'expected a span such as 1h, or a time' }],
        })
      const before = query.cursor === undefined ? Infinity : Number(query.cursor)
      const wanted = timeline.rebalances
        .filter(({ generation }) => generation < before && generation > (query.after ?? -1))
        .filter(
          ({ startedMs, durationMs }) => sinceMs === null || startedMs + durationMs >= sinceMs,
        )
        .toReversed()
      const page = wanted.slice(0, query.limit)
      return {
        group_id: groupId,
        created_at: timeText(timeline.createdMs),
        ...figuresOf(timeline, nowMs),
        current: timeline.current && {
          at: timeText(timeline.current.startedMs),
          ...causeOf(timeline.current),
        },
        rebalances: page.map(rebalanceOf),
        next_cursor: wanted.length > page.length ? String(page.at(-1)?.generation) : null,
      }
    },
    groupLag: async ({ params: { groupId }, query: { topic, partition } }) => {
      const lag = await lags.of(groupId, (name) => topic === undefined || name === topic)
      if (lag === null) return unknownGroup(groupId)
      const rows = lag.partitions.filter(
        (row) => partition === undefined || row.partition === partition,
      )
      return {
        group_id: groupId,
        at: timeText(lag.atMs),
        lag: lag.lag,
        max_lag_seconds: lag.maxLagSeconds,
        partitions: rows.map(lagRow),
      }
    },
  }
}

/** One partition's lag as the API spells it. */
export function lagRow(row: PartitionLag) {
  return {
    topic: row.topic,
    partition: row.partition,
    committed_offset: row.committedOffset,
    log_start_offset: row.logStartOffset,
    log_end_offset: row.logEndOffset,
    lag: row.lag,
    lag_seconds: row.lagSeconds,
    lost: row.lost,
    member_id: row.memberId,
    client_id: row.clientId,
  }
}

/** The figures of a group's rebalances as the API spells them. */
export function figuresOf(timeline: GroupTimeline, nowMs: number) {
  const { rebalancesPerHour, timeInRebalanceMs } = rebalanceFigures(timeline, nowMs)
  return {
    rebalance_count: timeline.rebalanceCount,
    rebalances_per_hour: rebalancesPerHour,
    time_in_rebalance_ms: timeInRebalanceMs,
  }
}

function rebalanceOf(entry: RebalanceEntry) {
  const clientIds = new Map(entry.clientIds)
  const clientOf = (memberId: string | null) =>
    memberId === null ? null : (clientIds.get(memberId) ?? null)
  return {
    id: String(entry.generation),
    at: timeText(entry.startedMs),
    duration_seconds: entry.durationMs / 1_000,
    generation_from: entry.generationFrom,
    generation_to: entry.generation,
    ...causeOf(entry),
    members_before: entry.memberCountBefore,
    members_after: entry.memberCount,
    assigned: entry.assigned,
    revoked: entry.revoked,
    lost: entry.lost,
    moved_count: entry.movedCount,
    moved: entry.moved.map(({ topic, partition, from, to }) => ({
      topic,
      partition,
      from,
      to,
      from_client: clientOf(from),
      to_client: clientOf(to),
    })),
    inferred: false,
  }
}

function causeOf({ cause, memberId, clientId, groupInstanceId, detail }: RebalanceStart) {
  return {
    reason: cause,
    cause_member: memberId,
    client_id: clientId,
    instance_id: groupInstanceId,
    detail,
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A span before now, or a moment; NaN for a moment that is none. */
function momentOf(text: string, nowMs: number): number {
  const [, digits, unit = ''] = /^([\d.]+)(ms|s|m|h|d)$/.exec(text) ?? []
  return digits === undefined ? Date.parse(text) : nowMs - Number(digits) * (UNIT_MS[unit] ?? 0)
}

function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString()
}

function unknownGroup(groupId: string) {
  return problem('UNKNOWN_GROUP', `group ${groupId} does not exist`)
}
