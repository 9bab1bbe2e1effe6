import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { partitionListOf } from '../index.ts'
import { beat, beatRequest, given, joining, newSim, orders } from './fixture.test.ts'
import { hasMoved, httpBeat, idleMembers, isBehind, isStale, ownedAtJoin } from './http-members.ts'

const http = { sessionTimeoutMs: 3_000, start: 'latest' } as const

function groupOf({ sim }: ReturnType<typeof newSim>) {
  const group = sim.coordinator.consumerGroup('g')
  assert.ok(group)
  return group
}

function memberOf(world: ReturnType<typeof newSim>, memberId = 'a') {
  const member = groupOf(world).members.get(memberId)
  assert.ok(member)
  return member
}

describe('members that come over HTTP', () => {
  test('begin their group at generation 1, where a Kafka client begins it at 2', () => {
    const over = newSim()
    assert.equal(beat(over.sim, { ...joining, http }).memberEpoch, 1)
    assert.equal(beat(newSim().sim, joining).memberEpoch, 2)
  })

  test('have a session timeout of their own, beside that of the group', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    beat(world.sim, { ...joining, memberId: 'kafka' })
    world.sim.advance(2_999)
    assert.deepEqual([...groupOf(world).members.keys()], ['a', 'kafka'])
    world.sim.advance(1)
    assert.deepEqual([...groupOf(world).members.keys()], ['kafka'])
  })

  test('keep it over heartbeats and restarts, in full', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    world.sim.advance(2_000)
    beat(world.sim, { memberEpoch: 1 })
    assert.deepEqual(memberOf(world).profile.http, http)
    world.sim.restart()
    world.sim.advance(2_999)
    assert.ok(groupOf(world).members.has('a'))
    world.sim.advance(1)
    assert.ok(!groupOf(world).members.has('a'))
  })

  test('say that they know of a smaller assignment by the generation that it came with', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    beat(world.sim, { ...joining, memberId: 'b', http })
    const before = memberOf(world)
    assert.ok(isBehind(groupOf(world), before))
    assert.deepEqual(httpBeat(before, { generation: null, owned: null }), {
      memberEpoch: 1,
      topicPartitions: null,
    })
    assert.deepEqual(given(beat(world.sim, { memberEpoch: 1 }))?.length, 2)
    const told = memberOf(world)
    assert.ok(hasMoved(before, told))
    assert.equal(told.state, 'unrevoked')
    assert.equal(told.memberEpoch, 2)
    for (const generation of [2, null]) {
      const [kept] = httpBeat(told, { generation, owned: null })?.topicPartitions ?? []
      assert.equal(kept?.partitions.length, 2)
    }
    const owned = orders(0, 1, 2, 3)
    for (const generation of [1, 2, null])
      assert.deepEqual(httpBeat(told, { generation, owned })?.topicPartitions, owned)
  })

  test('give nothing up by saying again what was not answered: they are told the same again', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    beat(world.sim, { ...joining, memberId: 'b', http })
    const { assignment } = beat(world.sim, { memberEpoch: 1 })
    const told = memberOf(world)
    for (let times = 0; times < 3; times++) {
      const again = httpBeat(told, { generation: 1, owned: null })
      assert.deepEqual(again, { memberEpoch: 2, topicPartitions: null })
      beat(world.sim, again ?? {})
      assert.equal(memberOf(world), told)
      assert.ok(hasMoved(told, memberOf(world)))
    }
    beat(world.sim, { ...joining, http, topicPartitions: ownedAtJoin(told) })
    assert.deepEqual(partitionListOf(memberOf(world).assigned), assignment?.topicPartitions)
    assert.equal(memberOf(world).state, 'unrevoked')
    assert.deepEqual(ownedAtJoin(null), [])
  })

  test('lose by another subscription under a number of its own, however young the target is', () => {
    const config = { sessionTimeoutMs: 9_000, heartbeatIntervalMs: 3_000 }
    const world = newSim({
      consumerGroupConfig: () => ({ ...config, assignmentIntervalMs: 60_000 }),
    })
    const both = { ...joining, subscribedTopicNames: ['orders', 'other'], http }
    assert.equal(beat(world.sim, both).memberEpoch, 1)
    const less = { ...both, subscribedTopicNames: ['other'], topicPartitions: null }
    assert.equal(beat(world.sim, less).memberEpoch, 2)
    assert.equal(memberOf(world).state, 'unrevoked')
    const said = httpBeat(memberOf(world), { generation: 1, owned: null })
    assert.equal(said?.topicPartitions, null)
  })

  test('are stale with any generation but their own', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    for (const generation of [0, 2, 99]) {
      assert.ok(isStale(memberOf(world), generation))
      assert.equal(httpBeat(memberOf(world), { generation, owned: null }), null)
    }
    for (const generation of [1, null]) assert.ok(!isStale(memberOf(world), generation))
  })

  test('are not stale with an earlier one while they have to give something up', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    beat(world.sim, { ...joining, memberId: 'b', http })
    beat(world.sim, { memberEpoch: 1 })
    for (const generation of [0, 1, 2]) assert.ok(!isStale(memberOf(world), generation))
    assert.ok(isStale(memberOf(world), 3))
  })

  test('without partitions are idle', () => {
    const world = newSim()
    for (const memberId of ['a', 'b', 'c', 'd', 'e'])
      beat(world.sim, { ...joining, memberId, serverAssignor: 'range', http })
    assert.deepEqual(idleMembers(groupOf(world)), ['e'])
  })

  test('that join as a Kafka client again are one', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    beat(world.sim, joining)
    assert.equal(memberOf(world).profile.http, null)
    assert.equal(beatRequest().http, undefined)
  })
})
