/**
 * Consume, transform, produce on Apache Kafka: workers are killed, stopped and replaced in the midst of their transactions,
 * and members come and go. Who reads `read_committed` sees each output once, those of a key in order. Some 15 s.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { TestBroker, waitFor } from 'shoal/testing'
import { consumer } from '../../src/consumer/index.ts'
import {
  KafkaClient,
  KafkaProducer,
  OffsetMoment,
  committedOffsets,
  kafka,
  offsetsAt,
  partitionKey,
} from '../../src/sources/kafka/index.ts'
import { createTopic } from '../conformance/kafka-fixture.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { Program } from '../real/program.ts'
import { needs } from '../real/services.ts'

const GROUP = 'copiers'
const PARTITIONS = 3
/** Each new life of a worker has records of its own to begin with. */
const PORTION_EACH = 200
const PORTIONS = 6
const EACH = PORTIONS * PORTION_EACH
const KEYS = 40
const OUTPUTS = ['out-a', 'out-b'].flatMap((topic) =>
  [0, 1].map((partition) => ({ topic, partition })),
)
/** Handlers that ended in a life before something happens to it. */
const SOME = 50

describe('exactly once', () => {
  test(
    'on Apache Kafka: three SIGKILLs, a zombie and rebalances leave each output once, keys in order',
    needs(apacheKafkaMissing()),
    async (context) => {
      await using broker = await ApacheKafka.start({
        properties: {
          'group.initial.rebalance.delay.ms': '0',
          'group.min.session.timeout.ms': '1000',
        },
      })
      const { bootstrap } = broker
      await using client = await KafkaClient.open({ brokers: bootstrap })
      await prepare(client)
      const kills = await turmoil(bootstrap, client)
      const seen = await readCommitted(bootstrap, client)
      context.diagnostic(`${kills}; ${seen.length} outputs of ${PARTITIONS * EACH} records read`)
      for (const topic of ['out-a', 'out-b']) check(seen.filter((output) => output.topic === topic))
    },
  )

  test("on Shoal's broker, which has no transactions, it does not start, and says why", async () => {
    await using broker = await TestBroker.start({ topics: { in: 1 } })
    const copier = consumer({
      group: GROUP,
      source: kafka({ brokers: broker.bootstrap, topics: ['in'] }),
      exactlyOnce: true,
      handle: () => {},
    })
    await assert.rejects(copier.start(), {
      code: 'SHOAL_REQUEST_FAILED',
      message: /^exactlyOnce: the broker has no transactions/,
    })
  })
})

async function prepare(client: KafkaClient): Promise<void> {
  await createTopic(client, { name: 'in', partitionCount: PARTITIONS, replicationFactor: 1 })
  for (const name of ['out-a', 'out-b'])
    await createTopic(client, { name, partitionCount: 2, replicationFactor: 1 })
}

async function produce(producer: KafkaProducer): Promise<void> {
  const sent = Array.from({ length: PARTITIONS * PORTION_EACH }, (_, index) =>
    producer.send({
      topic: 'in',
      partition: index % PARTITIONS,
      key: Buffer.from(`k${index % KEYS}`),
      value: Buffer.from(String(index)),
      headers: [],
    }),
  )
  await Promise.all(sent)
}

/** Members die, sleep and come back until every record is committed. */
async function turmoil(brokers: string, client: KafkaClient): Promise<string> {
  await using producer = await KafkaProducer.open({ brokers })
  await using workers = new AsyncDisposableStack()
  /** A worker in the midst of its work. */
  const begin = async (instance: string) => {
    const worker = workers.use(startWorker(brokers, instance))
    await worker.until(({ stdout }) => stdout.includes('assigned\n'))
    await produce(producer)
    await worker.until(({ stdout }) => stdout.includes(`\n${SOME}\n`))
    return worker
  }
  const die = async (worker: Program) => {
    worker.kill('SIGKILL')
    await worker.finished()
  }
  let one = await begin('one')
  // A member comes while transactions are under way.
  let two = await begin('two')
  await die(one)
  one = await begin('one')
  await die(two)
  two = await begin('two')
  await die(one)
  one = await begin('one')

  const zombie = two
  zombie.kill('SIGSTOP')
  two = await begin('two')
  zombie.kill('SIGCONT')
  const woken = await zombie.finished()
  assert.equal(woken.exitCode, 3, woken.stdout)
  assert.match(woken.stdout, /another consumer runs with group instance id two/)

  const places = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: 'in', partition }))
  await waitFor(
    async () => {
      const stored = await client.retrying(() => committedOffsets(client, GROUP, places))
      return [...stored.values()].filter(({ offset }) => offset === EACH).length === PARTITIONS
    },
    { what: 'every record is committed', limitMs: 120_000 },
  )
  const ends = await Promise.all([one.stop(), two.stop()])
  assert.deepEqual(
    ends.map(({ exitCode }) => exitCode),
    [0, 0],
    ends.map(({ stdout, stderr }) => stdout + stderr).join('\n'),
  )
  return '3 SIGKILLs, 1 SIGSTOP'
}

interface Seen {
  readonly topic: string
  readonly key: string | null
  readonly value: string
}

/** All that a reader of `read_committed` sees. */
async function readCommitted(brokers: string, client: KafkaClient): Promise<Seen[]> {
  await client.refresh(['out-a', 'out-b'])
  const ends = await client.retrying(() =>
    offsetsAt(client, OUTPUTS, OffsetMoment.latest, { readCommitted: true }),
  )
  const seen: Seen[] = []
  await using reader = await consumer({
    group: 'reader',
    source: kafka({ brokers, topics: ['out-a', 'out-b'] }),
    order: 'partition',
    decode: 'text',
    handle: (value, { topic, key }) => void seen.push({ topic, key, value: value ?? '' }),
  }).start()
  const isAtEnd = () => {
    const { committed } = reader.report()
    return OUTPUTS.every(
      (place) => committed[`${place.topic}/${place.partition}`] === ends.get(partitionKey(place)),
    )
  }
  await waitFor(isAtEnd, { what: 'the reader is at the end of the outputs', limitMs: 120_000 })
  return seen
}

function check(outputs: readonly Seen[]): void {
  const values = outputs.map(({ value }) => value)
  assert.equal(values.length - new Set(values).size, 0, 'outputs that are there twice')
  assert.equal(values.length, PARTITIONS * EACH)
  const last = new Map<string, number>()
  for (const { key, value } of outputs) {
    const [place = ''] = value.split(' ')
    const [partition, offset] = place.split('/')
    const lane = `${partition} ${key}`
    assert.ok((last.get(lane) ?? -1) < Number(offset), `${lane}: ${offset} after ${last.get(lane)}`)
    last.set(lane, Number(offset))
  }
}

function startWorker(brokers: string, instance: string): Program {
  return new Program(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--conditions=@shoal/source',
    join(import.meta.dirname, 'exactly-once-worker.ts'),
    brokers,
    GROUP,
    instance,
  ])
}
