import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAssignment, writeAssignment } from '../classic/consumer-protocol.ts'
import {
  bytes,
  commitRequest,
  enter,
  heartbeatRequest,
  joinRequest,
  leaveRequest,
  owning,
  Sim,
} from '../fixture.test.ts'
import type { GroupCoordinatorOptions } from '../limits.ts'
import type { JoinRequest } from '../messages.ts'
import { beat, given, joining, newSim } from './fixture.test.ts'

const cooperative = (...partitions: readonly number[]): Partial<JoinRequest> => ({
  protocols: [{ name: 'cooperative-sticky', metadata: owning(...partitions) }],
})

/** One classic member, stable at generation 1 with all four partitions of `orders`. */
function classicAlone(overrides: Partial<GroupCoordinatorOptions> = {}) {
  const { sim } = newSim(overrides)
  const id = enter(sim, cooperative())
  const assignment = writeAssignment([{ topic: 'orders', partitions: [0, 1, 2, 3] }])
  sim.sync({
    memberId: id,
    generationId: 1,
    protocolName: null,
    assignments: [{ memberId: id, assignment }],
  })
  return { sim, id }
}

const heartbeatError = (sim: Sim, memberId: string, generationId: number) => {
  const { response } = sim.ask(heartbeatRequest({ memberId, generationId }))
  return response?.kind === 'heartbeat' && response.errorCode
}

function partitionsIn(assignment: Uint8Array | undefined) {
  return readAssignment(assignment!)?.flatMap(({ partitions }) => partitions)
}

function groupType(sim: Sim) {
  const [group] = sim.coordinator.list({ statesFilter: [], typesFilter: [] })
  return `${group?.groupType} ${group?.groupState}`
}

describe('a KIP-848 member that joins a classic group', () => {
  test('turns it into its own kind; the classic member gives up its share in two joins, without a pause', () => {
    const { sim, id } = classicAlone()
    const b = beat(sim, { ...joining, memberId: 'b' })
    assert.deepEqual([b.errorCode, b.memberEpoch, given(b)], ['NONE', 2, []])
    assert.equal(groupType(sim), 'consumer Reconciling')
    const types = sim.coordinator.describeConsumer('g').members.map((each) => each.memberType)
    assert.deepEqual(types, [0, 1])

    assert.equal(heartbeatError(sim, id, 1), 'REBALANCE_IN_PROGRESS')
    const first = sim.join({ memberId: id, ...cooperative(0, 1, 2, 3) }).response
    assert.deepEqual(
      [first?.errorCode, first?.generationId, first?.leader, first?.members, first?.protocolName],
      ['NONE', 1, '', [], 'cooperative-sticky'],
    )
    const reduced = sim.sync({ memberId: id, generationId: 1, protocolName: null }).response
    assert.deepEqual(partitionsIn(reduced?.assignment), [0, 1])
    assert.deepEqual(given(beat(sim, { memberId: 'b', memberEpoch: 2 })), null)

    assert.equal(heartbeatError(sim, id, 1), 'REBALANCE_IN_PROGRESS')
    const second = sim.join({ memberId: id, ...cooperative(0, 1) }).response
    assert.equal(second?.generationId, 2)
    const final = sim.sync({ memberId: id, generationId: 2, protocolName: null }).response
    assert.deepEqual(partitionsIn(final?.assignment), [0, 1])
    assert.equal(heartbeatError(sim, id, 2), 'NONE')
    assert.deepEqual(given(beat(sim, { memberId: 'b', memberEpoch: 2 })), [2, 3])
    assert.equal(groupType(sim), 'consumer Stable')
  })

  test('sends everybody who waits in a rebalance to join again', () => {
    const { sim } = newSim()
    const a = enter(sim, cooperative())
    const waitingSync = sim.sync({ memberId: 'x', generationId: 1 })
    assert.equal(waitingSync.response?.errorCode, 'UNKNOWN_MEMBER_ID')
    const second = sim.join(cooperative()).response!.memberId
    const waiting = sim.join({ memberId: second, ...cooperative() })
    assert.equal(waiting.response, undefined)
    assert.equal(beat(sim, { ...joining, memberId: 'b' }).errorCode, 'NONE')
    const told = sim.joinAnswer(waiting.token)
    assert.deepEqual([told?.errorCode, told?.memberId], ['REBALANCE_IN_PROGRESS', second])
    assert.equal(sim.waiting.size, 0)
    const again = sim.join({ memberId: second, ...cooperative() }).response
    assert.equal(again?.errorCode, 'NONE')
    const ids = sim.coordinator.describeConsumer('g').members.map(({ memberId }) => memberId)
    assert.deepEqual(ids, [a, 'b', second])
  })

  test('gets nothing that a classic member still works on because it has not heard of its assignment', () => {
    const { sim } = newSim()
    const a = enter(sim, cooperative())
    sim.sync({ memberId: a, generationId: 1, protocolName: null })
    const b = enter(sim, cooperative(2, 3))
    sim.join({ memberId: a, ...cooperative(0, 1) })
    const assignment = (...partitions: number[]) =>
      writeAssignment([{ topic: 'orders', partitions }])
    const assignments = [
      { memberId: a, assignment: assignment(0, 1) },
      { memberId: b, assignment: assignment(2) },
    ]
    sim.sync({ memberId: a, generationId: 2, protocolName: null, assignments })
    const modern = beat(sim, { ...joining, memberId: 'm', serverAssignor: 'range' })
    assert.deepEqual(given(modern), [], 'b has not heard that it loses partition 3')
    sim.join({ memberId: b, ...cooperative(2) })
    const freed = beat(sim, { memberId: 'm', memberEpoch: modern.memberEpoch })
    assert.deepEqual(given(freed), [3])
  })

  test('gets nothing of what a member of the group before has been told to give up and has not', () => {
    const { sim, id } = classicAlone()
    beat(sim, { ...joining, memberId: 'b' })
    sim.join({ memberId: id, ...cooperative(0, 1, 2, 3) })
    beat(sim, { memberId: 'b', memberEpoch: -1 })
    assert.equal(groupType(sim), 'classic PreparingRebalance')
    assert.deepEqual(given(beat(sim, { ...joining, memberId: 'c' })), [])
  })

  test('and is refused leaves the group as it was, with everybody who waits', () => {
    const { sim } = newSim()
    enter(sim, cooperative())
    const waiting = enterWaiting(sim)
    const before = sim.coordinator.snapshot()
    const refused = beat(sim, { ...joining, memberId: 'b', serverAssignor: 'nonsense' })
    assert.equal(refused.errorCode, 'UNSUPPORTED_ASSIGNOR')
    assert.deepEqual(sim.coordinator.snapshot(), before)
    assert.ok(sim.waiting.has(waiting))
    assert.equal(groupType(sim), 'classic PreparingRebalance')
  })

  test('is not let in where the members are no consumers, speak gibberish, or the policy says no', () => {
    const connect = new Sim()
    enter(connect, { protocolType: 'connect' })
    const gibberish = new Sim()
    enter(gibberish, { protocols: [{ name: 'range', metadata: bytes(1) }] })
    const { sim: disabled } = classicAlone({ groupConsumerMigrationPolicy: 'downgrade' })
    for (const sim of [connect, gibberish, disabled]) {
      assert.equal(beat(sim, { ...joining, memberId: 'b' }).errorCode, 'GROUP_ID_NOT_FOUND')
      assert.equal(beat(sim, { memberId: 'b', memberEpoch: 1 }).errorCode, 'GROUP_ID_NOT_FOUND')
    }
  })

  test('takes over from a static classic member of its instance', () => {
    const { sim } = newSim()
    const { memberId } = sim.join({ ...cooperative(), groupInstanceId: 'i' }).response!
    const assignment = writeAssignment([{ topic: 'orders', partitions: [0, 1, 2, 3] }])
    const assignments = [{ memberId, assignment }]
    sim.sync({ memberId, generationId: 1, protocolName: null, groupInstanceId: 'i', assignments })
    const b = beat(sim, { ...joining, memberId: 'b', instanceId: 'i' })
    assert.deepEqual([b.errorCode, given(b)], ['NONE', [0, 1, 2, 3]])
  })
})

describe('a mixed group', () => {
  const mixed = () => {
    const { sim, id } = classicAlone()
    beat(sim, { ...joining, memberId: 'b' })
    sim.join({ memberId: id, ...cooperative(0, 1) })
    sim.sync({ memberId: id, generationId: 2, protocolName: null })
    beat(sim, { memberId: 'b', memberEpoch: 2 })
    return { sim, id }
  }

  test('refuses what a classic member may not say', () => {
    const { sim, id } = mixed()
    assert.equal(heartbeatError(sim, id, 1), 'ILLEGAL_GENERATION')
    assert.equal(heartbeatError(sim, 'b', 2), 'UNKNOWN_MEMBER_ID')
    assert.equal(heartbeatError(sim, 'x', 2), 'UNKNOWN_MEMBER_ID')
    const joins: [Partial<JoinRequest>, string][] = [
      [{ protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL'],
      [{ protocols: [{ name: 'sticky', metadata: owning() }] }, 'INCONSISTENT_GROUP_PROTOCOL'],
      [{ ...cooperative(), sessionTimeoutMs: 1 }, 'INVALID_SESSION_TIMEOUT'],
      [{ ...cooperative(), memberId: 'x', groupInstanceId: 'i' }, 'UNKNOWN_MEMBER_ID'],
      [cooperative(), 'MEMBER_ID_REQUIRED'],
    ]
    for (const [over, errorCode] of joins)
      assert.equal(sim.join(over).response?.errorCode, errorCode)
    const sync = (over: object) =>
      sim.sync({ memberId: id, generationId: 2, protocolName: null, ...over }).response?.errorCode
    assert.equal(sync({ protocolType: 'connect' }), 'INCONSISTENT_GROUP_PROTOCOL')
    assert.equal(sync({ protocolName: 'range' }), 'INCONSISTENT_GROUP_PROTOCOL')
    assert.equal(sync({ memberId: 'b' }), 'UNKNOWN_MEMBER_ID')
    const commit = { memberId: id, generationIdOrMemberEpoch: 3 }
    const { response } = sim.ask(commitRequest(commit))
    assert.equal(
      response?.kind === 'offset-commit' && response.topics[0]?.partitions[0]?.errorCode,
      'ILLEGAL_GENERATION',
    )
  })

  test('is the same after a restart; a classic member that does not join in time is out', () => {
    const { sim, id } = mixed()
    sim.restart({ from: 'snapshot' })
    assert.equal(heartbeatError(sim, id, 2), 'NONE')
    beat(sim, { ...joining, memberId: 'c' })
    for (let seconds = 0; seconds <= 60; seconds += 5) {
      heartbeatError(sim, id, 2)
      beat(sim, { memberId: 'b', memberEpoch: seconds === 0 ? 2 : 3 })
      beat(sim, { memberId: 'c', memberEpoch: 3 })
      sim.advance(5_000)
    }
    assert.equal(heartbeatError(sim, id, 2), 'UNKNOWN_MEMBER_ID')
  })

  test('becomes classic again when its last KIP-848 member is gone, and fences nobody who stays', () => {
    const { sim, id } = mixed()
    beat(sim, { memberId: 'b', memberEpoch: -1 })
    assert.equal(groupType(sim), 'classic PreparingRebalance')
    assert.equal(heartbeatError(sim, id, 2), 'REBALANCE_IN_PROGRESS')
    sim.restart()
    const { response } = sim.join({ memberId: id, ...cooperative(0, 1) })
    assert.deepEqual(
      [response?.errorCode, response?.generationId, response?.leader],
      ['NONE', 3, id],
    )
  })

  test('stays as it is under a policy that only goes up', () => {
    const { sim, id } = classicAlone({ groupConsumerMigrationPolicy: 'upgrade' })
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { memberId: 'b', memberEpoch: -1 })
    assert.match(groupType(sim), /^consumer/)
    assert.equal(heartbeatError(sim, id, 1), 'REBALANCE_IN_PROGRESS')
  })

  test('is told apart by who describes it', () => {
    const { sim } = mixed()
    assert.deepEqual(
      [sim.coordinator.describe('g', 6).errorMessage, sim.coordinator.describe('g', 5).groupState],
      ['Group g is not a classic group.', 'Dead'],
    )
    const { sim: classic } = classicAlone()
    const { errorCode, errorMessage } = classic.coordinator.describeConsumer('g')
    assert.deepEqual(
      [errorCode, errorMessage],
      ['GROUP_ID_NOT_FOUND', 'Group g is not a consumer group.'],
    )
  })
})

describe('an empty group', () => {
  test('of either kind becomes the other without a word, its offsets stay and its numbers go on', () => {
    const { sim, id } = classicAlone()
    sim.ask(leaveRequest({ memberId: id }))
    sim.ask(commitRequest({ partition: 2 }))
    assert.equal(beat(sim, joining).memberEpoch, 3)
    beat(sim, { memberEpoch: -1 })
    assert.equal(groupType(sim), 'consumer Empty')
    const back = enter(sim, cooperative())
    assert.equal(groupType(sim), 'classic CompletingRebalance')
    assert.equal(heartbeatError(sim, back, 5), 'NONE')
    const all = { groupId: 'g', memberId: null, memberEpoch: -1, topics: null }
    assert.equal(sim.coordinator.fetchOffsets(all).topics[0]?.partitions[0]?.committedOffset, 42)
    sim.restart({ from: 'snapshot' })
    assert.equal(heartbeatError(sim, back, 5), 'NONE')
  })

  test('that was KIP-848 sends a classic member that waits in its first round to join again', () => {
    const { sim } = newSim({ groupInitialRebalanceDelayMs: 3_000 })
    beat(sim, joining)
    beat(sim, { memberEpoch: -1 })
    const { memberId } = sim.join(cooperative()).response!
    const waiting = sim.join({ ...cooperative(), memberId })
    assert.equal(waiting.response, undefined)
    assert.equal(beat(sim, { ...joining, memberId: 'b' }).errorCode, 'NONE')
    assert.equal(sim.joinAnswer(waiting.token)?.errorCode, 'REBALANCE_IN_PROGRESS')
    assert.equal(sim.join({ ...cooperative(), memberId }).response?.errorCode, 'NONE')
  })

  test('of one kind refuses the members of the other that are not joining', () => {
    const { sim, id } = classicAlone()
    sim.ask(leaveRequest({ memberId: id }))
    assert.equal(beat(sim, { memberEpoch: 3 }).errorCode, 'GROUP_ID_NOT_FOUND')
    beat(sim, joining)
    beat(sim, { memberEpoch: -1 })
    assert.equal(heartbeatError(sim, id, 1), 'UNKNOWN_MEMBER_ID')
  })
})

test('an assignment and a subscription are read back, and lies about their length are not believed', () => {
  const assigned = [{ topic: 'orders', partitions: [0, 3] }]
  assert.deepEqual(readAssignment(writeAssignment(assigned)), assigned)
  assert.deepEqual(readAssignment(bytes()), [])
  assert.equal(readAssignment(bytes(0, 0, 0x7f, 0xff, 0xff, 0xff)), null)
  assert.equal(readAssignment(bytes(0)), null)
})

/** A second member whose join waits; its token. */
function enterWaiting(sim: Sim): number {
  const { memberId } = sim.join(cooperative()).response!
  return sim.ask(joinRequest({ memberId, ...cooperative() })).token
}
