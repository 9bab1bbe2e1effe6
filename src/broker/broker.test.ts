import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Connection } from '../core/index.ts'
import { concatBytes, memoryLogger } from '../core/index.ts'
import { SimDisk } from '../log/index.ts'
import type { Api, FieldMap, InputsOf, ValuesOf } from '../protocol/index.ts'
import {
  decodeResponseFrame,
  describeCluster,
  encodeRequestFrame,
  encodeRecordBatch,
  fetch,
  FRAME_LENGTH_BYTES,
  joinGroup,
  listOffsets,
  metadata,
  produce,
  ZERO_UUID,
} from '../protocol/index.ts'
import { Broker } from './broker.ts'
import type { BrokerOptions } from './broker-options.ts'
import { TcpNetwork } from './tcp-network.ts'

const LIMIT = { timeout: 60_000 }
const wholeCluster = {
  includeClusterAuthorizedOperations: false,
  endpointType: 1,
  includeFencedBrokers: false,
}

describe('a broker', LIMIT, () => {
  test('answers with the address that the client used, unless it is told another', async () => {
    await using broker = await opened()
    const { client } = await connected(broker)
    const answer = await client.ask(describeCluster, 2, wholeCluster)
    const { host, port } = broker.kafkaAddress
    assert.deepEqual(
      answer.brokers.map((each) => [each.host, each.port]),
      [[host, port]],
    )
    client.end()

    const advertised = { host: 'kafka.example', port: 19 }
    await using named = await opened({ advertised })
    const other = await connected(named)
    const { brokers } = await other.client.ask(describeCluster, 2, wholeCluster)
    assert.deepEqual([brokers[0]?.host, brokers[0]?.port], ['kafka.example', 19])
    other.client.end()
  })

  test('keeps the id of its cluster, and lets nobody else into its folder', async () => {
    const files = new SimDisk()
    const first = await opened({ files })
    await assert.rejects(opened({ files }), { code: 'SHOAL_FOLDER_LOCKED' })
    const { clusterId } = first
    await first.close()
    await using second = await opened({ files })
    assert.equal(second.clusterId, clusterId)
  })

  test('gives the folder back when its address is taken', async () => {
    await using first = await opened()
    const files = new SimDisk()
    const kafka = { port: first.kafkaAddress.port }
    await assert.rejects(Broker.open({ files, kafka }), { code: 'SHOAL_ADDRESS_UNUSABLE' })
    await using second = await opened({ files })
    assert.notEqual(second.kafkaAddress.port, first.kafkaAddress.port)
  })

  test('closes while clients wait in a fetch and in a join, and closing again is nothing', async () => {
    const broker = await opened({ settings: { 'group.initial.rebalance.delay.ms': 60_000 } })
    const { client: fetching } = await connected(broker)
    const { client: joining } = await connected(broker)
    await fetching.ask(metadata, 4, askTopic)
    const fetched = fetching.ask(fetch, 11, longFetch)
    const joined = joining.ask(joinGroup, 3, firstJoin)
    joined.catch(() => {})
    while (broker.snapshot().requestsInFlight < 2)
      await new Promise((resolve) => setImmediate(resolve))

    await Promise.all([broker.close(), broker.close()])

    assert.equal((await fetched).errorCode, 'NONE')
    await assert.rejects(joined, /closed/)
  })

  test('drops what retention no longer keeps', async () => {
    await using broker = await opened({
      settings: {
        'log.retention.check.interval.ms': 1,
        'log.retention.ms': 1_000,
        'log.segment.bytes': 1_024,
      },
    })
    const { client } = await connected(broker)
    await client.ask(metadata, 4, askTopic)
    for (let n = 0; n < 5; n++) {
      const records = encodeRecordBatch([{ timestampMs: 1, value: Buffer.alloc(1_000) }])
      const topicData = [{ name: 'orders', partitionData: [{ index: 0, records }] }]
      const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData }
      await client.ask(produce, 7, request)
    }
    for (let start = 0; start < 4;) {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -2 }]
      const topics = [{ name: 'orders', partitions }]
      const request = { replicaId: -1, isolationLevel: 0, topics, timeoutMs: 0 }
      const answer = await client.ask(listOffsets, 7, request)
      start = answer.topics[0]?.partitions[0]?.offset ?? 0
    }
    client.end()
  })

  test('stops when its disk fails: nothing is acknowledged, the port closes, its owner learns why', async () => {
    const files = new SimDisk()
    const logger = memoryLogger()
    const broker = await opened({ files, logger })
    const { client } = await connected(broker)
    await client.ask(metadata, 4, askTopic)
    files.fault = ({ kind }) =>
      kind === 'sync' ? { kind: 'error', code: 'EIO', losesUnsynced: true } : undefined

    const records = encodeRecordBatch([{ timestampMs: 1, value: Buffer.from('x') }])
    const topicData = [{ name: 'orders', partitionData: [{ index: 0, records }] }]
    const request = { transactionalId: null, acks: -1, timeoutMs: 1_000, topicData }
    await assert.rejects(client.ask(produce, 7, request), /closed/)

    await assert.rejects(broker.failed, { code: 'SHOAL_STORAGE_FAILED' })
    await broker.close()
    const { host, port } = broker.kafkaAddress
    await assert.rejects(new TcpNetwork().connect({ host, port }))
    assert.ok(logger.lines.some(({ level }) => level === 'error'))
  })

  test('refuses to be reached from elsewhere without a login', async () => {
    await assert.rejects(opened({ kafka: { host: '0.0.0.0', port: 0 } }), {
      code: 'SHOAL_CONFIG_INVALID',
    })
  })
})

const askTopic = {
  topics: [{ topicId: ZERO_UUID, name: 'orders' }],
  allowAutoTopicCreation: true,
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
}

const longFetch = {
  clusterId: null,
  replicaId: -1,
  replicaState: { replicaId: -1, replicaEpoch: -1 },
  maxWaitMs: 2_000_000_000,
  minBytes: 1,
  maxBytes: 1_000,
  isolationLevel: 0,
  sessionId: 0,
  sessionEpoch: -1,
  topics: [
    {
      topic: 'orders',
      topicId: ZERO_UUID,
      partitions: [
        {
          partition: 0,
          currentLeaderEpoch: -1,
          fetchOffset: 0,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: 1_000,
          replicaDirectoryId: ZERO_UUID,
        },
      ],
    },
  ],
  forgottenTopicsData: [],
  rackId: '',
}

const firstJoin = {
  groupId: 'g',
  sessionTimeoutMs: 10_000,
  rebalanceTimeoutMs: 60_000,
  memberId: '',
  groupInstanceId: null,
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: new Uint8Array() }],
  reason: null,
}

function opened(options: BrokerOptions = {}): Promise<Broker> {
  return Broker.open({ kafka: { port: 0 }, ...options })
}

async function connected(broker: Broker) {
  const connection = await new TcpNetwork().connect(broker.kafkaAddress)
  return { client: new Client(connection) }
}

/** One request at a time over one connection. */
class Client {
  readonly #connection: Connection
  #received: Uint8Array = new Uint8Array()
  #waiting: PromiseWithResolvers<Uint8Array> | null = null

  constructor(connection: Connection) {
    this.#connection = connection
    connection.open({
      data: (chunk) => this.#take(chunk),
      drain() {},
      close: () => this.#waiting?.reject(new Error('closed by the broker')),
    })
  }

  async ask<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    version: number,
    request: InputsOf<Request>,
  ): Promise<ValuesOf<Response>> {
    this.#waiting = Promise.withResolvers()
    const header = { version, correlationId: 1, clientId: 'test' }
    this.#connection.write(encodeRequestFrame(api, header, request))
    const frame = await this.#waiting.promise
    return decodeResponseFrame(api, version, frame).response
  }

  end(): void {
    this.#connection.end()
  }

  #take(chunk: Uint8Array): void {
    this.#received = concatBytes([this.#received, chunk])
    if (this.#received.length < FRAME_LENGTH_BYTES) return
    const end = FRAME_LENGTH_BYTES + Buffer.from(this.#received).readInt32BE()
    if (this.#received.length < end) return
    const frame = this.#received.subarray(FRAME_LENGTH_BYTES, end)
    this.#received = this.#received.subarray(end)
    this.#waiting?.resolve(frame)
  }
}
