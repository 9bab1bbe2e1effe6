/**
 * What only a real Kafka and its real clients can show of the Kafka source: transactions, other members in the group,
 * retention, growth, a broker that restarts or dies.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createPartitions, deleteRecords } from '../../src/protocol/index.ts'
import type { CompressionType } from '../../src/protocol/index.ts'
import type { ShoalError } from '../../src/core/index.ts'
import {
  KafkaClient,
  KafkaProducer,
  committedOffsets,
  kafka,
} from '../../src/sources/kafka/index.ts'
import type { KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { pythonMissing, runPython, startPython } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { kafkaFixture, SESSION_TIMEOUT_MS } from './kafka-fixture.ts'
import { RecordingMember, waitUntil } from './recording-member.ts'

type Fixture = Awaited<ReturnType<typeof kafkaFixture>>

describe('a real Apache Kafka', needs(apacheKafkaMissing() ?? pythonMissing('2.16.1')), () => {
  let node: ApacheKafka
  let fixture: Fixture
  let groupCount = 0

  before(async () => {
    node = await ApacheKafka.start()
    fixture = await kafkaFixture(node)
  })
  after(() => fixture.close())

  const join = (topic: string, group: string, options: Partial<KafkaSourceOptions> = {}) =>
    RecordingMember.join(
      kafka({
        brokers: node.bootstrap,
        topics: [topic],
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        heartbeatIntervalMs: 200,
        ...options,
      }),
      group,
    )
  const committedBy = async (group: string, topic: string) => {
    await using client = await KafkaClient.open({ brokers: node.bootstrap })
    return await committedOffsets(client, group, [{ topic, partition: 0 }]).catch(
      (error: unknown) => (error as ShoalError).details['error'],
    )
  }
  const newGroup = () => `real-${groupCount++}`
  const send = (topic: string, count: number, from = 0) =>
    fixture.produce(
      Array.from({ length: count }, (_, index) => ({
        topic,
        partition: null,
        key: text(`k${from + index}`),
        value: text(`v${from + index}`),
        headers: [],
      })),
    )

  test('records of aborted transactions are not delivered, and positions go past their markers', async () => {
    const topic = await fixture.createTopic(1)
    await python(node, transactions, topic)
    await using member = await join(topic, newGroup())
    await member.until('the end', () => member.ends.length > 0)
    assert.deepEqual(values(member), ['c0', 'c1', 'd0', 'd1', 'plain'])
    const last = member.batches.at(-1)!
    assert.equal(last.nextOffset, member.ends.at(-1)?.offset)
    assert.equal(last.nextOffset, last.endOffset)
    await member.session.close()

    await using everything = await join(topic, newGroup(), { isolation: 'read-uncommitted' })
    await everything.until('the end', () => everything.ends.length > 0)
    assert.deepEqual(values(everything), ['a0', 'a1', 'c0', 'c1', 'b0', 'b1', 'd0', 'd1', 'plain'])
    await everything.session.close()
  })

  test('an open transaction holds back what comes after it, until it ends', async () => {
    const topic = await fixture.createTopic(1)
    await using writer = startPython('2.16.1', ['-c', openTransaction, node.bootstrap, topic])
    await writer.until(({ stdout }) => stdout.includes('open'))
    await send(topic, 3)
    await using member = await join(topic, newGroup())
    await member.until('the end before it', () => member.ends.length === 1)
    assert.deepEqual([values(member), member.ends[0]?.offset], [[], 0])
    writer.kill('SIGUSR1')
    await member.until('the records after it', () => member.seen.length === 3)
    assert.deepEqual(values(member), ['v0', 'v1', 'v2'])
    await member.session.close()
  })

  test('offsets that a transaction has pending are waited for, and reading begins where it ends', async () => {
    const topic = await fixture.createTopic(1)
    const group = newGroup()
    await send(topic, 5)
    await using writer = startPython('2.16.1', ['-c', pendingOffsets, node.bootstrap, topic, group])
    await writer.until(({ stdout }) => stdout.includes('pending'))
    await using member = await join(topic, group)
    await member.until('the join', () => member.notices.some(({ kind }) => kind === 'joined'))
    assert.equal(await committedBy(group, topic), 'UNSTABLE_OFFSET_COMMIT')
    assert.equal(member.assignments.length, 0)
    writer.kill('SIGUSR1')
    await member.until('the records after it', () => member.seen.length === 2)
    assert.deepEqual(values(member), ['v3', 'v4'])
    await member.session.close()
  })

  test('a group shared with librdkafka splits the partitions, and both read each record once', async () => {
    const topic = await fixture.createTopic(4)
    const group = newGroup()
    await using member = await join(topic, group)
    await member.until('all partitions', () => member.owned.size === 4)
    await using other = startPython('2.16.1', [
      '-c',
      cooperativeConsumer,
      node.bootstrap,
      topic,
      group,
    ])
    await member.until('half of them', () => member.owned.size === 2)
    await other.until(({ stdout }) => /assigned 2/.test(stdout))
    await send(topic, 200)
    const theirs = () => [...other.stdout.matchAll(/^record (\S+)$/gm)].map((match) => match[1]!)
    await Promise.race([
      member.until('all records', () => member.seen.length + theirs().length >= 200),
      other.until(() => member.seen.length + theirs().length >= 200),
    ])
    const all = [...values(member), ...theirs()]
    assert.deepEqual([all.length, new Set(all).size], [200, 200])
    assert.ok(values(member).length > 0 && theirs().length > 0)
    other.kill('SIGTERM')
    await member.until('all partitions again', () => member.owned.size === 4)
    assert.deepEqual(member.losses, [])
    await member.session.close()
  })

  for (const assignor of ['range', 'roundrobin', 'sticky'] as const)
    test(`a group of ${assignor} stops, splits and goes on`, async () => {
      const topic = await fixture.createTopic(4)
      const group = newGroup()
      await using first = await join(topic, group, { assignors: [assignor] })
      await first.until('all partitions', () => first.owned.size === 4)
      await using second = await join(topic, group, { assignors: [assignor] })
      await waitUntil(
        'two each',
        () => first.owned.size === 2 && second.owned.size === 2,
        (wake) => (first.onNextEvent(wake), second.onNextEvent(wake)),
      )
      assert.equal(first.revocations.length, 4)
      assert.deepEqual([...first.losses, ...second.losses], [])
      await send(topic, 40)
      await waitUntil(
        'all records',
        () => first.seen.length + second.seen.length >= 40,
        (wake) => (first.onNextEvent(wake), second.onNextEvent(wake)),
      )
      assert.equal(new Set([...values(first), ...values(second)]).size, 40)
      await Promise.all([first.session.close(), second.session.close()])
    })

  test('what retention took before it was read is told by its exact number', async () => {
    const topic = await fixture.createTopic(1)
    const group = newGroup()
    await send(topic, 30)
    await using first = await join(topic, group)
    await first.until('the records', () => first.seen.length === 30)
    const { epoch } = first.assignment(topic, 0)
    await first.commit([{ topic, partition: 0, epoch, offset: 10, metadata: '' }])
    await first.session.close()
    await fixture.client.request(
      deleteRecords,
      {
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: 25 }] }],
        timeoutMs: 30_000,
      },
      { to: { topic, partition: 0 } },
    )
    await using second = await join(topic, group)
    await second.until('the rest', () => second.seen.length === 5)
    assert.partialDeepStrictEqual(
      second.notices.filter(({ kind }) => kind === 'records-skipped'),
      [{ topic, partition: 0, count: 15 }],
    )
    assert.deepEqual(second.offsets(topic, 0), [25, 26, 27, 28, 29])
    await second.session.close()
  })

  test('what is deleted while a member is behind is skipped with its number too', async () => {
    const topic = await fixture.createTopic(1)
    await using member = await join(topic, newGroup(), { fetch: { maxPartitionBytes: 100 } })
    await member.until('the assignment', () => member.owned.size === 1)
    member.session.pause(member.assignment(topic, 0))
    for (let index = 0; index < 20; index++) await send(topic, 1, index)
    const read = () => member.batches.at(-1)?.nextOffset ?? 0
    const behind = read()
    await fixture.client.request(
      deleteRecords,
      {
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, offset: 18 }] }],
        timeoutMs: 30_000,
      },
      { to: { topic, partition: 0 } },
    )
    member.session.resume(member.assignment(topic, 0))
    await member.until('the end', () => read() === 20)
    const skipped = member.notices.flatMap((notice) =>
      notice.kind === 'records-skipped' ? [notice.count] : [],
    )
    assert.ok(behind < 18, `the fetch under way read up to ${behind}`)
    assert.equal(skipped.length, 1)
    assert.equal(member.seen.length + skipped[0]!, 20)
    await member.session.close()
  })

  test('partitions that are added while it runs are read from their beginning, under latest too', async () => {
    const topic = await fixture.createTopic(1)
    const group = newGroup()
    await send(topic, 5)
    await using member = await join(topic, group, { offsetReset: 'latest', metadataMaxAgeMs: 500 })
    await member.until('the assignment', () => member.owned.size === 1)
    assert.equal(member.assignment(topic, 0).startOffset, 5)
    assert.equal((await fixture.committed(group, topic)).get(0)?.offset, 5)
    await fixture.client.request(
      createPartitions,
      {
        topics: [{ name: topic, count: 2, assignments: null }],
        timeoutMs: 30_000,
        validateOnly: false,
      },
      { to: 'controller' },
    )
    await fixture.client.retrying(async () => {
      await fixture.client.refresh([topic])
      await fixture.produce([{ topic, partition: 1, key: null, value: text('early'), headers: [] }])
    })
    await member.until('what was written before anybody looked', () => member.seen.length === 1)
    assert.deepEqual(values(member), ['early'])
    assert.equal(member.assignment(topic, 0).epoch, 1)
    await member.session.close()
  })

  test('a topic that does not exist yet is waited for', async () => {
    const topic = 'made-later'
    await using member = await join(topic, newGroup(), { offsetReset: 'latest' })
    await member.until('the notice', () =>
      member.notices.some((notice) => notice.kind === 'topic-missing' && notice.topic === topic),
    )
    await using producer = await KafkaProducer.open({ brokers: node.bootstrap })
    await producer.send({ topic, partition: null, key: null, value: text('first'), headers: [] })
    await member.until('the record', () => member.seen.length === 1)
    await member.session.close()
  })

  test('every compression is written so that librdkafka reads it, and read as librdkafka writes it', async () => {
    const codecs: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    const topic = await fixture.createTopic(1)
    const expected: string[] = []
    for (const compression of codecs) {
      await using producer = await KafkaProducer.open({ brokers: node.bootstrap, compression })
      const records = Array.from({ length: 50 }, (_, index) => `${compression}-${index}`)
      await Promise.all(
        records.map((value) =>
          producer.send({ topic, partition: 0, key: null, value: text(value), headers: [] }),
        ),
      )
      expected.push(...records)
    }
    assert.deepEqual(
      (await python(node, readAll, topic, String(expected.length))).split('\n'),
      expected,
    )

    const theirs = await fixture.createTopic(1)
    await python(node, writeAll, theirs, codecs.join())
    await using member = await join(theirs, newGroup())
    await member.until('all records', () => member.seen.length === 250)
    assert.deepEqual(values(member), expected)
    await member.session.close()
  })

  test('keys land where the other clients put them', async () => {
    const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`)
    for (const [partitioner, librdkafka] of [
      ['murmur2', 'murmur2_random'],
      ['crc32', 'consistent_random'],
    ] as const) {
      const topic = await fixture.createTopic(7)
      await using producer = await KafkaProducer.open({ brokers: node.bootstrap, partitioner })
      const ours = await Promise.all(
        keys.map((key) =>
          producer.send({ topic, partition: null, key: text(key), value: null, headers: [] }),
        ),
      )
      const theirs = await python(node, whereKeysLand, topic, librdkafka, keys.join())
      assert.equal(ours.map(({ partition }) => partition).join(), theirs)
    }
  })

  test('a broker that restarts, and one that is killed, cost a pause: no record is lost, skipped or repeated', async () => {
    const topic = await fixture.createTopic(2)
    const group = newGroup()
    await using member = await join(topic, group, { sessionTimeoutMs: 300_000 })
    await member.until('the assignment', () => member.owned.size === 2)
    await send(topic, 50)
    await member.until('the first', () => member.seen.length === 50)
    await node.restart()
    await send(topic, 50, 50)
    await member.until('the second', () => member.seen.length === 100)
    await node.kill()
    await node.restart()
    await send(topic, 50, 100)
    await member.until('the third', () => member.seen.length >= 150)
    assert.equal(new Set(values(member)).size, 150)
    assert.equal(member.seen.length, 150)
    assert.deepEqual([member.losses, member.errors], [[], []])
    const positions = [...member.owned.values()].map(({ topic, partition, epoch }) => {
      const offset = member.batches.findLast((batch) => batch.partition === partition)!.nextOffset
      return { topic, partition, epoch, offset, metadata: '' }
    })
    const outcomes = await member.commit(positions)
    assert.deepEqual([...outcomes.values()], ['committed', 'committed'])
    const stored = await fixture.committed(group, topic)
    assert.deepEqual(
      positions.map(({ partition }) => stored.get(partition)?.offset),
      positions.map(({ offset }) => offset),
    )
    await member.session.close()
  })
})

async function python(node: ApacheKafka, program: string, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runPython('2.16.1', [
    '-c',
    program,
    node.bootstrap,
    ...args,
  ])
  assert.equal(exitCode, 0, stderr)
  return stdout.trim()
}

function values(member: RecordingMember): string[] {
  return member.seen.map(({ record }) => Buffer.from(record.value ?? []).toString())
}

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}

const transactions = `
import sys
from confluent_kafka import Producer
brokers, topic = sys.argv[1:3]
def one(id, names, commit):
    p = Producer({'bootstrap.servers': brokers, 'transactional.id': id})
    p.init_transactions()
    p.begin_transaction()
    for name in names: p.produce(topic, value=name, partition=0)
    p.flush()
    p.commit_transaction() if commit else p.abort_transaction()
    return p
def again(p, names, commit):
    p.begin_transaction()
    for name in names: p.produce(topic, value=name, partition=0)
    p.flush()
    p.commit_transaction() if commit else p.abort_transaction()
p = one(topic, ['a0', 'a1'], False)
again(p, ['c0', 'c1'], True)
again(p, ['b0', 'b1'], False)
again(p, ['d0', 'd1'], True)
p = Producer({'bootstrap.servers': brokers})
p.produce(topic, value='plain', partition=0)
p.flush()
`

const openTransaction = `
import signal, sys
from confluent_kafka import Producer
brokers, topic = sys.argv[1:3]
signal.signal(signal.SIGUSR1, lambda *_: None)
p = Producer({'bootstrap.servers': brokers, 'transactional.id': topic})
p.init_transactions()
p.begin_transaction()
p.produce(topic, value='open', partition=0)
p.flush()
print('open')
signal.pause()
p.abort_transaction()
`

const pendingOffsets = `
import signal, sys
from confluent_kafka import Consumer, Producer, TopicPartition
brokers, topic, group = sys.argv[1:4]
signal.signal(signal.SIGUSR1, lambda *_: None)
c = Consumer({'bootstrap.servers': brokers, 'group.id': group})
p = Producer({'bootstrap.servers': brokers, 'transactional.id': topic})
p.init_transactions()
p.begin_transaction()
p.send_offsets_to_transaction([TopicPartition(topic, 0, 3)], c.consumer_group_metadata())
print('pending')
signal.pause()
p.commit_transaction()
`

const cooperativeConsumer = `
import signal, sys
from confluent_kafka import Consumer
brokers, topic, group = sys.argv[1:4]
running = True
def stop(*_):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
c = Consumer({'bootstrap.servers': brokers, 'group.id': group, 'auto.offset.reset': 'earliest',
    'partition.assignment.strategy': 'cooperative-sticky', 'session.timeout.ms': 60000, 'heartbeat.interval.ms': 300})
total = 0
def assigned(_, partitions):
    global total
    total += len(partitions)
    print('assigned', total)
c.subscribe([topic], on_assign=assigned)
while running:
    message = c.poll(0.2)
    if message is not None and message.error() is None: print('record', message.value().decode())
c.close()
`

const readAll = `
import sys
from confluent_kafka import Consumer
brokers, topic, count = sys.argv[1:4]
c = Consumer({'bootstrap.servers': brokers, 'group.id': 'reader-' + topic, 'auto.offset.reset': 'earliest', 'check.crcs': True})
c.subscribe([topic])
seen = 0
while seen < int(count):
    message = c.poll(1)
    if message is None: continue
    if message.error(): raise Exception(message.error())
    print(message.value().decode())
    seen += 1
c.close()
`

const writeAll = `
import sys
from confluent_kafka import Producer
brokers, topic, codecs = sys.argv[1:4]
for codec in codecs.split(','):
    p = Producer({'bootstrap.servers': brokers, 'compression.type': codec, 'linger.ms': 20})
    for index in range(50): p.produce(topic, value='%s-%d' % (codec, index), partition=0)
    p.flush()
`

const whereKeysLand = `
import sys
from confluent_kafka import Producer
brokers, topic, partitioner, keys = sys.argv[1:5]
p = Producer({'bootstrap.servers': brokers, 'partitioner': partitioner})
landed = {}
def done(error, message): landed[message.key().decode()] = message.partition()
for key in keys.split(','): p.produce(topic, key=key, on_delivery=done)
p.flush()
print(','.join(str(landed[key]) for key in keys.split(',')))
`
