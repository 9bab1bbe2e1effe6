/**
 * Apache Kafka 4.3.1's own command-line tools (the Java clients) against Shoal.
 *
 * One broker, one story: make a topic, produce, consume in a group, describe, reset, delete; each tool's words and exit
 * code are asserted. The tools start a Java machine each, so the story is told once.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess, shoal } from '../real/shoal.ts'

const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const TOPICS = 'org.apache.kafka.tools.TopicCommand'

describe("Apache Kafka's command-line tools", needs(apacheKafkaMissing()), () => {
  let broker: ShoalProcess

  before(async () => {
    broker = await ShoalProcess.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  test('kafka-topics makes, describes, lists, grows and deletes a topic', async () => {
    assert.match(
      await tool(TOPICS, [
        '--create',
        '--topic',
        'orders',
        '--partitions',
        '3',
        '--config',
        'retention.ms=600000',
      ]),
      /Created topic orders\./,
    )
    const described = await tool(TOPICS, ['--describe', '--topic', 'orders'])
    assert.match(
      described,
      /^Topic: orders\tTopicId: [\w-]{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*retention\.ms=600000/,
    )
    assert.match(described, /\tTopic: orders\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1/)
    assert.equal(withoutElr(await words(['topics', 'describe', 'orders'])), withoutElr(described))
    await tool(TOPICS, ['--create', '--topic', 'passing'])
    await tool(TOPICS, ['--alter', '--topic', 'passing', '--partitions', '4'])
    assert.match(await tool(TOPICS, ['--describe', '--topic', 'passing']), /PartitionCount: 4/)
    assert.deepEqual((await tool(TOPICS, ['--list'])).trim().split('\n'), ['orders', 'passing'])
    await tool(TOPICS, ['--delete', '--topic', 'passing'])
    assert.deepEqual((await tool(TOPICS, ['--list'])).trim().split('\n'), ['orders'])
  })

  test('kafka-console-producer (idempotent) and -consumer pass records through, keys and compression included', async () => {
    const input = Array.from({ length: 30 }, (_, index) => `k${index}:v${index}\n`).join('')
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
      await tool(
        'org.apache.kafka.tools.ConsoleProducer',
        [
          '--topic',
          'orders',
          '--compression-codec',
          codec,
          '--reader-property',
          'parse.key=true',
          '--reader-property',
          'key.separator=:',
        ],
        input,
      )
    const read = await tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      '--topic',
      'orders',
      '--from-beginning',
      '--group',
      'billing',
      '--max-messages',
      '150',
      '--timeout-ms',
      '60000',
    ])
    const counts = new Map<string, number>()
    for (const value of read.trim().split('\n')) counts.set(value, (counts.get(value) ?? 0) + 1)
    assert.deepEqual(
      Object.fromEntries(counts),
      Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`v${index}`, 5])),
    )
  })

  test('kafka-consumer-groups lists, describes and resets the group, and shoal prints the same', async () => {
    assert.equal((await tool(GROUPS, ['--list'])).trim(), 'billing')
    const described = await tool(GROUPS, ['--describe', '--group', 'billing'])
    assert.equal(rows(described).length, 3)
    assert.equal(
      rows(described).reduce((sum, row) => sum + Number(row[3]), 0),
      150,
    )
    assert.ok(
      rows(described).every((row) => row[5] === '0'),
      described,
    )
    assert.equal(await words(['groups', 'describe', 'billing']), described)
    assert.equal(
      await words(['groups', 'describe', 'billing', '--state']),
      await tool(GROUPS, ['--describe', '--group', 'billing', '--state']),
    )
    assert.equal(
      await words(['groups', 'describe', 'billing', '--members']),
      await tool(GROUPS, ['--describe', '--group', 'billing', '--members']),
    )
    assert.equal(
      await words(['groups', 'list', '--state', '--type']),
      await tool(GROUPS, ['--list', '--state', '--type']),
    )

    const reset = await tool(GROUPS, [
      '--reset-offsets',
      '--group',
      'billing',
      '--topic',
      'orders',
      '--to-earliest',
      '--execute',
    ])
    assert.ok(
      rows(reset).every((row) => row[3] === '0'),
      reset,
    )
    const behind = await tool(GROUPS, ['--describe', '--group', 'billing'])
    assert.equal(
      rows(behind).reduce((sum, row) => sum + Number(row[5]), 0),
      150,
    )
    assert.match(
      await tool(GROUPS, ['--delete-offsets', '--group', 'billing', '--topic', 'orders']),
      /Request succeeded for deleting offsets from group billing\./,
    )
    assert.match(
      await tool(GROUPS, ['--delete', '--group', 'billing']),
      /Deletion of requested consumer groups \('billing'\) was successful\./,
    )
    assert.equal((await tool(GROUPS, ['--list'])).trim(), '')
  })

  test('kafka-get-offsets, -delete-records, -configs, -log-dirs, -cluster and -broker-api-versions answer', async () => {
    const offsets = await tool('org.apache.kafka.tools.GetOffsetShell', ['--topic', 'orders'])
    assert.equal(
      offsets
        .trim()
        .split('\n')
        .reduce((sum, line) => sum + Number(line.split(':')[2]), 0),
      150,
    )
    const CONFIG = 'kafka.admin.ConfigCommand'
    assert.match(
      await tool(CONFIG, ['--entity-type', 'topics', '--entity-name', 'orders', '--describe']),
      /retention\.ms=600000/,
    )
    await tool(CONFIG, [
      '--entity-type',
      'topics',
      '--entity-name',
      'orders',
      '--alter',
      '--add-config',
      'segment.bytes=2097152',
    ])
    assert.match(
      await tool(CONFIG, ['--entity-type', 'topics', '--entity-name', 'orders', '--describe']),
      /segment\.bytes=2097152/,
    )
    assert.match(
      await tool('org.apache.kafka.tools.LogDirsCommand', ['--describe']),
      /"partition":"orders-0"/,
    )
    const cluster = await kafkaTool('org.apache.kafka.tools.ClusterTool', [
      'cluster-id',
      '--bootstrap-server',
      broker.bootstrap,
    ])
    assert.match(cluster.stdout, /Cluster ID: [\w-]{22}/)
    assert.match(
      await tool('org.apache.kafka.tools.BrokerApiVersionsCommand', []),
      /Produce\(0\): 0 to 12/,
    )
  })

  test('kafka-delete-records moves the log start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-tools-'))
    const file = join(folder, 'delete.json')
    const partitions = [{ topic: 'orders', partition: 0, offset: 5 }]
    await writeFile(file, JSON.stringify({ partitions, version: 1 }))
    const deleted = await tool('org.apache.kafka.tools.DeleteRecordsCommand', [
      '--offset-json-file',
      file,
    ])
    await rm(folder, { recursive: true })
    assert.match(deleted, /orders-0\s+low_watermark: 5/)
    const earliest = await tool('org.apache.kafka.tools.GetOffsetShell', [
      '--topic',
      'orders',
      '--time',
      'earliest',
    ])
    assert.match(earliest, /^orders:0:5$/m)
  })

  async function tool(name: string, args: readonly string[], input?: string): Promise<string> {
    const done = await kafkaTool(
      name,
      ['--bootstrap-server', broker.bootstrap, ...args],
      input === undefined ? {} : { input },
    )
    assert.equal(done.exitCode, 0, `${name} ${args.join(' ')}\n${done.stdout}\n${done.stderr}`)
    return done.stdout
  }

  async function words(args: readonly string[]): Promise<string> {
    const done = await shoal([...args, '-b', broker.bootstrap])
    assert.equal(done.exitCode, 0, done.stderr)
    return done.stdout
  }
})

/** The cells of a describe table. */
function rows(table: string): readonly (readonly string[])[] {
  return table
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
}

/** Where DescribeTopicPartitions is not served, Kafka's tool asks Metadata and does not know the eligible leader replicas. */
function withoutElr(text: string): string {
  return text.replace(/\tElr:.*$/gm, '').trim()
}
