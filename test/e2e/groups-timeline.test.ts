/**
 * The timeline of groups of foreign clients, by the command line, over a restart of the broker; and what the command says
 * where there is no timeline. What each cause means: src/group/timeline/timeline.test.ts.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import kafkajs from 'kafkajs'
import { Broker } from '../../src/broker/index.ts'
import { runHere } from '../../src/cli/run-fixture.test.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'

const TIMEOUT_MS = 120_000

describe('groups timeline', () => {
  test(
    'tells why and what moved, in text and JSON, and still after a restart',
    { timeout: TIMEOUT_MS },
    async (t) => {
      const data = await folderOf(t)
      let broker = await open(data)
      const made = await runHere(['topics', 'create', 'orders', '-b', kafkaOf(broker)])
      assert.equal(made.exitCode, 0, made.err)
      const first = await member(broker, 'worker-1')
      const second = await member(broker, 'worker-2')
      await second.disconnect()
      await first.rebalanced(3)
      const before = await timeline(broker, 'billing', '--json')
      const told = JSON.parse(before.out) as Told
      assert.deepEqual(
        told.rebalances.map(({ reason, client_id }) => [reason, client_id]),
        [
          ['member_left', 'worker-2'],
          ['member_joined', 'worker-2'],
          ['member_joined', 'worker-1'],
        ],
      )
      assert.deepEqual(
        told.rebalances.map(({ moved_count, members_after }) => [moved_count, members_after]),
        [
          [2, 1],
          [2, 2],
          [4, 1],
        ],
      )
      await first.disconnect()
      await broker.close()

      broker = await open(data)
      const after = await timeline(broker, 'billing')
      assert.equal(after.exitCode, 0, after.err)
      const [header, left, , joined] = after.out.split('\n')
      assert.match(header ?? '', /^TIME +GEN +DURATION +CAUSE +MEMBER +MOVED +DETAIL$/)
      assert.match(left ?? '', /member_left +worker-1 +4 .*orders\/0 worker-1→nobody/)
      assert.match(joined ?? '', /member_joined +worker-2 +2 +orders\/\d worker-1→worker-2/)
      assert.match(after.err, /^\nbilling: 4 rebalances since .* 4 in the last hour/)
      await broker.close()
    },
  )

  test(
    'ends with 3 for a group that is not there, 5 where nobody answers',
    { timeout: TIMEOUT_MS },
    async () => {
      await using broker = await open(null)
      const unknown = await timeline(broker, 'nobody')
      assert.deepEqual([unknown.exitCode, unknown.out], [3, ''])
      assert.match(unknown.err, /group nobody does not exist/)
      // Port 8080 beside the Kafka address has another owner, or none.
      const guessed = await runHere(
        `groups timeline nobody -b ${kafkaOf(broker)} --timeout 5s`.split(' '),
      )
      assert.equal(guessed.exitCode, 5)
      assert.match(guessed.err, /say where it is with --http or SHOAL_HTTP/)
    },
  )

  test('says that Kafka keeps none', needs(apacheKafkaMissing()), async () => {
    await using kafka = await ApacheKafka.start()
    const { exitCode, err } = await runHere(['groups', 'timeline', 'g', '-b', kafka.bootstrap])
    assert.equal(exitCode, 4)
    assert.match(err, /is Apache Kafka, which has no rebalance timeline/)
  })
})

interface Told {
  readonly rebalances: readonly {
    readonly reason: string
    readonly client_id: string
    readonly moved_count: number
    readonly members_after: number
  }[]
}

async function open(data: string | null): Promise<Broker> {
  const settings = { 'group.initial.rebalance.delay.ms': 0, 'num.partitions': 4 }
  return Broker.open({ data, kafka: { port: 0 }, http: { port: 0 }, settings })
}

function timeline(broker: Broker, groupId: string, ...flags: readonly string[]) {
  const { host, port } = broker.httpAddress ?? { host: '', port: 0 }
  return runHere(['groups', 'timeline', groupId, '--http', `${host}:${port}`, ...flags])
}

/** A member that is in the group and knows its assignment. */
async function member(broker: Broker, clientId: string) {
  const kafka = new kafkajs.Kafka({
    clientId,
    brokers: [kafkaOf(broker)],
    logLevel: kafkajs.logLevel.NOTHING,
  })
  const consumer = kafka.consumer({
    groupId: 'billing',
    heartbeatInterval: 100,
    maxWaitTimeInMs: 100,
  })
  let joins = 0
  let waiting: { count: number; resolve: () => void } | null = null
  consumer.on(consumer.events.GROUP_JOIN, () => {
    joins++
    if (waiting !== null && joins >= waiting.count) waiting.resolve()
  })
  const rebalanced = (count: number) =>
    joins >= count
      ? Promise.resolve()
      : new Promise<void>((resolve) => (waiting = { count, resolve }))
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders' })
  await consumer.run({ eachMessage: async () => {} })
  await rebalanced(1)
  return { rebalanced, disconnect: () => consumer.disconnect() }
}

function kafkaOf(broker: Broker): string {
  return `${broker.kafkaAddress.host}:${broker.kafkaAddress.port}`
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-timeline-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
