import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  createTopics,
  deleteGroups,
  deleteTopics,
  describeGroups,
  heartbeat,
  joinGroup,
  leaveGroup,
  listGroups,
  NO_OPERATIONS,
  offsetCommit,
  offsetDelete,
  offsetFetch,
  syncGroup,
} from '../../../protocol/index.ts'
import { SimDisk } from '../../../log/index.ts'
import { BrokerFixture } from '../../broker-fixture.test.ts'

describe('a classic group', () => {
  test('joins, syncs, beats, commits, is described, and leaves', async () => {
    await using broker = await withTopic()
    const { memberId, generationId } = await member(broker)
    const identity = { groupId: 'g', generationId, memberId, groupInstanceId: null }
    assert.equal((await broker.ask(heartbeat, 4, identity)).errorCode, 'NONE')
    assert.deepEqual(await commit(broker, memberId, generationId, 7), 'NONE')
    assert.deepEqual(await commit(broker, memberId, generationId + 1, 8), 'ILLEGAL_GENERATION')

    const described = await broker.ask(describeGroups, 5, {
      groups: ['g'],
      includeAuthorizedOperations: true,
    })
    const [group] = described.groups
    assert.deepEqual(
      [group?.groupState, group?.protocolData, group?.authorizedOperations],
      ['Stable', 'range', 3_400],
    )
    assert.deepEqual(
      group?.members.map((each) => [each.clientId, each.clientHost]),
      [['fixture', '/127.0.0.1']],
    )

    const members = [{ memberId, groupInstanceId: null, reason: null }]
    const left = await broker.ask(leaveGroup, 5, { groupId: 'g', memberId: '', members })
    assert.deepEqual(
      left.members.map((each) => each.errorCode),
      ['NONE'],
    )
  })

  test('is told of its protocol by null where the version can say it, else by nothing', async () => {
    await using broker = await withTopic()
    const join = (version: number) =>
      broker.ask(joinGroup, version, { ...joinRequest, groupId: '' })
    assert.deepEqual(
      [(await join(6)).protocolName, (await join(7)).protocolName, (await join(7)).errorCode],
      ['', null, 'INVALID_GROUP_ID'],
    )
  })

  test('has one timeout in version 0', async () => {
    await using broker = await withTopic()
    const { memberId } = await member(broker, 0)
    await broker.clock.advance(joinRequest.sessionTimeoutMs + 1)
    const identity = { groupId: 'g', generationId: 1, memberId, groupInstanceId: null }
    assert.equal((await broker.ask(heartbeat, 0, identity)).errorCode, 'UNKNOWN_MEMBER_ID')
  })

  test('that is not there is told differently from version 6 on', async () => {
    await using broker = await withTopic()
    const ask = async (version: number) => {
      const request = { groups: ['nobody'], includeAuthorizedOperations: true }
      const [group] = (await broker.ask(describeGroups, version, request)).groups
      return [group?.errorCode, group?.groupState]
    }
    assert.deepEqual(await ask(5), ['NONE', 'Dead'])
    assert.deepEqual(await ask(6), ['GROUP_ID_NOT_FOUND', 'Dead'])
    const request = { groups: ['nobody'], includeAuthorizedOperations: true }
    const [group] = (await broker.ask(describeGroups, 6, request)).groups
    assert.equal(group?.authorizedOperations, NO_OPERATIONS)
  })

  test('tells its offsets in the form of each version, and -1 where there are none', async () => {
    await using broker = await withTopic()
    await commit(broker, '', -1, 7)
    const partitions = [{ name: 'orders', partitionIndexes: [0, 1] }]
    const old = await broker.ask(offsetFetch, 1, {
      groupId: 'g',
      topics: partitions,
      groups: [],
      requireStable: false,
    })
    assert.deepEqual(
      old.topics[0]?.partitions.map((each) => [each.committedOffset, each.metadata]),
      [
        [7, 'm'],
        [-1, ''],
      ],
    )
    const one = { memberId: null, memberEpoch: -1 }
    const { groups } = await broker.ask(offsetFetch, 9, {
      groupId: '',
      topics: [],
      requireStable: true,
      groups: [
        { groupId: 'g', ...one, topics: null },
        { groupId: 'nobody', ...one, topics: partitions },
      ],
    })
    const offsets = groups.map((group) => [
      group.errorCode,
      group.topics.flatMap((topic) => topic.partitions.map((each) => each.committedOffset)),
    ])
    assert.deepEqual(offsets, [
      ['NONE', [7]],
      ['NONE', [-1, -1]],
    ])
  })

  test('is listed, forgets single offsets, and is deleted', async () => {
    await using broker = await withTopic()
    await commit(broker, '', -1, 7)
    const list = async (statesFilter: readonly string[]) =>
      (await broker.ask(listGroups, 5, { statesFilter, typesFilter: [] })).groups
    assert.deepEqual(await list(['empty']), [
      { groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' },
    ])
    assert.deepEqual(await list(['Stable']), [])

    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }]
    const unknown = await broker.ask(offsetDelete, 0, { groupId: 'nobody', topics })
    assert.equal(unknown.errorCode, 'GROUP_ID_NOT_FOUND')
    const forgotten = await broker.ask(offsetDelete, 0, { groupId: 'g', topics })
    assert.equal(forgotten.topics[0]?.partitions[0]?.errorCode, 'NONE')
    await commit(broker, '', -1, 7)
    const { results } = await broker.ask(deleteGroups, 2, { groupsNames: ['g', 'nobody'] })
    assert.deepEqual(
      results.map((each) => each.errorCode),
      ['NONE', 'GROUP_ID_NOT_FOUND'],
    )
  })

  test('is there after a crash, with its members and what they committed', async () => {
    const disk = new SimDisk()
    const broker = await BrokerFixture.open({ files: disk })
    await makeTopic(broker)
    const { memberId, generationId } = await member(broker)
    assert.equal(await commit(broker, memberId, generationId, 7), 'NONE')
    disk.crash()

    await using restarted = await BrokerFixture.open({ files: disk.afterCrash('nothing', 1) })
    const identity = { groupId: 'g', generationId, memberId, groupInstanceId: null }
    assert.equal((await restarted.ask(heartbeat, 4, identity)).errorCode, 'NONE')
    assert.equal(await commit(restarted, memberId, generationId, 8), 'NONE')
    const { topics } = await restarted.ask(offsetFetch, 5, {
      groupId: 'g',
      topics: [{ name: 'orders', partitionIndexes: [0] }],
      groups: [],
      requireStable: false,
    })
    assert.equal(topics[0]?.partitions[0]?.committedOffset, 8)
  })

  test('loses the offsets of a topic that is deleted: another of its name begins anew', async () => {
    await using broker = await withTopic()
    await commit(broker, '', -1, 7)
    await broker.ask(deleteTopics, 1, { topics: [], topicNames: ['orders'], timeoutMs: 0 })
    await makeTopic(broker)
    const { topics } = await broker.ask(offsetFetch, 5, {
      groupId: 'g',
      topics: [{ name: 'orders', partitionIndexes: [0] }],
      groups: [],
      requireStable: false,
    })
    assert.equal(topics[0]?.partitions[0]?.committedOffset, -1)
  })
})

const joinRequest = {
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: new Uint8Array([1]) }],
  reason: null,
}

async function withTopic(): Promise<BrokerFixture> {
  const broker = await BrokerFixture.open()
  await makeTopic(broker)
  return broker
}

async function makeTopic(broker: BrokerFixture): Promise<void> {
  const defaults = { replicationFactor: -1, assignments: [], configs: [] }
  const topics = [{ name: 'orders', numPartitions: 2, ...defaults }]
  const answer = await broker.ask(createTopics, 7, { topics, timeoutMs: 0, validateOnly: false })
  assert.equal(answer.topics[0]?.errorCode, 'NONE')
}

/** The only member of a stable group. */
async function member(broker: BrokerFixture, version = 3) {
  const joining = broker.ask(joinGroup, version, joinRequest)
  await broker.clock.advance(0)
  const { memberId, generationId, errorCode } = await joining
  assert.equal(errorCode, 'NONE')
  const synced = await broker.ask(syncGroup, 3, {
    groupId: 'g',
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: null,
    protocolName: null,
    assignments: [{ memberId, assignment: new Uint8Array([1]) }],
  })
  assert.equal(synced.errorCode, 'NONE')
  return { memberId, generationId }
}

async function commit(
  broker: BrokerFixture,
  memberId: string,
  generationIdOrMemberEpoch: number,
  committedOffset: number,
) {
  const position = { partitionIndex: 0, committedOffset, committedLeaderEpoch: -1 }
  const partitions = [{ ...position, committedMetadata: 'm' }]
  const answer = await broker.ask(offsetCommit, 8, {
    groupId: 'g',
    generationIdOrMemberEpoch,
    memberId,
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: 'orders', partitions }],
  })
  return answer.topics[0]?.partitions[0]?.errorCode
}
