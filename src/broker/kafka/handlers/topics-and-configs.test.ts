import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MetadataRequest } from '../../../protocol/index.ts'
import {
  alterConfigs,
  createPartitions,
  createTopics,
  deleteRecords,
  deleteTopics,
  describeCluster,
  describeConfigs,
  describeLogDirs,
  encodeRecordBatch,
  findCoordinator,
  incrementalAlterConfigs,
  initProducerId,
  metadata,
  produce,
  ZERO_UUID,
} from '../../../protocol/index.ts'
import { BrokerFixture } from '../../broker-fixture.test.ts'

describe('metadata', () => {
  test('makes a topic that is asked for, says that it is not there, and has it the next time', async () => {
    await using broker = await BrokerFixture.open({ settings: { 'num.partitions': 2 } })
    const [first] = (await broker.ask(metadata, 12, named('orders'))).topics
    assert.deepEqual(
      [first?.errorCode, first?.name, first?.partitions],
      ['UNKNOWN_TOPIC_OR_PARTITION', 'orders', []],
    )
    const answer = await broker.ask(metadata, 12, named('orders'))
    assert.deepEqual(answer.brokers, [{ nodeId: 1, host: '127.0.0.1', port: 9_092, rack: null }])
    const [topic] = answer.topics
    assert.equal(topic?.errorCode, 'NONE')
    assert.deepEqual(
      topic?.partitions.map((each) => [each.partitionIndex, each.leaderId, each.leaderEpoch]),
      [
        [0, 1, 0],
        [1, 1, 0],
      ],
    )
  })

  test('makes nothing where the client or the broker says so, nor what has no legal name', async () => {
    await using broker = await BrokerFixture.open()
    const codes = async (request: MetadataRequest) =>
      (await broker.ask(metadata, 12, request)).topics.map((topic) => topic.errorCode)
    const forbidden = { ...named('orders'), allowAutoTopicCreation: false }
    assert.deepEqual(await codes(forbidden), ['UNKNOWN_TOPIC_OR_PARTITION'])
    assert.deepEqual(await codes(named('no spaces')), ['INVALID_TOPIC_EXCEPTION'])
    assert.deepEqual((await broker.ask(metadata, 12, all)).topics, [])

    await using strict = await BrokerFixture.open({
      settings: { 'auto.create.topics.enable': false },
    })
    await strict.ask(metadata, 12, named('orders'))
    assert.deepEqual((await strict.ask(metadata, 12, all)).topics, [])
  })

  test('of all topics is asked for by null, in version 0 by an empty list', async () => {
    await using broker = await BrokerFixture.open()
    await create(broker, 'a')
    await create(broker, 'b')
    const count = async (version: number, request: MetadataRequest) =>
      (await broker.ask(metadata, version, request)).topics.length
    assert.equal(await count(0, { ...all, topics: [] }), 2)
    assert.equal(await count(1, { ...all, topics: [] }), 0)
    assert.equal(await count(12, all), 2)
  })

  test('by an id answers the topic, and UNKNOWN_TOPIC_ID for one that is not there', async () => {
    await using broker = await BrokerFixture.open()
    const topicId = await create(broker, 'orders')
    const byId = async (id: string) => {
      const request = { ...all, topics: [{ topicId: id, name: null }] }
      const [topic] = (await broker.ask(metadata, 12, request)).topics
      return [topic?.errorCode, topic?.name]
    }
    assert.deepEqual(await byId(topicId), ['NONE', 'orders'])
    assert.deepEqual(await byId('AAAAAAAAAAAAAAAAAAAAAQ'), ['UNKNOWN_TOPIC_ID', null])
  })
})

describe('making and deleting topics', () => {
  test('answers ids, sizes and all 33 configs with their sources', async () => {
    await using broker = await BrokerFixture.open()
    const configs = [{ name: 'retention.ms', value: '1000' }]
    const request = { ...topicNamed('orders'), numPartitions: 2, replicationFactor: 3, configs }
    const answer = await broker.ask(createTopics, 7, creation([request]))
    const [topic] = answer.topics
    assert.deepEqual(
      [topic?.errorCode, topic?.errorMessage, topic?.numPartitions, topic?.replicationFactor],
      ['NONE', null, 2, 1],
    )
    assert.equal(topic?.configs?.length, 33)
    const sources = new Map(topic?.configs?.map((each) => [each.name, each.configSource]))
    assert.equal(sources.get('retention.ms'), 1)
    assert.equal(sources.get('segment.bytes'), 5)
  })

  test('refuses a name that comes twice in one request, and makes the others', async () => {
    await using broker = await BrokerFixture.open()
    const request = creation([topicNamed('a'), topicNamed('b'), topicNamed('a')])
    const { topics } = await broker.ask(createTopics, 7, request)
    assert.deepEqual(
      topics.map((topic) => [topic.name, topic.errorCode]),
      [
        ['a', 'INVALID_REQUEST'],
        ['b', 'NONE'],
      ],
    )
  })

  test('deletes by name and by id, and says which are not there', async () => {
    await using broker = await BrokerFixture.open()
    const byId = await create(broker, 'by-id')
    await create(broker, 'by-name')
    const missing = 'AAAAAAAAAAAAAAAAAAAAAQ'
    const { responses } = await broker.ask(deleteTopics, 6, {
      topicNames: [],
      timeoutMs: 0,
      topics: [
        { name: null, topicId: byId },
        { name: 'by-name', topicId: ZERO_UUID },
        { name: 'nothing', topicId: ZERO_UUID },
        { name: null, topicId: missing },
        { name: null, topicId: ZERO_UUID },
        { name: 'both', topicId: missing },
      ],
    })
    assert.deepEqual(
      responses.map((each) => [each.name, each.errorCode]),
      [
        ['by-id', 'NONE'],
        ['by-name', 'NONE'],
        ['nothing', 'UNKNOWN_TOPIC_OR_PARTITION'],
        [null, 'UNKNOWN_TOPIC_ID'],
        [null, 'INVALID_REQUEST'],
        ['both', 'INVALID_REQUEST'],
      ],
    )
    assert.deepEqual((await broker.ask(metadata, 12, all)).topics, [])
  })

  test('deletes nothing where that is switched off', async () => {
    await using broker = await BrokerFixture.open({ settings: { 'delete.topic.enable': false } })
    await create(broker, 'kept')
    const request = { topics: [], topicNames: ['kept'], timeoutMs: 0 }
    const { responses } = await broker.ask(deleteTopics, 5, request)
    assert.equal(responses[0]?.errorCode, 'TOPIC_DELETION_DISABLED')
  })

  test('adds partitions, with validateOnly only in words', async () => {
    await using broker = await BrokerFixture.open()
    await create(broker, 'orders')
    const request = {
      topics: [{ name: 'orders', count: 4, assignments: null }],
      timeoutMs: 0,
      validateOnly: true,
    }
    const size = () => broker.parts.context.topics.table.byName('orders')?.partitionCount
    assert.equal((await broker.ask(createPartitions, 3, request)).results[0]?.errorCode, 'NONE')
    assert.equal(size(), 1)
    await broker.ask(createPartitions, 3, { ...request, validateOnly: false })
    assert.equal(size(), 4)
  })
})

describe('configs', () => {
  test('are described with synonyms, types and words only where they were asked for', async () => {
    await using broker = await BrokerFixture.open()
    await create(broker, 'orders')
    const asked = { resourceType: 2, resourceName: 'orders', configurationKeys: ['segment.bytes'] }
    const ask = async (includeSynonyms: boolean, includeDocumentation: boolean) => {
      const request = { resources: [asked], includeSynonyms, includeDocumentation }
      const { results } = await broker.ask(describeConfigs, 4, request)
      return results[0]?.configs
    }
    assert.deepEqual(await ask(true, false), [
      {
        name: 'segment.bytes',
        value: '1073741824',
        readOnly: false,
        configSource: 5,
        isSensitive: false,
        synonyms: [{ name: 'log.segment.bytes', value: '1073741824', source: 5 }],
        configType: 3,
        documentation: null,
      },
    ])
    const [documented] = (await ask(false, true)) ?? []
    assert.deepEqual(documented?.synonyms, [])
    assert.match(documented?.documentation ?? '', /segment/)
  })

  const unknown: readonly [number, string, string][] = [
    [2, 'nothing', 'UNKNOWN_TOPIC_OR_PARTITION'],
    [2, 'no spaces', 'INVALID_TOPIC_EXCEPTION'],
    [4, '7', 'INVALID_REQUEST'],
    [9, 'x', 'INVALID_REQUEST'],
  ]
  for (const [resourceType, resourceName, error] of unknown)
    test(`of ${resourceName} (type ${resourceType}) are refused with ${error}`, async () => {
      await using broker = await BrokerFixture.open()
      const resource = { resourceType, resourceName }
      const described = await broker.ask(describeConfigs, 4, {
        resources: [{ ...resource, configurationKeys: null }],
        includeSynonyms: false,
        includeDocumentation: false,
      })
      assert.equal(described.results[0]?.errorCode, error)
      const resources = [{ ...resource, configs: [] }]
      const altered = await broker.ask(alterConfigs, 2, { resources, validateOnly: false })
      assert.equal(altered.responses[0]?.errorCode, error)
    })

  test('change one by one, and with validateOnly not at all', async () => {
    await using broker = await BrokerFixture.open()
    await create(broker, 'orders')
    const change = async (configOperation: number, value: string, validateOnly = false) => {
      const configs = [{ name: 'retention.ms', configOperation, value }]
      const resources = [{ resourceType: 2, resourceName: 'orders', configs }]
      const answer = await broker.ask(incrementalAlterConfigs, 1, { resources, validateOnly })
      return answer.responses[0]?.errorCode
    }
    const own = () => broker.parts.context.topics.table.byName('orders')?.configs
    assert.equal(await change(0, '5', true), 'NONE')
    assert.deepEqual(own(), new Map())
    assert.equal(await change(0, '5'), 'NONE')
    assert.deepEqual(own(), new Map([['retention.ms', '5']]))
    assert.equal(await change(0, 'x'), 'INVALID_CONFIG')
    assert.equal(await change(9, '5'), 'INVALID_REQUEST')
    assert.equal(await change(1, ''), 'NONE')
    assert.deepEqual(own(), new Map())
  })
})

describe('the one node', () => {
  test('coordinates everything, says so in the words of each version, and refuses other keys', async () => {
    await using broker = await BrokerFixture.open()
    const old = await broker.ask(findCoordinator, 2, { key: 'g', keyType: 0, coordinatorKeys: [] })
    assert.deepEqual([old.errorMessage, old.nodeId, old.port], ['NONE', 1, 9_092])
    const keys = async (
      version: number,
      keyType: number,
      ...coordinatorKeys: readonly string[]
    ) => {
      const answer = await broker.ask(findCoordinator, version, {
        key: '',
        keyType,
        coordinatorKeys,
      })
      return answer.coordinators.map((each) => [each.errorCode, each.errorMessage, each.nodeId])
    }
    assert.deepEqual(await keys(4, 1, 'a', 'b'), [
      ['NONE', '', 1],
      ['NONE', '', 1],
    ])
    const share = 'g:AAAAAAAAAAAAAAAAAAAAAQ:0'
    assert.deepEqual((await keys(6, 2, share))[0], ['NONE', '', 1])
    assert.equal((await keys(5, 2, share))[0]?.[0], 'INVALID_REQUEST')
    assert.equal((await keys(6, 2, 'g'))[0]?.[0], 'INVALID_REQUEST')
    assert.equal((await keys(6, 3, 'g'))[0]?.[0], 'INVALID_REQUEST')
  })

  test('is the cluster, but no controller listener', async () => {
    await using broker = await BrokerFixture.open()
    const ask = (endpointType: number) =>
      broker.ask(describeCluster, 2, {
        includeClusterAuthorizedOperations: false,
        endpointType,
        includeFencedBrokers: false,
      })
    const answer = await ask(1)
    assert.equal(answer.clusterId, broker.parts.context.topics.clusterId)
    assert.equal(answer.controllerId, 1)
    assert.equal(answer.brokers.length, 1)
    assert.equal((await ask(2)).errorCode, 'MISMATCHED_ENDPOINT_TYPE')
    assert.equal((await ask(3)).errorCode, 'UNSUPPORTED_ENDPOINT_TYPE')
  })

  test('gives idempotent producers ids, and says of transactions that it has none', async () => {
    await using broker = await BrokerFixture.open()
    const ask = async (transactionalId: string | null, transactionTimeoutMs = 1_000) => {
      const producer = { producerId: -1n, producerEpoch: -1 }
      const request = { transactionalId, transactionTimeoutMs, ...producer }
      const answer = await broker.ask(initProducerId, 5, request)
      return [answer.errorCode, answer.producerId, answer.producerEpoch]
    }
    assert.deepEqual(await ask(null), ['NONE', 0n, 0])
    assert.deepEqual(await ask(null), ['NONE', 1n, 0])
    assert.deepEqual(await ask(''), ['INVALID_REQUEST', -1n, -1])
    assert.deepEqual(await ask('t', 0), ['INVALID_TRANSACTION_TIMEOUT', -1n, -1])
    assert.deepEqual(await ask('t', 900_001), ['INVALID_TRANSACTION_TIMEOUT', -1n, -1])
    assert.deepEqual(await ask('t'), ['UNSUPPORTED_VERSION', -1n, -1])
  })

  test('deletes records up to an offset or to the end, and tells the bytes that logs take', async () => {
    await using broker = await BrokerFixture.open()
    await create(broker, 'orders')
    await create(broker, 'compacted', [{ name: 'cleanup.policy', value: 'compact' }])
    const key = Buffer.from('k')
    for (const name of ['orders', 'compacted']) {
      const record = { timestampMs: 1, key, value: key }
      const records = encodeRecordBatch([record, record, record])
      const topicData = [{ name, partitionData: [{ index: 0, records }] }]
      const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData }
      await broker.ask(produce, 9, request)
    }
    const remove = async (name: string, partitionIndex: number, offset: number) => {
      const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
      const answer = await broker.ask(deleteRecords, 2, { topics, timeoutMs: 0 })
      const [partition] = answer.topics[0]?.partitions ?? []
      return [partition?.errorCode, partition?.lowWatermark]
    }
    assert.deepEqual(await remove('orders', 0, 1), ['NONE', 1])
    assert.deepEqual(await remove('orders', 0, 4), ['OFFSET_OUT_OF_RANGE', -1])
    assert.deepEqual(await remove('orders', 0, -2), ['OFFSET_OUT_OF_RANGE', -1])
    assert.deepEqual(await remove('orders', 0, -1), ['NONE', 3])
    assert.deepEqual(await remove('orders', 1, 0), ['UNKNOWN_TOPIC_OR_PARTITION', -1])
    assert.deepEqual(await remove('compacted', 0, 1), ['POLICY_VIOLATION', -1])

    const { results } = await broker.ask(describeLogDirs, 4, { topics: null })
    const sizes = results[0]?.topics.map((topic) => topic.partitions[0]?.partitionSize ?? 0)
    assert.equal(sizes?.length, 2)
    assert.ok(sizes.every((bytes) => bytes > 60))
  })
})

const all: MetadataRequest = {
  topics: null,
  allowAutoTopicCreation: true,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
}

function named(name: string): MetadataRequest {
  return { ...all, topics: [{ topicId: ZERO_UUID, name }] }
}

type Config = { readonly name: string; readonly value: string | null }

function topicNamed(name: string, configs: readonly Config[] = []) {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs }
}

function creation(topics: readonly ReturnType<typeof topicNamed>[]) {
  return { topics, timeoutMs: 0, validateOnly: false }
}

async function create(broker: BrokerFixture, name: string, configs: readonly Config[] = []) {
  const answer = await broker.ask(createTopics, 7, creation([topicNamed(name, configs)]))
  assert.equal(answer.topics[0]?.errorCode, 'NONE')
  return answer.topics[0].topicId
}
