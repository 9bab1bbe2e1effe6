import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeldShard } from './held-shard.ts'
import type { Entry } from './pending-claim.ts'

const keys = { topic: 'orders', shard: 2, stream: 'orders:2', lease: 'lease' }
const entry = (offset: number): Entry => ({ offset, fields: [] })
const offsets = (batch: { readonly records: Iterable<{ readonly offset: number }> } | null) =>
  [...(batch?.records ?? [])].map(({ offset }) => offset)

function held(committed: number | null, oldestOpen: number): HeldShard {
  const stored = committed === null ? null : { offset: committed, metadata: 'm' }
  return new HeldShard({ keys, epoch: 3, committed: stored }, oldestOpen)
}

describe('a shard that is held', () => {
  test('begins at what is committed, or at the oldest unfinished entry when that is older', () => {
    assert.equal(held(null, 7).assignment.startOffset, 7)
    assert.equal(held(5, 9).assignment.startOffset, 5)
    assert.equal(held(5, 4).assignment.startOffset, 4)
    assert.deepEqual(held(5, 4).assignment.committed, { offset: 5, metadata: 'm' })
  })

  test('takes over what others left before it takes anything new', () => {
    const shard = held(null, 1)
    assert.deepEqual([shard.cursor, shard.raises], ['-', true])
    assert.deepEqual(
      offsets(
        shard.tookOver({
          entries: [entry(1), entry(4)],
          cursor: '5-0',
          lost: [],
          isHeldBack: false,
        }),
      ),
      [1, 4],
    )
    assert.equal(shard.cursor, '5-0')
    assert.equal(shard.tookOver({ entries: [], cursor: null, lost: [], isHeldBack: false }), null)
    assert.equal(shard.cursor, null)
    assert.deepEqual(offsets(shard.took({ entries: [entry(6)], endOffset: 7 }, 10)), [6])
    assert.deepEqual(shard.doneBelow(5), [1, 4])
  })

  test('after a lost answer, what was handed out already is not handed out again', () => {
    const shard = held(null, 0)
    shard.tookOver({ entries: [], cursor: null, lost: [], isHeldBack: false })
    shard.took({ entries: [entry(0), entry(1)], endOffset: 2 }, 10)
    shard.acknowledged(1)
    shard.answerLost()
    assert.deepEqual([shard.cursor, shard.raises], ['-', false])
    const again = shard.tookOver({
      entries: [entry(1), entry(2), entry(3)],
      cursor: null,
      lost: [],
      isHeldBack: false,
    })
    assert.deepEqual(offsets(again), [2, 3])
    assert.deepEqual(shard.doneBelow(10), [1, 2, 3])
  })

  test('counts what it has that was delivered before, and gives it back without this delivery', () => {
    const shard = held(null, 0)
    const again = [3, 4].map((offset) => ({ ...entry(offset), deliveryCount: offset }))
    shard.tookOver({ entries: again, cursor: null, lost: [], isHeldBack: false })
    shard.took({ entries: [entry(5)], endOffset: 6 }, 1)
    assert.deepEqual(shard.deliveries(), [2, 3])
    shard.acknowledged(4)
    assert.deepEqual([shard.deliveries(), shard.givenBack()], [[3], ['0-5', 3]])
    shard.ended(4)
    assert.deepEqual([shard.deliveries(), shard.givenBack()], [[], []])
  })

  test('is not read while suspects are held back, unless one ended while it was asked', () => {
    const left = { entries: [], cursor: '(0-4', lost: [], isHeldBack: true }
    for (const endedMeanwhile of [false, true]) {
      const shard = held(null, 0)
      shard.isHeldBack = true
      if (endedMeanwhile) shard.isHeldBack = false
      shard.tookOver(left)
      assert.deepEqual([shard.cursor, shard.isReadable], ['(0-4', endedMeanwhile])
    }
    const shard = held(null, 0)
    shard.isHeldBack = true
    shard.tookOver({ ...left, isHeldBack: false })
    assert.ok(shard.isReadable)
  })

  test('says that it is at the end once per arrival', () => {
    const shard = held(null, 0)
    shard.took({ entries: [entry(0), entry(1)], endOffset: 9 }, 2)
    assert.equal(shard.arrivedAtEnd(9), false)
    assert.equal(shard.took({ entries: [], endOffset: 9 }, 2), null)
    assert.deepEqual([shard.arrivedAtEnd(9), shard.arrivedAtEnd(9)], [true, false])
    shard.took({ entries: [entry(9)], endOffset: 10 }, 2)
    assert.equal(shard.arrivedAtEnd(10), true)
  })

  test('a batch says where to go on: after its last entry while there is more, else at the end', () => {
    const shard = held(null, 0)
    assert.equal(shard.took({ entries: [entry(3)], endOffset: 50 }, 1)?.nextOffset, 4)
    assert.equal(shard.took({ entries: [entry(8)], endOffset: 50 }, 2)?.nextOffset, 50)
    assert.equal(shard.lastId, '0-50')
  })
})
