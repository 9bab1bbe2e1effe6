import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EMPTY_BYTES } from '../../../core/index.ts'
import type { FetchRequest } from '../../../protocol/index.ts'
import {
  batchesIn,
  decodeRecords,
  deleteTopics,
  encodeRecordBatch,
  fetch,
  listOffsets,
  offsetForLeaderEpoch,
  produce,
  ZERO_UUID,
} from '../../../protocol/index.ts'
import { BrokerFixture, fixtureConnection } from '../../broker-fixture.test.ts'

describe('producing', () => {
  test('appends to every partition of a request and answers with the offsets', async () => {
    await using broker = await withTopic('orders', 2)
    const answer = await broker.ask(produce, 9, {
      ...toOrders([
        { index: 0, records: batch('a', 'b') },
        { index: 1, records: batch('c') },
      ]),
    })
    const partitions = answer.responses[0]?.partitionResponses ?? []
    assert.deepEqual(
      partitions.map((each) => [each.index, each.errorCode, each.baseOffset, each.logStartOffset]),
      [
        [0, 'NONE', 0, 0],
        [1, 'NONE', 0, 0],
      ],
    )
    const again = await broker.ask(produce, 3, toOrders([{ index: 0, records: batch('d') }]))
    assert.equal(again.responses[0]?.partitionResponses[0]?.baseOffset, 2)
  })

  test('keeps the order of requests that arrive while the log of their partition is opened', async () => {
    await using broker = await withTopic('orders', 1)
    const topic = broker.parts.context.topics.table.byName('orders')
    assert.ok(topic)
    assert.equal(broker.parts.context.topics.openLog(topic, 0), undefined)
    const asked = []
    // One in every turn: some wait for the log, one comes in the very turn in which it is there, others find it open.
    for (let index = 0; index < 100; index++) {
      asked.push(broker.ask(produce, 9, toOrders([{ index: 0, records: batch(`${index}`) }])))
      await Promise.resolve()
    }
    assert.ok(broker.parts.context.topics.openLog(topic, 0), 'the last requests found the log open')
    const answers = await Promise.all(asked)
    assert.deepEqual(
      answers.map(({ responses }) => responses[0]?.partitionResponses[0]?.baseOffset),
      answers.map((_, index) => index),
    )
  })

  const refusals: readonly [string, string, number, Uint8Array | null, number, string][] = [
    ['an unknown topic', 'nothing', 0, batch('a'), -1, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['an unknown partition', 'orders', 2, batch('a'), -1, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['a negative partition', 'orders', -1, batch('a'), -1, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['a topic of Kafka itself', '__consumer_offsets', 0, batch('a'), 1, 'INVALID_TOPIC_EXCEPTION'],
    ['acks 2', 'orders', 0, batch('a'), 2, 'INVALID_REQUIRED_ACKS'],
    ['no records', 'orders', 0, null, -1, 'INVALID_RECORD'],
    ['two batches', 'orders', 0, Buffer.concat([batch('a'), batch('b')]), -1, 'INVALID_RECORD'],
    ['a damaged batch', 'orders', 0, damaged(batch('a')), -1, 'CORRUPT_MESSAGE'],
    [
      'a transactional batch without a transactional id',
      'orders',
      0,
      encodeRecordBatch([{ timestampMs: 0 }], {
        isTransactional: true,
        producerId: 1n,
        producerEpoch: 0,
        baseSequence: 0,
      }),
      -1,
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    ],
  ]
  for (const [what, name, index, records, acks, error] of refusals)
    test(`refuses ${what} with ${error} and appends nothing`, async () => {
      await using broker = await withTopic('orders', 2)
      const topicData = [{ name, partitionData: [{ index, records }] }]
      const answer = await broker.ask(produce, 9, { ...toOrders([]), acks, topicData })
      const partition = answer.responses[0]?.partitionResponses[0]
      assert.equal(partition?.errorCode, error)
      assert.equal(partition?.baseOffset, -1)
      assert.equal(await endOf(broker, 0), 0)
    })

  test('tells which record of a compacted topic lacks a key', async () => {
    await using broker = await withTopic('compacted', 1, { 'cleanup.policy': 'compact' })
    const answer = await broker.ask(produce, 9, {
      ...toOrders([]),
      topicData: [{ name: 'compacted', partitionData: [{ index: 0, records: batch('a', 'b') }] }],
    })
    const partition = answer.responses[0]?.partitionResponses[0]
    assert.equal(partition?.errorCode, 'INVALID_RECORD')
    assert.deepEqual(
      partition?.recordErrors.map((each) => each.batchIndex),
      [0, 1],
    )
  })

  test('with acks 0 has no answer, and a refusal closes the connection', async () => {
    await using broker = await withTopic('orders', 1)
    const good = fixtureConnection(1)
    const request = { ...toOrders([{ index: 0, records: batch('a') }]), acks: 0 }
    await broker.tell(produce, 9, request, good)
    assert.equal(good.closedBecause, null)
    const bad = fixtureConnection(2)
    await broker.tell(
      produce,
      9,
      { ...toOrders([{ index: 7, records: batch('a') }]), acks: 0 },
      bad,
    )
    assert.match(bad.closedBecause ?? '', /UNKNOWN_TOPIC_OR_PARTITION/)
  })

  test('keeps the order of requests that follow each other before their logs are open', async () => {
    await using broker = await withTopic('orders', 2)
    const both = [0, 1].map((index) => ({ index, records: batch('first') }))
    const answers = await Promise.all([
      broker.ask(produce, 9, toOrders(both)),
      broker.ask(produce, 9, toOrders([{ index: 1, records: batch('second') }])),
      broker.ask(produce, 9, toOrders([{ index: 0, records: batch('second') }])),
    ])
    for (const answer of answers)
      for (const { errorCode } of answer.responses[0]?.partitionResponses ?? [])
        assert.equal(errorCode, 'NONE')
    for (const partition of [0, 1])
      assert.deepEqual(await valuesOf(broker, partition), ['first', 'second'])
  })
})

describe('fetching', () => {
  test('gives whole batches from the asked offset on, and the high watermark', async () => {
    await using broker = await withTopic('orders', 1)
    for (const value of ['a', 'b', 'c']) await send(broker, 0, value)
    const answer = await broker.ask(fetch, 11, fetchOf([{ partition: 0, fetchOffset: 1 }]))
    const [partition] = answer.responses[0]?.partitions ?? []
    assert.equal(partition?.highWatermark, 3)
    assert.equal(partition?.lastStableOffset, 3)
    assert.deepEqual(values(partition?.records ?? null), ['b', 'c'])
  })

  test('names topics by id from version 13 on', async () => {
    await using broker = await withTopic('orders', 1)
    await send(broker, 0, 'a')
    const topicId = broker.parts.context.topics.table.byName('orders')?.topicId ?? ''
    const byId = (id: string) =>
      broker.ask(fetch, 13, fetchOf([{ partition: 0, fetchOffset: 0 }], { topicId: id }))
    const good = await byId(topicId)
    assert.equal(good.responses[0]?.topicId, topicId)
    assert.deepEqual(values(good.responses[0]?.partitions[0]?.records ?? null), ['a'])
    const bad = await byId('AAAAAAAAAAAAAAAAAAAAAQ')
    assert.equal(bad.responses[0]?.partitions[0]?.errorCode, 'UNKNOWN_TOPIC_ID')
  })

  const refusals: readonly [string, Partial<AskedPartition>, string][] = [
    ['past the end', { fetchOffset: 2 }, 'OFFSET_OUT_OF_RANGE'],
    ['before the start', { fetchOffset: -1 }, 'OFFSET_OUT_OF_RANGE'],
    ['a partition that is not there', { partition: 9 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['an epoch that is not yet', { currentLeaderEpoch: 1 }, 'UNKNOWN_LEADER_EPOCH'],
  ]
  for (const [what, change, error] of refusals)
    test(`from ${what} is refused with ${error}, at once and without null records`, async () => {
      await using broker = await withTopic('orders', 1)
      await send(broker, 0, 'a')
      const asked = { partition: 0, fetchOffset: 0, ...change }
      const answer = await broker.ask(fetch, 11, fetchOf([asked], { maxWaitMs: 60_000 }))
      const [partition] = answer.responses[0]?.partitions ?? []
      assert.equal(partition?.errorCode, error)
      assert.equal(partition?.highWatermark, -1)
      assert.deepEqual(partition?.records, EMPTY_BYTES)
    })

  test('waits for records, and gets them as soon as they are there', async () => {
    await using broker = await withTopic('orders', 2)
    const asked = [
      { partition: 0, fetchOffset: 0 },
      { partition: 1, fetchOffset: 0 },
    ]
    const waiting = broker.ask(fetch, 11, fetchOf(asked, { maxWaitMs: 60_000 }))
    assert.equal(await isPending(waiting), true)
    await send(broker, 1, 'x')
    const answer = await waiting
    const partitions = answer.responses[0]?.partitions ?? []
    assert.deepEqual(
      partitions.map((each) => values(each.records)),
      [[], ['x']],
    )
  })

  test('waits for as many bytes as were asked for, over all partitions', async () => {
    await using broker = await withTopic('orders', 2)
    const size = batch('x').length
    const asked = [
      { partition: 0, fetchOffset: 0 },
      { partition: 1, fetchOffset: 0 },
    ]
    const limits = { maxWaitMs: 60_000, minBytes: 2 * size + 1 }
    const waiting = broker.ask(fetch, 11, fetchOf(asked, limits))
    await send(broker, 0, 'x')
    await send(broker, 1, 'x')
    assert.equal(await isPending(waiting), true)
    await send(broker, 0, 'x')
    const answer = await waiting
    assert.deepEqual(
      answer.responses[0]?.partitions.map((each) => values(each.records)),
      [['x', 'x'], ['x']],
    )
  })

  test('ends empty when the time is over, and when the client is gone', async () => {
    await using broker = await withTopic('orders', 1)
    const asked = fetchOf([{ partition: 0, fetchOffset: 0 }], { maxWaitMs: 500 })
    const slow = broker.ask(fetch, 11, asked)
    assert.equal(await isPending(slow), true)
    await broker.clock.advance(500)
    assert.deepEqual((await slow).responses[0]?.partitions[0]?.records, EMPTY_BYTES)

    const client = fixtureConnection(2)
    const abandoned = broker.ask(fetch, 11, asked, client)
    assert.equal(await isPending(abandoned), true)
    client.disconnect()
    await abandoned
  })

  test('wakes when its topic is deleted', async () => {
    await using broker = await withTopic('orders', 1)
    const asked = fetchOf([{ partition: 0, fetchOffset: 0 }], { maxWaitMs: 60_000 })
    const waiting = broker.ask(fetch, 11, asked)
    assert.equal(await isPending(waiting), true)
    await broker.ask(deleteTopics, 1, { topics: [], topicNames: ['orders'], timeoutMs: 0 })
    const [partition] = (await waiting).responses[0]?.partitions ?? []
    assert.equal(partition?.errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
  })

  test('gives at least one batch, though it be larger than every limit', async () => {
    await using broker = await withTopic('orders', 2)
    for (const partition of [0, 1]) await send(broker, partition, 'x'.repeat(1_000))
    const asked = [
      { partition: 0, fetchOffset: 0, partitionMaxBytes: 10 },
      { partition: 1, fetchOffset: 0, partitionMaxBytes: 10 },
    ]
    const answer = await broker.ask(fetch, 11, fetchOf(asked, { maxBytes: 10 }))
    const lengths = answer.responses[0]?.partitions.map((each) => values(each.records).length)
    assert.deepEqual(lengths, [1, 0])
  })

  test('in a session answers what changed only', async () => {
    await using broker = await withTopic('orders', 2)
    await send(broker, 0, 'a')
    const asked = [
      { partition: 0, fetchOffset: 1 },
      { partition: 1, fetchOffset: 0 },
    ]
    const first = await broker.ask(fetch, 11, fetchOf(asked, { sessionEpoch: 0, maxWaitMs: 0 }))
    assert.equal(first.responses[0]?.partitions.length, 2)
    assert.notEqual(first.sessionId, 0)
    const next = (sessionEpoch: number) =>
      broker.ask(fetch, 11, fetchOf([], { sessionId: first.sessionId, sessionEpoch, maxWaitMs: 0 }))
    assert.deepEqual((await next(1)).responses, [])
    await send(broker, 1, 'b')
    const changed = await next(2)
    assert.deepEqual(
      changed.responses[0]?.partitions.map((each) => [each.partitionIndex, values(each.records)]),
      [[1, ['b']]],
    )
    assert.equal((await next(2)).errorCode, 'INVALID_FETCH_SESSION_EPOCH')
    const unknown = fetchOf([], { sessionId: first.sessionId + 1, sessionEpoch: 1 })
    const refused = await broker.ask(fetch, 11, unknown)
    assert.equal(refused.errorCode, 'FETCH_SESSION_ID_NOT_FOUND')
  })
})

describe('asking for offsets', () => {
  test('by the special timestamps and by a time', async () => {
    await using broker = await withTopic('orders', 1)
    for (const [value, timestampMs] of [
      ['a', 1_000],
      ['b', 3_000],
      ['c', 2_000],
    ] as const)
      await send(broker, 0, value, timestampMs)
    const found: Record<string, readonly [number, number]> = {}
    for (const timestamp of [-1, -2, -3, -4, -5, -6, 1_500, 3_001]) {
      const partition = await offsetAt(broker, 11, timestamp)
      assert.equal(partition?.errorCode, 'NONE')
      found[timestamp] = [partition?.offset ?? 0, partition?.timestamp ?? 0]
    }
    assert.deepEqual(found, {
      '-1': [3, -1],
      '-2': [0, -1],
      '-3': [1, 3_000],
      '-4': [0, -1],
      '-5': [-1, -1],
      '-6': [-1, -1],
      1500: [1, 3_000],
      3001: [-1, -1],
    })
    assert.equal((await offsetAt(broker, 6, -3))?.errorCode, 'UNSUPPORTED_VERSION')
    assert.equal((await offsetAt(broker, 11, -7))?.errorCode, 'UNSUPPORTED_VERSION')
  })

  test('of an epoch answers where it ended, and fences clients that know a later one', async () => {
    await using broker = await withTopic('orders', 1)
    await send(broker, 0, 'a')
    const ask = async (currentLeaderEpoch: number, leaderEpoch: number) => {
      const partitions = [{ partition: 0, currentLeaderEpoch, leaderEpoch }]
      const topics = [{ topic: 'orders', partitions }]
      const answer = await broker.ask(offsetForLeaderEpoch, 4, { replicaId: -2, topics })
      const [found] = answer.topics[0]?.partitions ?? []
      return [found?.errorCode, found?.leaderEpoch, found?.endOffset]
    }
    assert.deepEqual(await ask(0, 0), ['NONE', 0, 1])
    assert.deepEqual(await ask(-1, 5), ['NONE', -1, -1])
    assert.deepEqual(await ask(1, 0), ['UNKNOWN_LEADER_EPOCH', -1, -1])
  })
})

interface AskedPartition {
  readonly partition: number
  readonly fetchOffset: number
  readonly currentLeaderEpoch?: number
  readonly partitionMaxBytes?: number
}

async function withTopic(
  name: string,
  partitionCount: number,
  configs: Record<string, string> = {},
) {
  const broker = await BrokerFixture.open()
  const decision = broker.parts.context.topics.create(
    {
      name,
      partitionCount,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    },
    false,
  )
  assert.equal(decision.errorCode, 'NONE')
  return broker
}

function batch(...given: readonly string[]): Uint8Array {
  const records = given.map((value) => ({ timestampMs: 1_000, value: Buffer.from(value) }))
  return encodeRecordBatch(records)
}

function damaged(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}

function toOrders(partitionData: readonly { index: number; records: Uint8Array | null }[]) {
  const topicData = [{ name: 'orders', partitionData }]
  return { transactionalId: null, acks: -1, timeoutMs: 30_000, topicData }
}

async function send(broker: BrokerFixture, index: number, value: string, timestampMs = 1_000) {
  const records = encodeRecordBatch([{ timestampMs, value: Buffer.from(value) }])
  const answer = await broker.ask(produce, 9, toOrders([{ index, records }]))
  assert.equal(answer.responses[0]?.partitionResponses[0]?.errorCode, 'NONE')
}

function fetchOf(
  partitions: readonly AskedPartition[],
  change: Partial<FetchRequest> & { readonly topicId?: string } = {},
): FetchRequest {
  const { topicId = ZERO_UUID, ...rest } = change
  const asked = partitions.map((partition) => ({
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    logStartOffset: -1,
    partitionMaxBytes: 1_000_000,
    replicaDirectoryId: ZERO_UUID,
    ...partition,
  }))
  return {
    clusterId: null,
    replicaId: -1,
    replicaState: { replicaId: -1, replicaEpoch: -1 },
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 1,
    sessionId: 0,
    sessionEpoch: -1,
    topics:
      asked.length === 0
        ? []
        : [{ topic: topicId === ZERO_UUID ? 'orders' : '', topicId, partitions: asked }],
    forgottenTopicsData: [],
    rackId: '',
    ...rest,
  }
}

async function valuesOf(broker: BrokerFixture, partition: number): Promise<readonly string[]> {
  const answer = await broker.ask(fetch, 11, fetchOf([{ partition, fetchOffset: 0 }]))
  return values(answer.responses[0]?.partitions[0]?.records ?? null)
}

function values(recordSet: Uint8Array | null): readonly string[] {
  const found: string[] = []
  for (const each of batchesIn(recordSet ?? EMPTY_BYTES))
    found.push(...decodeRecords(each).map(({ value }) => String(Buffer.from(value ?? []))))
  return found
}

async function endOf(broker: BrokerFixture, partition: number): Promise<number> {
  const found = await offsetAt(broker, 7, -1, partition)
  return found?.offset ?? -1
}

async function offsetAt(
  broker: BrokerFixture,
  version: number,
  timestamp: number,
  partitionIndex = 0,
) {
  const partitions = [{ partitionIndex, currentLeaderEpoch: -1, timestamp }]
  const request = { replicaId: -1, isolationLevel: 0, timeoutMs: 0 }
  const answer = await broker.ask(listOffsets, version, {
    ...request,
    topics: [{ name: 'orders', partitions }],
  })
  return answer.topics[0]?.partitions[0]
}

/** Whether it is still open after everything that could settle by itself has settled. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let isOpen = true
  const settle = () => {
    isOpen = false
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  return isOpen
}
