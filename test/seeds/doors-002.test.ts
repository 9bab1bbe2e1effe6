/**
 * Seed 002 over its three brokers and Shoal: the page's programs as they stand in `examples/seed-002/`, three members each.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect } from 'amqplib'
import { Redis } from 'ioredis'
import { open } from 'shoal/open'
import { TestBroker } from 'shoal/testing'
import type { AdminPort } from '../../src/admin/index.ts'
import { openKafkaAdmin } from '../../src/sources/kafka/admin/index.ts'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import { Program } from '../real/program.ts'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { ROOT, needs } from '../real/services.ts'

const MESSAGES = 12
const VALUES = Array.from({ length: MESSAGES }, (_, index) => `message ${index}`)
const NODE = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']

function example(name: string, args: readonly string[], env: Record<string, string>): Program {
  const path = `examples/seed-002/${name}.ts`
  return new Program(process.execPath, [...NODE, path, ...args], { cwd: ROOT, env })
}

/** Lines such as `Consumer 2 received: message 7`, as who received what. */
function received(stdout: string): readonly (readonly [who: string, value: string])[] {
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, who = '', value = ''] = /^(\w+ \d) \w+: (.*)$/.exec(line) ?? []
      return [who, value]
    })
}

/** Waits until every message was printed; stops the program; who got how many. */
async function sharesOf(program: Program): Promise<ReadonlyMap<string, number>> {
  await program.until(({ stdout }) => received(stdout).length >= MESSAGES)
  program.kill('SIGINT')
  const { exitCode, stdout, stderr } = await program.finished()
  assert.equal(exitCode, 0, stderr)
  const lines = received(stdout)
  assert.deepEqual(lines.map(([, value]) => value).sort(), [...VALUES].sort())
  return new Map([...Map.groupBy(lines, ([who]) => who)].map(([who, list]) => [who, list.length]))
}

describe('seed 002: RabbitMQ', needs(rabbitmqMissing()), () => {
  let server: RabbitMqServer
  before(async () => {
    server = await RabbitMqServer.start()
  })
  after(() => server[Symbol.asyncDispose]())

  test('S002-03 S002-08 S002-12: three workers compete for one queue, each message to one, each its fair share', async () => {
    await using workers = example('rabbitmq-competing', [], { RABBITMQ_URL: server.url })
    await using sender = await open(server.url, { topic: 'shared-queue' })
    const connection = await connect(server.url)
    const channel = await connection.createChannel()
    channel.on('error', () => {})
    await until(async () => (await consumersOf(server, 'shared-queue')) === 3)
    for (const value of VALUES) await sender.send({ value })
    const shares = await sharesOf(workers)
    assert.deepEqual([...shares.values()], [4, 4, 4])
    assert.equal((await channel.checkQueue('shared-queue')).messageCount, 0)
    await connection.close()
  })

  test('S002-23: two queues are independent', async () => {
    await using first = await open(server.url, { topic: 'first', group: 'g' })
    await using second = await open(server.url, { topic: 'second', group: 'g' })
    await first.send({ value: 'to the first' })
    await second.send({ value: 'to the second' })
    for (const [door, value] of [
      [second, 'to the second'],
      [first, 'to the first'],
    ] as const)
      for await (const message of door.receive()) {
        assert.equal(message.value, value)
        await door.ack(message)
        break
      }
  })

  test('S002-11: the same program, with only the URL changed', () => anyBroker(server.url))
})

describe('seed 002: Redis', needs(redisMissing()), () => {
  let server: RedisServer
  let redis: Redis
  before(async () => {
    server = await RedisServer.start()
    redis = new Redis(server.url)
  })
  after(async () => {
    redis.disconnect()
    await server[Symbol.asyncDispose]()
  })

  test('S002-04 S002-09 S002-10: a real group of three consumers; each entry to one, acknowledged, nothing pending', async () => {
    await using consumers = example('redis-group', [], { REDIS_URL: server.url })
    await until(async () => (await membersOf(redis, 'my-stream')) === 3)
    // Redis gives what comes to who has waited longest: once all three wait, none goes without.
    await until(async () => (await waitingOn(redis)) === 3)
    for (const value of VALUES) await redis.xadd('my-stream', '*', 'value', value)
    const shares = await sharesOf(consumers)
    assert.deepEqual([...shares.keys()].sort(), ['Consumer 0', 'Consumer 1', 'Consumer 2'])
    assert.equal((await redis.xpending('my-stream', 'my-group'))[0], 0)
  })

  test('S002-11: the same program, with only the URL changed', () => anyBroker(server.url))
})

describe('seed 002: Kafka', needs(apacheKafkaMissing()), () => {
  test('S002-11: the same program, with only the URL changed', async () => {
    await using kafka = await ApacheKafka.start({ properties: { 'num.partitions': '3' } })
    await anyBroker(`kafka://127.0.0.1:${kafka.port}`)
  })
})

describe('seed 002: Shoal', () => {
  test('S002-06: three members of a Kafka group, a partition each', async () => {
    await using broker = await TestBroker.start({ topics: { 'my-topic': 3 } })
    await using consumers = example('kafka-group', [], {
      KAFKA_BOOTSTRAP_SERVERS: broker.bootstrap,
    })
    const admin = await openKafkaAdmin({ brokers: broker.bootstrap })
    await until(async () => (await partitionsOfEach(admin, 'my-group')).join() === '1,1,1')
    await admin.close()
    await broker.produce(
      'my-topic',
      VALUES.map((value, index) => ({ value, partition: index % 3 })),
    )
    const shares = await sharesOf(consumers)
    assert.deepEqual([...shares.values()], [4, 4, 4])
  })

  test('S002-11: the same program, with only the URL changed', async () => {
    await using broker = await TestBroker.start({ topics: { greetings: 3 } })
    await anyBroker(`shoal://${broker.bootstrap}`)
  })
})

async function anyBroker(url: string): Promise<void> {
  await using program = example('any-broker', [url], {})
  const { exitCode, stdout, stderr } = await program.finished()
  assert.equal(exitCode, 0, stderr)
  assert.equal(stdout, '30 messages, each received\n')
}

/** How many partitions each member has; nothing while there is no group. */
async function partitionsOfEach(admin: AdminPort, group: string): Promise<readonly number[]> {
  const groups = await admin.listGroups()
  if (!groups.some(({ groupId }) => groupId === group)) return []
  const { members } = await admin.describeGroup(group)
  return members.map(({ assignment }) => assignment.flatMap(({ partitions }) => partitions).length)
}

/** Asks again and again, with a limit that only a hang reaches. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 60_000
  while (!(await holds())) assert.ok(performance.now() < limit, 'not within 60 s')
}

async function consumersOf(server: RabbitMqServer, queue: string): Promise<number> {
  const listed = await server.control('list_queues', '--quiet', 'name', 'consumers')
  return Number(new RegExp(`^${queue}\\s+(\\d+)`, 'm').exec(listed)?.[1] ?? 0)
}

async function membersOf(redis: Redis, stream: string): Promise<number> {
  if ((await redis.exists(stream)) === 0) return 0
  const groups = (await redis.xinfo('GROUPS', stream)) as unknown[][]
  const [group = []] = groups
  return Number(group[group.indexOf('consumers') + 1] ?? 0)
}

/** Clients that wait in a blocking read. */
async function waitingOn(redis: Redis): Promise<number> {
  return Number(/^blocked_clients:(\d+)/m.exec(await redis.info('clients'))?.[1])
}
