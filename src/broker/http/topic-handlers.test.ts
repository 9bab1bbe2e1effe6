import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

const orders = {
  name: 'orders',
  partitions: 2,
  total_messages: 0,
  total_size_bytes: 0,
  delayed: 0,
  retention: '7d',
  cleanup_policy: 'delete',
  partition_offsets: { '0': { earliest: 0, latest: 0 }, '1': { earliest: 0, latest: 0 } },
}

describe('topics over HTTP', () => {
  test('a topic is made, shown and deleted', async () => {
    await using http = await HttpFixture.open()
    const made = await http.post('/topics', { name: 'orders', num_partitions: 2 })
    assert.deepEqual([made.status, made.body], [201, orders])
    assert.deepEqual((await http.get('/topics/orders')).body, orders)
    assert.deepEqual((await http.delete('/topics/orders')).body, { deleted: true, name: 'orders' })
    assert.equal((await http.get('/topics/orders')).body.code, 'UNKNOWN_TOPIC')
    assert.equal((await http.delete('/topics/orders')).status, 404)
  })

  test('its configs go by their names, its retention in hours too', async () => {
    await using http = await HttpFixture.open()
    const config = { 'cleanup.policy': 'compact', 'max.message.bytes': 5_000 }
    const { body } = await http.post('/topics', { name: 'kept', retention_hours: 36, config })
    assert.deepEqual([body.retention, body.cleanup_policy], ['36h', 'compact'])
  })

  test('a topic that is there already, and one that cannot be, change nothing', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders', num_partitions: 2 })
    const refusals: readonly (readonly [unknown, number, string, RegExp])[] = [
      [{ name: 'orders' }, 409, 'TOPIC_EXISTS', /'orders' already exists/],
      [{ name: 'no/slash' }, 400, 'INVALID_REQUEST', /characters other than/],
      [{ name: '__consumer_offsets' }, 400, 'INVALID_REQUEST', /reserved/],
      [{ name: 'x', num_partitions: 0 }, 400, 'INVALID_REQUEST', /num_partitions/],
      [{ name: 'x', config: { 'retention.mss': '1' } }, 400, 'INVALID_REQUEST', /retention\.ms\?/],
      [
        { name: 'x', partition_count: 3 },
        400,
        'INVALID_REQUEST',
        /partition_count: is not a known/,
      ],
      [{}, 400, 'INVALID_REQUEST', /name: is missing/],
    ]
    for (const [body, status, code, sentence] of refusals) {
      const answer = await http.post('/topics', body)
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(body))
      assert.match(answer.body.error, sentence)
    }
    const { body } = await http.get('/topics')
    assert.deepEqual(body, { topics: [orders], next_cursor: null })
  })

  test('the list goes on behind its cursor', async () => {
    await using http = await HttpFixture.open()
    for (const name of ['c', 'a', 'b']) await http.post('/topics', { name })
    const first = await http.get('/topics?limit=2')
    assert.deepEqual(
      first.body.topics.map(({ name }: { name: string }) => name),
      ['a', 'b'],
    )
    assert.equal(first.body.next_cursor, 'b')
    const rest = await http.get('/topics?limit=2&cursor=b')
    assert.deepEqual([rest.body.topics[0].name, rest.body.next_cursor], ['c', null])
  })

  test('a broker whose topics stay says so', async () => {
    await using http = await HttpFixture.open({ settings: { 'delete.topic.enable': 'false' } })
    await http.post('/topics', { name: 'orders' })
    const { status, body } = await http.delete('/topics/orders')
    assert.deepEqual([status, body.code], [409, 'TOPIC_DELETION_DISABLED'])
    assert.equal((await http.get('/topics/orders')).status, 200)
  })
})
