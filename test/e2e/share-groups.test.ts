/**
 * Kafka share groups with foreign clients: librdkafka 2.16 (confluent-kafka's ShareConsumer), and the Java client in Apache
 * Kafka 4.3.1's console share consumer and kafka-share-groups tool.
 *
 * The clients take turns on one topic; the tools start a Java machine each, so their story is told once.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import type { Program } from '../real/program.ts'
import { pythonMissing, startPython } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess, shoal } from '../real/shoal.ts'
import { incrementalAlterConfigs } from '../../src/protocol/index.ts'
import { RawClient } from './raw-client.ts'

const SHARE_GROUPS = 'org.apache.kafka.tools.consumer.group.ShareGroupCommand'
/** As long as a member may hold a record: longer than anything here is waited for. */
const LOCK_MS = 600_000
const MEMBER = join(import.meta.dirname, 'share-member.py')

describe('share groups', () => {
  let broker: ShoalProcess

  before(async () => {
    broker = await ShoalProcess.start({
      settings: {
        'group.share.record.lock.duration.ms': String(LOCK_MS),
        'group.share.max.record.lock.duration.ms': String(LOCK_MS),
      },
    })
    const created = await shoal(['topics', 'create', 'orders', '-b', broker.bootstrap])
    assert.equal(created.exitCode, 0, created.stderr)
    using client = await RawClient.connect(broker.port)
    for (const group of ['pickers', 'billing']) await beginsAtStart(client, group)
  })
  after(async () => broker[Symbol.asyncDispose]())

  test(
    'a librdkafka member accepts, releases and rejects; what it held goes on when it dies',
    needs(pythonMissing('2.16.1')),
    async () => {
      await produce(5)
      await using first = member('pickers', 6, 'release=v1', 'reject=v2')
      await first.until(({ stdout }) => stdout.includes('closed'))
      assert.deepEqual(records(first), [
        '0 v0 accept',
        '1 v1 accept',
        '1 v1 release',
        '2 v2 reject',
        '3 v3 accept',
        '4 v4 accept',
      ])

      await using holder = member('pickers', 2, 'hold=v0')
      await produce(2)
      await holder.until(({ stdout }) => stdout.includes('holding 5'))
      const diedMs = performance.now()
      holder.kill('SIGKILL')
      await using next = member('pickers', 2)
      await next.until(({ stdout }) => stdout.includes('closed'))
      assert.deepEqual(records(next), ['5 v0 accept', '6 v1 accept'])
      assert.ok(performance.now() - diedMs < LOCK_MS, 'not by the end of its lock')
    },
  )

  test(
    "Kafka's console share consumer and kafka-share-groups do all that they can",
    needs(apacheKafkaMissing()),
    async () => {
      await produce(20)
      const consumed = await tool('org.apache.kafka.tools.consumer.ConsoleShareConsumer', [
        '--topic',
        'orders',
        '--group',
        'billing',
        '--max-messages',
        '15',
        '--timeout-ms',
        '60000',
      ])
      assert.equal(consumed.trim().split('\n').length, 15)

      assert.match(await groups(['--list', '--state']), /^billing +Empty/m)
      const standing = async () => {
        const described = await groups(['--describe', '--group', 'billing'])
        const [row] = /^billing.*$/m.exec(described) ?? ['']
        return row.split(/ +/).slice(1)
      }
      const [topic, partition, start, lag] = await standing()
      assert.deepEqual([topic, partition, start], ['orders', '0', '15'])
      assert.ok(Number(lag) > 0, lag)
      assert.match(
        await groups(['--describe', '--group', 'billing', '--state']),
        /^billing .* Empty /m,
      )
      await groups([
        '--reset-offsets',
        '--group',
        'billing',
        '--topic',
        'orders',
        '--to-earliest',
        '--execute',
      ])
      assert.deepEqual((await standing())[2], '0')
      assert.match(
        await groups(['--delete-offsets', '--group', 'billing', '--topic', 'orders']),
        /^orders +Successful$/m,
      )
      assert.match(
        await groups(['--delete', '--group', 'billing']),
        /Deletion of requested share groups \('billing'\) was successful/,
      )
    },
  )

  function member(group: string, count: number, ...words: readonly string[]): Program {
    const args = [MEMBER, broker.bootstrap, group, 'orders', String(count), ...words]
    return startPython('2.16.1', args, { keepInputOpen: true })
  }

  async function produce(count: number): Promise<void> {
    const input = Array.from({ length: count }, (_, index) => `v${index}\n`).join('')
    const done = await shoal(['produce', 'orders', '-b', broker.bootstrap], { input })
    assert.equal(done.exitCode, 0, done.stderr)
  }

  function groups(args: readonly string[]): Promise<string> {
    return tool(SHARE_GROUPS, args)
  }

  async function tool(name: string, args: readonly string[]): Promise<string> {
    const done = await kafkaTool(name, ['--bootstrap-server', broker.bootstrap, ...args])
    assert.equal(done.exitCode, 0, `${name} ${args.join(' ')}\n${done.stdout}\n${done.stderr}`)
    return done.stdout
  }
})

/** What a member said of records: offset, value, what it did; sorted. */
function records({ stdout }: Program): readonly string[] {
  return Array.from(stdout.matchAll(/^record (.*)$/gm), ([, text = '']) => text).sort()
}

async function beginsAtStart(client: RawClient, group: string): Promise<void> {
  const { responses } = await client.request(incrementalAlterConfigs, {
    resources: [
      {
        resourceType: 32,
        resourceName: group,
        configs: [{ name: 'share.auto.offset.reset', configOperation: 0, value: 'earliest' }],
      },
    ],
    validateOnly: false,
  })
  assert.equal(responses[0]?.errorCode, 'NONE')
}
