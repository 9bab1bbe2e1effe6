import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { plannedShards, shardId, type ShardHolder } from './shard-plan.ts'

const counts = new Map([
  ['a', 5],
  ['b', 3],
])
const all = [...counts].flatMap(([topic, count]) =>
  Array.from({ length: count }, (_, shard) => ({ topic, shard })),
)
const member = (memberId: string) => ({ memberId, topics: ['a', 'b'] })

describe('the plan of shards', () => {
  test('members that see the same plan every shard exactly once, evenly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat({ max: 11 })), (size, holds) => {
        const members = Array.from({ length: size }, (_, index) => member(`m${index}`))
        const holders: ShardHolder[] = holds.flatMap((holder, index) => {
          const shard = all[index]
          return shard === undefined ? [] : [{ ...shard, memberId: `m${holder}` }]
        })
        const plans = members.map(({ memberId }) =>
          plannedShards(memberId, members, counts, holders).map(shardId),
        )
        assert.deepEqual(plans.flat().sort(), all.map(shardId).sort())
        const sizes = plans.map((plan) => plan.length)
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1)
      }),
    )
  })

  test('a member that comes takes its share and no more; the others keep theirs', () => {
    const two = [member('x'), member('y')]
    const holders = two.flatMap(({ memberId }) =>
      plannedShards(memberId, two, counts, []).map((shard) => ({ ...shard, memberId })),
    )
    const three = [...two, member('z')]
    const kept = two.map(({ memberId }) =>
      plannedShards(memberId, three, counts, holders).every((shard) =>
        holders.some((held) => held.memberId === memberId && shardId(held) === shardId(shard)),
      ),
    )
    assert.deepEqual(kept, [true, true])
    assert.equal(plannedShards('z', three, counts, holders).length, 2)
  })

  test('shards of a member that is gone, and of topics that one does not read, are planned for the others', () => {
    const holders = all.map((shard) => ({ ...shard, memberId: 'gone' }))
    const members = [member('x'), { memberId: 'y', topics: ['b'] }]
    assert.deepEqual(plannedShards('x', members, counts, holders).map(shardId), [
      'a/0',
      'a/1',
      'a/2',
      'a/3',
      'a/4',
    ])
    assert.equal(plannedShards('y', members, counts, holders).length, 3)
  })
})
