import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytes,
  commitRequest,
  enter,
  failedJoin,
  heartbeatRequest,
  leaveRequest,
  Sim,
} from '../fixture.test.ts'
import type { JoinRequest } from '../messages.ts'

describe('a static member', () => {
  const instance = { groupInstanceId: 'i' }

  test('is admitted at once, under an id of its instance', () => {
    const { response } = new Sim().join(instance)
    assert.equal(response?.errorCode, 'NONE')
    assert.equal(response.memberId, 'i-1')
  })

  for (const apiVersion of [5, 8, 9])
    test(`that leads and comes back without its id keeps generation and assignment in version ${apiVersion}`, () => {
      const { sim, old } = stableStatic()
      const { response, records } = sim.join({
        ...instance,
        apiVersion,
        protocols: [{ name: 'range', metadata: bytes(5) }],
      })
      assert.deepEqual(response, {
        kind: 'join',
        errorCode: 'NONE',
        generationId: 1,
        protocolType: 'consumer',
        protocolName: 'range',
        leader: apiVersion === 9 ? 'i-2' : old,
        skipAssignment: apiVersion === 9,
        memberId: 'i-2',
        members:
          apiVersion === 9 ? [{ memberId: 'i-2', groupInstanceId: 'i', metadata: bytes(5) }] : [],
      })
      assert.deepEqual(
        records.map(({ kind }) => kind),
        ['member-replaced'],
      )
      assert.deepEqual(
        sim.sync({ memberId: 'i-2', generationId: 1 }).response?.assignment,
        bytes(1),
      )
    })

  test('fences its old id in every request, and with the wrong instance is unknown', () => {
    const { sim, old } = stableStatic()
    sim.join(instance)
    const fenced = { memberId: old, ...instance }
    assert.equal(sim.join(fenced).response?.errorCode, 'FENCED_INSTANCE_ID')
    assert.equal(sim.join({ memberId: old }).response?.errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(sim.sync({ ...fenced, generationId: 1 }).response?.errorCode, 'FENCED_INSTANCE_ID')
    assert.deepEqual(sim.ask(heartbeatRequest({ ...fenced, generationId: 1 })).response, {
      kind: 'heartbeat',
      errorCode: 'FENCED_INSTANCE_ID',
    })
    const commit = sim.ask(commitRequest({ ...fenced, generationIdOrMemberEpoch: 1 }))
    assert.deepEqual(commit.records, [])
    assert.deepEqual(commit.response, {
      kind: 'offset-commit',
      topics: [
        { name: 'orders', partitions: [{ partitionIndex: 0, errorCode: 'FENCED_INSTANCE_ID' }] },
      ],
    })
  })

  test('that comes back while it still waits answers its older self', () => {
    const sim = new Sim({ groupInitialRebalanceDelayMs: 1_000 })
    const older = sim.join(instance)
    const newer = sim.join(instance)
    assert.deepEqual(sim.joinAnswer(older.token), {
      ...failedJoin,
      errorCode: 'FENCED_INSTANCE_ID',
      memberId: 'i-1',
    })
    sim.advance(60_000)
    assert.equal(sim.joinAnswer(newer.token)?.memberId, 'i-2')
    assert.equal(sim.joinAnswer(newer.token)?.members.length, 1)
  })

  test('that comes back while its generation waits for the assignment makes all join anew', () => {
    const sim = new Sim()
    sim.join(instance)
    assert.equal(sim.join(instance).response?.generationId, 2)
  })

  test('whose return changes the protocol of the group makes all join anew', () => {
    const sim = new Sim()
    const both = ['range', 'sticky'].map((name) => ({ name, metadata: bytes() }))
    const old = sim.join({ ...instance, protocols: both }).response!.memberId
    sim.sync({ memberId: old, generationId: 1 })
    const { response } = sim.join({ ...instance, protocols: [...both].reverse() })
    assert.equal(response?.generationId, 2)
    assert.equal(response.protocolName, 'sticky')
  })

  test('that comes back during a round joins it in the place of its older self', () => {
    const { sim } = stableStatic()
    const joiner = sim.join({ apiVersion: 3 })
    assert.equal(sim.join(instance).response?.generationId, 2)
    assert.equal(sim.joinAnswer(joiner.token)?.generationId, 2)
  })

  test('that comes back while its older self waits for an assignment answers it', () => {
    const sim = new Sim()
    const leader = enter(sim)
    sim.sync({ memberId: leader, generationId: 1 })
    const joining = sim.join(instance)
    sim.join({ memberId: leader })
    const old = sim.joinAnswer(joining.token)!.memberId
    const waiting = sim.sync({ memberId: old, generationId: 2 })
    sim.join(instance)
    const answer = sim.responses.get(waiting.token)
    assert.equal(answer?.kind === 'sync' && answer.errorCode, 'FENCED_INSTANCE_ID')
  })

  test('that comes back has to ask for its assignment as its older self had', () => {
    const sim = new Sim()
    const leader = enter(sim)
    sim.sync({ memberId: leader, generationId: 1 })
    sim.join(instance)
    sim.join({ memberId: leader })
    sim.sync({ memberId: leader, generationId: 2 })
    const { response } = sim.join(instance)
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
      for (const memberId of [leader, response!.memberId])
        sim.ask(heartbeatRequest({ memberId, generationId: 2 }))
      sim.advance(5_000)
    }
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
  })

  test('that came back is not disturbed by the session of its older self', () => {
    const { sim } = stableStatic()
    const { memberId } = sim.join(instance).response!
    sim.sync({ memberId, generationId: 1 })
    for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 5_000) {
      sim.advance(5_000)
      assert.deepEqual(sim.ask(heartbeatRequest({ memberId, generationId: 1 })).response, {
        kind: 'heartbeat',
        errorCode: 'NONE',
      })
    }
  })

  test('that is away is waited for when nobody else is there to go on with', () => {
    const { sim, old } = stableStatic({ sessionTimeoutMs: 300_000 })
    const memberId = sim.join().response!.memberId
    sim.join({ memberId })
    sim.ask(leaveRequest({ memberId }))
    sim.advance(100_000)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
    assert.equal(sim.join({ memberId: old, ...instance }).response?.generationId, 2)
  })

  test('that is away during a rebalance keeps its place until its session ends', () => {
    const { sim, old } = stableStatic()
    const joiner = sim.join({ apiVersion: 3, rebalanceTimeoutMs: 6_000, sessionTimeoutMs: 100_000 })
    sim.advance(60_000)
    assert.equal(sim.joinAnswer(joiner.token)?.generationId, 2)
    assert.deepEqual(
      sim
        .joinAnswer(joiner.token)
        ?.members.map(({ memberId }) => memberId)
        .sort(),
      ['client-2'],
    )
    assert.equal(sim.join({ memberId: old, ...instance }).response?.errorCode, 'UNKNOWN_MEMBER_ID')
  })

  test('that is away is in the next generation all the same while its session lasts', () => {
    const { sim, old } = stableStatic({ sessionTimeoutMs: 100_000 })
    const joiner = sim.join({ apiVersion: 3 })
    sim.advance(60_000)
    const answer = sim.joinAnswer(joiner.token)
    assert.deepEqual(
      answer?.members.map(({ memberId }) => memberId),
      [old, 'client-2'],
    )
    assert.equal(answer?.leader, 'client-2')
  })

  function stableStatic(over: Partial<JoinRequest> = {}) {
    const sim = new Sim()
    const old = sim.join({ ...instance, ...over }).response!.memberId
    sim.sync({
      memberId: old,
      generationId: 1,
      assignments: [{ memberId: old, assignment: bytes(1) }],
    })
    return { sim, old }
  }
})
