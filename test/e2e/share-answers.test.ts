/**
 * What share groups answer in odd cases (KIP-932): the same from Shoal and, with SHOAL_SUBJECT=kafka, from Apache Kafka 4.3.1.
 *
 * One group, one topic, one story.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  alterShareGroupOffsets,
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  createTopics,
  deleteGroups,
  deleteShareGroupOffsets,
  describeGroups,
  describeShareGroupOffsets,
  encodeRecordBatch,
  findCoordinator,
  incrementalAlterConfigs,
  joinGroup,
  listGroups,
  metadata,
  offsetCommit,
  produce,
  shareAcknowledge,
  shareFetch,
  shareGroupDescribe,
  shareGroupHeartbeat,
  ZERO_UUID,
} from '../../src/protocol/index.ts'
import { GENEROUS_LIMIT_MS } from '../real/program.ts'
import { RawClient } from './raw-client.ts'
import { startSubject, type Subject } from './subject.ts'

const [ACCEPT, RELEASE, RENEW] = [1, 2, 4]
const [MEMBER, OTHER] = ['AAAAAAAAAAAAAAAAAAAAAQ', 'AAAAAAAAAAAAAAAAAAAAAg']

describe('share groups in odd cases', () => {
  let subject: Subject
  let client: RawClient
  let topicId = ''
  /** Of the share session: the one that is due. */
  let epoch = 0

  before(async () => {
    subject = await startSubject()
    client = await RawClient.connect(subject.port)
    await client.request(createTopics, {
      topics: [
        { name: 'orders', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
      ],
      timeoutMs: 30_000,
      validateOnly: false,
    })
    const { topics } = await client.request(metadata, {
      topics: [{ topicId: ZERO_UUID, name: 'orders' }],
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    topicId = topics[0]?.topicId ?? ''
    for (const [name, value] of Object.entries({ 'share.auto.offset.reset': 'earliest' }))
      assert.equal(await configure(name, value), 0)
    await publish(10)
    // Kafka makes its own topics for groups when a coordinator is first asked for.
    await until(async () => {
      await client.request(findCoordinator, { key: '', keyType: 0, coordinatorKeys: ['g'] })
      const { errorCode } = await beat({ groupId: 'nobody', memberEpoch: 1 })
      return errorCode === 'GROUP_ID_NOT_FOUND'
    })
  })
  after(async () => {
    client[Symbol.dispose]()
    await subject[Symbol.asyncDispose]()
  })

  test('heartbeats are refused by name', async () => {
    const refusal = async (over: Parameters<typeof beat>[0]) => (await beat(over)).errorCode
    assert.equal(await refusal({ groupId: 'nobody', memberEpoch: 1 }), 'GROUP_ID_NOT_FOUND')
    assert.equal(await refusal({ memberId: '' }), 'INVALID_REQUEST')
    assert.equal(await refusal({ subscribedTopicNames: null }), 'INVALID_REQUEST')
    assert.equal(await refusal({ groupId: '' }), 'INVALID_REQUEST')
    assert.equal(await refusal({}), 'NONE')
    assert.equal(await refusal({ memberEpoch: 99 }), 'FENCED_MEMBER_EPOCH')
    assert.equal(await refusal({ memberId: OTHER, memberEpoch: 1 }), 'UNKNOWN_MEMBER_ID')
    assert.equal(await refusal({ memberEpoch: -2 }), 'INVALID_REQUEST')
  })

  test('the member gets its partitions, and the group is described', async () => {
    let memberEpoch = 0
    await until(async () => {
      const answer = await beat({ memberEpoch })
      assert.equal(answer.errorCode, 'NONE')
      memberEpoch = answer.memberEpoch
      const [first] = answer.assignment?.topicPartitions ?? []
      if (first !== undefined) assert.deepEqual(first, { topicId, partitions: [0] })
      return first !== undefined
    })
    const { groups } = await client.request(shareGroupDescribe, {
      groupIds: ['g', 'nobody'],
      includeAuthorizedOperations: false,
    })
    assert.deepEqual(
      groups.map(({ errorCode, errorMessage, groupState, assignorName, members }) => [
        errorCode,
        errorMessage,
        groupState,
        assignorName,
        members.length,
      ]),
      [
        ['NONE', null, 'Stable', 'simple', 1],
        ['GROUP_ID_NOT_FOUND', 'Group nobody not found.', '', '', 0],
      ],
    )
  })

  test('sessions are refused by name', async () => {
    assert.equal((await fetch(3)).errorCode, 'SHARE_SESSION_NOT_FOUND')
    assert.equal((await fetch(-1)).errorCode, 'SHARE_SESSION_NOT_FOUND')
    assert.equal((await acknowledge(0, [])).errorCode, 'INVALID_SHARE_SESSION_EPOCH')
    assert.equal((await fetch(0, [ranged(0, 0, ACCEPT)])).errorCode, 'INVALID_REQUEST')
    await acquired(['0-9 1'])
    assert.equal((await fetch(99)).errorCode, 'INVALID_SHARE_SESSION_EPOCH')
  })

  test('acknowledgements are refused partition by partition, and the session goes on', async () => {
    const errorOf = async (...batches: readonly ReturnType<typeof ranged>[]) => {
      const { errorCode, responses } = await acknowledge(epoch++, batches)
      assert.equal(errorCode, 'NONE')
      return responses[0]?.partitions[0]?.errorCode
    }
    assert.equal(await errorOf(ranged(0, 1, ACCEPT)), 'NONE')
    assert.equal(await errorOf(ranged(0, 1, ACCEPT)), 'NONE', 'below the start')
    assert.equal(await errorOf(ranged(4, 4, ACCEPT)), 'NONE')
    assert.equal(await errorOf(ranged(4, 4, ACCEPT)), 'INVALID_RECORD_STATE', 'twice')
    assert.equal(await errorOf(ranged(8, 12, ACCEPT)), 'INVALID_REQUEST', 'beyond the end')
    assert.equal(await errorOf(ranged(2, 2, 9)), 'INVALID_REQUEST', 'no such type')
    assert.equal(await errorOf(ranged(2, 4, ACCEPT, ACCEPT)), 'INVALID_REQUEST', 'two for three')
    assert.equal(await errorOf(ranged(5, 5, RENEW)), 'INVALID_REQUEST', 'not said to renew')
    assert.equal(
      (await acknowledge(epoch++, [ranged(5, 5, RENEW)], true)).responses[0]?.partitions[0]
        ?.errorCode,
      'NONE',
    )
    assert.equal(await errorOf(ranged(6, 6, RELEASE)), 'NONE')
    await acquired(['6-6 2'])
    assert.equal((await acknowledge(-1, [ranged(6, 6, ACCEPT)])).errorCode, 'NONE')
    epoch = 0
    await acquired(['2-3 2', '5-5 2', '7-9 2'])
  })

  test('its id is nothing for members, commits and questions of other kinds', async () => {
    const { errorCode } = await client.request(consumerGroupHeartbeat, {
      groupId: 'g',
      memberId: OTHER,
      memberEpoch: 0,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: 30_000,
      subscribedTopicNames: ['orders'],
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: [],
    })
    assert.equal(errorCode, 'GROUP_ID_NOT_FOUND')
    const joined = await client.request(joinGroup, {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
      reason: null,
    })
    assert.equal(joined.errorCode, 'INCONSISTENT_GROUP_PROTOCOL')
    const partition = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1 }
    const { topics } = await client.request(offsetCommit, {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: 'orders', partitions: [{ ...partition, committedMetadata: null }] }],
    })
    assert.equal(topics[0]?.partitions[0]?.errorCode, 'GROUP_ID_NOT_FOUND')
    const described = await client.request(describeGroups, {
      groups: ['g'],
      includeAuthorizedOperations: false,
    })
    assert.deepEqual(
      described.groups.map((group) => [group.errorCode, group.errorMessage, group.groupState]),
      [['GROUP_ID_NOT_FOUND', 'Group g is not a classic group.', 'Dead']],
    )
    const modern = await client.request(consumerGroupDescribe, {
      groupIds: ['g'],
      includeAuthorizedOperations: false,
    })
    assert.deepEqual(
      modern.groups.map((group) => [group.errorCode, group.errorMessage]),
      [['GROUP_ID_NOT_FOUND', 'Group g is not a consumer group.']],
    )
    const { groups } = await client.request(listGroups, {
      statesFilter: [],
      typesFilter: ['SHARE'],
    })
    assert.deepEqual(
      groups.map((group) => [group.groupId, group.protocolType, group.groupState, group.groupType]),
      [['g', 'share', 'Stable', 'share']],
    )
  })

  test('it is moved and deleted when it is empty', async () => {
    const alter = (groupId: string, startOffset: number) =>
      client.request(alterShareGroupOffsets, {
        groupId,
        topics: [{ topicName: 'orders', partitions: [{ partitionIndex: 0, startOffset }] }],
      })
    assert.equal((await alter('g', 1)).errorCode, 'NON_EMPTY_GROUP')
    assert.equal((await alter('new', 1)).errorCode, 'NONE', 'it is made')
    const deleteGroup = async () => {
      const { results } = await client.request(deleteGroups, { groupsNames: ['g'] })
      return results[0]?.errorCode
    }
    assert.equal(await deleteGroup(), 'NON_EMPTY_GROUP')
    await acknowledge(-1, [])
    const left = await beat({ memberEpoch: -1, subscribedTopicNames: null })
    assert.deepEqual([left.errorCode, left.memberEpoch], ['NONE', -1])
    assert.equal((await alter('g', 8)).responses[0]?.partitions[0]?.errorCode, 'NONE')
    const { groups } = await client.request(describeShareGroupOffsets, {
      groups: [{ groupId: 'g', topics: [{ topicName: 'orders', partitions: [0] }] }],
    })
    const partition = groups[0]?.topics[0]?.partitions[0]
    assert.deepEqual([partition?.startOffset, partition?.lag], [8, 2])
    const removed = await client.request(deleteShareGroupOffsets, {
      groupId: 'g',
      topics: [{ topicName: 'orders' }, { topicName: 'nothing' }],
    })
    assert.deepEqual(
      new Map(removed.responses.map((response) => [response.topicName, response.errorCode])),
      new Map([
        ['nothing', 'UNKNOWN_TOPIC_OR_PARTITION'],
        ['orders', 'NONE'],
      ]),
    )
    assert.equal(await deleteGroup(), 'NONE')
    assert.equal(await deleteGroup(), 'GROUP_ID_NOT_FOUND')
  })

  function beat(over: {
    readonly groupId?: string
    readonly memberId?: string
    readonly memberEpoch?: number
    readonly subscribedTopicNames?: readonly string[] | null
  }) {
    return client.request(shareGroupHeartbeat, {
      groupId: 'g',
      memberId: MEMBER,
      memberEpoch: 0,
      rackId: null,
      subscribedTopicNames: ['orders'],
      ...over,
    })
  }

  function fetch(epoch: number, acknowledgementBatches: readonly ReturnType<typeof ranged>[] = []) {
    return client.request(shareFetch, {
      groupId: 'g',
      memberId: MEMBER,
      shareSessionEpoch: epoch,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1_048_576,
      maxRecords: 500,
      batchSize: 500,
      shareAcquireMode: 0,
      isRenewAck: false,
      topics: [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
      forgottenTopicsData: [],
    })
  }

  /** Fetches until so much was acquired: Kafka's first state of a partition takes a while. */
  async function acquired(expected: readonly string[]): Promise<void> {
    const all: string[] = []
    await until(async () => {
      const { errorCode, responses } = await fetch(epoch++)
      assert.equal(errorCode, 'NONE')
      for (const range of responses[0]?.partitions[0]?.acquiredRecords ?? [])
        all.push(`${range.firstOffset}-${range.lastOffset} ${range.deliveryCount}`)
      return all.length >= expected.length
    })
    assert.deepEqual(all, expected)
  }

  function acknowledge(
    epoch: number,
    acknowledgementBatches: readonly ReturnType<typeof ranged>[],
    isRenewAck = false,
  ) {
    return client.request(shareAcknowledge, {
      groupId: 'g',
      memberId: MEMBER,
      shareSessionEpoch: epoch,
      isRenewAck,
      topics:
        acknowledgementBatches.length === 0
          ? []
          : [{ topicId, partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
    })
  }

  async function configure(name: string, value: string): Promise<number> {
    const { responses } = await client.request(incrementalAlterConfigs, {
      resources: [
        {
          resourceType: 32,
          resourceName: 'g',
          configs: [{ name, configOperation: 0, value }],
        },
      ],
      validateOnly: false,
    })
    return responses[0]?.errorCode === 'NONE' ? 0 : 1
  }

  async function publish(count: number): Promise<void> {
    const records = Array.from({ length: count }, (_, index) => ({
      timestampMs: Date.now(),
      value: Buffer.from(`v${index}`),
    }))
    const { responses } = await client.request(produce, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [
        { name: 'orders', partitionData: [{ index: 0, records: [encodeRecordBatch(records)] }] },
      ],
    })
    assert.equal(responses[0]?.partitionResponses[0]?.errorCode, 'NONE')
  }
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const startedMs = Date.now(); !(await holds());)
    assert.ok(Date.now() - startedMs < GENEROUS_LIMIT_MS, 'it never came')
}

function ranged(firstOffset: number, lastOffset: number, ...acknowledgeTypes: number[]) {
  return { firstOffset, lastOffset, acknowledgeTypes }
}
