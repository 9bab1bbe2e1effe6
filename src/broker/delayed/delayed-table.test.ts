import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DelayedRecord } from './delayed-records.ts'
import { DelayedTable } from './delayed-table.ts'

const MANY_BYTES = () => 1_000_000

describe('what is due', () => {
  test('goes to its partitions in the order of due times, a batch each at a time', () => {
    const table = new DelayedTable()
    add(table, { offset: 0, dueMs: 30 })
    add(table, { offset: 1, dueMs: 10 })
    add(table, { offset: 2, dueMs: 10, partition: 1 })
    add(table, { offset: 3, dueMs: 10 })
    assert.equal(table.nextMs(), 10)
    assert.deepEqual(due(table, 9), [])
    assert.deepEqual(due(table, 20), [delivering(0, 1, 3), delivering(1, 2)])
    assert.deepEqual(due(table, 40), [])
    table.replay({ kind: 'delivered', topicId: 't', partition: 0 })
    assert.deepEqual(due(table, 40), [delivering(0, 0)])
    assert.deepEqual(table.delivery({ topicId: 't', partition: 0 }), {
      topicId: 't',
      partition: 0,
      baseSequence: 2,
      offsets: [0],
    })
    assert.equal(table.count, 2)
  })

  test('is cut into batches of what a topic takes, but never into none', () => {
    const table = new DelayedTable()
    for (let offset = 0; offset < 4; offset++) add(table, { offset, dueMs: 1, bytes: 100 })
    const limited = () => due(table, 1, () => 250)
    assert.deepEqual(limited(), [delivering(0, 0, 1)])
    table.replay({ kind: 'delivered', topicId: 't', partition: 0 })
    assert.deepEqual(
      due(table, 1, () => 10),
      [delivering(0, 2)],
    )
  })

  test('and refused is tried again later, one by one, while others go on', () => {
    const table = new DelayedTable()
    add(table, { offset: 0, dueMs: 1 })
    add(table, { offset: 1, dueMs: 1 })
    add(table, { offset: 2, dueMs: 2, partition: 1 })
    due(table, 1)
    table.replay({ kind: 'returned', topicId: 't', partition: 0 })
    table.slowDown({ topicId: 't', partition: 0 }, 100)
    assert.deepEqual(due(table, 50), [delivering(1, 2)])
    assert.equal(table.nextMs(), 100)
    assert.deepEqual(due(table, 100), [delivering(0, 0)])
    table.replay({ kind: 'delivered', topicId: 't', partition: 0 })
    assert.deepEqual(due(table, 100), [delivering(0, 1)])
  })

  test('does not leave the index while the queues are long, and all of it comes in the end', () => {
    const table = new DelayedTable()
    for (let offset = 0; offset < 20_000; offset++) add(table, { offset, dueMs: 20_000 - offset })
    const seen: number[] = []
    for (;;) {
      const [record] = due(table, 20_000)
      if (record?.kind !== 'delivering') break
      seen.push(...record.offsets)
      table.replay({ kind: 'delivered', topicId: 't', partition: 0 })
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 20_000 }, (_, index) => 19_999 - index),
    )
    assert.equal(table.count, 0)
  })
})

describe('a restart', () => {
  test('sends what was under way again as the same batch, and waits for the rest', () => {
    const table = new DelayedTable()
    const journal: DelayedRecord[] = [{ kind: 'producer', producerId: '7' }]
    table.replay(journal[0]!)
    for (let offset = 0; offset < 3; offset++) add(table, { offset, dueMs: offset })
    journal.push(...due(table, 0))
    const delivered = { kind: 'delivered', topicId: 't', partition: 0 } as const
    table.replay(delivered)
    journal.push(delivered, ...due(table, 1))
    for (const records of [journal, [table.snapshot()]]) {
      const next = new DelayedTable()
      for (const record of records) next.replay(record)
      next.start()
      assert.equal(next.producerId, 7n)
      assert.deepEqual(next.deliveries(), [
        { topicId: 't', partition: 0, baseSequence: 1, offsets: [1] },
      ])
      const target = { topicId: 't', partition: 0 }
      assert.deepEqual(
        [0, 1, 2].map((offset) => next.isWaiting(target, offset)),
        [false, false, true],
      )
      add(next, { offset: 2, dueMs: 2 })
      assert.equal(next.count, 2)
    }
  })

  test('knows what was returned as waiting, once', () => {
    const table = new DelayedTable()
    for (const record of [
      delivering(0, 4, 5),
      { kind: 'returned', topicId: 't', partition: 0 } as const,
    ])
      table.replay(record)
    table.start()
    assert.equal(table.isWaiting({ topicId: 't', partition: 0 }, 4), true)
    assert.equal(table.count, 0)
    add(table, { offset: 4, dueMs: 1 })
    add(table, { offset: 5, dueMs: 1 })
    assert.deepEqual(due(table, 1), [delivering(0, 4, 5)])
  })
})

describe('a topic that is deleted', () => {
  test('takes with it what was to go there, wherever that was', () => {
    const table = new DelayedTable()
    for (let offset = 0; offset < 10; offset++)
      add(table, { offset, dueMs: offset, topicId: offset % 2 === 0 ? 't' : 'u' })
    due(table, 3)
    assert.equal(table.countOf('t', 1), 5)
    table.replay({ kind: 'topic-gone', topicId: 't' })
    assert.deepEqual([table.countOf('t', 1), table.count], [0, 5])
    assert.deepEqual(table.delivery({ topicId: 't', partition: 0 }), null)
    table.replay({ kind: 'delivered', topicId: 'u', partition: 0 })
    assert.deepEqual(due(table, 100), [
      { kind: 'delivering', topicId: 'u', partition: 0, offsets: [5, 7, 9] },
    ])
    assert.equal(table.firstWaiting(), 5)
  })
})

test('a clock that was set back holds no delay longer, and a time of day as long as it says', () => {
  const table = new DelayedTable()
  add(table, { offset: 0, dueMs: 10_000, isDelay: true })
  add(table, { offset: 1, dueMs: 10_000, partition: 1 })
  table.shift(-5_000)
  assert.deepEqual(due(table, 5_000), [delivering(0, 0)])
  assert.equal(table.nextMs(), 10_000)
})

function add(
  table: DelayedTable,
  over: {
    offset: number
    dueMs: number
    partition?: number
    topicId?: string
    bytes?: number
    isDelay?: boolean
  },
): void {
  table.add({ topicId: 't', partition: 0, bytes: 100, isDelay: false, ...over })
}

function due(
  table: DelayedTable,
  nowMs: number,
  maxBytesOf: () => number = MANY_BYTES,
): readonly DelayedRecord[] {
  const records = table.due(nowMs, maxBytesOf)
  for (const record of records) table.replay(record)
  return records
}

function delivering(partition: number, ...offsets: readonly number[]): DelayedRecord {
  return { kind: 'delivering', topicId: 't', partition, offsets }
}
