import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { firstUnread, groupLag } from './group-lag.ts'

describe('the lag of a group', () => {
  const base = { topic: 't', partition: 0, startOffset: 10, endOffset: 30 }

  test('counts from the committed offset, in records and by the age of the oldest one', () => {
    const { partitions, records, maxSeconds } = groupLag(
      [
        { ...base, committedOffset: 25, oldestMs: 40_000 },
        { ...base, partition: 1, committedOffset: 30, oldestMs: null },
      ],
      100_000,
    )
    assert.deepEqual(
      partitions.map((lag) => [lag.records, lag.seconds]),
      [
        [5, 60],
        [0, 0],
      ],
    )
    assert.deepEqual([records, maxSeconds], [5, 60])
  })

  test('does not count what the log no longer has, and all of it where nothing was committed', () => {
    assert.equal(groupLag([{ ...base, committedOffset: 3, oldestMs: 0 }], 0).records, 20)
    assert.equal(groupLag([{ ...base, committedOffset: null, oldestMs: 0 }], 0).records, 20)
    assert.equal(firstUnread({ startOffset: 10, committedOffset: 12 }), 12)
  })

  test('is never negative: a clock that runs behind, a commit beyond the end', () => {
    const ahead = groupLag([{ ...base, committedOffset: 31, oldestMs: 5_000 }], 0)
    assert.deepEqual([ahead.records, ahead.maxSeconds], [0, 0])
  })
})
