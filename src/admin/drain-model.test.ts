import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lagMeasures, lagSum } from './drain-model.ts'
import type { LagFacts } from './group-lag.ts'

describe('how a group catches up', () => {
  test('is lag over what it reads faster than is written', () => {
    const before = { atMs: 0, facts: [fact({ committedOffset: 100, endOffset: 1_000 })] }
    const now = {
      atMs: 2_000,
      facts: [fact({ committedOffset: 300, endOffset: 1_100, oldestMs: 500 })],
    }
    assert.deepEqual(lagMeasures(before, now), [
      {
        topic: 'orders',
        partition: 0,
        records: 800,
        seconds: 1.5,
        readPerSecond: 100,
        writtenPerSecond: 50,
        drainSeconds: 16,
      },
    ])
  })

  test('is never where it reads no faster than is written, and at once where nothing is left', () => {
    const at = (committedOffset: number, endOffset: number) => [
      fact({ committedOffset, endOffset }),
    ]
    const measure = (before: LagFacts[], now: LagFacts[]) =>
      lagMeasures({ atMs: 0, facts: before }, { atMs: 1_000, facts: now })[0]
    assert.equal(measure(at(10, 20), at(10, 20))?.drainSeconds, null)
    assert.equal(measure(at(10, 20), at(15, 30))?.drainSeconds, null)
    assert.equal(measure(at(10, 20), at(30, 30))?.drainSeconds, 0)
    assert.equal(measure(at(10, 20), at(30, 30))?.seconds, 0)
  })

  test('of the whole group is that of its slowest partition', () => {
    const facts = (first: number, second: number) => [
      fact({ committedOffset: first }),
      fact({ partition: 1, committedOffset: second }),
    ]
    const sum = (first: number, second: number) =>
      lagSum(
        lagMeasures({ atMs: 0, facts: facts(0, 0) }, { atMs: 1_000, facts: facts(first, second) }),
      )
    assert.deepEqual(sum(50, 10), {
      records: 140,
      seconds: null,
      readPerSecond: 60,
      writtenPerSecond: 0,
      drainSeconds: 9,
    })
    assert.equal(sum(50, 0).drainSeconds, null)
  })
})

function fact(over: Partial<LagFacts>): LagFacts {
  return {
    topic: 'orders',
    partition: 0,
    startOffset: 0,
    endOffset: 100,
    committedOffset: 0,
    oldestMs: null,
    ...over,
  }
}
