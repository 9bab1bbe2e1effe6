import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeRecordBatch, type RecordInput } from '../../protocol/index.ts'
import { HttpFixture } from './http-fixture.test.ts'

describe('GET /groups/{id}/rebalances', () => {
  test('tells each rebalance with its cause, its member and what moved, the latest first', async () => {
    await using http = await rebalanced()
    const { status, body } = await http.get('/groups/g/rebalances')
    assert.equal(status, 200)
    assert.equal(body.rebalance_count, 2)
    assert.equal(body.rebalances_per_hour, 2)
    assert.equal(body.time_in_rebalance_ms, 400)
    const [last, first] = body.rebalances
    assert.deepEqual([first.reason, first.cause_member], ['member_joined', 'a'])
    assert.deepEqual(
      [last.reason, last.cause_member, last.client_id, last.duration_seconds],
      ['member_joined', 'b', 'worker-2', 0.4],
    )
    assert.deepEqual([last.generation_from, last.generation_to, last.members_after], [2, 3, 2])
    assert.deepEqual(last.moved, [
      {
        topic: 'orders',
        partition: 1,
        from: 'a',
        to: 'b',
        from_client: 'worker-1',
        to_client: 'worker-2',
      },
    ])
    assert.equal(body.current, null)
  })

  test('pages to older ones, asks for newer ones alone, and by time', async () => {
    await using http = await rebalanced()
    const page = await http.get('/groups/g/rebalances?limit=1')
    assert.deepEqual([page.body.rebalances[0].id, page.body.next_cursor], ['3', '3'])
    const older = await http.get('/groups/g/rebalances?limit=1&cursor=3')
    assert.deepEqual([older.body.rebalances[0].id, older.body.next_cursor], ['2', null])
    const newer = await http.get('/groups/g/rebalances?after=2')
    assert.deepEqual(newer.body.rebalances.length, 1)
    await http.broker.clock.advance(20_000)
    const recent = await http.get('/groups/g/rebalances?since=10s')
    assert.deepEqual(recent.body.rebalances, [])
    const since = await http.get('/groups/g/rebalances?since=1970-01-01T00:00:00Z')
    assert.equal(since.body.rebalances.length, 2)
  })

  test('refuses a time that is none, and a group that is not there', async () => {
    await using http = await HttpFixture.open()
    const unknown = await http.get('/groups/nobody/rebalances')
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'UNKNOWN_GROUP'])
    await using other = await rebalanced()
    for (const since of ['yesterday', '2026-99-99T00:00:00Z']) {
      const refused = await other.get(`/groups/g/rebalances?since=${since}`)
      assert.deepEqual([refused.status, refused.body.code], [400, 'INVALID_REQUEST'], since)
    }
  })
})

describe('GET /groups/{id}/lag', () => {
  test('is in records and in seconds, by the timestamp of the oldest record that is not consumed', async () => {
    await using http = await rebalanced()
    const { clock } = http.broker
    await append(http, 0, [1_000, 2_000, 3_000, 4_000, 5_000].map(at(clock.wallMs() - 10_000)))
    await append(http, 1, [at(clock.wallMs())(0)])
    await commit(http, 'a', 0, 2)
    await commit(http, 'b', 1, 1)
    const { status, body } = await http.get('/groups/g/lag')
    assert.equal(status, 200)
    const [behind, done] = body.partitions
    assert.deepEqual(
      [behind.committed_offset, behind.log_end_offset, behind.lag, behind.lag_seconds],
      [2, 5, 3, 7],
    )
    assert.deepEqual([behind.member_id, behind.client_id], ['a', 'worker-1'])
    assert.deepEqual([done.lag, done.lag_seconds, done.member_id], [0, 0, 'b'])
    assert.deepEqual([body.lag, body.max_lag_seconds], [3, 7])
    await clock.advance(2_500)
    const later = await http.get('/groups/g/lag?topic=orders&partition=0')
    assert.deepEqual(
      later.body.partitions.map((row: Row) => row.lag_seconds),
      [9.5],
    )
  })

  test('counts what was deleted before it was consumed, and not as lag', async () => {
    await using http = await rebalanced()
    await append(http, 0, [0, 0, 0, 0].map(at(http.broker.clock.wallMs())))
    await commit(http, 'a', 0, 1)
    const { topics } = http.broker.parts.context
    const log = await topics.log(topics.find('orders', null)!, 0)
    assert.equal(await log?.deleteRecordsBefore(3), 'NONE')
    const { body } = await http.get('/groups/g/lag?partition=0')
    assert.deepEqual([body.partitions[0].lag, body.partitions[0].lost], [1, 2])
  })

  test('is not known where nothing is committed, or the topic is gone', async () => {
    await using http = await rebalanced()
    const { body } = await http.get('/groups/g/lag')
    assert.deepEqual(
      body.partitions.map((row: Row) => [row.committed_offset, row.lag, row.lag_seconds]),
      [
        [null, null, null],
        [null, null, null],
      ],
    )
    assert.equal(body.max_lag_seconds, null)
    assert.equal((await http.get('/groups/nobody/lag')).status, 404)
  })
})

interface Row {
  readonly committed_offset: number | null
  readonly lag: number | null
  readonly lag_seconds: number | null
}

/** Topic `orders` with 2 partitions; a (client worker-1) had both, b (worker-2) came and has partition 1. */
async function rebalanced(): Promise<HttpFixture> {
  const http = await HttpFixture.open()
  const { context } = http.broker.parts
  const topic = { name: 'orders', partitionCount: 2, replicationFactor: 1, assignments: [] }
  context.topics.create({ ...topic, configs: [] }, false)
  const topicId = context.topics.find('orders', null)?.topicId ?? ''
  const owned = (...partitions: number[]) =>
    partitions.length === 0 ? [] : [{ topicId, partitions }]
  await beat(http, 'a', 0, [])
  await beat(http, 'b', 0, [])
  await http.broker.clock.advance(400)
  await beat(http, 'a', 2, null)
  await beat(http, 'a', 2, owned(0))
  await beat(http, 'b', 3, null)
  return http
}

async function beat(
  http: HttpFixture,
  memberId: string,
  memberEpoch: number,
  topicPartitions: readonly { topicId: string; partitions: number[] }[] | null,
): Promise<void> {
  const isJoin = memberEpoch === 0
  const { errorCode } = await http.broker.parts.context.groups.request<'consumer-heartbeat'>({
    kind: 'consumer-heartbeat',
    apiVersion: 1,
    clientId: memberId === 'a' ? 'worker-1' : 'worker-2',
    clientHost: '/127.0.0.1',
    groupId: 'g',
    memberId,
    memberEpoch,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: isJoin ? 60_000 : -1,
    subscribedTopicNames: isJoin ? ['orders'] : null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions,
  })
  assert.equal(errorCode, 'NONE')
}

async function commit(http: HttpFixture, memberId: string, partition: number, offset: number) {
  const { topics } = await http.broker.parts.context.groups.request<'offset-commit'>({
    kind: 'offset-commit',
    apiVersion: 9,
    groupId: 'g',
    generationIdOrMemberEpoch: 3,
    memberId,
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      {
        name: 'orders',
        partitions: [
          {
            partitionIndex: partition,
            committedOffset: offset,
            committedLeaderEpoch: -1,
            committedMetadata: null,
          },
        ],
      },
    ],
  })
  assert.equal(topics[0]?.partitions[0]?.errorCode, 'NONE')
}

async function append(http: HttpFixture, partition: number, records: readonly RecordInput[]) {
  const { topics } = http.broker.parts.context
  const log = await topics.log(topics.find('orders', null)!, partition)
  const appended = log?.append(encodeRecordBatch(records))
  assert.ok(appended?.kind === 'appended')
  await appended.flushed
}

const at =
  (baseMs: number) =>
  (afterMs: number): RecordInput => ({
    timestampMs: baseMs + afterMs,
    value: new TextEncoder().encode('v'),
  })
