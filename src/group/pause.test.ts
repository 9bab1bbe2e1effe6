import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAssignment, writeAssignment } from './classic/consumer-protocol.ts'
import { beat, given, joining, orders, pair } from './consumer/fixture.test.ts'
import { commitRequest, enter, heartbeatRequest, owning, Sim, topicsOf } from './fixture.test.ts'
import type { JoinRequest, OffsetCommitRequest } from './messages.ts'

describe('a paused group of eager members', () => {
  test('joins anew, is assigned nothing whatever its leader says, and has its partitions back when it is resumed', () => {
    const { sim, a, b } = classicPair(eager)
    assert.equal(pause(sim), 'NONE')
    assert.equal(heartbeat(sim, a, 2), 'REBALANCE_IN_PROGRESS')
    assert.deepEqual(owners(sim), [a, b])
    const generation = round(sim, [a, b], eager())
    assert.equal(generation, 3)
    assert.deepEqual(shares(sim, { [a]: [0, 1], [b]: [2, 3] }, generation), { [a]: [], [b]: [] })
    assert.deepEqual(owners(sim), [])
    assert.deepEqual([heartbeat(sim, a, 3), heartbeat(sim, b, 3)], ['NONE', 'NONE'])

    assert.equal(resume(sim), 'NONE')
    assert.equal(heartbeat(sim, b, 3), 'REBALANCE_IN_PROGRESS')
    const next = round(sim, [a, b], eager())
    const shared = { [a]: [0, 1], [b]: [2, 3] }
    assert.deepEqual(shares(sim, shared, next), shared)
    assert.deepEqual(
      sim.coordinator
        .timeline('g')
        ?.rebalances.map(({ cause }) => cause)
        .slice(-2),
      ['paused', 'resumed'],
    )
  })

  test('keeps what it commits on the way out, and nothing of before counts after a reset', () => {
    const { sim, a, b } = classicPair(eager)
    pause(sim)
    assert.equal(commit(sim, a, 2, 7), 'NONE')
    assert.equal(commit(sim, '', -1, 3), 'UNKNOWN_MEMBER_ID')
    shares(sim, {}, round(sim, [a, b], eager()))
    assert.equal(commit(sim, '', -1, 3), 'NONE')
    assert.equal(commit(sim, a, 2, 9), 'ILLEGAL_GENERATION')
    assert.equal(commit(sim, a, 3, 9), 'REBALANCE_IN_PROGRESS')
    resume(sim)
    const next = round(sim, [a, b], eager())
    shares(sim, { [a]: [0, 1], [b]: [2, 3] }, next)
    assert.equal(commit(sim, a, 3, 9), 'ILLEGAL_GENERATION')
    assert.equal(commit(sim, '', -1, 3), 'UNKNOWN_MEMBER_ID')
    assert.equal(committed(sim), 3)
    assert.equal(commit(sim, a, next, 4), 'NONE')
  })

  test('stays paused over a restart, in whatever moment that is', () => {
    for (const from of ['journal', 'snapshot'] as const) {
      const { sim, a, b } = classicPair(eager)
      pause(sim)
      sim.restart({ from })
      assert.equal(heartbeat(sim, a, 2), 'REBALANCE_IN_PROGRESS', from)
      shares(sim, {}, round(sim, [a, b], eager()))
      sim.restart({ from })
      assert.deepEqual(owners(sim), [])
      assert.equal(heartbeat(sim, a, 3), 'NONE')
      assert.equal(commit(sim, '', -1, 3), 'NONE')
      resume(sim)
      sim.restart({ from })
      assert.equal(heartbeat(sim, a, 3), 'REBALANCE_IN_PROGRESS')
      const next = round(sim, [a, b], eager())
      assert.deepEqual(shares(sim, { [a]: [0], [b]: [1] }, next), { [a]: [0], [b]: [1] })
    }
  })

  test('goes on by itself when its time is over, also after a restart and by the wall clock', () => {
    for (const restarts of [false, true]) {
      const { sim, a, b } = classicPair(eager)
      pause(sim, { untilMs: sim.wallMs + 20_000 })
      shares(sim, {}, round(sim, [a, b], eager()))
      for (let second = 1; second <= 4; second++) {
        sim.advance(4_000)
        heartbeat(sim, a, 3)
        heartbeat(sim, b, 3)
        if (restarts) sim.restart()
      }
      assert.equal(heartbeat(sim, a, 3), 'NONE')
      sim.advance(4_001)
      assert.equal(heartbeat(sim, a, 3), 'REBALANCE_IN_PROGRESS')
      assert.match(sim.coordinator.timeline('g')?.current?.detail ?? '', /paused for 20 s: because/)
    }
  })
})

describe('a paused group of cooperative members', () => {
  test('is held when they gave up what they had; what they commit until then counts', () => {
    const { sim, a, b } = classicPair(cooperative)
    pause(sim)
    sim.join({ ...cooperative(0, 1), memberId: a })
    sim.join({ ...cooperative(2, 3), memberId: b })
    shares(sim, { [a]: [0, 1], [b]: [2, 3] }, 3)
    assert.deepEqual(owners(sim), [a, b])
    assert.equal(commit(sim, a, 3, 8), 'NONE')
    assert.equal(commit(sim, b, 3, 8), 'REBALANCE_IN_PROGRESS')
    assert.equal(commit(sim, '', -1, 3), 'UNKNOWN_MEMBER_ID')
    shares(sim, {}, round(sim, [a, b], cooperative()))
    assert.deepEqual(owners(sim), [])
    assert.equal(commit(sim, '', -1, 3), 'NONE')
    assert.equal(commit(sim, a, 3, 9), 'ILLEGAL_GENERATION')
    assert.equal(commit(sim, a, 4, 9), 'REBALANCE_IN_PROGRESS')
    assert.equal(committed(sim), 3)
  })
})

describe('a paused KIP-848 group', () => {
  test('takes everything from its members, keeps them, and shares it out again', () => {
    const { sim } = pair()
    pause(sim)
    const told = beat(sim, { memberEpoch: 3 })
    assert.deepEqual([told.memberEpoch, given(told)], [3, []])
    assert.equal(commit(sim, 'a', 3, 6), 'NONE')
    assert.deepEqual(owners(sim), ['a', 'b'])
    const done = beat(sim, { memberEpoch: 3, topicPartitions: [] })
    assert.equal(done.memberEpoch, 4)
    assert.equal(commit(sim, 'a', 4, 7), 'STALE_MEMBER_EPOCH')
    assert.equal(commit(sim, '', -1, 3), 'UNKNOWN_MEMBER_ID')
    beat(sim, { memberId: 'b', memberEpoch: 3 })
    beat(sim, { memberId: 'b', memberEpoch: 3, topicPartitions: [] })
    assert.deepEqual(owners(sim), [])
    assert.equal(commit(sim, '', -1, 3), 'NONE')
    assert.equal(sim.coordinator.describeConsumer('g').groupState, 'Stable')
    sim.restart({ from: 'snapshot' })
    assert.equal(beat(sim, { memberEpoch: 4 }).assignment, null)
    resume(sim)
    const back = beat(sim, { memberEpoch: 4 })
    assert.deepEqual([back.memberEpoch, given(back)?.length], [5, 2])
    assert.equal(commit(sim, 'a', 3, 9), 'STALE_MEMBER_EPOCH')
    assert.equal(committed(sim), 3)
    assert.equal(commit(sim, 'a', 5, 4, given(back)?.[0]), 'NONE')
  })

  test('gives a newcomer nothing, and knows a static member that is away as holding nothing', () => {
    const { sim } = pair()
    pause(sim)
    const newcomer = beat(sim, { ...joining, memberId: 'c' })
    assert.deepEqual(given(newcomer), [])
    beat(sim, { memberId: 'c', memberEpoch: -1 })
    for (const memberId of ['a', 'b']) {
      beat(sim, { memberId, memberEpoch: 3 })
      beat(sim, { memberId, memberEpoch: 3, topicPartitions: orders() })
    }
    assert.deepEqual(owners(sim), [])
  })
})

test('a pause is refused for a group that is not there, and one of something else than consumers', () => {
  const sim = new Sim()
  assert.deepEqual([pause(sim), resume(sim)], ['GROUP_ID_NOT_FOUND', 'GROUP_ID_NOT_FOUND'])
  const connect = { protocolType: 'connect', protocols: [{ name: 'v1', metadata: owning() }] }
  enter(sim, connect)
  assert.equal(pause(sim), 'INCONSISTENT_GROUP_PROTOCOL')
})

test('an empty group that is paused gives its first member nothing, of either kind', () => {
  for (const kind of ['classic', 'consumer'] as const) {
    const sim = new Sim({ topics: topicsOf({ orders: 4 }) })
    commit(sim, '', -1, 1)
    pause(sim)
    if (kind === 'consumer') {
      assert.deepEqual(given(beat(sim, joining)), [])
      continue
    }
    const a = enter(sim, eager())
    assert.deepEqual(shares(sim, { [a]: [0, 1, 2, 3] }, 1), { [a]: [] })
  }
})

type Protocol = (...owned: readonly number[]) => Partial<JoinRequest>

const eager: Protocol = () => ({ protocols: [{ name: 'range', metadata: owning() }] })
const cooperative: Protocol = (...owned) => ({
  protocols: [{ name: 'cooperative-sticky', metadata: owning(...owned) }],
})

/** a with 0 and 1, b with 2 and 3, stable at generation 2. */
function classicPair(protocol: Protocol) {
  const sim = new Sim({ topics: topicsOf({ orders: 4 }) })
  const a = enter(sim, protocol())
  shares(sim, { [a]: [] }, 1)
  const b = enter(sim, protocol())
  sim.join({ ...protocol(), memberId: a })
  shares(sim, { [a]: [0, 1], [b]: [2, 3] }, 2)
  return { sim, a, b }
}

/** Everybody joins; the generation that this leads to. */
function round(sim: Sim, members: readonly string[], over: Partial<JoinRequest>): number {
  for (const memberId of members) sim.join({ ...over, memberId })
  return sim.coordinator.timeline('g')?.generation ?? 0
}

/** The leader hands out these; what each member was told. */
function shares(sim: Sim, wanted: Record<string, readonly number[]>, generationId: number) {
  const { members } = sim.coordinator.describe('g', 6)
  const told: Record<string, readonly number[]> = {}
  const assignments = Object.entries(wanted).map(([memberId, partitions]) => ({
    memberId,
    assignment: writeAssignment([{ topic: 'orders', partitions }]),
  }))
  const tokens = members.map(({ memberId }) => {
    const { token } = sim.sync({ memberId, generationId, protocolName: null, assignments })
    return { memberId, token }
  })
  for (const { memberId, token } of tokens) {
    const response = sim.responses.get(token)
    assert.ok(response?.kind === 'sync' && response.errorCode === 'NONE')
    const named = readAssignment(response.assignment) ?? []
    told[memberId] = named.flatMap(({ partitions }) => partitions)
  }
  return told
}

function pause(sim: Sim, { untilMs = null }: { untilMs?: number | null } = {}) {
  const { response } = sim.ask({
    kind: 'pause',
    replyTo: 0,
    groupId: 'g',
    reason: 'because',
    untilMs,
  })
  return response?.kind === 'pause' && response.errorCode
}

function resume(sim: Sim) {
  const { response } = sim.ask({ kind: 'resume', replyTo: 0, groupId: 'g' })
  return response?.kind === 'resume' && response.errorCode
}

function heartbeat(sim: Sim, memberId: string, generationId: number) {
  const { response } = sim.ask(heartbeatRequest({ memberId, generationId }))
  return response?.kind === 'heartbeat' && response.errorCode
}

function commit(sim: Sim, memberId: string, epoch: number, offset: number, partition = 0) {
  const request: OffsetCommitRequest = commitRequest({
    memberId,
    generationIdOrMemberEpoch: epoch,
    offset,
    partition,
  })
  const { response } = sim.ask(request)
  return response?.kind === 'offset-commit' && response.topics[0]?.partitions[0]?.errorCode
}

function committed(sim: Sim) {
  const asked = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null }
  return sim.coordinator.fetchOffsets(asked).topics[0]?.partitions[0]?.committedOffset
}

function owners(sim: Sim): readonly string[] {
  return sim.coordinator.pauseOf('g')?.owners.map(({ memberId }) => memberId) ?? []
}
