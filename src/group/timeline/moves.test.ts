import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Ownership } from '../records.ts'
import { MOST_MOVES, outcomeOf } from './moves.ts'

describe('what a rebalance came to', () => {
  test('names each partition that changed hands, from whom and to whom', () => {
    const before = { generation: 3, owners: [owner('a', 0, 1, 2), owner('b', 3)] }
    const outcome = outcomeOf(before, [owner('a', 0, 1), owner('c', 2, 3)])
    assert.deepEqual(outcome, {
      memberCountBefore: 2,
      memberCount: 2,
      assigned: 2,
      revoked: 1,
      lost: 1,
      movedCount: 2,
      moved: [
        { topic: 'orders', partition: 2, from: 'a', to: 'c' },
        { topic: 'orders', partition: 3, from: 'b', to: 'c' },
      ],
      clientIds: [
        ['a', 'client-a'],
        ['b', 'client-b'],
        ['c', 'client-c'],
      ],
    })
  })

  test('is nothing where everybody has what it had', () => {
    const owners = [owner('a', 0, 1)]
    assert.equal(outcomeOf({ generation: 1, owners }, owners).movedCount, 0)
  })

  test('counts what it does not name', () => {
    const partitions = Array.from({ length: MOST_MOVES + 50 }, (_, index) => index)
    const outcome = outcomeOf(null, [owner('a', ...partitions)])
    assert.deepEqual(
      [outcome.movedCount, outcome.assigned, outcome.moved.length],
      [MOST_MOVES + 50, MOST_MOVES + 50, MOST_MOVES],
    )
  })

  test('knows partitions that nobody has any more', () => {
    const outcome = outcomeOf({ generation: 1, owners: [owner('a', 0)] }, [])
    assert.deepEqual(outcome.moved, [{ topic: 'orders', partition: 0, from: 'a', to: null }])
    assert.deepEqual([outcome.assigned, outcome.revoked, outcome.lost], [0, 0, 1])
  })
})

function owner(memberId: string, ...partitions: readonly number[]): Ownership {
  return { memberId, clientId: `client-${memberId}`, partitions: [{ topic: 'orders', partitions }] }
}
