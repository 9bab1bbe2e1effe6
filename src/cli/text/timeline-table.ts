/**
 * A group's rebalances as lines for people: when, how long, why, who, how many partitions moved, and a sentence. Pure.
 *
 *   TIME      GEN  DURATION  CAUSE            MEMBER    MOVED  DETAIL
 *   12:51:04    7     0.41s  session_timeout  worker-3      1  no heartbeat for 10.2 s (session timeout 10 s); orders/2 …
 *
 * Times are local; those of another day than the last one have their date.
 */

/** What a line needs; the HTTP API's `Rebalance` has it. */
export interface TimelineRow {
  readonly at: string
  readonly duration_seconds: number
  readonly generation_to: number
  readonly reason: string
  readonly cause_member: string
  readonly client_id: string
  readonly detail: string
  readonly moved_count: number
  readonly moved: readonly {
    readonly topic: string
    readonly partition: number
    readonly from: string | null
    readonly to: string | null
    readonly from_client: string | null
    readonly to_client: string | null
  }[]
}

const COLUMNS = [
  { title: 'TIME', right: false },
  { title: 'GEN', right: true },
  { title: 'DURATION', right: true },
  { title: 'CAUSE', right: false },
  { title: 'MEMBER', right: false },
  { title: 'MOVED', right: true },
] as const

/** Moves that a line names. */
const MOST_NAMED = 3

/** @param widths of an earlier call, so that lines that come later stand under the same header. */
export function timelineLines(
  rows: readonly TimelineRow[],
  widths: number[] = COLUMNS.map(({ title }) => title.length),
): { readonly header: string; readonly lines: readonly string[] } {
  const withDates = rows.some(({ at }) => dayOf(at) !== dayOf(rows[0]?.at ?? at))
  const nameOf = naming(rows)
  const cells = rows.map((row) => [
    withDates ? `${dayOf(row.at)} ${timeOf(row.at)}` : timeOf(row.at),
    String(row.generation_to),
    `${row.duration_seconds.toFixed(2)}s`,
    row.reason,
    nameOf(row.cause_member, row.client_id),
    String(row.moved_count),
  ])
  for (const line of cells)
    line.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)))
  const line = (parts: readonly string[], last: string) =>
    [
      ...COLUMNS.map(({ right }, index) => {
        const [cell = '', width = 0] = [parts[index], widths[index]]
        return right ? cell.padStart(width) : cell.padEnd(width)
      }),
      last,
    ]
      .join('  ')
      .trimEnd()
  return {
    header: line(
      COLUMNS.map(({ title }) => title),
      'DETAIL',
    ),
    lines: rows.map((row, index) => line(cells[index] ?? [], detailOf(row, nameOf))),
  }
}

export interface TimelineFigures {
  readonly created_at: string
  readonly rebalance_count: number
  readonly rebalances_per_hour: number
  readonly time_in_rebalance_ms: number
}

export function timelineSummary(groupId: string, figures: TimelineFigures, nowMs: number): string {
  const { rebalance_count: count, rebalances_per_hour: rate, time_in_rebalance_ms: ms } = figures
  const ageMs = Math.max(1, nowMs - Date.parse(figures.created_at))
  const share = ((100 * ms) / ageMs).toFixed(ms / ageMs < 0.1 ? 2 : 0)
  return (
    `${groupId}: ${count} ${count === 1 ? 'rebalance' : 'rebalances'} since ${dayOf(figures.created_at)} ` +
    `${timeOf(figures.created_at)}, ${rate} in the last hour, ${(ms / 1_000).toFixed(2)}s in rebalance (${share} %)`
  )
}

type Naming = (memberId: string, clientId: string | null) => string

/** A member goes by its client id, or by its member id where several share one. */
function naming(rows: readonly TimelineRow[]): Naming {
  const members = new Map<string, Set<string>>()
  const note = (memberId: string | null, clientId: string | null) => {
    if (memberId === null || memberId === '' || clientId === null) return
    members.set(clientId, (members.get(clientId) ?? new Set()).add(memberId))
  }
  for (const row of rows) {
    note(row.cause_member, row.client_id)
    for (const move of row.moved) {
      note(move.from, move.from_client)
      note(move.to, move.to_client)
    }
  }
  return (memberId, clientId) => {
    if (memberId === '') return '-'
    const isShared = (members.get(clientId ?? '')?.size ?? 0) > 1
    return isShared || clientId === null || clientId === '' ? memberId : clientId
  }
}

function detailOf({ detail, moved, moved_count: count }: TimelineRow, nameOf: Naming): string {
  const named = moved.slice(0, MOST_NAMED).map((move) => {
    const from = move.from === null ? 'nobody' : nameOf(move.from, move.from_client)
    const to = move.to === null ? 'nobody' : nameOf(move.to, move.to_client)
    return `${move.topic}/${move.partition} ${from}→${to}`
  })
  const more = count > named.length ? [`${count - named.length} more`] : []
  return [
    ...(detail === '' ? [] : [detail]),
    ...[[...named, ...more].join(', ')].filter(Boolean),
  ].join('; ')
}

function dayOf(at: string): string {
  const date = new Date(at)
  return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-')
}

function timeOf(at: string): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
