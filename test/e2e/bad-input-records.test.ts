/**
 * Record batches that lie, are damaged, too large or strange, sent to a real broker: each gets the answer that Apache Kafka
 * 4.3.1 gives, and a refused batch leaves nothing behind.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  BatchAttribute,
  batchesIn,
  compress,
  decodeRecords,
  initProducerId,
  compressionCodeOf,
  type CompressionType,
  type RecordInput,
} from '../../src/protocol/index.ts'
import { isKafka, startSubject, type Subject } from './subject.ts'
import { residentBytes } from '../real/resident-bytes.ts'
import { RawClient } from './raw-client.ts'
import {
  batchOf,
  createTopic,
  fetched,
  fetchFrom,
  lying,
  offsetAt,
  produceTo,
  record,
  type ProduceOptions,
} from './raw-requests.ts'

const MiB = 1024 * 1024
const MAX_MESSAGE_BYTES = 100_000
const LATEST = -1

let broker: Subject
let client: RawClient

before(async () => {
  broker = await startSubject()
  client = await RawClient.connect(broker.port)
  await createTopic(client, 'plain')
  await createTopic(client, 'compacted', { configs: { 'cleanup.policy': 'compact' } })
  await createTopic(client, 'small', {
    configs: { 'max.message.bytes': String(MAX_MESSAGE_BYTES) },
  })
  await createTopic(client, 'large', { configs: { 'max.message.bytes': String(8 * MiB) } })
})

after(async () => {
  client[Symbol.dispose]()
  await broker[Symbol.asyncDispose]()
})

describe('a batch that is not what it says', () => {
  const good = batchOf([record('a'), record('b')])
  const cut = good.subarray(0, good.length - 1)
  const twice = Buffer.concat([good, good])
  const flagged = (attribute: number) => lying(good, 'attributes', attribute)
  const lies: readonly (readonly [string, Uint8Array | null, string, ProduceOptions?])[] = [
    ['a wrong checksum', lying(good, 'crc', 1), 'CORRUPT_MESSAGE'],
    ['a flipped bit in a record', flipped(good, good.length - 3), 'CORRUPT_MESSAGE'],
    ['one record more than there are', lying(good, 'recordCount', 3), 'INVALID_RECORD'],
    ['one record less than there are', lying(good, 'recordCount', 1), 'INVALID_RECORD'],
    ['no records', lying(good, 'recordCount', 0), 'INVALID_RECORD'],
    ['a negative count', lying(good, 'recordCount', -1), 'INVALID_RECORD'],
    ['two thousand million records', lying(good, 'recordCount', 2 ** 31 - 1), 'INVALID_RECORD'],
    ['a last offset delta that is too large', lying(good, 'lastOffsetDelta', 7), 'INVALID_RECORD'],
    ['a negative last offset delta', lying(good, 'lastOffsetDelta', -1), 'INVALID_RECORD'],
    ['format 0', lying(good, 'magic', 0), 'INVALID_RECORD'],
    ['format 1', lying(good, 'magic', 1), 'INVALID_RECORD'],
    ['format 3', lying(good, 'magic', 3), 'CORRUPT_MESSAGE'],
    ['two batches', twice, 'INVALID_RECORD'],
    ['the control bit', flagged(BatchAttribute.control), 'INVALID_RECORD'],
    ['an empty record set', new Uint8Array(0), 'INVALID_RECORD'],
    ['no record set', null, 'INVALID_RECORD'],
    ['its end cut off', cut, 'INVALID_RECORD'],
    ['its header cut off', good.subarray(0, BATCH_HEADER_BYTES - 1), 'INVALID_RECORD'],
    ['a base offset', lying(good, 'baseOffset', 5), 'INVALID_RECORD'],
    ['a negative base offset', lying(good, 'baseOffset', -1), 'INVALID_RECORD'],
    ['a length beyond its bytes', lying(good, 'batchLength', 2 ** 31 - 1), 'INVALID_RECORD'],
    ['a negative length', lying(good, 'batchLength', -1), 'INVALID_RECORD'],
    ['compression 5', flagged(5), 'UNKNOWN_SERVER_ERROR'],
    ['compression 7', flagged(7), 'UNKNOWN_SERVER_ERROR'],
    [
      'the transactional bit and no transactional id',
      batchOf([record('a')], {
        isTransactional: true,
        producerId: 1n,
        producerEpoch: 0,
        baseSequence: 0,
      }),
      'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    ],
    ['acks 2', good, 'INVALID_REQUIRED_ACKS', { acks: 2 }],
    ['acks -2', good, 'INVALID_REQUIRED_ACKS', { acks: -2 }],
    ['a partition that is not there', good, 'UNKNOWN_TOPIC_OR_PARTITION', { partition: 1 }],
    ['a negative partition', good, 'UNKNOWN_TOPIC_OR_PARTITION', { partition: -1 }],
  ]

  /** Where Kafka does something that nobody should do: silence, or an error that tells the client to try again. */
  const kafkaDiffers: ReadonlyMap<string, string> = new Map([
    ['no record set', 'Kafka never answers'],
    ['a length beyond its bytes', 'Kafka answers UNKNOWN_SERVER_ERROR'],
    ['a negative length', 'Kafka answers CORRUPT_MESSAGE'],
  ])
  for (const [what, bytes, error, options] of lies)
    test(
      `with ${what} is refused with ${error} and nothing is appended`,
      { skip: isKafka && (kafkaDiffers.get(what) ?? false) },
      async () => {
        const before = await offsetAt(client, 'plain', LATEST)
        using liar = await RawClient.connect(broker.port)
        const answer = await produceTo(liar, 'plain', bytes, options)
        assert.equal(answer.errorCode, error)
        assert.equal(answer.baseOffset, -1)
        assert.deepEqual(await offsetAt(client, 'plain', LATEST), before)
      },
    )

  test('is refused for a topic that is not there, and for one of Kafka itself', async () => {
    assert.equal((await produceTo(client, 'absent', good)).errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
    // Kafka makes its own topics when the first group or transaction needs them.
    if (isKafka) return
    assert.equal(
      (await produceTo(client, '__consumer_offsets', good)).errorCode,
      'INVALID_TOPIC_EXCEPTION',
    )
  })

  test('with acks 0 closes the connection, the only way to say no', async () => {
    using other = await RawClient.connect(broker.port)
    const sent = produceTo(other, 'plain', lying(good, 'crc', 1), { acks: 0 })
    await assert.rejects(sent, /closed/)
  })

  test('each of every version that is served gets the same refusal', async () => {
    for (let version = 3; version <= 12; version++) {
      const answer = await produceTo(client, 'plain', lying(good, 'crc', 1), { version })
      assert.equal(answer.errorCode, 'CORRUPT_MESSAGE', `version ${version}`)
    }
  })
})

test('records without a key are named one by one on a compacted topic, and the whole batch is refused', async () => {
  const batch = batchOf([record('a'), record('b', { key: null }), record('c', { key: null })])
  const answer = await produceTo(client, 'compacted', batch)
  assert.equal(answer.errorCode, 'INVALID_RECORD')
  assert.deepEqual(
    answer.recordErrors.map(({ batchIndex }) => batchIndex),
    [1, 2],
  )
  assert.ok(answer.recordErrors.every(({ batchIndexErrorMessage }) => batchIndexErrorMessage))
  assert.equal((await offsetAt(client, 'compacted', LATEST)).offset, 0)
})

test('an idempotent producer gets the old offset for a repeated batch, and an error for a gap, a lie or an old epoch', async () => {
  await createTopic(client, 'sequences')
  const producerId = await newProducerId()
  const send = (baseSequence: number, count = 1, producerEpoch = 0, id = producerId) =>
    produceTo(
      client,
      'sequences',
      batchOf(
        Array.from({ length: count }, (_, index) => record(`${baseSequence}/${index}`)),
        { producerId: id, producerEpoch, baseSequence },
      ),
    ).then(({ errorCode, baseOffset }) => [errorCode, baseOffset])

  for (let sequence = 0; sequence < 7; sequence++)
    assert.deepEqual(await send(sequence), ['NONE', sequence])
  for (let sequence = 2; sequence < 7; sequence++)
    assert.deepEqual(await send(sequence), ['NONE', sequence], 'one of the last five')
  const outOfOrder = ['OUT_OF_ORDER_SEQUENCE_NUMBER', -1]
  assert.deepEqual(await send(1), outOfOrder, 'before the last five')
  assert.deepEqual(await send(9), outOfOrder, 'a gap')
  assert.deepEqual(await send(6, 2), outOfOrder, 'the same sequence, another size')
  assert.deepEqual(await send(4, 1, 1), outOfOrder, 'a new epoch does not begin at 0')
  assert.deepEqual(await send(0, 1, 1), ['NONE', 7])
  assert.deepEqual(await send(7, 1, 0), ['INVALID_PRODUCER_EPOCH', -1])
  assert.deepEqual(await send(1_000, 1, 0, producerId + 1_000n), ['NONE', 8], 'unknown producer')
  assert.equal((await offsetAt(client, 'sequences', LATEST)).offset, 9)
})

describe('a record as large as it may be', () => {
  test('is taken at max.message.bytes and refused one byte above', async () => {
    const overhead = batchOf([record('')]).length
    const ofBytes = (bytes: number) => {
      // The length of a value this long takes two bytes more than that of an empty one, and so does the record's.
      const batch = batchOf([record('x'.repeat(bytes - overhead - 4))])
      assert.equal(batch.length, bytes)
      return batch
    }
    const fits = await produceTo(client, 'small', ofBytes(MAX_MESSAGE_BYTES))
    assert.deepEqual([fits.errorCode, fits.baseOffset], ['NONE', 0])
    const above = await produceTo(client, 'small', ofBytes(MAX_MESSAGE_BYTES + 1))
    assert.deepEqual([above.errorCode, above.baseOffset], ['MESSAGE_TOO_LARGE', -1])
    assert.equal((await readBack('small'))[0]?.value?.length, MAX_MESSAGE_BYTES - overhead - 4)
  })

  test('comes back when it is larger than what the reader asked for', async () => {
    const answer = fetched(await fetchFrom(client, 'small', { maxBytes: 1_024 }))
    assert.equal(answer.records?.length, MAX_MESSAGE_BYTES)
  })

  const text = new TextEncoder()
  const strange: readonly (readonly [string, readonly RecordInput[]])[] = [
    [
      'a hundred thousand headers',
      [
        record('h', {
          headers: Array.from({ length: 100_000 }, (_, index) => ({
            key: `h${index}`,
            value: text.encode(String(index)),
          })),
        }),
      ],
    ],
    ['neither key nor value', [record(null, { key: null })]],
    ['an empty key and an empty value', [record('', { key: new Uint8Array(0) })]],
    [
      'headers without name, without value, and twice the same',
      [
        record('h', {
          headers: [
            { key: '', value: null },
            { key: '', value: new Uint8Array(0) },
            { key: 'same', value: text.encode('1') },
            { key: 'same', value: text.encode('2') },
            { key: '__proto__', value: text.encode('3') },
          ],
        }),
      ],
    ],
    [
      'times long before and after ours',
      [record('a', { timestampMs: 0 }), record('b', { timestampMs: -1 })],
    ],
    [
      'every byte there is',
      [record(null, { value: Uint8Array.from({ length: 256 }, (_, byte) => byte) })],
    ],
    ['ten thousand of them', Array.from({ length: 10_000 }, (_, index) => record(`${index}`))],
  ]
  for (const [index, [what, records]] of strange.entries())
    test(`comes back as it went: ${what}`, async () => {
      const topic = `strange-${index}`
      await createTopic(client, topic, { configs: { 'max.message.bytes': String(8 * MiB) } })
      for (const compression of ['none', 'gzip', 'zstd'] as const) {
        const answer = await produceTo(client, topic, batchOf(records, { compression }))
        assert.equal(answer.errorCode, 'NONE', answer.errorMessage ?? compression)
        const read = await readBack(topic, answer.baseOffset)
        assert.deepEqual(read.map(printed), records.map(printed))
        assert.equal(read[0]?.offset, answer.baseOffset)
      }
    })
})

describe('a small batch that would decompress to very much', { skip: isKafka }, () => {
  const BOMBS = 20
  /** The budget is 16 MiB a batch; garbage of some may lie about, but not that of all twenty. */
  const MOST_GROWN_BYTES = 10 * 16 * MiB
  const codecs: readonly CompressionType[] = ['gzip', 'snappy', 'lz4', 'zstd']

  before(async () => {
    const configs = { 'cleanup.policy': 'compact', 'max.message.bytes': String(8 * MiB) }
    await createTopic(client, 'bombed', { configs })
  })

  for (const compression of codecs)
    test(`is refused at the budget and leaves no memory behind: ${compression}`, async (context) => {
      // Only where a key is required has the broker to look into a batch.
      const stored = compress(compression, new Uint8Array(96 * MiB))
      const batch = compressedBatch(compression, stored)
      const claims = compressedBatch(compression, claiming(stored))
      const idle = residentBytes(broker.pid)
      using healthy = await RawClient.connect(broker.port)
      let slowestMs = 0
      for (let index = 0; index < BOMBS; index++) {
        const refused = produceTo(client, 'bombed', index % 2 === 0 ? batch : claims)
        const startedMs = performance.now()
        assert.ok(await healthy.isServed())
        slowestMs = Math.max(slowestMs, performance.now() - startedMs)
        assert.equal((await refused).errorCode, 'INVALID_RECORD')
      }
      const grown = residentBytes(broker.pid) - idle
      context.diagnostic(
        `${BOMBS} bombs of ${batch.length} bytes: others waited ${slowestMs.toFixed(0)} ms at most, ${Math.round(grown / MiB)} MiB more resident`,
      )
      assert.ok(grown < MOST_GROWN_BYTES, `${Math.round(grown / MiB)} MiB more are resident`)
      assert.equal((await offsetAt(client, 'bombed', LATEST)).offset, 0)
    })
})

after(() => assert.doesNotMatch(broker.log, / - ERROR - |Error:|at file:/))

function flipped(batch: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(batch)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}

/** A batch around compressed bytes that are what they are. */
function compressedBatch(compression: CompressionType, stored: Uint8Array): Uint8Array {
  const header = batchOf([record('')]).subarray(0, BATCH_HEADER_BYTES)
  const batch = Buffer.concat([header, stored])
  const sized = lying(batch, 'batchLength', batch.length - BATCH_PREFIX_BYTES)
  return lying(sized, 'attributes', compressionCodeOf(compression))
}

/** Compressed bytes whose first length, or whatever stands there, is as large as can be. */
function claiming(stored: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(stored)
  copy.fill(0xff, 4, 24)
  return copy
}

/** A node that has just started may not know its next producer ids yet. */
async function newProducerId(): Promise<bigint> {
  for (;;) {
    const { errorCode, producerId } = await client.request(initProducerId, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
      producerId: -1n,
      producerEpoch: -1,
    })
    if (errorCode === 'NONE') return producerId
    assert.equal(errorCode, 'COORDINATOR_LOAD_IN_PROGRESS')
  }
}

async function readBack(topic: string, offset = 0) {
  const { records } = fetched(await fetchFrom(client, topic, { offset }))
  return [...batchesIn(records ?? new Uint8Array(0))].flatMap((batch) => decodeRecords(batch))
}

function printed({ timestampMs, key = null, value = null, headers = [] }: RecordInput) {
  const pairs = headers.map((header) => [header.key, hex(header.value)])
  return { timestampMs, key: hex(key), value: hex(value), headers: pairs }
}

/** Bytes as text, so that a difference can be read. */
function hex(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}
