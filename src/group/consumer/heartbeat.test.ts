import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { begun, Sim } from '../fixture.test.ts'
import { type Beat, beat, given, joining, newSim, orders, pair } from './fixture.test.ts'

describe('a join', () => {
  test('begins a group at epoch 2, gets everything at once, and writes down four records', () => {
    const { sim } = newSim()
    const { replyTo: _, ...before } = { replyTo: 0, ...beat(sim, joining) }
    assert.deepEqual(before, {
      kind: 'consumer-heartbeat',
      errorCode: 'NONE',
      errorMessage: null,
      memberId: 'a',
      memberEpoch: 2,
      heartbeatIntervalMs: 5_000,
      assignment: { topicPartitions: orders(0, 1, 2, 3) },
    })
    const { topicsHash, ...target } = {
      topicsHash: '',
      ...sim.journal.find(({ kind }) => kind === 'target-assignment')!,
    }
    assert.match(topicsHash, /^[0-9a-f]{16}$/)
    const target0 = sim.journal.findIndex(({ kind }) => kind === 'target-assignment')
    assert.deepEqual(sim.journal.toSpliced(target0, 1, target as never), [
      {
        kind: 'group-epoch',
        groupId: 'g',
        groupEpoch: 2,
        rebalance: begun('member_joined', 'a', { startedMs: sim.wallMs }),
      },
      {
        kind: 'consumer-member',
        groupId: 'g',
        profile: {
          memberId: 'a',
          groupInstanceId: null,
          rackId: null,
          clientId: 'client',
          clientHost: '/127.0.0.1',
          rebalanceTimeoutMs: 60_000,
          subscribedTopicNames: ['orders'],
          subscribedTopicRegex: null,
          serverAssignor: null,
          classic: null,
          http: null,
        },
      },
      {
        kind: 'target-assignment',
        groupId: 'g',
        assignmentEpoch: 2,
        assignor: 'uniform',
        topics: [{ topicId: 'orders-id', name: 'orders', partitionCount: 4 }],
        targets: [{ memberId: 'a', partitions: orders(0, 1, 2, 3) }],
      },
      {
        kind: 'member-epoch',
        groupId: 'g',
        memberId: 'a',
        memberEpoch: 2,
        previousMemberEpoch: 0,
        state: 'stable',
        assigned: [
          {
            topicId: 'orders-id',
            partitions: [
              [0, 2],
              [1, 2],
              [2, 2],
              [3, 2],
            ],
          },
        ],
        pendingRevocation: [],
        durationMs: 0,
      },
    ])
  })

  test('without any topic begins a group at epoch 1', () => {
    const { sim } = newSim()
    const { memberEpoch, assignment } = beat(sim, { ...joining, subscribedTopicNames: [] })
    assert.deepEqual([memberEpoch, assignment], [1, { topicPartitions: [] }])
  })

  test('of version 0 without an id gets one', () => {
    const { sim } = newSim()
    assert.equal(beat(sim, { ...joining, apiVersion: 0, memberId: '' }).memberId, 'client-1')
  })

  test('of a known member is a rejoin: the same epoch, and all of its assignment', () => {
    const { sim } = pair()
    const again = beat(sim, joining)
    assert.deepEqual([again.errorCode, again.memberEpoch, given(again)], ['NONE', 3, [0, 1]])
  })

  test('is refused when the group is full, when its assignor is unknown, when there are too many groups', () => {
    const { sim } = newSim({ groupConsumerMaxSize: 1, maxGroups: 1 })
    beat(sim, joining)
    const errors = [
      beat(sim, { ...joining, memberId: 'b' }),
      beat(sim, { ...joining, serverAssignor: 'nonsense' }),
      beat(sim, { ...joining, groupId: 'h' }),
    ].map(({ errorCode }) => errorCode)
    assert.deepEqual(errors, [
      'GROUP_MAX_SIZE_REACHED',
      'UNSUPPORTED_ASSIGNOR',
      'COORDINATOR_NOT_AVAILABLE',
    ])
  })

  test('may name an assignor of Kafka or one of ours; most voices count', () => {
    const { sim } = newSim()
    beat(sim, { ...joining, serverAssignor: 'range' })
    beat(sim, { ...joining, memberId: 'b', serverAssignor: 'cooperative-sticky' })
    beat(sim, { ...joining, memberId: 'c', serverAssignor: 'cooperative-sticky' })
    assert.equal(sim.coordinator.describeConsumer('g').assignorName, 'cooperative-sticky')
  })
})

describe('a heartbeat', () => {
  test('that says nothing new is answered without an assignment and writes nothing', () => {
    const { sim } = pair()
    const count = sim.journal.length
    assert.equal(beat(sim, { memberEpoch: 3 }).assignment, null)
    assert.equal(sim.journal.length, count)
  })

  test('that says everything is answered with everything', () => {
    const { sim } = pair()
    const full = { ...joining, memberEpoch: 3, topicPartitions: orders(0, 1) }
    assert.deepEqual(given(beat(sim, full)), [0, 1])
  })

  test('of an unknown member or group, or with an epoch that is not its own, is refused', () => {
    const { sim } = pair()
    const cases: [Beat, string][] = [
      [{ memberEpoch: 4 }, 'FENCED_MEMBER_EPOCH'],
      [{ memberEpoch: 1 }, 'FENCED_MEMBER_EPOCH'],
      [{ memberId: 'x', memberEpoch: 3 }, 'UNKNOWN_MEMBER_ID'],
      [{ memberId: 'x', memberEpoch: -1 }, 'UNKNOWN_MEMBER_ID'],
      [{ groupId: 'h', memberEpoch: 3 }, 'GROUP_ID_NOT_FOUND'],
      [{ groupId: 'h', memberEpoch: -1 }, 'GROUP_ID_NOT_FOUND'],
    ]
    for (const [over, errorCode] of cases) {
      const count = sim.journal.length
      const refused = beat(sim, over)
      assert.equal(refused.errorCode, errorCode, JSON.stringify(over))
      assert.ok(refused.errorMessage)
      assert.equal(sim.journal.length, count)
    }
  })

  test('of the epoch before is let in only if it owns no more than it should: its answer was lost', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b', subscribedTopicNames: ['other'] })
    // a moves to epoch 3; the answer gets lost.
    assert.equal(beat(sim, { memberEpoch: 2 }).memberEpoch, 3)
    assert.equal(beat(sim, { memberEpoch: 2 }).errorCode, 'FENCED_MEMBER_EPOCH')
    const tooMuch = [{ topicId: 'other-id', partitions: [0] }]
    assert.equal(
      beat(sim, { memberEpoch: 2, topicPartitions: tooMuch }).errorCode,
      'FENCED_MEMBER_EPOCH',
    )
    const again = beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.deepEqual([again.memberEpoch, given(again)], [3, [0, 1, 2, 3]])
  })

  test('that contradicts itself is INVALID_REQUEST with a sentence', () => {
    const { sim } = pair()
    const cases: Beat[] = [
      { ...joining, groupId: '' },
      { ...joining, memberId: '' },
      { apiVersion: 0, memberId: '', memberEpoch: 3 },
      { apiVersion: 0, memberId: '', memberEpoch: -1 },
      { ...joining, instanceId: '' },
      { ...joining, rackId: '' },
      { ...joining, rebalanceTimeoutMs: -1 },
      { ...joining, topicPartitions: null },
      { ...joining, topicPartitions: orders(1) },
      { ...joining, subscribedTopicNames: null },
      { memberEpoch: -3 },
      { memberEpoch: -2 },
    ]
    for (const over of cases) {
      const { errorCode, errorMessage } = beat(sim, over)
      assert.equal(errorCode, 'INVALID_REQUEST', JSON.stringify(over))
      assert.ok(errorMessage)
    }
  })

  test('keeps the session; who is silent for longer is out', () => {
    const { sim } = pair()
    sim.advance(44_000)
    beat(sim, { memberEpoch: 3 })
    sim.advance(2_000)
    assert.equal(beat(sim, { memberId: 'b', memberEpoch: 3 }).errorCode, 'UNKNOWN_MEMBER_ID')
    const alone = beat(sim, { memberEpoch: 3, topicPartitions: orders(0, 1) })
    assert.deepEqual([alone.memberEpoch, given(alone)], [4, [0, 1, 2, 3]])
    assert.equal(sim.coordinator.timeline('g')?.rebalances.at(-1)?.cause, 'session_timeout')
  })

  test('is not late when the broker itself stood still', () => {
    const { sim } = pair()
    sim.decide({ kind: 'stalled', durationMs: 10_000 })
    sim.advance(50_000)
    assert.equal(beat(sim, { memberEpoch: 3 }).errorCode, 'NONE')
  })
})

describe('a subscription', () => {
  test('that changes raises the epoch, and what is not wanted any more is given up', () => {
    const { sim } = newSim()
    beat(sim, { ...joining, subscribedTopicNames: ['other', 'orders', 'orders'] })
    const changed = beat(sim, { memberEpoch: 2, subscribedTopicNames: ['other'] })
    assert.deepEqual(changed.assignment, {
      topicPartitions: [{ topicId: 'other-id', partitions: [0] }],
    })
    assert.equal(changed.memberEpoch, 2, 'first it has to give up')
    const owned = [{ topicId: 'other-id', partitions: [0] }]
    assert.equal(beat(sim, { memberEpoch: 2, topicPartitions: owned }).memberEpoch, 3)
  })

  test('by expression holds the topics whose whole name fits, also those that come later', () => {
    const { sim, topics } = newSim()
    const regex = { ...joining, subscribedTopicNames: null, subscribedTopicRegex: 'or.*s|oth' }
    const first = beat(sim, regex)
    assert.deepEqual(first.assignment, { topicPartitions: orders(0, 1, 2, 3) })
    topics.set('orbits', 1)
    const next = beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1, 2, 3) })
    assert.equal(next.memberEpoch, 3)
    assert.ok(next.assignment?.topicPartitions.some(({ topicId }) => topicId === 'orbits-id'))
  })

  test('by an expression that cannot be read, or is too long, is refused; an empty one is none', () => {
    const { sim } = newSim()
    for (const subscribedTopicRegex of ['(', '(?=look)ahead', 'x'.repeat(1_001)])
      assert.equal(
        beat(sim, { ...joining, subscribedTopicRegex }).errorCode,
        'INVALID_REGULAR_EXPRESSION',
      )
    assert.equal(beat(sim, { ...joining, subscribedTopicRegex: '' }).errorCode, 'NONE')
  })

  test('to a topic that grows, goes or comes leads to a new target at the next heartbeat', () => {
    const { sim, topics } = newSim()
    beat(sim, { ...joining, subscribedTopicNames: ['orders', 'later'] })
    topics.set('orders', 5)
    assert.deepEqual(given(beat(sim, { memberEpoch: 2 })), [0, 1, 2, 3, 4])
    topics.set('later', 1)
    assert.deepEqual(beat(sim, { memberEpoch: 3 }).assignment?.topicPartitions[0], {
      topicId: 'later-id',
      partitions: [0],
    })
    topics.delete('later')
    const gone = beat(sim, { memberEpoch: 4, topicPartitions: orders(0, 1, 2, 3, 4) })
    assert.deepEqual([gone.memberEpoch, given(gone)], [5, [0, 1, 2, 3, 4]])
    topics.set('unrelated', 3)
    assert.equal(beat(sim, { memberEpoch: 5 }).memberEpoch, 5)
    const causes = sim.coordinator.timeline('g')?.rebalances.map(({ cause }) => cause)
    assert.deepEqual(causes, ['member_joined', 'topic_changed', 'topic_changed', 'topic_changed'])
  })
})

describe('a restart', () => {
  for (const from of ['journal', 'snapshot'] as const)
    test(`from the ${from} knows every member, its epoch and its partitions`, () => {
      const { sim } = pair()
      const before = sim.coordinator.describeConsumer('g')
      sim.restart({ from })
      assert.deepEqual(sim.coordinator.describeConsumer('g'), before)
      assert.deepEqual(beat(sim, { memberEpoch: 3 }).memberEpoch, 3)
      sim.advance(46_000)
      assert.deepEqual(
        sim.coordinator.describeConsumer('g').groupState,
        'Empty',
        'sessions run again, in full',
      )
    })

  test('after which a group that was empty goes on counting', () => {
    const sim = new Sim()
    beat(sim, joining)
    beat(sim, { memberEpoch: -1 })
    sim.restart({ from: 'snapshot' })
    assert.equal(beat(sim, joining).memberEpoch, 4)
  })
})
