import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { beatRequest, joining, newSim } from '../consumer/fixture.test.ts'
import type { Sim } from '../fixture.test.ts'
import type { ShareHeartbeatRequest, ShareHeartbeatResponse } from '../messages.ts'

type Beat = Partial<ShareHeartbeatRequest>

const all = [{ topicId: 'orders-id', partitions: [0, 1, 2, 3] }]

describe('a member of a share group', () => {
  test('joins and has its partitions at once; epochs as in Kafka', () => {
    const { sim } = newSim()
    const joined = beat(sim)
    assert.deepEqual(joined, {
      kind: 'share-heartbeat',
      errorCode: 'NONE',
      errorMessage: null,
      memberId: 'a',
      memberEpoch: 2,
      heartbeatIntervalMs: 5_000,
      assignment: { topicPartitions: all },
    })
    assert.equal(beat(sim, { memberEpoch: 2, subscribedTopicNames: null }).assignment, null)
    assert.deepEqual(
      beat(sim, { memberEpoch: 2 }).assignment,
      { topicPartitions: all },
      'a whole heartbeat is answered whole',
    )
  })

  test('is told again what an answer that got lost said', () => {
    const { sim } = newSim()
    beat(sim)
    beat(sim, { memberId: 'b' })
    const told = beat(sim, { memberEpoch: 2, subscribedTopicNames: null })
    assert.equal(told.memberEpoch, 3)
    const again = beat(sim, { memberEpoch: 2, subscribedTopicNames: null })
    assert.deepEqual([again.memberEpoch, again.assignment], [3, told.assignment])
  })

  test('is refused by Kafka’s names', () => {
    const { sim } = newSim()
    const refusal = (over: Beat) => beat(sim, over).errorCode
    assert.equal(refusal({ memberEpoch: 1 }), 'GROUP_ID_NOT_FOUND')
    assert.equal(refusal({ memberEpoch: -1 }), 'GROUP_ID_NOT_FOUND')
    beat(sim)
    assert.equal(refusal({ memberEpoch: 1, memberId: 'b' }), 'UNKNOWN_MEMBER_ID')
    assert.equal(refusal({ memberEpoch: 9 }), 'FENCED_MEMBER_EPOCH')
    for (const bad of [
      { groupId: '' },
      { memberId: '' },
      { rackId: '' },
      { memberEpoch: -2 },
      { subscribedTopicNames: null },
      { subscribedTopicNames: [] },
    ])
      assert.equal(refusal(bad), 'INVALID_REQUEST', JSON.stringify(bad))
  })

  test('is one of so many at most', () => {
    const { sim } = newSim({ groupShareMaxSize: 1 })
    beat(sim)
    assert.equal(beat(sim, { memberId: 'b' }).errorCode, 'GROUP_MAX_SIZE_REACHED')
    assert.equal(beat(sim).errorCode, 'NONE')
  })

  test('leaves, or is out when it says no word for a session', () => {
    const { sim } = newSim()
    beat(sim)
    beat(sim, { memberId: 'b' })
    const left = beat(sim, { memberId: 'b', memberEpoch: -1, subscribedTopicNames: null })
    assert.deepEqual([left.memberEpoch, left.errorCode], [-1, 'NONE'])
    assert.deepEqual(beat(sim, { memberEpoch: 2 }).assignment, { topicPartitions: all })
    sim.advance(45_000)
    assert.equal(beat(sim, { memberEpoch: 4 }).errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(sim.coordinator.describeShare('g').groupState, 'Empty')
  })

  test('survives a restart with all that it had', () => {
    for (const from of ['journal', 'snapshot'] as const) {
      const { sim } = newSim()
      beat(sim)
      beat(sim, { memberId: 'b' })
      const before = sim.coordinator.describeShare('g')
      sim.restart({ from })
      assert.deepEqual(sim.coordinator.describeShare('g'), before)
      assert.equal(beat(sim, { memberEpoch: 2 }).errorCode, 'NONE')
      sim.advance(45_000)
      assert.equal(sim.coordinator.describeShare('g').members.length, 0)
    }
  })

  test('gets what a topic grows by', () => {
    const { sim, topics } = newSim()
    beat(sim)
    topics.set('orders', 6)
    const told = beat(sim, { memberEpoch: 2, subscribedTopicNames: null })
    assert.equal(told.memberEpoch, 3)
    assert.deepEqual(told.assignment?.topicPartitions[0]?.partitions, [0, 1, 2, 3, 4, 5])
  })
})

describe('a share group', () => {
  test('is listed and described as one, and not as any other', () => {
    const { sim } = newSim()
    beat(sim)
    const everything = { statesFilter: [], typesFilter: [] }
    assert.deepEqual(sim.coordinator.list(everything), [
      { groupId: 'g', protocolType: 'share', groupState: 'Stable', groupType: 'share' },
    ])
    assert.equal(sim.coordinator.list({ statesFilter: [], typesFilter: ['Classic'] }).length, 0)
    assert.equal(sim.coordinator.describeShare('g').assignorName, 'simple')
    assert.equal(sim.coordinator.describe('g', 6).errorMessage, 'Group g is not a classic group.')
    assert.equal(
      sim.coordinator.describeConsumer('g').errorMessage,
      'Group g is not a consumer group.',
    )
    assert.equal(sim.coordinator.describeShare('x').errorMessage, 'Group x not found.')
  })

  test('refuses members, commits and questions of the other types', () => {
    const { sim } = newSim()
    beat(sim)
    assert.equal(beatOfConsumer(sim), 'GROUP_ID_NOT_FOUND')
    const fetched = sim.coordinator.fetchOffsets({
      groupId: 'g',
      memberId: null,
      memberEpoch: -1,
      topics: null,
    })
    assert.equal(fetched.errorCode, 'GROUP_ID_NOT_FOUND')
    const { response } = sim.ask({
      kind: 'offset-delete',
      replyTo: 0,
      groupId: 'g',
      topics: [],
    })
    assert.ok(response?.kind === 'offset-delete' && response.errorCode === 'GROUP_ID_NOT_FOUND')
  })

  test('does not take the id of a group of another type', () => {
    const { sim } = newSim()
    assert.equal(beatOfConsumer(sim), 'NONE')
    const refused = beat(sim)
    assert.equal(refused.errorCode, 'GROUP_ID_NOT_FOUND')
    assert.equal(refused.errorMessage, 'Group g is not a share group.')
    assert.equal(sim.coordinator.describeShare('g').errorMessage, 'Group g is not a share group.')
  })

  test('is deleted when it is empty', () => {
    const { sim } = newSim()
    beat(sim)
    const remove = () => {
      const { response } = sim.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] })
      return response?.kind === 'delete' ? response.results[0]?.errorCode : undefined
    }
    assert.equal(remove(), 'NON_EMPTY_GROUP')
    beat(sim, { memberEpoch: -1, subscribedTopicNames: null })
    assert.equal(remove(), 'NONE')
    assert.equal(remove(), 'GROUP_ID_NOT_FOUND')
  })

  test('is not forgotten for having no offsets', () => {
    const { sim } = newSim({ offsetsRetentionMs: 1_000, offsetsRetentionCheckIntervalMs: 1_000 })
    beat(sim)
    beat(sim, { memberEpoch: -1, subscribedTopicNames: null })
    sim.advance(10_000)
    assert.equal(sim.coordinator.describeShare('g').groupState, 'Empty')
  })
})

function beat(sim: Sim, over: Beat = {}): ShareHeartbeatResponse {
  const { response } = sim.ask({
    kind: 'share-heartbeat',
    replyTo: 0,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    groupId: 'g',
    memberId: 'a',
    memberEpoch: 0,
    rackId: null,
    subscribedTopicNames: ['orders'],
    ...over,
  })
  assert.ok(response?.kind === 'share-heartbeat')
  return response
}

function beatOfConsumer(sim: Sim): string {
  const { response } = sim.ask(beatRequest(joining))
  assert.ok(response?.kind === 'consumer-heartbeat')
  return response.errorCode
}
