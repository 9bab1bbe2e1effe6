import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { timelineLines, timelineSummary, type TimelineRow } from './timeline-table.ts'

describe('the timeline as text', () => {
  test('has a line a rebalance, with who moved what to whom', () => {
    const { header, lines } = timelineLines([
      row({
        at: local(12, 51, 4),
        generation_to: 7,
        duration_seconds: 0.412,
        detail: 'no heartbeat for 10.2 s',
      }),
      row({
        at: local(12, 39, 22),
        generation_to: 6,
        duration_seconds: 1.8,
        reason: 'member_joined',
        moved: [move(2, 'worker-1', 'worker-3'), move(3, null, 'worker-1')],
      }),
      row({
        at: local(12, 2, 10),
        generation_to: 5,
        reason: 'topic_changed',
        cause_member: '',
        client_id: '',
        moved: [],
      }),
    ])
    assert.deepEqual(
      [header, ...lines],
      [
        'TIME      GEN  DURATION  CAUSE            MEMBER    MOVED  DETAIL',
        '12:51:04    7     0.41s  session_timeout  worker-3      1  no heartbeat for 10.2 s; orders/2 worker-3→worker-1',
        '12:39:22    6     1.80s  member_joined    worker-3      2  orders/2 worker-1→worker-3, orders/3 nobody→worker-1',
        '12:02:10    5     0.10s  topic_changed    -             0',
      ],
    )
  })

  test('names three moves and counts the others', () => {
    const moved = [0, 1, 2, 3].map((partition) => move(partition, 'a', 'b'))
    const { lines } = timelineLines([row({ moved, moved_count: 250 })])
    assert.match(lines[0] ?? '', /orders\/2 a→b, 247 more$/)
  })

  test('tells members that share a client id by their member ids', () => {
    const moved = [{ ...move(0, 'rdkafka', 'rdkafka'), from: 'rdkafka-1', to: 'rdkafka-2' }]
    const { lines } = timelineLines([
      row({ client_id: 'rdkafka', cause_member: 'rdkafka-2', moved }),
    ])
    assert.match(
      lines[0] ?? '',
      /session_timeout {2}rdkafka-2 {6}1 {2}orders\/0 rdkafka-1→rdkafka-2$/,
    )
  })

  test('has dates when it goes over a midnight', () => {
    const rows = [
      row({ at: local(0, 5, 0) }),
      row({ at: new Date(2026, 10, 20, 23, 59, 0).toISOString() }),
    ]
    assert.deepEqual(
      timelineLines(rows).lines.map((line) => line.slice(0, 19)),
      ['2026-11-21 00:05:00', '2026-11-20 23:59:00'],
    )
  })

  test('sums up how often and how long', () => {
    const figures = {
      created_at: local(8, 0, 0),
      rebalance_count: 5,
      rebalances_per_hour: 2,
      time_in_rebalance_ms: 36_000,
    }
    assert.equal(
      timelineSummary('billing', figures, Date.parse(local(9, 0, 0))),
      'billing: 5 rebalances since 2026-11-21 08:00:00, 2 in the last hour, 36.00s in rebalance (1.00 %)',
    )
  })
})

function local(hours: number, minutes: number, seconds: number): string {
  return new Date(2026, 10, 21, hours, minutes, seconds).toISOString()
}

function move(
  partition: number,
  from: string | null,
  to: string | null,
): TimelineRow['moved'][number] {
  return { topic: 'orders', partition, from, to, from_client: from, to_client: to }
}

function row(over: Partial<TimelineRow>): TimelineRow {
  const moved = over.moved ?? [move(2, 'worker-3', 'worker-1')]
  return {
    at: local(12, 0, 0),
    duration_seconds: 0.1,
    generation_to: 1,
    reason: 'session_timeout',
    cause_member: 'worker-3',
    client_id: 'worker-3',
    detail: '',
    moved,
    moved_count: moved.length,
    ...over,
  }
}
