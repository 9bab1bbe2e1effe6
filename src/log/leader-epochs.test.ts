import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LeaderEpochs } from './leader-epochs.ts'

describe('leader epochs', () => {
  const entries = [
    [0, 0],
    [3, 10],
    [5, 20],
  ] as const

  test('end where the next one begins, the last one at the end of the log', () => {
    const epochs = new LeaderEpochs(entries)
    const rows = [
      [0, 0, 10],
      [1, 0, 10],
      [2, 0, 10],
      [3, 3, 20],
      [4, 3, 20],
      [5, 5, 42],
      [6, -1, -1],
      [-1, -1, -1],
    ] as const
    for (const [asked, leaderEpoch, endOffset] of rows)
      assert.deepEqual(epochs.endOf(asked, 42), { leaderEpoch, endOffset }, `epoch ${asked}`)
  })

  test('are known by offset', () => {
    const epochs = new LeaderEpochs(entries)
    assert.deepEqual(
      [0, 9, 10, 19, 20, 99].map((offset) => epochs.at(offset)),
      [0, 0, 3, 3, 5, 5],
    )
  })

  test('that ended below the log start are forgotten', () => {
    const epochs = new LeaderEpochs(entries)
    epochs.startAt(15)
    assert.deepEqual(epochs.entries(), [
      [3, 15],
      [5, 20],
    ])
    assert.deepEqual(epochs.endOf(0, 42), { leaderEpoch: 0, endOffset: 15 })
    // A batch may begin below the log start.
    assert.equal(epochs.at(12), 3)
  })

  test('leave no trace when nothing was written in them, and never go back', () => {
    const epochs = new LeaderEpochs([[0, 0]])
    epochs.begin(1, 5)
    epochs.begin(2, 5)
    epochs.begin(2, 9)
    assert.deepEqual(epochs.entries(), [
      [0, 0],
      [2, 5],
    ])
    assert.throws(() => epochs.begin(1, 10), { code: 'SHOAL_INVARIANT' })
    assert.throws(() => epochs.begin(3, 4), { code: 'SHOAL_INVARIANT' })
  })
})
