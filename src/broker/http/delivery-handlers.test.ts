import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

describe('POST /messages/ack', () => {
  test('acknowledges one handle, and moves the committed offset', async () => {
    await using http = await withMessages('v0', 'v1')
    const [first, second] = await poll(http)
    const { status, body } = await http.post('/messages/ack', { receipt_handle: first })
    assert.equal(status, 200)
    assert.deepEqual(body, {
      success: true,
      acknowledged: true,
      committed_offset: 1,
      offset_advanced: true,
      in_flight_count: 1,
      topic: 'orders',
      partition: 0,
      offset: 0,
    })
    const again = await http.post('/messages/ack', { receipt_handle: first })
    assert.deepEqual(
      [again.status, again.body.acknowledged, again.body.offset_advanced],
      [200, true, false],
    )
    assert.equal((await http.post('/messages/ack', { receipt_handle: second })).status, 200)
  })

  test('answers many handles one by one', async () => {
    await using http = await withMessages('v0', 'v1', 'v2')
    const [first, second, third] = await poll(http)
    await http.broker.clock.advance(29_000)
    await http.post('/messages/visibility', { receipt_handles: [first, third], timeout: '60s' })
    await http.broker.clock.advance(2_000)
    const { status, body } = await http.post('/messages/ack', {
      receipt_handles: [first, second, 'nonsense', third],
    })
    assert.equal(status, 200)
    assert.equal(body.success, false)
    assert.deepEqual(
      body.results.map(
        (result: { code?: string; offset?: number }) => result.code ?? result.offset,
      ),
      [0, 'HANDLE_EXPIRED', 'INVALID_HANDLE', 2],
    )
  })

  test('refuses what is no handle, not its own, over, gone, and a request that names none', async () => {
    await using http = await withMessages('v0')
    const [handle] = await poll(http)
    const ask = async (body: unknown) => {
      const answer = await http.post('/messages/ack', body)
      return [answer.status, answer.body.code]
    }
    assert.deepEqual(await ask({ receipt_handle: 'x' }), [400, 'INVALID_HANDLE'])
    assert.deepEqual(await ask({}), [400, 'INVALID_REQUEST'])
    assert.deepEqual(await ask({ receipt_handle: handle, receipt_handles: [handle] }), [
      400,
      'INVALID_REQUEST',
    ])
    assert.deepEqual(await ask({ receipt_handle: handle, consumer_id: 'b' }), [
      410,
      'HANDLE_NOT_HELD',
    ])
    await http.broker.clock.advance(30_000)
    assert.deepEqual(await ask({ receipt_handle: handle, member_id: 'a' }), [410, 'HANDLE_EXPIRED'])
    assert.equal((await http.delete('/topics/orders')).status, 200)
    assert.deepEqual(await ask({ receipt_handle: handle }), [404, 'UNKNOWN_DELIVERY'])
  })
})

test('POST /messages/nack requeues after the delay, and dead-letters after the last attempt', async () => {
  await using http = await withMessages('v0')
  const { clock } = http.broker
  for (const delay of ['5s', '0ms', '0ms']) {
    const [handle] = await poll(http)
    const { status, body } = await http.post('/messages/nack', {
      receipt_handle: handle,
      delay,
      reason: 'busy',
    })
    assert.equal(status, 200)
    if (delay === '5s')
      assert.deepEqual(
        [body.action, body.requeued, body.delivery_count, body.next_visible_at],
        ['requeued', true, 1, new Date(clock.wallMs() + 5_000).toISOString()],
      )
    if (body.action === 'dlq')
      assert.deepEqual(
        [body.requeued, body.delivery_count, body.dlq_topic],
        [false, 3, 'orders-dlq'],
      )
    await clock.advance(5_000)
  }
  assert.deepEqual(await poll(http), [])
  const read = await http.get('/topics/orders-dlq/partitions/0/messages')
  assert.deepEqual(
    read.body.messages.map(({ value }: { value: string }) => value),
    ['v0'],
  )
})

test('POST /messages/reject sends to the dead letters, with a reason', async () => {
  await using http = await withMessages('v0')
  const [handle] = await poll(http)
  const without = await http.post('/messages/reject', { receipt_handle: handle })
  assert.deepEqual([without.status, without.body.code], [400, 'INVALID_REQUEST'])
  const { status, body } = await http.post('/messages/reject', {
    receipt_handle: handle,
    reason: 'no such order',
  })
  assert.equal(status, 200)
  assert.deepEqual(body, {
    success: true,
    rejected: true,
    action: 'dlq',
    dlq_topic: 'orders-dlq',
    reason: 'no such order',
    topic: 'orders',
    partition: 0,
    offset: 0,
  })
})

test('POST /messages/visibility gives more time, in either spelling', async () => {
  await using http = await withMessages('v0')
  const [handle] = await poll(http)
  const { clock } = http.broker
  const first = await http.post('/messages/visibility', { receipt_handle: handle, timeout: '60s' })
  assert.deepEqual(first.body, {
    success: true,
    extended: true,
    new_deadline: new Date(clock.wallMs() + 60_000).toISOString(),
    extended_by: 60,
    topic: 'orders',
    partition: 0,
    offset: 0,
  })
  const second = { receipt_handle: handle, extension_seconds: 90 }
  assert.equal((await http.post('/messages/visibility', second)).body.extended_by, 90)
  const bad = await http.post('/messages/visibility', { receipt_handle: handle, timeout: '13h' })
  assert.equal(bad.status, 400)
})

async function withMessages(...values: readonly string[]): Promise<HttpFixture> {
  const http = await HttpFixture.open()
  const messages = values.map((value) => ({ value, partition: 0 }))
  assert.equal((await http.post('/topics/orders/messages', { messages })).status, 200)
  return http
}

/** Receipt handles of what member a gets now. */
async function poll(http: HttpFixture): Promise<readonly string[]> {
  const { deliveries, topics } = http.broker.parts.context
  const topicId = topics.table.byName('orders')?.topicId ?? ''
  const { records } = await deliveries.poll({
    groupId: 'g',
    memberId: 'a',
    partitions: [{ topicId, partition: 0 }],
    start: 'earliest',
    maxRecords: 100,
    maxBytes: 1_048_576,
    maxWaitMs: 0,
    signal: new AbortController().signal,
  })
  return records.map(({ receiptHandle }) => receiptHandle)
}
