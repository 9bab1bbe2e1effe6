import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beat, beatRequest, given, joining, newSim, orders } from './fixture.test.ts'
import { hasMoved, httpBeat, idleMembers, isBehind } from './http-members.ts'

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

  test('say that they know of a smaller assignment by coming again', () => {
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
    const [kept] = httpBeat(told, { generation: 1, owned: null })?.topicPartitions ?? []
    assert.equal(kept?.partitions.length, 2)
    const owned = orders(0, 1, 2, 3)
    assert.deepEqual(httpBeat(told, { generation: 1, owned })?.topicPartitions, owned)
  })

  test('are stale with any generation but their own', () => {
    const world = newSim()
    beat(world.sim, { ...joining, http })
    for (const generation of [0, 2, 99])
      assert.equal(httpBeat(memberOf(world), { generation, owned: null }), null)
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
