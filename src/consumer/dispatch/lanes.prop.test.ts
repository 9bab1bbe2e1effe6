import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { KeyTable } from './key-table.ts'
import { Lane, LaneTable, ReadyQueue } from './lanes.ts'
import type { WorkItem } from '../work.ts'
import { itemOf, workOf } from '../fixtures.test.ts'

describe('key lanes', () => {
  test('records of a key start in order and one at a time, whatever finishes when; the table ends empty', () => {
    const key = fc.option(fc.uint8Array({ maxLength: 2, max: 2 }), { nil: null })
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), key }),
      fc.record({ kind: fc.constant('finish' as const), pick: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const lanes = new LaneTable<WorkItem>({ seed: 7, perKey: 5 })
        const work = workOf({ lanes })
        const running: WorkItem[] = []
        const waiting = new Map<string, number[]>()
        const start = (item: WorkItem) => {
          const line = waiting.get(nameOf(item.laneKey))!
          assert.equal(item.record.offset, line[0], 'not the first of its key')
          assert.ok(!running.some((other) => nameOf(other.laneKey) === nameOf(item.laneKey)))
          running.push(item)
        }
        const finish = (index: number) => {
          const [item] = running.splice(index, 1)
          waiting.get(nameOf(item!.laneKey))!.shift()
          const next = lanes.advance(item!)
          if (next !== null) start(next)
        }
        for (const [offset, step] of steps.entries())
          if (step.kind === 'append') {
            const item = itemOf(work, offset, step.key)
            const name = nameOf(step.key)
            waiting.set(name, [...(waiting.get(name) ?? []), offset])
            if (lanes.append(item)) start(item)
          } else if (running.length > 0) finish(step.pick % running.length)
        while (running.length > 0) finish(0)
        assert.deepEqual([...waiting.values()].flat(), [])
        assert.deepEqual([lanes.size, lanes.fullLanes], [0, 0])
      }),
    )
  })

  test('a lane that is full counts once, however often it reaches its limit before it has room', () => {
    const lanes = new LaneTable<WorkItem>({ seed: 1, perKey: 4 })
    const work = workOf({ lanes })
    const key = Uint8Array.of(1)
    const items = [0, 1, 2, 3, 4].map((offset) => itemOf(work, offset, key))
    for (const item of items.slice(0, 4)) lanes.append(item)
    lanes.advance(items[0]!)
    lanes.append(items[4]!)
    assert.equal(lanes.fullLanes, 1)
    for (const item of items.slice(1)) lanes.advance(item)
    assert.equal(lanes.fullLanes, 0)
  })

  test('keys compare by their bytes, not by their buffer; no key is not the empty key', () => {
    const lanes = new LaneTable<WorkItem>({ seed: 1, perKey: 100 })
    const work = workOf({ lanes })
    const wide = Uint8Array.of(9, 1, 2, 9)
    const keys = [
      Uint8Array.of(1, 2),
      wide.subarray(1, 3),
      new Uint8Array(0),
      null,
      Uint8Array.of(1),
    ]
    const isHead = keys.map((key, offset) => lanes.append(itemOf(work, offset, key)))
    assert.deepEqual(isHead, [true, false, true, true, true])
  })

  test('a lane is full at its limit and no longer at 70 % of it; the lane without keys never is', () => {
    const lanes = new LaneTable<WorkItem>({ seed: 1, perKey: 10 })
    const work = workOf({ lanes })
    const items = Array.from({ length: 10 }, (_, offset) => itemOf(work, offset, Uint8Array.of(1)))
    const states = items.map((item) => (lanes.append(item), lanes.fullLanes))
    assert.deepEqual(states, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    const draining = items.slice(0, 4).map((item) => (lanes.advance(item), lanes.fullLanes))
    assert.deepEqual(draining, [1, 1, 0, 0])
    for (let offset = 10; offset < 40; offset++) lanes.append(itemOf(work, offset, null))
    assert.equal(lanes.fullLanes, 0)
  })

  test('when a partition goes, active heads keep their lanes and records that come later wait behind them', () => {
    const lanes = new LaneTable<WorkItem>({ seed: 1, perKey: 100 })
    const before = workOf({ lanes })
    const [active, behind, idle] = [
      itemOf(before, 0, Uint8Array.of(1)),
      itemOf(before, 1, Uint8Array.of(1)),
      itemOf(before, 2, Uint8Array.of(2)),
    ]
    for (const item of [active, behind, idle]) lanes.append(item)
    active.active = true
    lanes.dropInactive()
    assert.equal(lanes.size, 1)

    const after = workOf({ lanes, epoch: 2 })
    const [again, other] = [itemOf(after, 1, Uint8Array.of(1)), itemOf(after, 2, Uint8Array.of(2))]
    assert.deepEqual([lanes.append(again), lanes.append(other)], [false, true])
    assert.equal(lanes.advance(active), again)
  })

  test('a lane holds the key of its newest head, not the buffer of its first', () => {
    const lanes = new LaneTable<WorkItem>({ seed: 1, perKey: 100 })
    const work = workOf({ lanes })
    const [first, second] = [itemOf(work, 0, Uint8Array.of(1)), itemOf(work, 1, Uint8Array.of(1))]
    lanes.append(first)
    lanes.append(second)
    lanes.advance(first)
    assert.equal(second.lane?.key, second.laneKey)
  })
})

describe('the key table', () => {
  test('finds what was added and not removed, among keys that collide, too', () => {
    const key = fc.uint8Array({ maxLength: 3, max: 3 })
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key), { maxLength: 300 }), (steps) => {
        const table = new KeyTable<Lane<WorkItem>>(3)
        const model = new Map<string, Lane<WorkItem>>()
        for (const [add, bytes] of steps) {
          // Four hashes for all keys: nearly everything collides.
          const hash = bytes.length & 3
          const known = table.find(bytes, hash)
          assert.equal(known, model.get(nameOf(bytes)) ?? null)
          if (add && known === null) {
            const lane = new Lane<WorkItem>(bytes, hash)
            table.add(lane)
            model.set(nameOf(bytes), lane)
          } else if (!add && known !== null) {
            table.remove(known)
            model.delete(nameOf(bytes))
          }
          assert.equal(table.size, model.size)
        }
        assert.equal([...table].length, model.size)
      }),
    )
  })

  test('a hundred thousand keys that came and went leave nothing behind', () => {
    const table = new KeyTable<Lane<WorkItem>>(3)
    const lanes = Array.from({ length: 100_000 }, (_, index) => {
      const bytes = new Uint8Array(Uint32Array.of(index).buffer)
      const lane = new Lane<WorkItem>(bytes, table.hash(bytes))
      table.add(lane)
      return lane
    })
    assert.ok(table.bucketCount >= 100_000)
    for (const lane of lanes) table.remove(lane)
    assert.deepEqual([table.size, table.bucketCount <= 64], [0, true])
  })
})

describe('the ready queue', () => {
  test('is first in, first out, and forgets what it is told to', () => {
    const work = workOf()
    const items = [0, 1, 2, 3, 4].map((offset) => itemOf(work, offset))
    const queue = new ReadyQueue<WorkItem>()
    for (const item of items) queue.push(item)
    queue.remove((item) => item.record.offset % 2 === 1)
    assert.equal(queue.length, 3)
    const left = [queue.shift(), queue.shift(), queue.shift(), queue.shift()]
    assert.deepEqual(left, [items[0], items[2], items[4], null])
    queue.push(items[1]!)
    assert.equal(queue.shift(), items[1])
  })
})

function nameOf(key: Uint8Array | null): string {
  return key === null ? 'none' : `[${key.join()}]`
}
