import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytes,
  commitRequest,
  enter,
  heartbeatRequest,
  leaveRequest,
  Sim,
  stablePair,
  START_MS,
  subscription,
} from '../fixture.test.ts'
import type { OffsetDeleteRequest } from '../messages.ts'

const DAY_MS = 24 * 3_600_000

const answered = (errorCode: string, topic = 'orders', partitionIndex = 0) => ({
  kind: 'offset-commit',
  topics: [{ name: topic, partitions: [{ partitionIndex, errorCode }] }],
})

describe('a commit', () => {
  test('of a member of the present generation is recorded and can be fetched', () => {
    const { sim, a } = stablePair()
    sim.advance(100)
    const { response, records } = sim.ask(
      commitRequest({ memberId: a, generationIdOrMemberEpoch: 2 }),
    )
    assert.deepEqual(response, answered('NONE'))
    assert.deepEqual(records, [
      {
        kind: 'offsets-committed',
        groupId: 'g',
        commitTimestampMs: START_MS + 100,
        expireTimestampMs: null,
        observedMs: 100,
        topics: [
          {
            topic: 'orders',
            partitions: [{ partition: 0, offset: 42, leaderEpoch: 7, metadata: 'm' }],
          },
        ],
      },
    ])
    assert.deepEqual(fetched(sim), [42, 7, 'm'])
  })

  const cases: readonly (readonly [string, string, Parameters<typeof commitRequest>[0], string])[] =
    [
      ['stable', 'wrong generation', { generationIdOrMemberEpoch: 1 }, 'ILLEGAL_GENERATION'],
      ['stable', 'newer generation', { generationIdOrMemberEpoch: 3 }, 'ILLEGAL_GENERATION'],
      [
        'stable',
        'unknown member',
        { memberId: 'x', generationIdOrMemberEpoch: 2 },
        'UNKNOWN_MEMBER_ID',
      ],
      [
        'stable',
        'unknown instance',
        { groupInstanceId: 'x', generationIdOrMemberEpoch: 2 },
        'UNKNOWN_MEMBER_ID',
      ],
      ['stable', '(-1, "")', { memberId: '', generationIdOrMemberEpoch: -1 }, 'UNKNOWN_MEMBER_ID'],
      ['stable', '(-1, member)', { generationIdOrMemberEpoch: -1 }, 'ILLEGAL_GENERATION'],
      ['preparing', 'present generation', { generationIdOrMemberEpoch: 2 }, 'NONE'],
      ['preparing', 'wrong generation', { generationIdOrMemberEpoch: 3 }, 'ILLEGAL_GENERATION'],
      [
        'preparing',
        '(-1, "")',
        { memberId: '', generationIdOrMemberEpoch: -1 },
        'UNKNOWN_MEMBER_ID',
      ],
      [
        'completing',
        'present generation',
        { generationIdOrMemberEpoch: 3 },
        'REBALANCE_IN_PROGRESS',
      ],
      ['completing', 'last generation', { generationIdOrMemberEpoch: 2 }, 'ILLEGAL_GENERATION'],
      ['empty', '(-1, "")', { memberId: '', generationIdOrMemberEpoch: -1 }, 'NONE'],
      ['empty', '(-1, member)', { generationIdOrMemberEpoch: -1 }, 'NONE'],
      ['empty', 'present generation', { generationIdOrMemberEpoch: 3 }, 'UNKNOWN_MEMBER_ID'],
      ['unknown', '(-1, "")', { memberId: '', generationIdOrMemberEpoch: -1 }, 'NONE'],
      [
        'unknown',
        'generation, v9',
        { apiVersion: 9, generationIdOrMemberEpoch: 0 },
        'GROUP_ID_NOT_FOUND',
      ],
      [
        'unknown',
        'generation, v8',
        { apiVersion: 8, generationIdOrMemberEpoch: 0 },
        'ILLEGAL_GENERATION',
      ],
    ]
  for (const [state, what, over, errorCode] of cases)
    test(`to a group that is ${state}, ${what}: ${errorCode}, and a refused one changes nothing`, () => {
      const { sim, a, b } = stablePair()
      if (state !== 'unknown')
        sim.ask(commitRequest({ memberId: a, generationIdOrMemberEpoch: 2, offset: 1 }))
      if (state === 'preparing' || state === 'completing') sim.join({ memberId: a })
      if (state === 'completing') sim.join({ memberId: b })
      if (state === 'empty') sim.ask(leaveRequest({ memberId: a }, { memberId: b }))
      const groupId = state === 'unknown' ? 'new' : 'g'
      const before = fetched(sim, groupId)
      const { response, records } = sim.ask(commitRequest({ memberId: a, groupId, ...over }))
      assert.deepEqual(response, answered(errorCode))
      assert.equal(records.length, errorCode === 'NONE' ? 1 : 0)
      assert.deepEqual(fetched(sim, groupId), errorCode === 'NONE' ? [42, 7, 'm'] : before)
    })

  test('from outside begins a simple group: classic, empty, without a protocol type', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    assert.deepEqual(sim.coordinator.list({ statesFilter: [], typesFilter: [] }), [
      { groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' },
    ])
  })

  test('to what does not exist is refused per partition, before the group is asked', () => {
    const { sim } = stablePair()
    const { sim: fenced } = stablePair()
    for (const over of [{ topic: 'gone' }, { partition: 4 }, { partition: -1 }]) {
      const expected = answered('UNKNOWN_TOPIC_OR_PARTITION', over.topic, over.partition)
      assert.deepEqual(fenced.ask(commitRequest({ memberId: 'x', ...over })).response, expected)
      assert.deepEqual(sim.ask(commitRequest({ groupId: 'simple', ...over })).response, expected)
    }
  })

  test('takes what it can of several partitions', () => {
    const sim = new Sim()
    const partition = (partitionIndex: number, committedMetadata: string | null) => ({
      partitionIndex,
      committedOffset: 5,
      committedLeaderEpoch: -1,
      committedMetadata,
    })
    const topics = [
      { name: 'orders', partitions: [partition(0, 'x'.repeat(4_097)), partition(1, null)] },
      { name: 'gone', partitions: [partition(0, '')] },
    ]
    const { response, records } = sim.ask(commitRequest({ topics }))
    assert.deepEqual(response, {
      kind: 'offset-commit',
      topics: [
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, errorCode: 'OFFSET_METADATA_TOO_LARGE' },
            { partitionIndex: 1, errorCode: 'NONE' },
          ],
        },
        {
          name: 'gone',
          partitions: [{ partitionIndex: 0, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION' }],
        },
      ],
    })
    const [record] = records
    assert.deepEqual(record?.kind === 'offsets-committed' && record.topics, [
      { topic: 'orders', partitions: [{ partition: 1, offset: 5, leaderEpoch: -1, metadata: '' }] },
    ])
  })

  for (const [what, metadata, errorCode] of [
    ['4,096 euro signs', '€'.repeat(4_096), 'NONE'],
    ['2,049 emoji', '😀'.repeat(2_049), 'OFFSET_METADATA_TOO_LARGE'],
    ['no metadata', null, 'NONE'],
  ] as const)
    test(`with ${what} as metadata: ${errorCode}`, () => {
      const sim = new Sim()
      assert.deepEqual(sim.ask(commitRequest({ metadata })).response, answered(errorCode))
      if (errorCode === 'NONE') assert.deepEqual(fetched(sim), [42, 7, metadata ?? ''])
    })

  test('of offset -1, or an older one, is accepted: the last commit counts', () => {
    const sim = new Sim()
    for (const offset of [50, 10, -1]) {
      assert.deepEqual(sim.ask(commitRequest({ offset })).response, answered('NONE'))
      assert.equal(fetched(sim)[0], offset)
    }
  })

  test('is a sign of life', () => {
    const { sim, a } = stablePair()
    for (let waitedMs = 0; waitedMs < 9_000; waitedMs += 3_000) {
      sim.advance(3_000)
      sim.ask(commitRequest({ memberId: a, generationIdOrMemberEpoch: 2 }))
    }
    sim.advance(1_000)
    assert.deepEqual(
      sim.coordinator.describe('g', 6).members.map(({ memberId }) => memberId),
      [a],
    )
  })
})

describe('a fetch', () => {
  test('of what was never committed has offset -1, no metadata and no error', () => {
    const sim = new Sim()
    const topics = [{ name: 'gone', partitionIndexes: [3] }]
    assert.deepEqual(
      sim.coordinator.fetchOffsets({ groupId: 'new', memberId: null, memberEpoch: -1, topics }),
      {
        groupId: 'new',
        errorCode: 'NONE',
        topics: [
          {
            name: 'gone',
            partitions: [
              {
                partitionIndex: 3,
                committedOffset: -1,
                committedLeaderEpoch: -1,
                metadata: '',
                errorCode: 'NONE',
              },
            ],
          },
        ],
      },
    )
  })

  test('without topics gets everything that was committed', () => {
    const sim = new Sim()
    sim.ask(commitRequest({ partition: 2 }))
    sim.ask(commitRequest({ topic: 'other', offset: 1 }))
    const all = sim.coordinator.fetchOffsets({
      groupId: 'g',
      memberId: null,
      memberEpoch: -1,
      topics: null,
    })
    assert.deepEqual(
      all.topics.map(({ name, partitions }) => [
        name,
        partitions.map((partition) => [partition.partitionIndex, partition.committedOffset]),
      ]),
      [
        ['orders', [[2, 42]]],
        ['other', [[0, 1]]],
      ],
    )
  })
})

describe('a deletion of offsets', () => {
  test('removes what was committed and says nothing of what was not', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    const { response, records } = sim.ask(deletion('orders', 0, 1))
    assert.deepEqual(response, {
      kind: 'offset-delete',
      errorCode: 'NONE',
      topics: [
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, errorCode: 'NONE' },
            { partitionIndex: 1, errorCode: 'NONE' },
          ],
        },
      ],
    })
    assert.deepEqual(records, [
      { kind: 'offsets-deleted', groupId: 'g', topics: [{ topic: 'orders', partitions: [0] }] },
    ])
    assert.deepEqual(fetched(sim), [-1, -1, ''])
  })

  test('spares topics that the members subscribe to, also when their metadata cannot be read', () => {
    for (const metadata of [subscription('orders'), bytes(1)]) {
      const sim = new Sim()
      const memberId = enter(sim, { protocols: [{ name: 'range', metadata }] })
      sim.sync({ memberId, generationId: 1 })
      sim.ask(commitRequest({ memberId, generationIdOrMemberEpoch: 1 }))
      const { response, records } = sim.ask(deletion('orders', 0))
      assert.deepEqual(response?.kind === 'offset-delete' && response.topics, [
        {
          name: 'orders',
          partitions: [{ partitionIndex: 0, errorCode: 'GROUP_SUBSCRIBED_TO_TOPIC' }],
        },
      ])
      assert.deepEqual(records, [])
    }
  })

  test('allows other topics of a living consumer group', () => {
    const { sim, a } = stablePair()
    sim.ask(commitRequest({ memberId: a, generationIdOrMemberEpoch: 2, topic: 'other' }))
    assert.equal(sim.ask(deletion('other', 0)).records.length, 1)
  })

  test('is refused as a whole for unknown groups and for living groups of other protocol types', () => {
    assert.deepEqual(new Sim().ask(deletion('orders', 0)).response, {
      kind: 'offset-delete',
      errorCode: 'GROUP_ID_NOT_FOUND',
      topics: [],
    })
    const sim = new Sim()
    enter(sim, { protocolType: 'connect' })
    assert.deepEqual(sim.ask(deletion('orders', 0)).response, {
      kind: 'offset-delete',
      errorCode: 'NON_EMPTY_GROUP',
      topics: [],
    })
  })
})

describe('a deletion of groups', () => {
  test('takes an empty group with its offsets, and refuses the others', () => {
    const { sim } = stablePair()
    sim.ask(commitRequest({ groupId: 'simple' }))
    const { response, records } = sim.ask({
      kind: 'delete',
      replyTo: 0,
      groupsNames: ['simple', 'g', 'new', '', 'simple'],
    })
    assert.deepEqual(response, {
      kind: 'delete',
      results: [
        { groupId: 'simple', errorCode: 'NONE' },
        { groupId: 'g', errorCode: 'NON_EMPTY_GROUP' },
        { groupId: 'new', errorCode: 'GROUP_ID_NOT_FOUND' },
        { groupId: '', errorCode: 'INVALID_GROUP_ID' },
      ],
    })
    assert.deepEqual(records, [{ kind: 'group-deleted', groupId: 'simple' }])
    assert.deepEqual(fetched(sim, 'simple'), [-1, -1, ''])
  })

  test('voids ids that were given out for it', () => {
    const sim = new Sim()
    const memberId = sim.join().response!.memberId
    sim.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] })
    assert.equal(sim.join({ memberId }).response?.errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(sim.timers.size, 1)
  })
})

test('a deleted topic takes its offsets with it, in every group', () => {
  const sim = new Sim()
  for (const groupId of ['g', 'h']) {
    sim.ask(commitRequest({ groupId, partition: 1 }))
    sim.ask(commitRequest({ groupId, topic: 'other' }))
  }
  const { records } = sim.decide({ kind: 'topic-deleted', topic: 'orders', topicId: 'orders-id' })
  const topics = [{ topic: 'orders', partitions: [1] }]
  assert.deepEqual(records, [
    { kind: 'offsets-deleted', groupId: 'g', topics },
    { kind: 'offsets-deleted', groupId: 'h', topics },
  ])
})

describe('committed offsets expire', () => {
  test('when their group was empty for the whole retention, and the group goes with the last of them', () => {
    const sim = new Sim()
    const memberId = enter(sim, { sessionTimeoutMs: 1_800_000 })
    sim.sync({ memberId, generationId: 1 })
    sim.ask(commitRequest({ memberId, generationIdOrMemberEpoch: 1 }))
    for (let waitedMs = 0; waitedMs < 8 * DAY_MS; waitedMs += 1_200_000) {
      sim.advance(1_200_000)
      sim.ask(heartbeatRequest({ memberId, generationId: 1 }))
    }
    sim.ask(leaveRequest({ memberId }))
    sim.advance(7 * DAY_MS - 1)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(600_001)
    assert.equal(fetched(sim)[0], -1)
    assert.deepEqual(sim.journal.at(-1), { kind: 'group-deleted', groupId: 'g' })
  })

  test('never because the wall clock jumped', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    sim.wallMs += 1_000 * DAY_MS
    sim.advance(6 * DAY_MS)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(DAY_MS + 600_000)
    assert.equal(fetched(sim)[0], -1)
  })

  test('never because the wall clock stood in the past when they were committed and the broker has just started', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    sim.restart()
    sim.wallMs += 20_000 * DAY_MS
    sim.advance(DAY_MS)
    assert.equal(fetched(sim)[0], 42)
  })

  test('counting the time of several runs of the broker', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    for (let run = 0; run < 7; run++) {
      assert.equal(fetched(sim)[0], 42, `run ${run}`)
      sim.restart({ from: run % 2 === 0 ? 'journal' : 'snapshot' })
      sim.advance(DAY_MS)
    }
    assert.equal(fetched(sim)[0], -1)
  })

  test('of a group that is committed to from outside after the last commit, all together', () => {
    const sim = new Sim()
    sim.ask(commitRequest({ partition: 0 }))
    sim.advance(4 * DAY_MS)
    sim.ask(commitRequest({ partition: 1 }))
    sim.advance(6 * DAY_MS)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(DAY_MS + 600_000)
    assert.equal(sim.coordinator.list({ statesFilter: [], typesFilter: [] }).length, 0)
  })

  test('never because the wall clock was set back meanwhile: then they wait for it', () => {
    const sim = new Sim()
    sim.ask(commitRequest())
    sim.wallMs -= 3 * DAY_MS
    sim.advance(9 * DAY_MS)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(DAY_MS + 600_000)
    assert.equal(fetched(sim)[0], -1)
  })

  test('counting from when the last member was dropped', () => {
    const { sim, a, b } = stablePair()
    sim.ask(commitRequest({ memberId: a, generationIdOrMemberEpoch: 2 }))
    sim.join({ memberId: a })
    sim.ask(leaveRequest({ memberId: a }))
    for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 5_000) {
      sim.ask(heartbeatRequest({ memberId: b, generationId: 2 }))
      sim.advance(5_000)
    }
    assert.deepEqual(sim.journal.at(-1)?.kind, 'generation')
    sim.advance(7 * DAY_MS - 60_000)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(700_000)
    assert.equal(fetched(sim)[0], -1)
  })

  test('and groups with them, but not while somebody is about to join', () => {
    const { sim, a, b } = stablePair()
    sim.ask(leaveRequest({ memberId: a }, { memberId: b }))
    const memberId = sim.join({ sessionTimeoutMs: 1_800_000 }).response!.memberId
    sim.advance(1_200_000)
    assert.equal(sim.join({ memberId }).response?.generationId, 4)
  })

  test('at the time that the client asked for, in versions that let it', () => {
    const sim = new Sim()
    sim.ask(commitRequest({ apiVersion: 4, retentionTimeMs: DAY_MS }))
    sim.advance(DAY_MS - 1)
    assert.equal(fetched(sim)[0], 42)
    sim.advance(600_001)
    assert.equal(fetched(sim)[0], -1)
  })
})

function fetched(sim: Sim, groupId = 'g'): readonly [number, number, string] {
  const topics = [{ name: 'orders', partitionIndexes: [0] }]
  const [topic] = sim.coordinator.fetchOffsets({
    groupId,
    memberId: null,
    memberEpoch: -1,
    topics,
  }).topics
  const { committedOffset, committedLeaderEpoch, metadata } = topic!.partitions[0]!
  return [committedOffset, committedLeaderEpoch, metadata]
}

function deletion(topic: string, ...partitions: readonly number[]): OffsetDeleteRequest {
  return {
    kind: 'offset-delete',
    replyTo: 0,
    groupId: 'g',
    topics: [{ name: topic, partitions: partitions.map((partitionIndex) => ({ partitionIndex })) }],
  }
}
