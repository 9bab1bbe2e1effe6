import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { commitRequest, leaveRequest } from '../fixture.test.ts'
import type { Sim } from '../fixture.test.ts'
import { type Beat, beat, given, joining, newSim, orders, pair } from './fixture.test.ts'

describe('a second member', () => {
  test('gets a partition only after the first said that it gave it up', () => {
    const { sim } = newSim()
    beat(sim, joining)
    const b = beat(sim, { ...joining, memberId: 'b' })
    assert.deepEqual([b.memberEpoch, given(b)], [3, []])
    const state = () => sim.coordinator.describeConsumer('g').groupState
    assert.equal(state(), 'Reconciling')

    const told = beat(sim, { memberEpoch: 2 })
    assert.deepEqual([told.memberEpoch, given(told)], [2, [0, 1]])
    assert.equal(beat(sim, { memberId: 'b', memberEpoch: 3 }).assignment, null)
    const still = beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1, 2) })
    assert.deepEqual([still.memberEpoch, given(still)], [2, null])

    const done = beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.deepEqual([done.memberEpoch, given(done)], [3, null])
    assert.deepEqual(given(beat(sim, { memberId: 'b', memberEpoch: 3 })), [2, 3])
    assert.equal(state(), 'Stable')
  })

  test('takes a turn of its own when the interval between two targets is not over', () => {
    const { sim } = newSim({
      consumerGroupConfig: () => ({
        sessionTimeoutMs: 45_000,
        heartbeatIntervalMs: 5_000,
        assignmentIntervalMs: 1_000,
      }),
    })
    beat(sim, joining)
    const b = beat(sim, { ...joining, memberId: 'b' })
    assert.deepEqual([b.memberEpoch, given(b)], [2, []])
    assert.equal(sim.coordinator.describeConsumer('g').groupState, 'Assigning')
    assert.equal(beat(sim, { memberEpoch: 2 }).assignment, null)
    sim.advance(1_000)
    assert.deepEqual(given(beat(sim, { memberEpoch: 2 })), [0, 1])
  })
})

describe('a member that has to give something up', () => {
  test('and does not in its rebalance timeout is removed: unknown, not fenced', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { memberEpoch: 2 })
    for (let seconds = 0; seconds < 60; seconds += 20) {
      beat(sim, { memberEpoch: 2 })
      beat(sim, { memberId: 'b', memberEpoch: 3 })
      sim.advance(20_000)
    }
    assert.equal(beat(sim, { memberEpoch: 2 }).errorCode, 'UNKNOWN_MEMBER_ID')
    assert.deepEqual(given(beat(sim, { memberId: 'b', memberEpoch: 3 })), [0, 1, 2, 3])
  })

  test('has the whole timeout again after a restart, and no deadline once it is done', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { memberEpoch: 2 })
    sim.restart()
    const key = 'revoke:1:g:a'
    assert.equal(sim.timers.get(key)?.dueMs, sim.nowMs + 60_000)
    beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.equal(sim.timers.has(key), false)
  })

  test('gets it back without a wait when the one it was for has gone meanwhile', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { memberEpoch: 2 })
    beat(sim, { memberId: 'b', memberEpoch: -1 })
    const back = beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.deepEqual([back.memberEpoch, given(back)], [4, [0, 1, 2, 3]])
  })
})

describe('a member that leaves', () => {
  test('is answered with -1, and what it had is free at once', () => {
    const { sim } = pair()
    const left = beat(sim, { memberId: 'b', memberEpoch: -1 })
    assert.deepEqual([left.errorCode, left.memberId, left.memberEpoch], ['NONE', 'b', -1])
    assert.deepEqual(given(beat(sim, { memberEpoch: 3 })), [0, 1, 2, 3])
  })

  test('is removed by an administrator too, by its id or its instance', () => {
    const { sim } = pair()
    beat(sim, { ...joining, memberId: 'c', instanceId: 'i' })
    const { response } = sim.ask(
      leaveRequest(
        { memberId: 'a' },
        { memberId: '', groupInstanceId: 'i' },
        { memberId: 'x' },
        { memberId: 'b', groupInstanceId: 'j' },
      ),
    )
    assert.deepEqual(
      response?.kind === 'leave' && response.members.map(({ errorCode }) => errorCode),
      ['NONE', 'NONE', 'UNKNOWN_MEMBER_ID', 'UNKNOWN_MEMBER_ID'],
    )
    assert.equal(sim.coordinator.describeConsumer('g').members.length, 1)
  })
})

describe('a static member', () => {
  const i: Beat = { ...joining, instanceId: 'i' }

  test('that left for a while is waited for; its successor has the same epoch and partitions, the old id is fenced', () => {
    const { sim } = newSim()
    beat(sim, i)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { instanceId: 'i', memberEpoch: 2 })
    beat(sim, { instanceId: 'i', memberEpoch: 2, topicPartitions: orders(0, 1) })
    beat(sim, { memberId: 'b', memberEpoch: 3 })

    assert.equal(beat(sim, { instanceId: 'i', memberEpoch: -2 }).memberEpoch, -2)
    assert.equal(sim.coordinator.describeConsumer('g').groupState, 'Reconciling')
    assert.equal(beat(sim, { memberId: 'b', memberEpoch: 3 }).assignment, null)

    sim.restart()
    const successor = beat(sim, { ...i, memberId: 'a2' })
    assert.deepEqual([successor.memberEpoch, given(successor)], [3, [0, 1]])
    assert.equal(sim.coordinator.describeConsumer('g').groupState, 'Stable')
    const old = beat(sim, { instanceId: 'i', memberEpoch: 3 })
    assert.equal(old.errorCode, 'FENCED_INSTANCE_ID')
    const leave = beat(sim, { instanceId: 'i', memberEpoch: -1 })
    assert.equal(leave.errorCode, 'FENCED_INSTANCE_ID')
  })

  test('that left for a while and does not come back is out when its session ends', () => {
    const { sim } = newSim()
    beat(sim, i)
    beat(sim, { instanceId: 'i', memberEpoch: -2 })
    sim.advance(46_000)
    assert.equal(sim.coordinator.describeConsumer('g').groupState, 'Empty')
  })

  test('takes over under an id of its own, not under that of another member', () => {
    const { sim } = newSim()
    beat(sim, i)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { instanceId: 'i', memberEpoch: -2 })
    assert.equal(beat(sim, { ...i, memberId: 'b' }).errorCode, 'INVALID_REQUEST')
    assert.equal(beat(sim, { ...i, memberId: 'c' }).errorCode, 'NONE')
  })

  test('does not get an instance that another holds, and an unknown instance is an unknown member', () => {
    const { sim } = newSim()
    beat(sim, i)
    assert.equal(beat(sim, { ...i, memberId: 'b' }).errorCode, 'UNRELEASED_INSTANCE_ID')
    assert.equal(beat(sim, { instanceId: 'j', memberEpoch: 2 }).errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(beat(sim, { instanceId: 'j', memberEpoch: -2 }).errorCode, 'UNKNOWN_MEMBER_ID')
  })
})

describe('a commit', () => {
  const commit = (sim: Sim, over: Parameters<typeof commitRequest>[0]) => {
    const { response } = sim.ask(commitRequest(over))
    return response?.kind === 'offset-commit' && response.topics[0]?.partitions[0]?.errorCode
  }

  test('at its own epoch may be for any partition; larger or older ones are stale', () => {
    const { sim } = pair()
    const as = (memberId: string, epoch: number, partition: number, apiVersion = 9) =>
      commit(sim, { memberId, generationIdOrMemberEpoch: epoch, partition, apiVersion })
    assert.equal(as('a', 3, 3), 'NONE')
    assert.equal(as('a', 4, 0), 'STALE_MEMBER_EPOCH')
    assert.equal(as('a', 2, 0), 'NONE', 'it has had this one since epoch 2')
    assert.equal(as('a', 2, 3), 'STALE_MEMBER_EPOCH', 'it gave this one up')
    assert.equal(as('b', 2, 3), 'STALE_MEMBER_EPOCH', 'it got this one at epoch 3')
    assert.equal(as('x', 3, 0), 'UNKNOWN_MEMBER_ID')
    assert.equal(as('a', 3, 0, 8), 'UNSUPPORTED_VERSION')
    assert.equal(as('', -1, 0), 'UNKNOWN_MEMBER_ID')
    assert.equal(as('a', -1, 0), 'STALE_MEMBER_EPOCH')
  })

  test('of what is being given up counts until it is given up', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b' })
    beat(sim, { memberEpoch: 2 })
    const late = { memberId: 'a', generationIdOrMemberEpoch: 2, partition: 3 }
    assert.equal(commit(sim, late), 'NONE')
    beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.equal(commit(sim, late), 'STALE_MEMBER_EPOCH')
  })

  test('from outside is for empty groups; an unknown group with an epoch is not found', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { memberEpoch: -1 })
    assert.equal(commit(sim, {}), 'NONE')
    const epoch = { groupId: 'h', memberId: 'a', generationIdOrMemberEpoch: 1 }
    assert.equal(commit(sim, epoch), 'GROUP_ID_NOT_FOUND')
    assert.equal(commit(sim, { ...epoch, apiVersion: 8 }), 'ILLEGAL_GENERATION')
  })

  test('stays while somebody is in, and goes with the empty group after its time', () => {
    const day = 24 * 3_600_000
    const { sim } = newSim({ offsetsRetentionMs: day })
    beat(sim, joining)
    commit(sim, { memberId: 'a', generationIdOrMemberEpoch: 2 })
    const committed = () =>
      sim.coordinator.fetchOffsets({ groupId: 'g', memberId: null, memberEpoch: -1, topics: null })
        .topics.length
    for (let past = 0; past <= 2 * day; past += 40_000) {
      beat(sim, { memberEpoch: 2 })
      sim.advance(40_000)
    }
    assert.equal(committed(), 1)
    beat(sim, { memberEpoch: -1 })
    sim.advance(day / 2)
    assert.equal(committed(), 1)
    sim.advance(day)
    assert.equal(committed(), 0)
    assert.deepEqual(sim.coordinator.list({ statesFilter: [], typesFilter: [] }), [])
  })

  test('is read by administrators, and by members at their epoch', () => {
    const { sim } = pair()
    commit(sim, { memberId: 'a', generationIdOrMemberEpoch: 3, partition: 0 })
    const fetch = (memberId: string | null, memberEpoch: number) =>
      sim.coordinator.fetchOffsets({ groupId: 'g', memberId, memberEpoch, topics: null })
    assert.deepEqual(fetch(null, -1).topics[0]?.partitions[0]?.committedOffset, 42)
    assert.equal(fetch('a', 3).errorCode, 'NONE')
    assert.equal(fetch('a', 2).errorCode, 'STALE_MEMBER_EPOCH')
    assert.equal(fetch('x', 3).errorCode, 'UNKNOWN_MEMBER_ID')
  })

  test('of a topic that somebody wants is not deleted; a group with members is not either', () => {
    const { sim } = pair()
    const { response } = sim.ask({
      kind: 'offset-delete',
      replyTo: 0,
      groupId: 'g',
      topics: [
        { name: 'orders', partitions: [{ partitionIndex: 0 }] },
        { name: 'other', partitions: [{ partitionIndex: 0 }] },
      ],
    })
    const errors =
      response?.kind === 'offset-delete' &&
      response.topics.map(({ partitions }) => partitions[0]?.errorCode)
    assert.deepEqual(errors, ['GROUP_SUBSCRIBED_TO_TOPIC', 'NONE'])
    const gone = sim.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] }).response
    assert.equal(gone?.kind === 'delete' && gone.results[0]?.errorCode, 'NON_EMPTY_GROUP')
  })
})
