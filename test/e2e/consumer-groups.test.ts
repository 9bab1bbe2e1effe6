/**
 * KIP-848 groups with the clients that speak them: Apache Kafka's Java consumer, librdkafka and @platformatic/kafka, in one
 * group; and a classic group that becomes a KIP-848 one, and a classic one again, while records flow, with a member over HTTP
 * among them.
 *
 * Records are produced until everybody has got some: that is how a test knows that a member is in, without a clock.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Consumer, MessagesStreamModes, Producer, stringDeserializers } from '@platformatic/kafka'
import { stringSerializers } from '@platformatic/kafka'
import { newConsumer, type PollingConsumer } from 'shoal/client'
import { apacheKafkaMissing, kafkaTool, startKafkaTool } from '../real/apache-kafka.ts'
import type { Program } from '../real/program.ts'
import { pythonMissing, startPython } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { shoal, ShoalProcess } from '../real/shoal.ts'

const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const PARTITIONS = 6
const LIMIT_MS = 120_000
const MISSING = apacheKafkaMissing() ?? pythonMissing('2.16.1')

describe('members of a KIP-848 group', needs(MISSING), () => {
  let broker: ShoalProcess
  let producer: Producer<string, string, string, string>

  before(async () => {
    broker = await ShoalProcess.start({
      settings: { 'group.consumer.heartbeat.interval.ms': '200' },
    })
    producer = new Producer({
      clientId: 'source',
      bootstrapBrokers: [broker.bootstrap],
      serializers: stringSerializers,
    })
  })
  after(async () => {
    await producer.close()
    await broker[Symbol.asyncDispose]()
  })

  test('share it whatever their client, lose nothing when one leaves, and are described as on Kafka', async () => {
    await words(['topics', 'create', 'orders', '--partitions', String(PARTITIONS)])
    const source = new Source(producer, 'orders')
    await using java = startKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      `--bootstrap-server=${broker.bootstrap}`,
      '--topic=orders',
      '--group=shared',
      '--command-property=group.protocol=consumer',
      '--command-property=auto.offset.reset=earliest',
    ])
    await using python = startPython(
      '2.16.1',
      member('shared', 'orders', 'group.protocol=consumer'),
    )
    const javascript = await startJavaScript(broker.bootstrap, 'shared', 'orders')
    try {
      const all = () => [valuesOf(java), valuesOf(python), javascript.values]
      await source.sendUntil(() => all().every((values) => values.length > 0))
      assert.equal(await state('shared'), 'Stable')
      for (const option of ['--members', '--state'])
        assert.equal(
          await words(['groups', 'describe', 'shared', option, '--verbose']),
          await kafka(['--describe', '--group', 'shared', option, '--verbose']),
        )
      assert.match(await kafka(['--list', '--type', 'consumer']), /shared/)

      await java.stop()
      const rest = () => [valuesOf(python), javascript.values]
      const seen = rest().map((values) => values.length)
      await source.sendUntil(() => rest().every((values, index) => values.length > seen[index]!))
      await source.sendUntil(() => source.isComplete(all().flat()))
    } finally {
      await javascript.close()
    }
  })

  test('may subscribe by expression, and are there again after the broker was killed, at the epochs they had', async () => {
    await words(['topics', 'create', 'kept', '--partitions', String(PARTITIONS)])
    const source = new Source(producer, 'kept')
    await using python = startPython('2.16.1', member('kept', '^k.pt$', 'group.protocol=consumer'))
    await source.sendUntil(() => valuesOf(python).length > 0)
    const before = await words(['groups', 'describe', 'kept', '--members', '--verbose'])
    await broker.kill()
    await broker.start()
    assert.equal(await words(['groups', 'describe', 'kept', '--members', '--verbose']), before)
    const seen = valuesOf(python).length
    await source.sendUntil(() => valuesOf(python).length > seen)
    assert.equal(python.stdout.match(/^assigned/gm)?.length, 1, 'nobody had to give anything up')
  })

  test('may be classic and KIP-848 at once: a rolling upgrade and back loses nothing', async () => {
    await words(['topics', 'create', 'rolling', '--partitions', String(PARTITIONS)])
    const source = new Source(producer, 'rolling')
    const classic = member('rolling', 'rolling', 'partition.assignment.strategy=cooperative-sticky')
    const modern = member('rolling', 'rolling', 'group.protocol=consumer')
    await using old = startPython('2.16.1', classic)
    await source.sendUntil(() => valuesOf(old).length > 0)
    assert.match(await words(['groups', 'list', '--type']), /rolling\s+Classic/)

    await using upgraded = startPython('2.16.1', modern)
    await source.sendUntil(() => valuesOf(upgraded).length > 0)
    assert.match(await words(['groups', 'list', '--type']), /rolling\s+Consumer/)
    const seen = valuesOf(old).length
    await source.sendUntil(() => valuesOf(old).length > seen)

    await upgraded.stop()
    await source.sendUntil(() => source.isComplete([...valuesOf(old), ...valuesOf(upgraded)]))
    assert.match(await words(['groups', 'list', '--type']), /rolling\s+Classic/)
  })

  test('a Java, a librdkafka and an HTTP member are in one group that goes from classic to KIP-848 by rolling restarts, and lose nothing', async () => {
    await words(['topics', 'create', 'mixed', '--partitions', String(PARTITIONS)])
    const source = new Source(producer, 'mixed')
    const kind = async () =>
      /mixed\s+(\w+)/.exec(await words(['groups', 'list', '--type']))?.[1] ?? 'none'
    await using oldJava = startJava('mixed', 'mixed', 'classic')
    await using oldPython = startPython(
      '2.16.1',
      member('mixed', 'mixed', 'partition.assignment.strategy=cooperative-sticky'),
    )
    await source.sendUntil(() =>
      [oldJava, oldPython].every((program) => valuesOf(program).length > 0),
    )
    assert.equal(await kind(), 'Classic')

    await oldJava.stop()
    await using java = startJava('mixed', 'mixed', 'consumer')
    await using http = await HttpReader.start(broker.url, 'mixed', 'mixed')
    await source.sendUntil(() => valuesOf(java).length > 0 && http.values.length > 0)
    const seen = valuesOf(oldPython).length
    await source.sendUntil(() => valuesOf(oldPython).length > seen)
    assert.equal(await kind(), 'Consumer')

    await oldPython.stop()
    await using python = startPython('2.16.1', member('mixed', 'mixed', 'group.protocol=consumer'))
    const before = [valuesOf(java).length, http.values.length]
    await source.sendUntil(
      () =>
        valuesOf(python).length > 0 &&
        valuesOf(java).length > before[0]! &&
        http.values.length > before[1]!,
    )
    await source.sendUntil(() =>
      source.isComplete([...[oldJava, oldPython, java, python].flatMap(valuesOf), ...http.values]),
    )
    assert.equal(await state('mixed'), 'Stable')
    const described = await words(['groups', 'describe', 'mixed', '--members'])
    assert.equal(described.match(/^mixed /gm)?.length, 3, described)
  })

  function startJava(group: string, topic: string, protocol: 'classic' | 'consumer'): Program {
    const settings = [`group.protocol=${protocol}`, 'auto.offset.reset=earliest']
    if (protocol === 'classic')
      settings.push(
        'partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor',
        'heartbeat.interval.ms=200',
      )
    return startKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      `--bootstrap-server=${broker.bootstrap}`,
      `--topic=${topic}`,
      `--group=${group}`,
      ...settings.map((setting) => `--command-property=${setting}`),
    ])
  }

  function member(group: string, topic: string, ...settings: readonly string[]): string[] {
    const program = join(import.meta.dirname, 'consumer-member.py')
    return [program, broker.bootstrap, group, topic, ...settings]
  }

  async function words(args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await shoal([...args, '-b', broker.bootstrap])
    assert.equal(exitCode, 0, stderr)
    return stdout
  }

  async function kafka(args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await kafkaTool(GROUPS, [
      `--bootstrap-server=${broker.bootstrap}`,
      ...args,
    ])
    assert.equal(exitCode, 0, stdout + stderr)
    return stdout
  }

  /** The state of a group, once it is not on its way to another. */
  async function state(group: string): Promise<string> {
    const deadline = performance.now() + LIMIT_MS
    for (;;) {
      const text = await words(['groups', 'describe', group, '--state'])
      if (!/Assigning|Reconciling/.test(text) || performance.now() > deadline)
        return /Stable|Empty|Dead/.exec(text)?.[0] ?? text
    }
  }
})

/** Sends numbered values, one to every partition at a time. */
class Source {
  readonly #producer: Producer<string, string, string, string>
  readonly #topic: string
  #sent = 0

  constructor(producer: Producer<string, string, string, string>, topic: string) {
    this.#producer = producer
    this.#topic = topic
  }

  async sendUntil(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + LIMIT_MS
    while (!holds()) {
      assert.ok(performance.now() < deadline, 'the members did not get what they should')
      await this.#producer.send({
        messages: Array.from({ length: PARTITIONS }, (_, partition) => ({
          topic: this.#topic,
          partition,
          key: 'key',
          value: `v${this.#sent++}`,
        })),
        acks: -1,
      })
    }
  }

  /** Everything but what was sent a moment ago: that may be on its way. */
  isComplete(seen: readonly string[]): boolean {
    const values = new Set(seen)
    const sure = this.#sent - 50 * PARTITIONS
    for (let index = 0; index < sure; index++) if (!values.has(`v${index}`)) return false
    return sure > 0
  }
}

/** Polls over HTTP and acknowledges, until it is closed. */
class HttpReader implements AsyncDisposable {
  readonly values: string[] = []
  readonly #consumer: PollingConsumer
  readonly #reading: Promise<void>
  #isOver = false

  private constructor(consumer: PollingConsumer) {
    this.#consumer = consumer
    this.#reading = this.#read()
  }

  static async start(url: string, groupId: string, topic: string): Promise<HttpReader> {
    const settings = { autoCommit: false, heartbeatInterval: 200 }
    return new HttpReader(
      await newConsumer({ brokers: url, groupId, topics: [topic], memberId: 'http', ...settings }),
    )
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      const messages = await this.#consumer.poll()
      for (const message of messages) this.values.push(message.text())
      await this.#consumer.ack(messages)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#reading
    await this.#consumer.close()
  }
}

async function startJavaScript(bootstrap: string, groupId: string, topic: string) {
  const consumer = new Consumer({
    clientId: 'javascript',
    groupId,
    groupProtocol: 'consumer',
    bootstrapBrokers: [bootstrap],
    deserializers: stringDeserializers,
    maxWaitTime: 200,
  })
  const values: string[] = []
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: 'earliest',
    autocommit: 200,
  })
  stream.on('data', ({ value }) => void values.push(value))
  return { values, close: () => consumer.close(true) }
}

/** Java's console prints values, the Python program `partition value`; other lines are about assignments. */
function valuesOf(program: Program): readonly string[] {
  return [...program.stdout.matchAll(/^(?:\d+ )?(v\d+)$/gm)].map(([, value]) => value!)
}
