/** A group whose members come over HTTP and over Kafka's protocol. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  consumerGroupDescribe,
  consumerGroupHeartbeat,
  offsetCommit,
  shareGroupHeartbeat,
} from '../../protocol/index.ts'
import { HttpFixture } from './http-fixture.test.ts'

const GROUP = 'shared'

function kafkaBeat(http: HttpFixture, more: object) {
  return http.broker.ask(consumerGroupHeartbeat, 1, {
    groupId: GROUP,
    memberId: 'kafka',
    memberEpoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
    ...more,
  })
}

test('an HTTP member and a KIP-848 member share a group, and everybody sees both', async () => {
  await using http = await HttpFixture.open()
  const made = await http.post('/topics', { name: 'orders', num_partitions: 4 })
  assert.equal(made.status, 201)
  await http.post(`/groups/${GROUP}/join`, { member_id: 'web', topics: ['orders'] })
  const joined = await kafkaBeat(http, {
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ['orders'],
    topicPartitions: [],
  })
  assert.deepEqual([joined.errorCode, joined.assignment?.topicPartitions], ['NONE', []])

  const beat = () => http.post(`/groups/${GROUP}/heartbeat`, { member_id: 'web' })
  const told = await beat()
  assert.equal(told.body.assigned_partitions.orders.length, 2)
  assert.equal((await beat()).body.generation, joined.memberEpoch)
  const got = await kafkaBeat(http, { memberEpoch: joined.memberEpoch })
  const [share] = got.assignment?.topicPartitions ?? []
  const web = told.body.assigned_partitions.orders
  assert.deepEqual(new Set([...web, ...(share?.partitions ?? [])]), new Set([0, 1, 2, 3]))

  const { body } = await http.get(`/groups/${GROUP}`)
  assert.deepEqual(
    body.members.map((member: Record<string, unknown>) => [
      member['member_id'],
      member['protocol'],
      member['assigned_partitions'],
    ]),
    [
      ['web', 'http', { orders: web }],
      ['kafka', 'consumer', { orders: share?.partitions }],
    ],
  )
  const { groups } = await http.broker.ask(consumerGroupDescribe, 1, {
    groupIds: [GROUP],
    includeAuthorizedOperations: false,
  })
  assert.deepEqual(
    groups[0]?.members.map(({ memberId, clientHost }) => [memberId, clientHost]),
    [
      ['web', '/127.0.0.1'],
      ['kafka', '/127.0.0.1'],
    ],
  )
  const timeline = await http.get(`/groups/${GROUP}/rebalances`)
  assert.deepEqual(
    timeline.body.rebalances.map(({ cause_member: member }: Record<string, unknown>) => member),
    ['kafka', 'web'],
  )
})

test('a commit over Kafka settles what an HTTP member was delivered, and HTTP reads it back', async () => {
  await using http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 1 })
  await http.post(`/groups/${GROUP}/join`, { member_id: 'web', topics: ['orders'] })
  await http.post('/topics/orders/messages', { messages: [{ value: 'a' }, { value: 'b' }] })
  const polled = await http.get(`/groups/${GROUP}/poll?member_id=web&timeout=0s`)
  assert.equal(polled.body.messages.length, 2)
  const { topics } = await http.broker.ask(offsetCommit, 9, {
    groupId: GROUP,
    generationIdOrMemberEpoch: 1,
    memberId: 'web',
    retentionTimeMs: -1,
    groupInstanceId: null,
    topics: [
      {
        name: 'orders',
        partitions: [
          {
            partitionIndex: 0,
            committedOffset: 2,
            committedLeaderEpoch: -1,
            committedMetadata: '',
          },
        ],
      },
    ],
  })
  assert.equal(topics[0]?.partitions[0]?.errorCode, 'NONE')
  const read = await http.get(`/groups/${GROUP}/offsets`)
  assert.deepEqual(read.body.topics, { orders: { '0': 2 } })
  await http.broker.clock.advance(40_000)
  await http.post(`/groups/${GROUP}/join`, { member_id: 'web', topics: ['orders'] })
  const again = await http.get(`/groups/${GROUP}/poll?member_id=web&timeout=0s`)
  assert.deepEqual(again.body.messages, [], 'what is settled does not come back')
})

test('the member id of a Kafka client is not taken over', async () => {
  await using http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 1 })
  await kafkaBeat(http, {
    rebalanceTimeoutMs: 60_000,
    subscribedTopicNames: ['orders'],
    topicPartitions: [],
  })
  const taken = { member_id: 'kafka', topics: ['orders'] }
  const { status, body } = await http.post(`/groups/${GROUP}/join`, taken)
  assert.deepEqual([status, body.code], [409, 'MEMBER_FENCED'])
  const beat = await http.post(`/groups/${GROUP}/heartbeat`, { member_id: 'kafka' })
  assert.equal(beat.body.code, 'UNKNOWN_MEMBER')
})

test('a share group is shown with its members, and is no group to join over HTTP', async () => {
  await using http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 2 })
  await http.broker.ask(shareGroupHeartbeat, 1, {
    groupId: 'shares',
    memberId: 'kafka',
    memberEpoch: 0,
    rackId: null,
    subscribedTopicNames: ['orders'],
  })
  const { body } = await http.get('/groups/shares')
  assert.deepEqual(
    [body.state, body.protocol, body.topics, body.members[0]?.assigned_partitions],
    ['stable', 'share', ['orders'], { orders: [0, 1] }],
  )
  assert.equal((await http.get('/groups')).body.groups[0].protocol, 'share')
  const member = { member_id: 'kafka' }
  for (const [path, sent] of [
    ['join', { ...member, topics: ['orders'] }],
    ['heartbeat', member],
    ['leave', member],
    ['offsets', { offsets: { orders: { '0': 0 } } }],
  ] as const) {
    const refused = await http.post(`/groups/shares/${path}`, sent)
    assert.deepEqual([refused.status, refused.body.code], [409, 'GROUP_TYPE'], path)
  }
  const refused = await http.delete('/groups/shares')
  assert.match(refused.body.error, /has members: kafka;/)
})
