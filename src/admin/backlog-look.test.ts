import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backlogLook } from './backlog-look.ts'
import type { GroupBacklog, PartitionBacklog } from './broker-port.ts'
import { lagMeasures } from './drain-model.ts'

describe('a backlog as a look', () => {
  test('gives the rates of a broker that counts what was written', () => {
    const [measure] = lagMeasures(
      backlogLook(backlog({ lag: 100, writtenCount: 1_000 }), 0),
      backlogLook(backlog({ lag: 80, writtenCount: 1_100, oldestUnreadMs: 4_000 }), 2_000),
    )
    assert.deepEqual(measure, {
      topic: 'orders',
      partition: 0,
      records: 80,
      seconds: 4,
      readPerSecond: 60,
      writtenPerSecond: 50,
      drainSeconds: 8,
    })
  })

  test('of one that does not count sees a lag that shrinks as reading, and no more', () => {
    const uncounted = { writtenCount: null, oldestUnreadMs: null }
    const [measure] = lagMeasures(
      backlogLook(backlog({ lag: 100, ...uncounted }), 0),
      backlogLook(backlog({ lag: 90, ...uncounted }), 1_000),
    )
    assert.deepEqual(
      [measure?.records, measure?.readPerSecond, measure?.writtenPerSecond, measure?.seconds],
      [90, 10, 0, null],
    )
  })

  test('of a server that began to count anew is not behind its beginning', () => {
    const [measure] = lagMeasures(
      backlogLook(backlog({ lag: 500, writtenCount: 0 }), 0),
      backlogLook(backlog({ lag: 500, writtenCount: 0 }), 1_000),
    )
    assert.deepEqual([measure?.records, measure?.drainSeconds], [500, null])
  })
})

function backlog(over: Partial<PartitionBacklog>): GroupBacklog {
  const partition: PartitionBacklog = {
    topic: 'orders',
    partition: 0,
    position: null,
    end: null,
    lag: 0,
    lagIsAtLeast: false,
    pending: null,
    oldestUnreadMs: 0,
    oldestPendingMs: null,
    memberIds: [],
    writtenCount: null,
    ...over,
  }
  const group = { groupId: 'g', type: 'Stream', state: 'Stable', members: [], notes: [] } as const
  return { ...group, partitions: [partition] }
}
