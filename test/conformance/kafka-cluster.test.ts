/**
 * What only a cluster shows of the Kafka source: leaders and coordinators that move, brokers that die and come back, a
 * nearer replica, a log that was cut back. Three real brokers on loopback.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ShoalError } from '../../src/core/index.ts'
import type { KafkaClient, KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { KafkaProducer, kafka } from '../../src/sources/kafka/index.ts'
import { openKafkaAdmin } from '../../src/sources/kafka/admin/index.ts'
import { ApacheKafkaCluster } from '../real/apache-kafka-cluster.ts'
import { apacheKafkaMissing, kafkaTool } from '../real/apache-kafka.ts'
import { needs } from '../real/services.ts'
import { CountingTransport } from './counting-transport.ts'
import { createTopic, kafkaFixture, promptly, protocols } from './kafka-fixture.ts'
import { RecordingMember } from './recording-member.ts'
import { sourceConformance } from './source-suite.ts'

/** The one that dies: not the controller. */
const VICTIM = 2

describe('over three brokers', needs(apacheKafkaMissing()), () => {
  let cluster: ApacheKafkaCluster
  let fixture: Awaited<ReturnType<typeof kafkaFixture>>
  let topicCount = 0

  before(async () => {
    cluster = await ApacheKafkaCluster.start({ ...promptly, 'offsets.topic.num.partitions': '6' })
    fixture = await kafkaFixture({ ...server(), stop: async () => {} })
  })
  after(async () => {
    await fixture.close()
    await cluster.stop()
  })

  const server = () => ({
    bootstrap: cluster.bootstrap,
    replicationFactor: 3,
    stop: async () => {},
  })

  for (const [protocol, options] of protocols)
    sourceConformance({
      name: `kafka, three brokers, ${protocol}`,
      backend: 'kafka',
      open: () => kafkaFixture(server(), options),
    })

  const topicOn = async (
    replicas: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>> = {},
  ) => {
    const name = `moved-${topicCount++}`
    const partitionCount = replicas.length
    await createTopic(fixture.client, {
      name,
      partitionCount,
      replicationFactor: 3,
      replicas,
      configs,
    })
    return name
  }
  const source = (topic: string, options: Partial<KafkaSourceOptions>) =>
    kafka({ brokers: cluster.bootstrap, topics: [topic], ...options })
  const send = (topic: string, count: number, from: number) =>
    fixture.produce(
      Array.from({ length: count }, (_, index) => ({
        topic,
        partition: index % 3,
        key: null,
        value: Buffer.from(String(from + index)),
        headers: [],
      })),
    )

  test('a broker that leads partitions and coordinates the group dies and comes back: in no protocol is a record lost, skipped or repeated', async (context) => {
    const topic = await topicOn([
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
    ])
    await using members = new AsyncDisposableStack()
    const all = await Promise.all(
      protocols.map(async ([name, options]) => {
        const group = await groupAt(fixture.client, VICTIM, name)
        const member = await RecordingMember.join(source(topic, options), group)
        return { name, group, member: members.use(member) }
      }),
    )
    const each = (what: string, holds: (member: RecordingMember) => boolean) =>
      Promise.all(
        all.map(({ name, member }) => member.until(`${what}: ${name}`, () => holds(member))),
      )
    await each('the assignment', ({ owned }) => owned.size === 3)
    await send(topic, 60, 0)
    await each('the first', ({ seen }) => seen.length >= 60)

    await cluster.node(VICTIM).kill()
    await send(topic, 60, 60)
    await each('while it is dead', ({ seen }) => seen.length >= 120)
    await Promise.all(all.map(({ member }) => commitAll(member)))
    await seenByAdmin(cluster, topic, new Set(all.map(({ group }) => group)))

    await cluster.node(VICTIM).restart()
    await cluster.untilComplete()
    await preferredLeaders(cluster)
    await send(topic, 60, 120)
    await each('when it is back', ({ seen }) => seen.length >= 180)
    for (const { name, group, member } of all) {
      assert.deepEqual(numbers(member), range(180), name)
      assert.deepEqual([member.losses, member.revocations, member.errors], [[], [], []], name)
      await commitAll(member)
      const stored = await fixture.committed(group, topic)
      assert.deepEqual(
        [...stored.values()].map(({ offset }) => offset),
        [60, 60, 60],
        name,
      )
      context.diagnostic(`${name}: 180 records, 0 lost, 0 repeated over two leader moves`)
    }
  })

  test('a consumer in a rack reads from the replica there, and from the leader while that is dead', async () => {
    const topic = await topicOn([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    const transport = new CountingTransport()
    const nearby = kafka(
      { brokers: cluster.bootstrap, topics: [topic], clientRack: `rack-${VICTIM}` },
      { transport },
    )
    const fetches = (nodeId: number) => transport.fetches(cluster.node(nodeId).bootstrap)
    await using member = await RecordingMember.join(nearby, 'nearby')
    await member.until('the assignment', () => member.owned.size === 3)
    await send(topic, 30, 0)
    await member.until('the records', () => member.seen.length >= 30)
    await transport.until(() => fetches(VICTIM) > 0)
    let sent = 30
    const sendMore = async (what: string) => {
      await send(topic, 30, sent)
      sent += 30
      await member.until(what, () => member.seen.length >= sent)
    }
    // The leader says of each partition who is nearer; after some rounds it is not asked any more.
    let before: number
    do {
      before = fetches(1)
      await sendMore('more records')
      assert.ok(sent < 600, 'the leader is asked although a replica is nearer')
    } while (fetches(1) > before)

    await cluster.node(VICTIM).kill()
    await sendMore('the records while the replica is dead')
    assert.ok(fetches(1) > before)
    assert.deepEqual(numbers(member), range(sent))
    assert.deepEqual(member.errors, [])
    await cluster.node(VICTIM).restart()
    await cluster.untilComplete()
  })

  test('a log that a lagging replica cut back stops the consumer with where it differs', async () => {
    const [lagging, leader] = [3, VICTIM]
    const topic = await topicOn([[leader, lagging]], { 'unclean.leader.election.enable': 'true' })
    // One that had written to the log before it was cut back would be refused.
    const put = async (from: number, count: number) => {
      await using producer = await KafkaProducer.open({ brokers: cluster.bootstrap })
      const record = { topic, partition: 0, key: null, headers: [] }
      await Promise.all(
        range(count).map((index) =>
          producer.send({ ...record, value: Buffer.from(String(from + index)) }),
        ),
      )
    }
    await using member = await RecordingMember.join(source(topic, {}), 'cut-back')
    await put(0, 5)
    await cluster.node(lagging).kill()
    await put(5, 5)
    await member.until('all records', () => member.seen.length === 10)
    await commitAll(member)
    await cluster.node(leader).kill()
    await cluster.node(lagging).restart()
    // It has the first five alone, and writes others after them.
    await put(100, 20)
    await member.until('the end', () => member.errors.length > 0)
    assert.deepEqual(
      member.errors.map((error) => error instanceof ShoalError && [error.code, error.details]),
      [['SHOAL_OFFSET_OUT_OF_RANGE', { topic, partition: 0, offset: 10, divergedAt: 5 }]],
    )
    assert.deepEqual(numbers(member), range(10))
    await cluster.node(leader).restart()
    await cluster.untilComplete()
  })
})

/** With a broker dead: every group is listed and described, and every partition's end is known. */
async function seenByAdmin(
  cluster: ApacheKafkaCluster,
  topic: string,
  groups: ReadonlySet<string>,
): Promise<void> {
  const admin = await openKafkaAdmin({ brokers: cluster.bootstrap })
  try {
    const listed = (await admin.listGroups()).map(({ groupId }) => groupId)
    assert.deepEqual(new Set(listed.filter((group) => groups.has(group))), groups)
    assert.equal(listed.length, new Set(listed).size)
    for (const group of groups)
      assert.equal((await admin.describeGroup(group)).members.length, 1, group)
    const partitions = range(3).map((partition) => ({ topic, partition }))
    assert.deepEqual(
      (await admin.offsets(partitions, 'latest')).map(({ offset }) => offset),
      [40, 40, 40],
    )
  } finally {
    await admin.close()
  }
}

/** A group that the node coordinates. */
async function groupAt(client: KafkaClient, nodeId: number, name: string): Promise<string> {
  for (let index = 0; ; index++) {
    const group = `${name}-${index}`
    if ((await client.coordinatorOf(group)) === nodeId) return group
  }
}

async function preferredLeaders(cluster: ApacheKafkaCluster): Promise<void> {
  const args = `--bootstrap-server ${cluster.bootstrap} --election-type preferred --all-topic-partitions`
  const { exitCode, stderr } = await kafkaTool(
    'org.apache.kafka.tools.LeaderElectionCommand',
    args.split(' '),
  )
  assert.equal(exitCode, 0, stderr)
}

/** Commits all that the member has seen. */
async function commitAll(member: RecordingMember): Promise<void> {
  const positions = [...member.owned.values()].map(({ topic, partition, epoch }) => {
    const offset =
      member.batches.findLast((batch) => batch.partition === partition)?.nextOffset ?? 0
    return { topic, partition, epoch, offset, metadata: '' }
  })
  const outcomes = await member.commit(positions)
  assert.deepEqual(new Set(outcomes.values()), new Set(['committed']))
}

function numbers(member: RecordingMember): readonly number[] {
  return member.seen
    .map(({ record }) => Number(Buffer.from(record.value ?? []).toString()))
    .toSorted((left, right) => left - right)
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}
