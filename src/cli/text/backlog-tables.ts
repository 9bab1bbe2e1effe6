/**
 * Groups of any broker as tables, with the same columns whatever the broker: what is not told is `-`. Pure.
 *
 *   GROUP    TOPIC   PARTITION  POSITION  END   LAG  PENDING  OLDEST-UNREAD  OLDEST-PENDING  MEMBERS
 *   billing  orders  0          41        53    12   3        4s             1m10s           worker-1
 *
 *   GROUP    MEMBER    HOST       IDLE  PENDING  PARTITIONS
 *   billing  worker-1  10.0.0.12  0.2s  3        orders:0
 */

import type { BacklogMember, GroupBacklog, PartitionBacklog } from '../../admin/index.ts'
import { fitting, printable, tableText, type Column } from './columns.ts'
import { spanText } from './lag-table.ts'

export function backlogTable({ groupId, partitions }: GroupBacklog): string {
  const columns: readonly Column<PartitionBacklog>[] = [
    fitting('GROUP', () => groupId),
    fitting('TOPIC', (row) => row.topic),
    fitting('PARTITION', (row) => String(row.partition)),
    fitting('POSITION', (row) => row.position ?? '-'),
    fitting('END', (row) => row.end ?? '-'),
    fitting('LAG', lagText),
    fitting('PENDING', (row) => countText(row.pending)),
    fitting('OLDEST-UNREAD', (row) => ageText(row.oldestUnreadMs)),
    fitting('OLDEST-PENDING', (row) => ageText(row.oldestPendingMs)),
    { title: 'MEMBERS', width: 'rest', cell: (row) => printable(row.memberIds.join(',')) || '-' },
  ]
  return tableText(columns, partitions)
}

export function backlogMembersTable({ groupId, members, partitions }: GroupBacklog): string {
  const columns: readonly Column<BacklogMember>[] = [
    fitting('GROUP', () => groupId),
    fitting('MEMBER', (row) => row.memberId),
    fitting('HOST', (row) => row.host ?? '-'),
    fitting('IDLE', (row) => ageText(row.idleMs)),
    fitting('PENDING', (row) => countText(row.pending)),
    {
      title: 'PARTITIONS',
      width: 'rest',
      cell: (row) => printable(placesOf(row.memberId, partitions)),
    },
  ]
  return tableText(columns, members)
}

export function backlogStateTable(group: GroupBacklog): string {
  const sums = backlogSums(group)
  const columns: readonly Column<GroupBacklog>[] = [
    fitting('GROUP', () => group.groupId),
    fitting('TYPE', () => group.type),
    fitting('STATE', () => group.state),
    fitting('#MEMBERS', () => String(group.members.length)),
    fitting('LAG', () => `${sums.isAtLeast ? '>' : ''}${countText(sums.lag)}`),
    fitting('PENDING', () => countText(sums.pending)),
    { title: 'OLDEST-UNREAD', width: 'rest', cell: () => ageText(sums.oldestUnreadMs) },
  ]
  return tableText(columns, [group])
}

export interface BacklogSums {
  readonly lag: number | null
  readonly isAtLeast: boolean
  readonly pending: number | null
  readonly oldestUnreadMs: number | null
  readonly oldestPendingMs: number | null
}

/** Of all partitions; null where none of them is told. */
export function backlogSums({ partitions }: GroupBacklog): BacklogSums {
  const told = (of: (row: PartitionBacklog) => number | null) =>
    partitions.flatMap((row) => of(row) ?? [])
  const sum = (values: readonly number[]) =>
    values.length === 0 ? null : values.reduce((total, value) => total + value, 0)
  const most = (values: readonly number[]) => (values.length === 0 ? null : Math.max(...values))
  return {
    lag: sum(told(({ lag }) => lag)),
    isAtLeast: partitions.some(({ lagIsAtLeast }) => lagIsAtLeast),
    pending: sum(told(({ pending }) => pending)),
    oldestUnreadMs: most(told(({ oldestUnreadMs }) => oldestUnreadMs)),
    oldestPendingMs: most(told(({ oldestPendingMs }) => oldestPendingMs)),
  }
}

/** A group for programs: ages in seconds. */
export function backlogJson(group: GroupBacklog): object {
  const { groupId, type, state, members, partitions, notes } = group
  const sums = backlogSums(group)
  return {
    groupId,
    type,
    state,
    lag: sums.lag,
    lagIsAtLeast: sums.isAtLeast,
    pending: sums.pending,
    oldestUnreadSeconds: seconds(sums.oldestUnreadMs),
    oldestPendingSeconds: seconds(sums.oldestPendingMs),
    members: members.map(({ idleMs, ...member }) => ({ ...member, idleSeconds: seconds(idleMs) })),
    partitions: partitions.map(({ oldestUnreadMs, oldestPendingMs, ...row }) => ({
      ...row,
      oldestUnreadSeconds: seconds(oldestUnreadMs),
      oldestPendingSeconds: seconds(oldestPendingMs),
    })),
    notes,
  }
}

/** `4s`; `-` for what is not known. */
export function ageText(ageMs: number | null): string {
  return ageMs === null ? '-' : spanText(Math.round(ageMs / 100) / 10)
}

function lagText({ lag, lagIsAtLeast }: PartitionBacklog): string {
  return `${lagIsAtLeast ? '>' : ''}${countText(lag)}`
}

function countText(count: number | null): string {
  return count === null ? '-' : String(count)
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000
}

/** `orders:0,2;payments:1` */
function placesOf(memberId: string, partitions: readonly PartitionBacklog[]): string {
  const own = partitions.filter(({ memberIds }) => memberIds.includes(memberId))
  const byTopic = Map.groupBy(own, ({ topic }) => topic)
  return (
    Array.from(
      byTopic,
      ([topic, rows]) => `${topic}:${rows.map(({ partition }) => partition).join(',')}`,
    ).join(';') || '-'
  )
}
