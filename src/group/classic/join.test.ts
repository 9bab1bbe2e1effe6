import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  begun,
  bytes,
  commitRequest,
  enter,
  failedJoin,
  heartbeatRequest,
  joinRequest,
  leaveRequest,
  Sim,
  stablePair,
  START_MS,
  subscription,
} from '../fixture.test.ts'
import type { JoinRequest } from '../messages.ts'

describe('a dynamic member', () => {
  test('is given its id first from version 4 on, and nothing is recorded', () => {
    const { response, records } = new Sim().join({ apiVersion: 4 })
    assert.deepEqual(response, {
      ...failedJoin,
      protocolName: '',
      errorCode: 'MEMBER_ID_REQUIRED',
      memberId: 'client-1',
    })
    assert.deepEqual(records, [])
  })

  test('is admitted at once before version 4', () => {
    const { response } = new Sim().join({ apiVersion: 3 })
    assert.equal(response?.errorCode, 'NONE')
    assert.equal(response.memberId, 'client-1')
  })

  test('leads the first generation of its group, which is recorded', () => {
    const sim = new Sim()
    const memberId = sim.join().response!.memberId
    const { response, records } = sim.join({ memberId })
    assert.deepEqual(response, {
      kind: 'join',
      errorCode: 'NONE',
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: memberId,
      skipAssignment: false,
      memberId,
      members: [{ memberId, groupInstanceId: null, metadata: subscription('orders') }],
    })
    assert.deepEqual(records, [
      {
        kind: 'generation',
        groupId: 'g',
        generation: 1,
        protocolType: 'consumer',
        protocolName: 'range',
        leader: memberId,
        members: [
          {
            memberId,
            groupInstanceId: null,
            clientId: 'client',
            clientHost: '/127.0.0.1',
            sessionTimeoutMs: 10_000,
            rebalanceTimeoutMs: 60_000,
            protocols: [{ name: 'range', metadata: subscription('orders') }],
            assignment: bytes(),
          },
        ],
        at: { wallMs: START_MS, observedMs: 0 },
        rebalance: begun('member_joined', memberId),
        durationMs: null,
      },
    ])
  })

  test('whose id was given out and not used has to ask for another one after the session timeout', () => {
    const sim = new Sim()
    const memberId = sim.join().response!.memberId
    sim.advance(10_000)
    assert.equal(sim.join({ memberId }).response?.errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(sim.timers.size, 1)
  })
})

describe('a join that cannot be', () => {
  const refusals: readonly (readonly [string, Partial<JoinRequest>, string, string])[] = [
    ['an empty group id', { groupId: '' }, 'INVALID_GROUP_ID', ''],
    ['a session timeout under 6 s', { sessionTimeoutMs: 5_999 }, 'INVALID_SESSION_TIMEOUT', ''],
    [
      'a session timeout over 30 min',
      { sessionTimeoutMs: 1_800_001 },
      'INVALID_SESSION_TIMEOUT',
      '',
    ],
    ['an unknown member id', { memberId: 'x' }, 'UNKNOWN_MEMBER_ID', 'x'],
    [
      'an unknown group and a member id',
      { groupId: 'new', memberId: 'x' },
      'UNKNOWN_MEMBER_ID',
      'x',
    ],
    ['another protocol type', { protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL', ''],
    [
      'no common protocol',
      { protocols: [{ name: 'sticky', metadata: bytes() }] },
      'INCONSISTENT_GROUP_PROTOCOL',
      '',
    ],
    [
      'no protocols for a new group',
      { groupId: 'new', protocols: [] },
      'INCONSISTENT_GROUP_PROTOCOL',
      '',
    ],
    [
      'no protocol type for a new group',
      { groupId: 'new', protocolType: '' },
      'INCONSISTENT_GROUP_PROTOCOL',
      '',
    ],
    [
      'an unknown instance with a member id',
      { memberId: 'x', groupInstanceId: 'i' },
      'UNKNOWN_MEMBER_ID',
      'x',
    ],
  ]
  for (const [what, over, errorCode, memberId] of refusals)
    for (const apiVersion of [6, 9])
      test(`because of ${what} is answered ${errorCode} in version ${apiVersion}`, () => {
        const { sim } = stablePair()
        const { response, records } = sim.join({ ...over, apiVersion })
        const protocolName = apiVersion < 7 ? '' : null
        assert.deepEqual(response, { ...failedJoin, protocolName, errorCode, memberId })
        assert.deepEqual(records, [])
      })

  test('because the group is full is answered GROUP_MAX_SIZE_REACHED', () => {
    const { sim } = stablePair({ groupMaxSize: 2 })
    assert.deepEqual(sim.join().response, {
      ...failedJoin,
      errorCode: 'GROUP_MAX_SIZE_REACHED',
      memberId: '',
    })
  })

  test('because enough others have joined the round already is answered GROUP_MAX_SIZE_REACHED, also to a member', () => {
    const { sim, a, b } = stablePair({ groupMaxSize: 2 })
    sim.join({ memberId: a, protocols: [{ name: 'range', metadata: bytes(9) }] })
    const newcomer = sim.join({ apiVersion: 3 })
    // The group is of a and b: the newcomer is one too many only for who comes after it.
    assert.equal(newcomer.response, undefined)
    const { response, records } = sim.join({ memberId: b })
    assert.deepEqual(response, { ...failedJoin, errorCode: 'GROUP_MAX_SIZE_REACHED', memberId: '' })
    assert.deepEqual(
      records.map((record) => [record.kind, record.kind === 'member-removed' && record.memberId]),
      [
        ['member-removed', b],
        ['generation', false],
      ],
    )
    assert.equal(sim.joinAnswer(newcomer.token)?.generationId, 3)
  })

  test('because too many ids are given out already is answered COORDINATOR_NOT_AVAILABLE', () => {
    const sim = new Sim({ groupMaxPendingMembers: 1 })
    sim.join()
    assert.equal(sim.join().response?.errorCode, 'COORDINATOR_NOT_AVAILABLE')
  })

  test('because there are too many groups is answered COORDINATOR_NOT_AVAILABLE', () => {
    const sim = new Sim({ maxGroups: 1 })
    enter(sim)
    assert.equal(sim.join({ groupId: 'another' }).response?.errorCode, 'COORDINATOR_NOT_AVAILABLE')
    const { response } = sim.ask(commitRequest({ groupId: 'another' }))
    assert.deepEqual(response, {
      kind: 'offset-commit',
      topics: [
        {
          name: 'orders',
          partitions: [{ partitionIndex: 0, errorCode: 'COORDINATOR_NOT_AVAILABLE' }],
        },
      ],
    })
  })
})

describe('the first rebalance of an empty group', () => {
  const delayed = { groupInitialRebalanceDelayMs: 3_000 }

  test('waits for the initial delay, and longer while members come, up to the rebalance timeout', () => {
    const sim = new Sim(delayed)
    const first = sim.join({ apiVersion: 0, rebalanceTimeoutMs: 10_000 })
    const tokens = [first.token]
    for (let second = 1; second <= 9; second++) {
      sim.advance(1_000)
      assert.equal(sim.responses.size, 0, `after ${second} s`)
      tokens.push(sim.join({ apiVersion: 0, rebalanceTimeoutMs: 10_000 }).token)
    }
    sim.advance(1_000)
    assert.deepEqual(
      tokens.map((token) => sim.joinAnswer(token)?.generationId),
      tokens.map(() => 1),
    )
    assert.equal(sim.joinAnswer(first.token)?.members.length, 10)
  })

  test('ends after one delay when nobody else comes', () => {
    const sim = new Sim(delayed)
    const { token } = sim.join({ apiVersion: 0 })
    sim.advance(2_999)
    assert.equal(sim.joinAnswer(token), undefined)
    sim.advance(1)
    assert.equal(sim.joinAnswer(token)?.generationId, 1)
  })

  test('leaves the group empty when everybody left meanwhile', () => {
    const sim = new Sim(delayed)
    const memberId = sim.join().response!.memberId
    const { token } = sim.join({ memberId })
    sim.ask(leaveRequest({ memberId }))
    assert.deepEqual(sim.joinAnswer(token), {
      ...failedJoin,
      errorCode: 'UNKNOWN_MEMBER_ID',
      memberId: '',
    })
    sim.advance(3_000)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'Empty')
    assert.equal(sim.coordinator.timeline('g')?.generation, 1)
  })
})

describe('in a stable group', () => {
  test('a follower that joins with the same metadata gets the present generation, and nobody rebalances', () => {
    const { sim, a, b } = stablePair()
    const { response, records } = sim.join({ memberId: b })
    assert.deepEqual(response, {
      kind: 'join',
      errorCode: 'NONE',
      generationId: 2,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: a,
      skipAssignment: false,
      memberId: b,
      members: [],
    })
    assert.deepEqual(records, [])
  })

  test('the leader that joins again begins a rebalance, for its topics may have changed', () => {
    const { sim, a, b } = stablePair()
    const { token } = sim.join({ memberId: a })
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
    sim.join({ memberId: b })
    assert.equal(sim.joinAnswer(token)?.generationId, 3)
    const [generation] = sim.journal.slice(-1)
    assert.ok(generation?.kind === 'generation')
    assert.deepEqual(
      generation.rebalance,
      begun('member_rejoined', a, { detail: 'the leader joined again' }),
    )
  })

  test('a follower with other metadata begins a rebalance', () => {
    const { sim, b } = stablePair()
    const changed = [{ name: 'range', metadata: subscription('orders', 'other') }]
    assert.equal(sim.join({ memberId: b, protocols: changed }).response, undefined)
    assert.equal(sim.coordinator.describe('g', 6).groupState, 'PreparingRebalance')
  })

  test('members that do not rejoin are dropped after the largest rebalance timeout', () => {
    const { sim, a, b } = stablePair()
    const { token } = sim.join({ memberId: a })
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      assert.equal(sim.joinAnswer(token), undefined)
      assert.deepEqual(sim.ask(heartbeatRequest({ memberId: b, generationId: 2 })).response, {
        kind: 'heartbeat',
        errorCode: 'REBALANCE_IN_PROGRESS',
      })
      sim.advance(5_000)
    }
    assert.equal(sim.joinAnswer(token)?.generationId, 3)
    assert.deepEqual(
      sim.joinAnswer(token)?.members.map(({ memberId }) => memberId),
      [a],
    )
    assert.deepEqual(sim.ask(heartbeatRequest({ memberId: b, generationId: 3 })).response, {
      kind: 'heartbeat',
      errorCode: 'UNKNOWN_MEMBER_ID',
    })
  })

  test('the first who came leads when the leader does not come back', () => {
    const { sim, a, b } = stablePair()
    const { token } = sim.join({ memberId: b, protocols: [{ name: 'range', metadata: bytes(9) }] })
    sim.ask(leaveRequest({ memberId: a }))
    assert.equal(sim.joinAnswer(token)?.leader, b)
    assert.equal(sim.joinAnswer(token)?.members.length, 1)
  })
})

test('a round waits for ids that were given out, and goes on when they expire', () => {
  const { sim, a, b } = stablePair()
  sim.join({ sessionTimeoutMs: 20_000 })
  const { token } = sim.join({ memberId: a })
  sim.join({ memberId: b })
  sim.advance(19_999)
  assert.equal(sim.joinAnswer(token), undefined)
  sim.advance(1)
  assert.equal(sim.joinAnswer(token)?.generationId, 3)
})

test('a member that was dropped leaves nothing behind that disturbs the others', () => {
  const { sim, a, b } = stablePair()
  sim.join({ memberId: a })
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
    sim.ask(heartbeatRequest({ memberId: b, generationId: 2 }))
    sim.advance(5_000)
  }
  sim.sync({ memberId: a, generationId: 3 })
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
    sim.ask(heartbeatRequest({ memberId: a, generationId: 3 }))
    sim.advance(5_000)
  }
  assert.equal(sim.coordinator.timeline('g')?.generation, 3)
  assert.equal(sim.coordinator.describe('g', 6).groupState, 'Stable')
})

describe('while a generation waits for its assignment', () => {
  test('a member that missed its answer gets it again, the leader with all members', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    const { response, records } = sim.join({ memberId })
    assert.equal(response?.generationId, 1)
    assert.equal(response.members.length, 1)
    assert.deepEqual(records, [])
  })

  test('a member with other metadata starts the round again', () => {
    const sim = new Sim()
    const memberId = enter(sim)
    const { response } = sim.join({ memberId, protocols: [{ name: 'range', metadata: bytes(1) }] })
    assert.equal(response?.generationId, 2)
  })
})

test('a join of a member that waits already answers the older one, whose connection is gone', () => {
  const { sim, a } = stablePair()
  const older = sim.join({ memberId: a })
  sim.join({ memberId: a })
  assert.deepEqual(sim.joinAnswer(older.token), {
    ...failedJoin,
    errorCode: 'REBALANCE_IN_PROGRESS',
    memberId: a,
  })
})

test('a new member that waits longer than its limit is let go', () => {
  const { sim, a, b } = stablePair()
  const slow = { rebalanceTimeoutMs: 1_000_000 }
  sim.join({ memberId: a, ...slow })
  const { token } = sim.join({ apiVersion: 0 })
  for (let waitedMs = 0; waitedMs < 300_000; waitedMs += 5_000) {
    assert.equal(sim.joinAnswer(token), undefined)
    sim.ask(heartbeatRequest({ memberId: b, generationId: 2 }))
    sim.advance(5_000)
  }
  assert.deepEqual(sim.joinAnswer(token), {
    ...failedJoin,
    errorCode: 'UNKNOWN_MEMBER_ID',
    memberId: '',
    protocolName: '',
  })
})

test('the protocol is the one that everybody knows and most prefer', () => {
  const sim = new Sim({ groupInitialRebalanceDelayMs: 1_000 })
  const lists = ['range sticky', 'sticky range', 'sticky range other']
  const tokens = lists.map(
    (names) =>
      sim.join({
        apiVersion: 3,
        protocols: names.split(' ').map((name) => ({ name, metadata: bytes() })),
      }).token,
  )
  sim.advance(60_000)
  assert.deepEqual(
    tokens.map((token) => sim.joinAnswer(token)?.protocolName),
    ['sticky', 'sticky', 'sticky'],
  )
})

test('a protocol that is named twice counts once', () => {
  const sim = new Sim()
  const protocols = [1, 2].map((byte) => ({ name: 'range', metadata: bytes(byte) }))
  const { response } = sim.join({ apiVersion: 0, protocols })
  assert.deepEqual(
    response?.members.map(({ metadata }) => metadata),
    [bytes(1)],
  )
})

test('what a join carries is copied: the frame it came in is not kept', () => {
  const sim = new Sim()
  const frame = bytes(0, 0, 7, 7, 0)
  const request = joinRequest({
    apiVersion: 0,
    protocols: [{ name: 'range', metadata: frame.subarray(2, 4) }],
  })
  const { response } = sim.join(request)
  frame.fill(9)
  assert.deepEqual(response?.members[0]?.metadata, bytes(7, 7))
})
