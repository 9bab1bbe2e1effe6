/**
 * Requests that are whole and ask for what cannot be: illegal names, unknown topics, offsets out of range, commits of
 * members that are fenced. Each gets the error that Apache Kafka 4.3.1 gives (SHOAL_SUBJECT=kafka asks that one), and
 * changes nothing.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  createPartitions,
  deleteGroups,
  deleteRecords,
  deleteTopics,
  findCoordinator,
  heartbeat,
  incrementalAlterConfigs,
  initProducerId,
  joinGroup,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetDelete,
  offsetForLeaderEpoch,
  syncGroup,
  type JoinGroupRequest,
  type OffsetCommitRequest,
} from '../../src/protocol/index.ts'
import { RawClient } from './raw-client.ts'
import {
  batchOf,
  committed,
  createTopic,
  fetched,
  fetchFrom,
  offsetAt,
  produceTo,
  record,
  topicMetadata,
  type FetchOptions,
  type NewTopic,
} from './raw-requests.ts'
import { isKafka, startSubject, type Subject } from './subject.ts'

const NOBODY_ID = 'AAAAAAAAAAAAAAAAAAAAMg'
const SESSION_TIMEOUT_MS = 60_000

let broker: Subject
let client: RawClient

before(async () => {
  broker = await startSubject()
  client = await RawClient.connect(broker.port)
  await createTopic(client, 'orders', { partitions: 2 })
  await produceTo(client, 'orders', batchOf([record('a'), record('b'), record('c')]))
  await coordinatorIsThere()
})

after(async () => {
  client[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
  assert.doesNotMatch(broker.log, / - ERROR - |\bat .*:\d+:\d+/)
})

describe('a topic', () => {
  const longest = 'n'.repeat(249)
  const illegal = ['', '.', '..', `${longest}n`, 'a b', 'a/b', '../../etc/x', 'ä', 'a\0', 'a\nb']
  for (const name of illegal)
    test(`is not made under an illegal name: ${JSON.stringify(name.slice(0, 20))}`, async () => {
      assert.equal((await createTopic(client, name)).errorCode, 'INVALID_TOPIC_EXCEPTION')
      // An empty name is asked for by nobody but Metadata v0 and earlier clients.
      const { errorCode } = await topicMetadata(client, name)
      assert.equal(errorCode, 'INVALID_TOPIC_EXCEPTION')
    })

  for (const name of [longest, '__proto__', 'constructor', 'toString', '...', '-', '0'])
    test(`has a name that is legal and only looks strange: ${name.slice(0, 20)}`, async () => {
      assert.equal((await createTopic(client, name)).errorCode, 'NONE')
      assert.equal((await createTopic(client, name)).errorCode, 'TOPIC_ALREADY_EXISTS')
      const { errorCode } = await produceTo(client, name, batchOf([record(name)]))
      assert.equal(errorCode, 'NONE')
      assert.equal((await offsetAt(client, name, -1)).offset, 1)
    })

  const refused: readonly (readonly [string, string, NewTopic, string])[] = [
    ['a name that is taken', 'orders', {}, 'TOPIC_ALREADY_EXISTS'],
    ['no partitions', 'zero', { partitions: 0 }, 'INVALID_PARTITIONS'],
    ['fewer than none', 'minus', { partitions: -2 }, 'INVALID_PARTITIONS'],
    ['a setting that is no number', 't', { configs: { 'retention.ms': 'x' } }, 'INVALID_CONFIG'],
    ['a setting nobody knows', 't', { configs: { 'retention.sm': '1' } }, 'INVALID_CONFIG'],
    ['a setting without value', 't', { configs: { 'retention.ms': null } }, 'INVALID_CONFIG'],
  ]
  for (const [what, name, topic, error] of refused)
    test(`is refused for ${what}: ${error}`, async () => {
      assert.equal((await createTopic(client, name, topic)).errorCode, error)
    })

  test('is refused where its name differs from another only in dots and underlines', async () => {
    assert.equal((await createTopic(client, 'a.b_c')).errorCode, 'NONE')
    assert.equal((await createTopic(client, 'a_b.c')).errorCode, 'INVALID_TOPIC_EXCEPTION')
  })

  test('that is unknown cannot be changed, deleted or read', async () => {
    const { results } = await client.request(createPartitions, {
      topics: [{ name: 'absent', count: 3, assignments: null }],
      timeoutMs: 30_000,
      validateOnly: false,
    })
    assert.equal(results[0]?.errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
    const byName = { name: 'absent', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const byId = { name: null, topicId: NOBODY_ID }
    for (const [topic, error] of [
      [byName, 'UNKNOWN_TOPIC_OR_PARTITION'],
      [byId, 'UNKNOWN_TOPIC_ID'],
    ] as const) {
      const { responses } = await client.request(deleteTopics, {
        topics: [topic],
        topicNames: [],
        timeoutMs: 30_000,
      })
      assert.equal(responses[0]?.errorCode, error)
    }
    const { errorCode } = await topicMetadata(client, 'absent', false)
    assert.equal(errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
  })

  test('gets no partitions fewer or as many as it has', async () => {
    for (const count of [1, 2, -1]) {
      const { results } = await client.request(createPartitions, {
        topics: [{ name: 'orders', count, assignments: null }],
        timeoutMs: 30_000,
        validateOnly: false,
      })
      assert.equal(results[0]?.errorCode, 'INVALID_PARTITIONS')
    }
    assert.equal((await topicMetadata(client, 'orders')).partitions.length, 2)
  })

  test('keeps its settings when a new one is wrong', async () => {
    const { responses } = await client.request(incrementalAlterConfigs, {
      resources: [
        {
          resourceType: 2,
          resourceName: 'orders',
          configs: [{ name: 'retention.ms', configOperation: 0, value: '-2' }],
        },
      ],
      validateOnly: false,
    })
    assert.equal(responses[0]?.errorCode, 'INVALID_CONFIG')
  })
})

describe('a position', () => {
  const asked: readonly (readonly [string, string, FetchOptions, string])[] = [
    ['past the end', 'orders', { offset: 4 }, 'OFFSET_OUT_OF_RANGE'],
    ['before the start', 'orders', { offset: -7 }, 'OFFSET_OUT_OF_RANGE'],
    ['in no topic', 'absent', {}, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['in no partition', 'orders', { partition: 2 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['of a later leader', 'orders', { leaderEpoch: 9 }, 'UNKNOWN_LEADER_EPOCH'],
    ['under an unknown id', '', { topicId: NOBODY_ID, version: 13 }, 'UNKNOWN_TOPIC_ID'],
  ]
  for (const [what, topic, options, error] of asked)
    test(`${what} cannot be read from: ${error}`, async () => {
      const answer = fetched(await fetchFrom(client, topic, options))
      assert.equal(answer.errorCode, error)
      assert.equal(answer.records?.length ?? 0, 0)
    })

  test('is not read in a session that nobody began, or out of its turn', async () => {
    const session = { sessionId: 4_711, sessionEpoch: 3 }
    const { errorCode } = await fetchFrom(client, 'orders', session)
    assert.equal(errorCode, 'FETCH_SESSION_ID_NOT_FOUND')
    const { sessionId } = await fetchFrom(client, 'orders', { sessionEpoch: 0 })
    assert.notEqual(sessionId, 0)
    const skipped = await fetchFrom(client, 'orders', { sessionId, sessionEpoch: 5 })
    assert.equal(skipped.errorCode, 'INVALID_FETCH_SESSION_EPOCH')
  })

  test('is asked for in partitions and topics that exist', async () => {
    assert.equal((await offsetAt(client, 'orders', -1, 2)).errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.equal((await offsetAt(client, 'absent', -1)).errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
    const { topics } = await client.request(offsetForLeaderEpoch, {
      replicaId: -1,
      topics: [
        {
          topic: 'absent',
          partitions: [{ partition: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }],
        },
      ],
    })
    assert.equal(topics[0]?.partitions[0]?.errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
  })

  test('behind the end cannot be deleted up to', async () => {
    for (const [offset, error] of [
      [4, 'OFFSET_OUT_OF_RANGE'],
      [-2, 'OFFSET_OUT_OF_RANGE'],
    ] as const) {
      const { topics } = await client.request(deleteRecords, {
        topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset }] }],
        timeoutMs: 30_000,
      })
      assert.equal(topics[0]?.partitions[0]?.errorCode, error)
    }
    assert.equal((await offsetAt(client, 'orders', -2)).offset, 0)
  })
})

test('a producer id is not given for an empty transactional id', async () => {
  const { errorCode } = await client.request(initProducerId, {
    transactionalId: '',
    transactionTimeoutMs: 60_000,
    producerId: -1n,
    producerEpoch: -1,
  })
  assert.equal(errorCode, 'INVALID_REQUEST')
})

describe('a coordinator', () => {
  test('is not found for a kind of key that is unknown', async () => {
    const { coordinators } = await client.request(
      findCoordinator,
      { key: '', keyType: 7, coordinatorKeys: ['g'] },
      4,
    )
    assert.equal(coordinators[0]?.errorCode, 'INVALID_REQUEST')
  })
})

describe('a member', () => {
  const refused: readonly (readonly [string, Partial<JoinGroupRequest>, string])[] = [
    ['without group', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['of a short session', { sessionTimeoutMs: 5_999 }, 'INVALID_SESSION_TIMEOUT'],
    ['of a negative session', { sessionTimeoutMs: -1 }, 'INVALID_SESSION_TIMEOUT'],
    ['of a long session', { sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT'],
    ['of an unknown id', { memberId: 'nobody' }, 'UNKNOWN_MEMBER_ID'],
    ['without protocols', { protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['without protocol type', { protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['that is new', {}, 'MEMBER_ID_REQUIRED'],
  ]
  for (const [what, change, error] of refused)
    test(`${what} is not admitted: ${error}`, async () => {
      const answer = await client.request(joinGroup, { ...joining('refused'), ...change })
      assert.equal(answer.errorCode, error)
      assert.equal(answer.generationId, -1)
    })

  test('of no group gets no assignment, no heartbeat and no goodbye', async () => {
    const member = { groupId: 'nobody', memberId: 'm', groupInstanceId: null }
    const beat = await client.request(heartbeat, { ...member, generationId: 1 })
    const sync = await client.request(syncGroup, {
      ...member,
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
    })
    const left = await client.request(leaveGroup, {
      groupId: 'nobody',
      memberId: '',
      members: [{ memberId: 'm', groupInstanceId: null, reason: null }],
    })
    assert.equal(beat.errorCode, 'UNKNOWN_MEMBER_ID')
    assert.equal(sync.errorCode, 'UNKNOWN_MEMBER_ID')
    assert.deepEqual([left.errorCode, left.members[0]?.errorCode], ['NONE', 'UNKNOWN_MEMBER_ID'])
  })

  test('that is fenced commits nothing: wrong generation, unknown id, nobody, an instance taken over', async () => {
    const first = await admitted('fenced', 'instance-1')
    assert.equal(await commit('fenced', { ...first, offset: 1 }), 'NONE')

    const { memberId, generation } = first
    const late = [
      [{ memberId, generation: generation - 1 }, 'ILLEGAL_GENERATION'],
      [{ memberId, generation: generation + 1 }, 'ILLEGAL_GENERATION'],
      [{ memberId, generation: -1 }, 'ILLEGAL_GENERATION'],
      [{ memberId: 'nobody', generation }, 'UNKNOWN_MEMBER_ID'],
      [{ memberId: '', generation: -1 }, 'UNKNOWN_MEMBER_ID'],
    ] as const
    for (const [who, error] of late)
      assert.equal(await commit('fenced', { ...who, offset: 3 }), error)

    const second = await admitted('fenced', 'instance-1')
    assert.notEqual(second.memberId, memberId)
    const zombie = { memberId, generation, instance: 'instance-1', offset: 3 }
    assert.equal(await commit('fenced', zombie), 'FENCED_INSTANCE_ID')
    const beat = { groupId: 'fenced', memberId, generationId: generation }
    const { errorCode } = await client.request(heartbeat, {
      ...beat,
      groupInstanceId: 'instance-1',
    })
    assert.equal(errorCode, 'FENCED_INSTANCE_ID')

    assert.equal((await committed(client, 'fenced', 'orders')).committedOffset, 1)
    assert.equal(await commit('fenced', { ...second, instance: 'instance-1', offset: 2 }), 'NONE')
    assert.equal((await committed(client, 'fenced', 'orders')).committedOffset, 2)
  })

  test('commits only for partitions that exist, with metadata that is not too long', async () => {
    const who = { memberId: '', generation: -1, offset: 1 }
    assert.equal(await commit('simple', who, { topic: 'absent' }), 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.equal(await commit('simple', who, { partition: 2 }), 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.equal(await commit('simple', who, { metadata: '€'.repeat(4_096) }), 'NONE')
    for (const metadata of ['x'.repeat(4_097), '😀'.repeat(2_049)])
      assert.equal(await commit('simple', who, { metadata }), 'OFFSET_METADATA_TOO_LARGE')
    assert.equal(await commit('unknown', { ...who, generation: 3 }), 'GROUP_ID_NOT_FOUND')
    assert.equal(
      await commit('unknown', { ...who, generation: 3 }, { version: 8 }),
      'ILLEGAL_GENERATION',
    )
  })

  test('keeps its group from being deleted, and its topics from being forgotten', async () => {
    await admitted('kept', null)
    const { results } = await client.request(deleteGroups, { groupsNames: ['kept', 'nobody'] })
    assert.deepEqual(
      results.map(({ errorCode }) => errorCode),
      ['NON_EMPTY_GROUP', 'GROUP_ID_NOT_FOUND'],
    )
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }]
    const { errorCode } = await client.request(offsetDelete, { groupId: 'nobody', topics })
    assert.equal(errorCode, 'GROUP_ID_NOT_FOUND')
    const listed = await client.request(listGroups, { statesFilter: ['nonsense'], typesFilter: [] })
    assert.deepEqual(listed.groups, [])
  })
})

function joining(groupId: string): JoinGroupRequest {
  return {
    groupId,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    // A subscription of version 0: one topic, no user data.
    protocols: [
      {
        name: 'range',
        metadata: Buffer.from('00000000000100066f7264657273ffffffff', 'hex'),
      },
    ],
    reason: null,
  }
}

interface Admitted {
  readonly memberId: string
  readonly generation: number
}

/** Joins and syncs as the only member. */
async function admitted(groupId: string, groupInstanceId: string | null): Promise<Admitted> {
  const request = { ...joining(groupId), groupInstanceId }
  let joined = await client.request(joinGroup, request)
  if (joined.errorCode === 'MEMBER_ID_REQUIRED')
    joined = await client.request(joinGroup, { ...request, memberId: joined.memberId })
  assert.equal(joined.errorCode, 'NONE')
  const { memberId, generationId: generation } = joined
  const { errorCode } = await client.request(syncGroup, {
    groupId,
    generationId: generation,
    memberId,
    groupInstanceId,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId, assignment: new Uint8Array(0) }],
  })
  assert.equal(errorCode, 'NONE')
  return { memberId, generation }
}

async function commit(
  groupId: string,
  who: Admitted & { readonly offset: number; readonly instance?: string },
  {
    topic = 'orders',
    partition = 0,
    metadata = '',
    version = 9,
  }: {
    readonly topic?: string
    readonly partition?: number
    readonly metadata?: string
    readonly version?: number
  } = {},
): Promise<string | undefined> {
  const request: OffsetCommitRequest = {
    groupId,
    generationIdOrMemberEpoch: who.generation,
    memberId: who.memberId,
    groupInstanceId: who.instance ?? null,
    retentionTimeMs: -1,
    topics: [
      {
        name: topic,
        partitions: [
          {
            partitionIndex: partition,
            committedOffset: who.offset,
            committedLeaderEpoch: -1,
            committedMetadata: metadata,
          },
        ],
      },
    ],
  }
  const { topics } = await client.request(offsetCommit, request, version)
  return topics[0]?.partitions[0]?.errorCode
}

/** Kafka makes its offsets topic when the first client asks for a coordinator, and loads it for a moment. */
async function coordinatorIsThere(): Promise<void> {
  for (;;) {
    const key = { key: '', keyType: 0, coordinatorKeys: ['g'] }
    const { coordinators } = await client.request(findCoordinator, key, 4)
    const { errorCode } = await client.request(heartbeat, {
      groupId: 'g',
      memberId: 'm',
      generationId: 0,
      groupInstanceId: null,
    })
    if (coordinators[0]?.errorCode === 'NONE' && errorCode === 'UNKNOWN_MEMBER_ID') return
    assert.ok(isKafka, 'Shoal is its own coordinator from the start')
  }
}
