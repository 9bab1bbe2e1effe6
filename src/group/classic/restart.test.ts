import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytes,
  completingPair,
  enter,
  heartbeatRequest,
  leaveRequest,
  Sim,
  stablePair,
  START_MS,
} from '../fixture.test.ts'

describe('a restart', () => {
  for (const from of ['journal', 'snapshot'] as const) {
    test(`from the ${from} keeps a stable group as it is, for whole sessions`, () => {
      const { sim, a, b } = stablePair()
      sim.advance(9_000)
      for (const memberId of [a, b]) sim.ask(heartbeatRequest({ memberId, generationId: 2 }))
      const before = sim.coordinator.describe('g', 6)
      sim.restart({ from })
      assert.deepEqual(sim.coordinator.describe('g', 6), before)
      sim.advance(9_999)
      assert.deepEqual(sim.ask(heartbeatRequest({ memberId: a, generationId: 2 })).response, {
        kind: 'heartbeat',
        errorCode: 'NONE',
      })
      assert.deepEqual(sim.sync({ memberId: b, generationId: 2 }).response?.assignment, bytes(2))
      sim.advance(10_000)
      assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
    })

    test(`from the ${from} goes on with a generation that waits for its assignment`, () => {
      const { sim, a, b } = completingPair()
      sim.restart({ from })
      const waiting = sim.sync({ memberId: b, generationId: 2 })
      assert.equal(sim.join({ memberId: a }).response?.members.length, 2)
      sim.sync({
        memberId: a,
        generationId: 2,
        assignments: [{ memberId: b, assignment: bytes(5) }],
      })
      const answer = sim.responses.get(waiting.token)
      assert.deepEqual(answer?.kind === 'sync' && answer.assignment, bytes(5))
    })

    test(`from the ${from} does not wait for an assignment for ever`, () => {
      const { sim, a, b } = completingPair()
      sim.restart({ from })
      for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
        assert.equal(sim.coordinator.describe('g', 6).groupState, 'CompletingRebalance')
        for (const memberId of [a, b]) sim.ask(heartbeatRequest({ memberId, generationId: 2 }))
        sim.advance(5_000)
      }
      assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
    })

    test(`from the ${from} goes on with a rebalance because of a member that left, which stays out`, () => {
      const { sim, a, b } = stablePair()
      sim.ask(leaveRequest({ memberId: b }))
      sim.restart({ from })
      assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
      assert.equal(sim.join({ memberId: b }).response?.errorCode, 'UNKNOWN_MEMBER_ID')
      assert.equal(sim.join({ memberId: a }).response?.generationId, 3)
    })
  }

  test('forgets a round that had removed nobody: the last generation stands', () => {
    const { sim, a } = stablePair()
    sim.join({ apiVersion: 0 })
    sim.restart()
    assert.deepEqual(sim.ask(heartbeatRequest({ memberId: a, generationId: 2 })).response, {
      kind: 'heartbeat',
      errorCode: 'NONE',
    })
  })

  test('does not forget that a number was given out: a generation that nobody saw assigned is not used again', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    sim.restart()
    sim.ask(leaveRequest({ memberId }))
    sim.restart()
    assert.equal(sim.join({ apiVersion: 0 }).response?.generationId, 3)
  })

  test('measures the rebalance that it interrupted by the wall clock', () => {
    const { sim, a, b } = stablePair()
    sim.ask(leaveRequest({ memberId: b }))
    sim.wallMs += 1_500
    sim.restart()
    sim.join({ memberId: a })
    sim.sync({ memberId: a, generationId: 3 })
    const last = sim.coordinator.timeline('g')?.rebalances.at(-1)
    assert.deepEqual(
      [last?.cause, last?.memberId, last?.startedMs, last?.durationMs, last?.generation],
      ['member_left', b, START_MS, 1_500, 3],
    )
  })
})
