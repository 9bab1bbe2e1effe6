import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Assignment, AssignorMember } from './assignor.ts'
import { assignors, serverAssignors } from './index.ts'

describe('range', () => {
  test('gives every topic in runs, the first members one more', () => {
    assert.deepEqual(
      plain(
        assignors.range({
          members: [member('b', 'x y'), member('a', 'x y')],
          partitionCounts: counts({ x: 3, y: 2 }),
        }),
      ),
      { a: { x: [0, 1], y: [0] }, b: { x: [2], y: [1] } },
    )
  })

  test('puts static members first, by instance id, whatever their member ids', () => {
    const members = [
      member('a', 'x'),
      { ...member('z', 'x'), groupInstanceId: 'i-2' },
      { ...member('y', 'x'), groupInstanceId: 'i-3' },
    ]
    assert.deepEqual(plain(assignors.range({ members, partitionCounts: counts({ x: 3 }) })), {
      z: { x: [0] },
      y: { x: [1] },
      a: { x: [2] },
    })
  })

  test('leaves members without partitions when there are more members than partitions', () => {
    const members = ['a', 'b', 'c'].map((id) => member(id, 'x'))
    assert.deepEqual(plain(assignors.range({ members, partitionCounts: counts({ x: 2 }) })), {
      a: { x: [0] },
      b: { x: [1] },
      c: {},
    })
  })
})

describe("the server's range", () => {
  test('deals runs in the order of the members whatever they hold, as Kafka does', () => {
    const held = (...partitions: number[]) => [{ topic: 'x', partitions }]
    const members = [
      { ...member('a', 'x'), ownedPartitions: held(0, 1, 2) },
      { ...member('b', 'x'), ownedPartitions: held(3, 4, 5) },
      member('c', 'x'),
    ]
    assert.deepEqual(plain(serverAssignors.range({ members, partitionCounts: counts({ x: 6 }) })), {
      a: { x: [0, 1] },
      b: { x: [2, 3] },
      c: { x: [4, 5] },
    })
  })
})

describe('roundrobin', () => {
  test('deals the partitions of all topics in one circle', () => {
    const members = ['b', 'a'].map((id) => member(id, 'x y'))
    assert.deepEqual(
      plain(assignors.roundrobin({ members, partitionCounts: counts({ x: 3, y: 3 }) })),
      {
        a: { x: [0, 2], y: [1] },
        b: { x: [1], y: [0, 2] },
      },
    )
  })

  test('passes over who does not want the topic', () => {
    const members = [member('a', 'x'), member('b', 'x y'), member('c', 'x y z')]
    assert.deepEqual(
      plain(assignors.roundrobin({ members, partitionCounts: counts({ x: 1, y: 2, z: 3 }) })),
      { a: { x: [0] }, b: { y: [0] }, c: { y: [1], z: [0, 1, 2] } },
    )
  })
})

describe('sticky', () => {
  test('moves one partition to a member that is new, and no more', () => {
    const members = [
      member('a', 'x', { x: [0, 1, 2] }),
      member('b', 'x', { x: [3, 4] }),
      member('c', 'x'),
    ]
    assert.deepEqual(plain(assignors.sticky({ members, partitionCounts: counts({ x: 5 }) })), {
      a: { x: [0, 1] },
      b: { x: [3, 4] },
      c: { x: [2] },
    })
  })

  test('believes the newer of two claims, and of two equal ones neither', () => {
    const members = [
      { ...member('a', 'x', { x: [0, 1] }), generation: 4 },
      { ...member('b', 'x', { x: [0, 1] }), generation: 5 },
    ]
    const result = plain(assignors.sticky({ members, partitionCounts: counts({ x: 2 }) }))
    assert.deepEqual(result, { a: { x: [1] }, b: { x: [0] } })

    const equal = members.map((claim) => ({ ...claim, generation: 5 }))
    assert.deepEqual(
      plain(assignors.sticky({ members: equal, partitionCounts: counts({ x: 2 }) })),
      {
        a: { x: [0] },
        b: { x: [1] },
      },
    )
  })

  test('ignores claims on what does not exist or is not wanted any more', () => {
    const members = [member('a', 'x', { x: [-1, 0, 7], gone: [0], y: [0] }), member('b', 'y')]
    assert.deepEqual(
      plain(assignors.sticky({ members, partitionCounts: counts({ x: 1, y: 1 }) })),
      {
        a: { x: [0] },
        b: { y: [0] },
      },
    )
  })

  test('balances through a third member when subscriptions differ', () => {
    // a can only give to b, b only to c: one partition moves along the chain.
    const members = [
      member('a', 'x', { x: [0, 1] }),
      member('b', 'x y', { y: [0] }),
      member('c', 'y'),
    ]
    assert.deepEqual(
      plain(assignors.sticky({ members, partitionCounts: counts({ x: 2, y: 1 }) })),
      {
        a: { x: [0] },
        b: { x: [1] },
        c: { y: [0] },
      },
    )
  })
})

describe('cooperative-sticky', () => {
  test('hands a partition over in two rounds: first its owner gives it up', () => {
    const partitionCounts = counts({ x: 2 })
    const first = plain(
      assignors['cooperative-sticky']({
        members: [member('a', 'x', { x: [0, 1] }), member('b', 'x')],
        partitionCounts,
      }),
    )
    assert.deepEqual(first, { a: { x: [0] }, b: {} })

    const second = plain(
      assignors['cooperative-sticky']({
        members: [member('a', 'x', { x: [0] }), member('b', 'x')],
        partitionCounts,
      }),
    )
    assert.deepEqual(second, { a: { x: [0] }, b: { x: [1] } })
  })

  test('waits also for a member whose claim is out of date', () => {
    const members = [
      { ...member('a', 'x', { x: [0] }), generation: 1 },
      { ...member('b', 'x', { x: [0] }), generation: 2 },
    ]
    const result = assignors['cooperative-sticky']({ members, partitionCounts: counts({ x: 1 }) })
    assert.deepEqual(plain(result), { a: {}, b: {} })
  })
})

describe('every assignor', () => {
  for (const [name, assign] of Object.entries(assignors))
    test(`${name} has an answer for nobody, for no topics and for unknown topics`, () => {
      assert.equal(assign({ members: [], partitionCounts: counts({ x: 3 }) }).size, 0)
      const lonely = {
        members: [member('a', ''), member('b', 'nowhere')],
        partitionCounts: counts({ x: 3 }),
      }
      assert.deepEqual(plain(assign(lonely)), { a: {}, b: {} })
    })

  for (const [name, assign] of Object.entries(assignors))
    test(`${name} serves 1,000 members and 10,000 partitions`, () => {
      const partitionCounts = counts(
        Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`t${index}`, 1_000])),
      )
      const topics = [...partitionCounts.keys()].join(' ')
      const members = Array.from({ length: 1_000 }, (_, index) => member(`m${index}`, topics))
      const assignment = assign({ members, partitionCounts })
      const loads = [...assignment.values()].map(
        (list) => list.flatMap(({ partitions }) => partitions).length,
      )
      assert.equal(
        loads.reduce((sum, load) => sum + load, 0),
        10_000,
      )
      assert.deepEqual(new Set(loads), new Set([10]))
    })
})

function member(
  memberId: string,
  topics: string,
  owned: Readonly<Record<string, number[]>> = {},
): AssignorMember {
  return {
    memberId,
    groupInstanceId: null,
    topics: topics.split(' ').filter((topic) => topic !== ''),
    ownedPartitions: Object.entries(owned).map(([topic, partitions]) => ({ topic, partitions })),
    generation: 1,
  }
}

function counts(partitionCounts: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  return new Map(Object.entries(partitionCounts))
}

function plain(assignment: Assignment): Record<string, Record<string, readonly number[]>> {
  return Object.fromEntries(
    Array.from(assignment, ([memberId, list]) => [
      memberId,
      Object.fromEntries(list.map(({ topic, partitions }) => [topic, partitions])),
    ]),
  )
}
