import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import type { RebalanceEntry } from '../records.ts'
import { TimelineTable } from './timeline-table.ts'

describe('the timelines of all groups', () => {
  test('keep the latest rebalances of a group, and count all', () => {
    const table = new TimelineTable({ groupTimelineEntries: 3, groupTimelineRows: 1_000 })
    for (let generation = 1; generation <= 5; generation++) table.ended('g', entry(generation))
    assert.deepEqual(generations(table, 'g'), [3, 4, 5])
    assert.deepEqual([table.of('g')?.rebalanceCount, table.of('g')?.rebalanceMs], [5, 50])
    assert.equal(table.of('g')?.createdMs, 1_000)
  })

  test('forget what ended first, whosever it is, when all have too many rows', () => {
    const table = new TimelineTable({ groupTimelineEntries: 100, groupTimelineRows: 6 })
    table.ended('a', entry(1, { moves: 1 }))
    table.ended('b', entry(1, { moves: 1 }))
    table.ended('a', entry(2, { moves: 1 }))
    table.ended('b', entry(2))
    assert.deepEqual([generations(table, 'a'), generations(table, 'b')], [[2], [1, 2]])
  })

  test('are the same after a restart from a snapshot, and forget in the same order', () => {
    const step = fc.record({
      groupId: fc.constantFrom('a', 'b', 'c'),
      moves: fc.nat({ max: 3 }),
      isDeletion: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat({ max: 59 }), (steps, crashAt) => {
        const limits = { groupTimelineEntries: 4, groupTimelineRows: 16 }
        const whole = new TimelineTable(limits)
        let restarted = new TimelineTable(limits)
        steps.forEach(({ groupId, moves, isDeletion }, index) => {
          for (const table of [whole, restarted]) {
            if (isDeletion) table.delete(groupId)
            else table.ended(groupId, entry(index, { moves, startedMs: 1_000 + 100 * index }))
          }
          if (index === crashAt) restarted = restored(restarted, limits)
          const rows = ['a', 'b', 'c'].flatMap((id) => whole.of(id)?.entries ?? [])
          assert.ok(rows.reduce((sum, { moved }) => sum + 1 + moved.length, 0) <= 16)
          for (const id of ['a', 'b', 'c']) assert.deepEqual(restarted.of(id), whole.of(id))
        })
      }),
    )
  })
})

function restored(
  table: TimelineTable,
  limits: { groupTimelineEntries: number; groupTimelineRows: number },
): TimelineTable {
  const next = new TimelineTable(limits)
  for (const id of ['c', 'a', 'b']) for (const record of table.snapshot(id)) next.restore(record)
  return next
}

function generations(table: TimelineTable, groupId: string): number[] | undefined {
  return table.of(groupId)?.entries.map(({ generation }) => generation)
}

function entry(generation: number, { moves = 0, startedMs = 1_000 } = {}): RebalanceEntry {
  return {
    cause: 'member_joined',
    memberId: 'm',
    clientId: 'c',
    groupInstanceId: null,
    detail: '',
    startedMs,
    durationMs: 10,
    generationFrom: generation - 1,
    generation,
    memberCountBefore: 1,
    memberCount: 1,
    assigned: moves,
    revoked: 0,
    lost: moves,
    movedCount: moves,
    moved: Array.from({ length: moves }, (_, partition) => ({
      topic: 'orders',
      partition,
      from: 'x',
      to: 'm',
    })),
    clientIds: [],
  }
}
