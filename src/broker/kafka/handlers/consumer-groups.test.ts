import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from '../../../log/index.ts'
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  createPartitions,
  createTopics,
  describeConfigs,
  incrementalAlterConfigs,
  listGroups,
  offsetCommit,
  offsetFetch,
  type ConsumerGroupHeartbeatRequest,
} from '../../../protocol/index.ts'
import { BrokerFixture } from '../../broker-fixture.test.ts'

const GROUP = 32
const SET = 0

describe('a KIP-848 group', () => {
  test('is joined, told of what it owns by topic id, listed and described', async () => {
    await using broker = await BrokerFixture.open()
    const topicId = await makeTopic(broker)
    const joined = await beat(broker, {})
    assert.deepEqual(
      [joined.errorCode, joined.memberId, joined.memberEpoch, joined.heartbeatIntervalMs],
      ['NONE', 'a', 2, 1_000],
    )
    const owned = [{ topicId, partitions: [0, 1] }]
    assert.deepEqual(joined.assignment, { topicPartitions: owned })

    const typesFilter = ['CONSUMER']
    const { groups: listed } = await broker.ask(listGroups, 5, { statesFilter: [], typesFilter })
    assert.deepEqual(listed, [
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'consumer' },
    ])
    const { groups } = await broker.ask(consumerGroupDescribe, 1, {
      groupIds: ['g', 'nobody'],
      includeAuthorizedOperations: false,
    })
    const named = { topicPartitions: [{ topicId, topicName: 'orders', partitions: [0, 1] }] }
    const [described, unknown] = groups
    assert.deepEqual(
      [described?.groupState, described?.groupEpoch, described?.assignorName],
      ['Stable', 2, 'uniform'],
    )
    assert.deepEqual(described?.members, [
      {
        memberId: 'a',
        instanceId: null,
        rackId: null,
        memberEpoch: 2,
        clientId: 'fixture',
        clientHost: '/127.0.0.1',
        subscribedTopicNames: ['orders'],
        subscribedTopicRegex: null,
        assignment: named,
        targetAssignment: named,
        memberType: 1,
      },
    ])
    assert.equal(unknown?.errorCode, 'GROUP_ID_NOT_FOUND')
  })

  test('follows its topics: the next heartbeat brings new partitions', async () => {
    await using broker = await BrokerFixture.open()
    const topicId = await makeTopic(broker)
    await beat(broker, {})
    await broker.ask(createPartitions, 3, {
      topics: [{ name: 'orders', count: 3, assignments: null }],
      timeoutMs: 0,
      validateOnly: false,
    })
    const grown = await beat(broker, { memberEpoch: 2, topicPartitions: null })
    assert.deepEqual(grown.assignment?.topicPartitions, [{ topicId, partitions: [0, 1, 2] }])
  })

  test('is there after a crash; offsets are committed and fetched with the member epoch', async () => {
    const disk = new SimDisk()
    const broker = await BrokerFixture.open({ files: disk })
    await makeTopic(broker)
    await beat(broker, {})
    disk.crash()

    await using restarted = await BrokerFixture.open({ files: disk.afterCrash('nothing', 1) })
    assert.equal((await beat(restarted, { memberEpoch: 2 })).errorCode, 'NONE')
    assert.equal(await commit(restarted, 2, 9), 'NONE')
    assert.equal(await commit(restarted, 3, 9), 'STALE_MEMBER_EPOCH')
    assert.equal(await commit(restarted, 2, 8), 'UNSUPPORTED_VERSION')
    const fetch = async (memberEpoch: number) => {
      const topics = [{ name: 'orders', partitionIndexes: [0] }]
      const { groups } = await restarted.ask(offsetFetch, 9, {
        groupId: '',
        topics: [],
        requireStable: true,
        groups: [{ groupId: 'g', memberId: 'a', memberEpoch, topics }],
      })
      return [groups[0]?.errorCode, groups[0]?.topics[0]?.partitions[0]?.committedOffset]
    }
    assert.deepEqual(await fetch(2), ['NONE', 7])
    assert.deepEqual(await fetch(1), ['STALE_MEMBER_EPOCH', undefined])
  })

  test('is held to the timeouts that are set for it, and these survive a restart', async () => {
    const disk = new SimDisk()
    const broker = await BrokerFixture.open({ files: disk })
    await makeTopic(broker)
    assert.equal((await configure(broker, 'consumer.session.timeout.ms', '2000')).errorCode, 'NONE')
    await configure(broker, 'consumer.heartbeat.interval.ms', '100')
    disk.crash()

    await using restarted = await BrokerFixture.open({ files: disk.afterCrash('nothing', 1) })
    assert.equal((await beat(restarted, {})).heartbeatIntervalMs, 100)
    await restarted.clock.advance(2_100)
    assert.equal((await beat(restarted, { memberEpoch: 2 })).errorCode, 'UNKNOWN_MEMBER_ID')
    const { results } = await restarted.ask(describeConfigs, 4, {
      resources: [{ resourceType: GROUP, resourceName: 'g', configurationKeys: null }],
      includeSynonyms: false,
      includeDocumentation: false,
    })
    assert.deepEqual(
      results[0]?.configs
        .filter(({ name }) => name.startsWith('consumer.'))
        .map(({ name, value, configSource }) => [name, value, configSource]),
      [
        ['consumer.session.timeout.ms', '2000', 8],
        ['consumer.heartbeat.interval.ms', '100', 8],
        ['consumer.assignment.interval.ms', '0', 5],
      ],
    )
  })

  test("refuses configs that are unknown or out of range; with one setting the range is Kafka's", async () => {
    await using ours = await BrokerFixture.open()
    await using kafka = await BrokerFixture.open({ settings: { 'shoal.kafka.group.limits': true } })
    const session = 'consumer.session.timeout.ms'
    const heartbeat = 'consumer.heartbeat.interval.ms'
    const cases: [BrokerFixture, string, string, string][] = [
      [ours, session, '999', 'INVALID_CONFIG'],
      [ours, session, '1000', 'NONE'],
      [ours, session, '60001', 'INVALID_CONFIG'],
      [ours, heartbeat, '99', 'INVALID_CONFIG'],
      [ours, heartbeat, '15001', 'INVALID_CONFIG'],
      [ours, 'consumer.assignment.interval.ms', '15001', 'INVALID_CONFIG'],
      [ours, 'session.timeout.ms', '1000', 'INVALID_CONFIG'],
      [kafka, session, '44999', 'INVALID_CONFIG'],
      [kafka, session, '45000', 'NONE'],
      [kafka, heartbeat, '4999', 'INVALID_CONFIG'],
    ]
    for (const [broker, name, value, errorCode] of cases)
      assert.equal((await configure(broker, name, value)).errorCode, errorCode, `${name}=${value}`)
    const nameless = await configure(ours, session, '1000', '')
    assert.equal(nameless.errorCode, 'INVALID_REQUEST')
  })

  test("asks for a word every second, with Kafka's limits every five", async () => {
    const answered = async (limits: boolean) => {
      await using broker = await BrokerFixture.open({
        settings: { 'shoal.kafka.group.limits': limits },
      })
      await makeTopic(broker)
      return (await beat(broker, {})).heartbeatIntervalMs
    }
    assert.equal(await answered(false), 1_000)
    assert.equal(await answered(true), 5_000)
  })
})

async function makeTopic(broker: BrokerFixture): Promise<string> {
  const defaults = { replicationFactor: -1, assignments: [], configs: [] }
  const topics = [{ name: 'orders', numPartitions: 2, ...defaults }]
  const answer = await broker.ask(createTopics, 7, { topics, timeoutMs: 0, validateOnly: false })
  assert.equal(answer.topics[0]?.errorCode, 'NONE')
  return answer.topics[0]?.topicId ?? ''
}

/** Joins, unless the epoch is another. */
function beat(broker: BrokerFixture, over: Partial<ConsumerGroupHeartbeatRequest>) {
  return broker.ask(consumerGroupHeartbeat, 1, {
    groupId: 'g',
    memberId: 'a',
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ['orders'],
    subscribedTopicRegex: '',
    serverAssignor: null,
    topicPartitions: [],
    ...over,
  })
}

async function commit(broker: BrokerFixture, generationIdOrMemberEpoch: number, version: number) {
  const position = { partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: -1 }
  const answer = await broker.ask(offsetCommit, version, {
    groupId: 'g',
    generationIdOrMemberEpoch,
    memberId: 'a',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [{ name: 'orders', partitions: [{ ...position, committedMetadata: 'm' }] }],
  })
  return answer.topics[0]?.partitions[0]?.errorCode
}

async function configure(broker: BrokerFixture, name: string, value: string, resourceName = 'g') {
  const configs = [{ name, configOperation: SET, value }]
  const { responses } = await broker.ask(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: GROUP, resourceName, configs }],
    validateOnly: false,
  })
  return responses[0]!
}
