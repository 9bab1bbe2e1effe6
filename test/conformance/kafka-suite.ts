/**
 * What every broker of Kafka's protocol must show of the Kafka source, in each protocol of groups: patterns, static
 * members, topics that are deleted and made anew, groups of both kinds of members. Runs on Shoal and on Apache Kafka.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { OwnedPartition } from '../../src/consumer/index.ts'
import { ZERO_UUID, deleteTopics } from '../../src/protocol/index.ts'
import { kafka, refusal } from '../../src/sources/kafka/index.ts'
import type { KafkaClient, KafkaSourceOptions } from '../../src/sources/kafka/index.ts'
import { createTopic, kafkaFixture, protocols, SESSION_TIMEOUT_MS } from './kafka-fixture.ts'
import type { KafkaServer } from './kafka-fixture.ts'
import { RecordingMember, waitUntil } from './recording-member.ts'

type Fixture = Awaited<ReturnType<typeof kafkaFixture>>

export interface KafkaConformance {
  readonly name: string
  open(): Promise<KafkaServer>
}

export function kafkaConformance({ name, open }: KafkaConformance): void {
  describe(`kafka source: ${name}`, () => {
    let server: KafkaServer
    let fixture: Fixture
    before(async () => {
      server = await open()
      fixture = await kafkaFixture(server)
    })
    after(() => fixture.close())

    const join = (group: string, options: Partial<KafkaSourceOptions>) =>
      RecordingMember.join(
        kafka({
          brokers: server.bootstrap,
          metadataMaxAgeMs: 300,
          sessionTimeoutMs: SESSION_TIMEOUT_MS,
          heartbeatIntervalMs: 200,
          ...options,
        }),
        group,
        // Without a commit an eager member begins anew with every rebalance.
        (member) => (member.onRevoked = (partitions) => commitSeen(member, partitions)),
      )

    for (const [protocol, options] of protocols) {
      const group = () => `suite-${groupCount++}`

      test(`${protocol}: a pattern reads the topics that match, those to come included, and no others`, async () => {
        const prefix = `pattern-${groupCount++}`
        await fill(fixture, `${prefix}-a`, 3)
        await fill(fixture, `other-${prefix}`, 3)
        const member = await join(group(), { ...options, topicPattern: `${prefix}-[a-z]+` })
        await using _ = member
        await member.until('the first topic', () => member.seen.length >= 3)
        await fill(fixture, `${prefix}-b`, 2)
        await member.until('the second topic', () => member.seen.length >= 5)
        assert.deepEqual(
          [...new Set(member.seen.map(({ topic }) => topic))],
          [`${prefix}-a`, `${prefix}-b`],
        )
        assert.equal(member.seen.length, 5)
        assert.deepEqual(member.errors, [])
      })

      test(`${protocol}: a static member that comes back finds its partitions, and the others notice nothing`, async () => {
        const topics = [await fixture.createTopic(4)]
        const name = group()
        await using stays = await join(name, { ...options, topics, groupInstanceId: 'stays' })
        await stays.until('all', () => stays.owned.size === 4)
        await using fixed = await join(name, { ...options, topics, groupInstanceId: 'fixed' })
        await halves(stays, fixed)
        const before = [fixed.partitionsOf(topics[0]!), stays.assignments.length, joins(stays)]
        await fixed.session.close()
        await using again = await join(name, { ...options, topics, groupInstanceId: 'fixed' })
        await again.until('its half again', () => again.owned.size === 2)
        assert.deepEqual(
          [again.partitionsOf(topics[0]!), stays.assignments.length, joins(stays)],
          before,
        )
        assert.deepEqual(stays.losses, [])
      })

      test(`${protocol}: a topic that was deleted and made anew is read from its beginning, and commits for the old one are stale`, async () => {
        const topic = await fixture.createTopic(1)
        await append(fixture, topic, 5)
        await using member = await join(group(), { ...options, topics: [topic] })
        await member.until('the records', () => member.seen.length === 5)
        const { epoch } = member.assignment(topic, 0)
        await remake(fixture.client, topic)
        await append(fixture, topic, 3)
        await member.until('the new records', () => member.seen.length === 8)
        assert.deepEqual(member.offsets(topic, 0), [0, 1, 2, 3, 4, 0, 1, 2])
        assert.ok(member.assignment(topic, 0).epoch > epoch)
        const outcomes = await member.commit([
          { topic, partition: 0, epoch, offset: 5, metadata: '' },
        ])
        assert.deepEqual([...outcomes.values()], ['stale'])
        assert.deepEqual(member.errors, [])
      })
    }

    test('of two classic members with one instance id the first is told that it is fenced', async () => {
      const topics = [await fixture.createTopic(1)]
      const options = { topics, groupProtocol: 'classic', groupInstanceId: 'twin' } as const
      await using first = await join('twins', {
        ...options,
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        heartbeatIntervalMs: 200,
      })
      await first.until('its partition', () => first.owned.size === 1)
      await using second = await join('twins', options)
      await first.until('the failure', () => first.errors.length > 0)
      assert.match(String(first.errors[0]), /another consumer runs with group instance id twin/)
      assert.equal(first.losses.length, 1)
      await second.until('its partition', () => second.owned.size === 1)
    })

    test('of two KIP-848 members with one instance id the second is told whom it waits for, and takes over when that is gone', async () => {
      const topics = [await fixture.createTopic(1)]
      const options = { topics, groupProtocol: 'consumer', groupInstanceId: 'twin' } as const
      await using first = await join('new-twins', options)
      await first.until('its partition', () => first.owned.size === 1)
      await using second = await join('new-twins', options)
      const held = /group instance id twin is still held by another member/
      await second.until('the notice', () =>
        second.notices.some((one) => one.kind === 'heartbeat-failed' && held.test(one.reason)),
      )
      assert.deepEqual([first.losses, first.errors, second.owned.size], [[], [], 0])
      await first.session.close()
      await second.until('the partition', () => second.owned.size === 1)
    })

    test('members of both kinds share a group: it changes its kind with the first of KIP-848, and back with the last', async () => {
      const topic = await fixture.createTopic(4)
      const group = 'both-kinds'
      const topics = [topic]
      await using classic = await join(group, {
        topics,
        groupProtocol: 'classic',
        heartbeatIntervalMs: 200,
      })
      await classic.until('all', () => classic.owned.size === 4)
      await using modern = await join(group, { topics, groupProtocol: 'consumer' })
      await halves(classic, modern)
      await append(fixture, topic, 40)
      await waitUntil(
        'all records',
        () => classic.seen.length + modern.seen.length >= 40,
        (wake) => (classic.onNextEvent(wake), modern.onNextEvent(wake)),
      )
      assert.equal(classic.seen.length + modern.seen.length, 40)
      const { epoch } = [...classic.owned.values()][0]!
      const [position] = [...classic.owned.values()].map(({ partition }) => partition)
      const commits = await classic.commit([
        { topic, partition: position!, epoch, offset: 1, metadata: '' },
      ])
      assert.deepEqual([...commits.values()], ['committed'])
      await modern.session.close()
      await classic.until('all again', () => classic.owned.size === 4)
      assert.deepEqual([...classic.losses, ...modern.losses, ...classic.errors], [])
    })
  })
}

let groupCount = 0

async function commitSeen(
  member: RecordingMember,
  partitions: readonly OwnedPartition[],
): Promise<void> {
  const positions = partitions.flatMap((one) => {
    const read = member.batches.findLast(
      ({ topic, partition, epoch }) =>
        topic === one.topic && partition === one.partition && epoch === one.epoch,
    )
    return read === undefined ? [] : [{ ...one, offset: read.nextOffset, metadata: '' }]
  })
  if (positions.length > 0) await member.commit(positions)
}

/** Waits until each owns half of four partitions. */
function halves(first: RecordingMember, second: RecordingMember): Promise<void> {
  return waitUntil(
    'two each',
    () => first.owned.size === 2 && second.owned.size === 2,
    (wake) => (first.onNextEvent(wake), second.onNextEvent(wake)),
  )
}

function joins({ notices }: RecordingMember): number {
  return notices.filter(({ kind }) => kind === 'joined').length
}

async function fill(fixture: Fixture, topic: string, count: number): Promise<void> {
  await createTopic(fixture.client, { name: topic, partitionCount: 1, replicationFactor: 1 })
  await append(fixture, topic, count)
}

async function append(fixture: Fixture, topic: string, count: number): Promise<void> {
  const partitions =
    (await fixture.client.refresh([topic])).topics.get(topic)?.partitions.length ?? 1
  await fixture.produce(
    Array.from({ length: count }, (_, index) => ({
      topic,
      partition: index % partitions,
      key: null,
      value: Buffer.from(`v${index}`),
      headers: [],
    })),
  )
}

/** Deletes a topic and makes another one of its name. */
async function remake(client: KafkaClient, topic: string): Promise<void> {
  const { response } = await client.request(
    deleteTopics,
    { topics: [{ name: topic, topicId: ZERO_UUID }], topicNames: [topic], timeoutMs: 30_000 },
    { to: 'controller' },
  )
  assert.equal(response.responses[0]?.errorCode, 'NONE')
  await client.retrying(async () => {
    const { topics } = await client.refresh([topic])
    if (topics.has(topic)) throw refusal('Metadata', 'LEADER_NOT_AVAILABLE', { topic })
  })
  await createTopic(client, { name: topic, partitionCount: 1, replicationFactor: 1 })
}
