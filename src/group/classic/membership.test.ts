import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  begun,
  bytes,
  completingPair,
  enter,
  heartbeatRequest,
  leaveRequest,
  Sim,
  stablePair,
  START_MS,
} from '../fixture.test.ts'
import type { SyncRequest } from '../messages.ts'

const failed = {
  kind: 'sync',
  protocolType: null,
  protocolName: null,
  assignment: bytes(),
} as const

describe('a sync', () => {
  test('of the leader hands out the assignments, records them and makes the group stable', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    sim.advance(250)
    const assignments = [
      { memberId, assignment: bytes(1, 2) },
      { memberId: 'nobody', assignment: bytes(3) },
    ]
    const { response, records } = sim.sync({ memberId, generationId: 1, assignments })
    assert.deepEqual(response, {
      kind: 'sync',
      errorCode: 'NONE',
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: bytes(1, 2),
    })
    assert.deepEqual(records, [
      {
        kind: 'assigned',
        groupId: 'g',
        generation: 1,
        assignments: [{ memberId, assignment: bytes(1, 2) }],
        durationMs: 250,
      },
    ])
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
    const timeline = sim.coordinator.timeline('g')
    assert.deepEqual(
      [timeline?.generation, timeline?.createdMs, timeline?.rebalanceCount, timeline?.rebalanceMs],
      [1, START_MS, 1, 250],
    )
    assert.deepEqual(
      timeline?.rebalances.map(({ cause, memberId: who, startedMs, durationMs, generation }) => [
        cause,
        who,
        startedMs,
        durationMs,
        generation,
      ]),
      [['member_joined', memberId, START_MS, 250, 1]],
    )
  })

  test('of a follower waits for the leader, who may leave it out: error 0 and no bytes', () => {
    const { sim, a, b } = completingPair()
    const waiting = sim.sync({ memberId: b, generationId: 2 })
    assert.equal(waiting.response, undefined)
    sim.sync({ memberId: a, generationId: 2, assignments: [{ memberId: a, assignment: bytes(1) }] })
    assert.deepEqual(sim.responses.get(waiting.token), {
      kind: 'sync',
      errorCode: 'NONE',
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: bytes(),
    })
  })

  test('in a stable group gives the assignment again', () => {
    const { sim, b } = stablePair()
    const { response, records } = sim.sync({ memberId: b, generationId: 2 })
    assert.deepEqual(response?.assignment, bytes(2))
    assert.deepEqual(records, [])
  })

  const refusals: readonly (readonly [string, Partial<SyncRequest>, string])[] = [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['an unknown group', { groupId: 'new' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown member', { memberId: 'x' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown instance', { groupInstanceId: 'x' }, 'UNKNOWN_MEMBER_ID'],
    ['an older generation', { generationId: 1 }, 'ILLEGAL_GENERATION'],
    ['a newer generation', { generationId: 3 }, 'ILLEGAL_GENERATION'],
    ['another protocol type', { protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['another protocol', { protocolName: 'sticky' }, 'INCONSISTENT_GROUP_PROTOCOL'],
  ]
  for (const [what, over, errorCode] of refusals)
    test(`with ${what} is answered ${errorCode}`, () => {
      const { sim, a } = stablePair()
      const { response, records } = sim.sync({ memberId: a, generationId: 2, ...over })
      assert.deepEqual(response, { ...failed, errorCode })
      assert.deepEqual(records, [])
    })

  test('without a protocol, as before version 5, is not compared', () => {
    const { sim, a } = stablePair()
    const { response } = sim.sync({
      memberId: a,
      generationId: 2,
      protocolType: null,
      protocolName: null,
    })
    assert.equal(response?.errorCode, 'NONE')
  })

  test('during a round is answered REBALANCE_IN_PROGRESS, and so is one that waits when a round begins', () => {
    const { sim, a, b } = completingPair()
    const waiting = sim.sync({ memberId: b, generationId: 2 })
    sim.join({ apiVersion: 0 })
    assert.deepEqual(sim.responses.get(waiting.token), {
      ...failed,
      errorCode: 'REBALANCE_IN_PROGRESS',
    })
    assert.equal(
      sim.sync({ memberId: a, generationId: 2 }).response?.errorCode,
      'REBALANCE_IN_PROGRESS',
    )
  })

  test('that is sent again answers the older one, whose connection is gone', () => {
    const { sim, b } = completingPair()
    const older = sim.sync({ memberId: b, generationId: 2 })
    sim.sync({ memberId: b, generationId: 2 })
    assert.deepEqual(sim.responses.get(older.token), {
      ...failed,
      errorCode: 'REBALANCE_IN_PROGRESS',
    })
  })

  test('that never comes costs the member its place after the rebalance timeout, and the others rebalance', () => {
    const { sim, a, b } = stablePair()
    sim.join({ memberId: a })
    sim.join({ memberId: b })
    sim.sync({ memberId: a, generationId: 3 })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      for (const memberId of [a, b])
        assert.equal(
          sim.ask(heartbeatRequest({ memberId, generationId: 3 })).response?.kind,
          'heartbeat',
        )
      assert.equal(sim.coordinator.describe('g', 6).members.length, 2)
      sim.advance(5_000)
    }
    assert.deepEqual(sim.journal.at(-1), {
      kind: 'member-removed',
      groupId: 'g',
      memberId: b,
      at: { wallMs: sim.wallMs, observedMs: sim.nowMs },
      rebalance: begun('rebalance_timeout', b, {
        startedMs: sim.wallMs,
        detail: 'it did not ask for its assignment in the rebalance timeout',
      }),
    })
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
  })

  test('keeps a copy of the assignment, not the frame that it came in', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    const frame = bytes(1, 2, 3)
    sim.sync({
      memberId,
      generationId: 1,
      assignments: [{ memberId, assignment: frame.subarray(1) }],
    })
    frame.fill(9)
    assert.deepEqual(sim.coordinator.describe('g', 6).members[0]?.memberAssignment, bytes(2, 3))
  })
})

describe('a heartbeat', () => {
  const answer = (errorCode: string) => ({ kind: 'heartbeat', errorCode })

  test('is answered by the state of the group', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    const beat = heartbeatRequest({ memberId, generationId: 1 })
    assert.deepEqual(sim.ask(beat).response, answer('NONE'), 'completing')
    sim.sync({ memberId, generationId: 1 })
    assert.deepEqual(sim.ask(beat).response, answer('NONE'), 'stable')
    sim.join({ apiVersion: 0 })
    assert.deepEqual(sim.ask(beat).response, answer('REBALANCE_IN_PROGRESS'), 'preparing')
  })

  for (const [what, over, errorCode] of [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['an unknown group', { groupId: 'new' }, 'UNKNOWN_MEMBER_ID'],
    ['an unknown member', { memberId: 'x' }, 'UNKNOWN_MEMBER_ID'],
    ['an older generation', { generationId: 1 }, 'ILLEGAL_GENERATION'],
  ] as const)
    test(`with ${what} is answered ${errorCode}`, () => {
      const { sim, a } = stablePair()
      const { response, records } = sim.ask(
        heartbeatRequest({ memberId: a, generationId: 2, ...over }),
      )
      assert.deepEqual(response, answer(errorCode))
      assert.deepEqual(records, [])
    })

  test('keeps the session alive without a timer of its own', () => {
    const { sim, a, b } = stablePair()
    for (let beat = 0; beat < 10; beat++) {
      sim.advance(3_000)
      for (const memberId of [a, b]) {
        const { timers } = sim.ask(heartbeatRequest({ memberId, generationId: 2 }))
        assert.deepEqual(timers, [])
      }
    }
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
  })
})

describe('a session', () => {
  test('that ends takes the member out at once, and the others rebalance', () => {
    const { sim, a, b } = stablePair()
    sim.advance(9_999)
    sim.ask(heartbeatRequest({ memberId: a, generationId: 2 }))
    const before = sim.journal.length
    sim.advance(1)
    assert.deepEqual(sim.journal.slice(before), [
      {
        kind: 'member-removed',
        groupId: 'g',
        memberId: b,
        at: { wallMs: START_MS + 10_000, observedMs: 10_000 },
        rebalance: begun('session_timeout', b, {
          startedMs: START_MS + 10_000,
          detail: 'no heartbeat for 10 s (session timeout 10 s)',
        }),
      },
    ])
    assert.equal(sim.join({ memberId: a }).response?.generationId, 3)
  })

  test('does not end while its member waits for an answer', () => {
    const { sim, a, b } = stablePair()
    const { token } = sim.join({ memberId: a })
    for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 5_000) {
      sim.ask(heartbeatRequest({ memberId: b, generationId: 2 }))
      sim.advance(5_000)
    }
    assert.equal(sim.joinAnswer(token), undefined)
    sim.join({ memberId: b })
    assert.equal(sim.joinAnswer(token)?.members.length, 2)
  })

  test('begins anew with the assignment for members that waited for it', () => {
    const { sim, a, b } = completingPair()
    sim.sync({ memberId: b, generationId: 2 })
    for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 5_000) {
      sim.ask(heartbeatRequest({ memberId: a, generationId: 2 }))
      sim.advance(5_000)
    }
    sim.sync({ memberId: a, generationId: 2 })
    sim.advance(9_999)
    assert.equal(sim.coordinator.describe('g', 6).members.length, 2)
    sim.advance(1)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
  })

  test('of everybody ending leaves an empty group of the next generation, for the timeline a rebalance', () => {
    const { sim, a, b } = stablePair()
    sim.advance(10_000)
    assert.deepEqual(sim.coordinator.describe('g', 6).groupState, 'Empty')
    const timeline = sim.coordinator.timeline('g')
    assert.equal(timeline?.generation, 3)
    const last = timeline?.rebalances.at(-1)
    assert.ok(last !== undefined && [a, b].includes(last.memberId))
    assert.deepEqual(
      [last.cause, last.startedMs, last.durationMs, last.generationFrom, last.generation],
      ['session_timeout', START_MS + 10_000, 0, 2, 3],
    )
    assert.deepEqual([last.memberCountBefore, last.memberCount], [2, 0])
  })

  test('is as much longer as the host stood still', () => {
    const { sim } = stablePair()
    sim.advance(5_000)
    sim.nowMs += 60_000
    sim.decide({ kind: 'stalled', durationMs: 60_000 })
    sim.advance(4_999)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
    sim.advance(1)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
  })
})

describe('a leave', () => {
  test('of one of two begins a rebalance; of both leaves an empty group one generation on', () => {
    const { sim, a, b } = stablePair()
    const { response, records } = sim.ask(leaveRequest({ memberId: a }))
    assert.deepEqual(response, {
      kind: 'leave',
      errorCode: 'NONE',
      members: [{ memberId: a, groupInstanceId: null, errorCode: 'NONE' }],
    })
    const rebalance = begun('member_left', a)
    const at = { wallMs: START_MS, observedMs: 0 }
    assert.deepEqual(records, [
      { kind: 'member-removed', groupId: 'g', memberId: a, at, rebalance },
    ])
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')

    assert.deepEqual(sim.ask(leaveRequest({ memberId: b })).records, [
      { kind: 'member-removed', groupId: 'g', memberId: b, at, rebalance },
      {
        kind: 'generation',
        groupId: 'g',
        generation: 3,
        protocolType: 'consumer',
        protocolName: null,
        leader: null,
        members: [],
        at,
        rebalance,
        durationMs: 0,
      },
    ])
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
  })

  test('is followed by generation 7 for who joins after a last member left in generation 5', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    for (let generation = 2; generation <= 5; generation++) {
      sim.sync({ memberId, generationId: generation - 1 })
      sim.join({ memberId })
    }
    sim.ask(leaveRequest({ memberId }))
    assert.equal(sim.join({ apiVersion: 0 }).response?.generationId, 7)
  })

  test('answers each member for itself, and the known ones leave', () => {
    const sim = new Sim()
    const memberId = sim.join({ groupInstanceId: 'i' }).response!.memberId
    const asked = [
      { memberId: 'x', groupInstanceId: null },
      { memberId: 'x', groupInstanceId: 'i' },
      { memberId: '', groupInstanceId: 'j' },
      { memberId: '', groupInstanceId: null },
      { memberId: '', groupInstanceId: 'i' },
    ]
    const { response } = sim.ask(leaveRequest(...asked))
    const errors = [
      'UNKNOWN_MEMBER_ID',
      'FENCED_INSTANCE_ID',
      'UNKNOWN_MEMBER_ID',
      'UNKNOWN_MEMBER_ID',
      'NONE',
    ]
    assert.deepEqual(response, {
      kind: 'leave',
      errorCode: 'NONE',
      members: asked.map((member, index) => ({ ...member, errorCode: errors[index] })),
    })
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
    assert.equal(
      sim.journal.some(
        (record) => record.kind === 'member-removed' && record.memberId === memberId,
      ),
      true,
    )
  })

  test('of an unknown group has its error per member from version 3 on, at the top before', () => {
    const unknown = { ...leaveRequest({ memberId: 'x' }), groupId: 'new' }
    assert.deepEqual(new Sim().ask(unknown).response, {
      kind: 'leave',
      errorCode: 'NONE',
      members: [{ memberId: 'x', groupInstanceId: null, errorCode: 'UNKNOWN_MEMBER_ID' }],
    })
    assert.deepEqual(new Sim().ask({ ...leaveRequest(), apiVersion: 2, memberId: 'x' }).response, {
      kind: 'leave',
      errorCode: 'UNKNOWN_MEMBER_ID',
      members: [],
    })
  })

  test('of an id that was given out and not used disturbs nobody', () => {
    const { sim } = stablePair()
    const memberId = sim.join().response!.memberId
    const { response, records } = sim.ask(leaveRequest({ memberId }))
    assert.equal(response?.kind === 'leave' && response.members[0]?.errorCode, 'NONE')
    assert.deepEqual(records, [])
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
  })

  test('of the last id that a round waits for ends the round', () => {
    const { sim, a, b } = stablePair()
    const memberId = sim.join().response!.memberId
    const { token } = sim.join({ memberId: a })
    sim.join({ memberId: b })
    assert.equal(sim.joinAnswer(token), undefined)
    sim.ask(leaveRequest({ memberId }))
    assert.equal(sim.joinAnswer(token)?.generationId, 3)
  })

  test('answers what the member waits for', () => {
    const { sim, a, b } = completingPair()
    const waiting = sim.sync({ memberId: b, generationId: 2 })
    sim.ask(leaveRequest({ memberId: b }))
    assert.deepEqual(sim.responses.get(waiting.token), {
      ...failed,
      errorCode: 'UNKNOWN_MEMBER_ID',
    })
    assert.equal(sim.join({ memberId: a }).response?.generationId, 3)
  })
})

test('a stable group has a timer for each session and no other', () => {
  const { sim, a, b } = stablePair()
  assert.deepEqual(
    new Set(Array.from(sim.timers.values(), ({ request }) => request)),
    new Set([
      { kind: 'offsets-expiry' },
      { kind: 'session-expired', groupId: 'g', memberId: a },
      { kind: 'session-expired', groupId: 'g', memberId: b },
    ]),
  )
})

test('a group that everybody left has no timers, whatever state they left it in', () => {
  for (const pair of [stablePair(), completingPair()]) {
    const { sim, a, b } = pair
    sim.join({ memberId: b, protocols: [{ name: 'range', metadata: bytes(9) }] })
    sim.ask(leaveRequest({ memberId: a }))
    sim.ask(leaveRequest({ memberId: b }))
    assert.deepEqual([...sim.timers.keys()], ['offsets-expiry'])
  }
})

test('a jump of the wall clock does not make a rebalance longer', () => {
  const { sim, a, b } = stablePair()
  sim.ask(leaveRequest({ memberId: b }))
  sim.advance(200)
  sim.wallMs += 3_600_000
  sim.join({ memberId: a })
  sim.sync({ memberId: a, generationId: 3 })
  assert.equal(sim.coordinator.timeline('g')?.rebalances.at(-1)?.durationMs, 200)
})

test('the timeline keeps the last hundred rebalances', () => {
  const sim = new Sim()
  const memberId = enter(sim)
  for (let generation = 1; generation <= 120; generation++) {
    sim.sync({ memberId, generationId: generation })
    sim.join({ memberId })
  }
  const rebalances = sim.coordinator.timeline('g')?.rebalances ?? []
  assert.deepEqual(
    [rebalances.length, rebalances[0]?.generation, rebalances.at(-1)?.generation],
    [100, 21, 120],
  )
})
