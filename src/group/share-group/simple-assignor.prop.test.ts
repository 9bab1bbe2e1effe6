import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { assignSimply, type SimpleMember } from './simple-assignor.ts'

const topicCounts = [1, 3, 5].map((partitionCount, index) => ({
  topicId: `t${index}`,
  name: `topic-${index}`,
  partitionCount,
}))

const arbitraryMembers = fc
  .array(fc.subarray(topicCounts, { minLength: 1 }), { minLength: 1, maxLength: 12 })
  .map((subscriptions) =>
    subscriptions.map((topics, index): SimpleMember => ({
      memberId: `m${index}`,
      topics,
      assigned: [],
    })),
  )

test('every partition that somebody wants has a member, and nobody is idle', () => {
  fc.assert(
    fc.property(arbitraryMembers, (members) => {
      const assignment = assignSimply(members)
      const given = new Set<string>()
      for (const { memberId, topics } of members) {
        const own = assignment.get(memberId) ?? []
        assert.ok(own.some(({ partitions }) => partitions.length > 0))
        for (const { topicId, partitions } of own) {
          assert.ok(topics.some((topic) => topic.topicId === topicId))
          assert.equal(new Set(partitions).size, partitions.length)
          for (const partition of partitions) given.add(`${topicId}/${partition}`)
        }
      }
      const wanted = new Set(members.flatMap(({ topics }) => topics))
      const count = [...wanted].reduce((sum, { partitionCount }) => sum + partitionCount, 0)
      assert.equal(given.size, count)
    }),
  )
})

test('members of one subscription get as much as each other, and partitions are shared alike', () => {
  const memberCounts = fc.integer({ min: 1, max: 20 })
  fc.assert(
    fc.property(memberCounts, fc.integer({ min: 1, max: 12 }), (memberCount, partitionCount) => {
      const topic = { topicId: 't', name: 't', partitionCount }
      const members = Array.from({ length: memberCount }, (_, index) => ({
        memberId: `m${index}`,
        topics: [topic],
        assigned: [],
      }))
      const counts = [...assignSimply(members).values()].map(
        (own) => own[0]?.partitions.length ?? 0,
      )
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
      const sharing = Array.from({ length: partitionCount }, () => 0)
      for (const own of assignSimply(members).values())
        for (const partition of own[0]?.partitions ?? []) sharing[partition]!++
      assert.ok(Math.max(...sharing) - Math.min(...sharing) <= 1)
    }),
  )
})

test('the same again when nothing changed', () => {
  fc.assert(
    fc.property(arbitraryMembers, (members) => {
      const first = assignSimply(members)
      const again = members.map((member) => ({
        ...member,
        assigned: first.get(member.memberId) ?? [],
      }))
      assert.deepEqual(assignSimply(again), first)
    }),
  )
})
