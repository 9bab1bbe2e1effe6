/**
 * `shoal kafka-consumer-groups` beside Kafka's own tool: the same command lines on the same broker, the same bytes and exit codes.
 *
 * Some 15 s: each of Kafka's runs starts a Java machine, two at a time. Tables in every odd case: the unit tests of `src/cli/text`,
 * against what Kafka 4.3.1 printed.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import kafkajs from 'kafkajs'
import { Broker } from '../../src/broker/index.ts'
import { runHere } from '../../src/cli/run-fixture.test.ts'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'

const TOOL = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'

/** None of them changes what another one prints. */
const lines = [
  '--list',
  '--list --state --type',
  '--list --state Empty',
  '--describe --group rests',
  '--describe --group rests --verbose',
  '--describe --group rests --members',
  '--describe --group rests --state --verbose',
  '--describe --group nosuch',
  '--reset-offsets --group rests --topic orders --to-earliest',
  '--reset-offsets --group rests --topic orders:1 --shift-by -2 --dry-run',
  '--reset-offsets --group rests --all-topics --to-current --export --dry-run',
  '--reset-offsets --group fresh --topic orders --to-latest --dry-run',
  '--reset-offsets --group rests --topic nosuch --to-earliest --dry-run',
  '--delete --group nosuch',
  '--list --describe --group rests',
]

/** These change something, each time the same. */
const changes = [
  '--reset-offsets --group rests --topic orders --to-offset 3 --execute',
  '--delete-offsets --group rests --topic orders:0',
]

describe('the command line of kafka-consumer-groups.sh', needs(apacheKafkaMissing()), () => {
  test('is answered with the same output and exit code', async () => {
    await using broker = await filled()
    const { host, port } = broker.kafkaAddress
    const differing: string[] = []
    const compare = async (line: string) => {
      const args = ['--bootstrap-server', `${host}:${port}`, ...line.split(' ')]
      const theirs = await kafkaTool(TOOL, args)
      const ours = await runHere(['kafka-consumer-groups', ...args])
      if (ours.out !== theirs.stdout || ours.exitCode !== theirs.exitCode)
        differing.push(
          `${line}\nKafka ${theirs.exitCode}\n${theirs.stdout}\nours ${ours.exitCode}\n${ours.out}${ours.err}`,
        )
      // Their usage and stack traces are not ours to print.
      const [words = ''] = theirs.stderr.split('\n')
      if (theirs.exitCode === 0 && !/Exception/.test(theirs.stderr))
        assert.equal(ours.err, theirs.stderr, line)
      else assert.ok(words !== '', line)
    }
    const queue = [...lines]
    const worker = async () => {
      for (let line = queue.shift(); line !== undefined; line = queue.shift()) await compare(line)
    }
    await Promise.all([worker(), worker()])
    for (const line of changes) await compare(line)
    assert.deepEqual(differing, [])
  })
})

/** Topic orders with ten records in each of two partitions, and an empty group `rests` in the middle of them. */
async function filled(): Promise<Broker> {
  const broker = await Broker.open({
    data: null,
    kafka: { port: 0 },
    settings: { 'num.partitions': 2 },
  })
  const { host, port } = broker.kafkaAddress
  const kafka = new kafkajs.Kafka({
    clientId: 'filler',
    brokers: [`${host}:${port}`],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'orders' }] })
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: 20 }, (_, index) => ({ value: 'x', partition: index % 2 }))
  await producer.send({ topic: 'orders', messages })
  const offsets = [0, 1].map((partition) => ({ partition, offset: '6' }))
  await admin.setOffsets({ groupId: 'rests', topic: 'orders', partitions: offsets })
  await Promise.all([producer.disconnect(), admin.disconnect()])
  return broker
}
