import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DelayQueue } from './delay-queue.ts'
import type { WorkItem } from '../work.ts'
import { itemOf, workOf } from '../fixtures.test.ts'

test('items come out when they are due, in order, ties as they came, and removed ones never', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 20 }), { maxLength: 60 }),
      fc.nat({ max: 4 }),
      (delays, removed) => {
        const queue = new DelayQueue<WorkItem>()
        const work = workOf()
        const items = delays.map((delayMs, offset) => {
          const item = itemOf(work, offset)
          queue.push(item, delayMs)
          return item
        })
        queue.remove((item) => item.record.offset % 5 === removed)
        const expected = items
          .filter((item) => item.record.offset % 5 !== removed)
          .sort((a, b) => a.dueMs - b.dueMs || a.record.offset - b.record.offset)
        const got = []
        for (let nowMs = 0; nowMs <= 20; nowMs++) {
          for (let item = queue.shift(nowMs); item !== null; item = queue.shift(nowMs)) {
            assert.equal(item.dueMs, nowMs)
            got.push(item)
          }
          assert.ok((queue.nextDueMs ?? 21) > nowMs)
        }
        assert.deepEqual(
          got.map((item) => item.record.offset),
          expected.map((item) => item.record.offset),
        )
      },
    ),
  )
})
