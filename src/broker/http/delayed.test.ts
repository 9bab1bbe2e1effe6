import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MemoryFileStore } from '../memory-file-store.ts'
import { HttpFixture } from './http-fixture.test.ts'

describe('a delayed message', () => {
  test('is seen by nobody before it is due, and then once, in the order of due times', async () => {
    await using http = await withTopic()
    const sent = await http.post('/topics/orders/messages', {
      messages: [
        { partition: 0, value: 'third', delay: '3s' },
        { partition: 0, value: 'first', delay: 1_000, key: 'k', headers: { a: 'b' } },
        { partition: 0, value: 'now' },
        { partition: 0, value: 'second', deliver_at: '2026-01-01T00:00:02Z' },
      ],
    })
    assert.equal(sent.status, 200)
    assert.deepEqual(
      sent.body.results.map(({ offset, deliver_at }: Result) => offset ?? deliver_at),
      ['2026-01-01T00:00:03.000Z', '2026-01-01T00:00:01.000Z', 0, '2026-01-01T00:00:02.000Z'],
    )
    assert.deepEqual(await values(http), ['now'])
    assert.equal((await http.get('/topics/orders')).body.delayed, 3)
    await http.broker.clock.advance(999)
    assert.deepEqual(await values(http), ['now'])
    await http.broker.clock.advance(1)
    assert.deepEqual(await values(http), ['now', 'first'])
    await http.broker.clock.advance(5_000)
    assert.deepEqual(await values(http), ['now', 'first', 'second', 'third'])
    const { body } = await http.get('/topics/orders/partitions/0/messages?offset=1&limit=1')
    const { timestamp, key, headers } = body.messages[0]
    assert.deepEqual([timestamp, key, headers], ['2026-01-01T00:00:01.000Z', 'k', [['a', 'b']]])
    assert.equal((await http.get('/topics/orders')).body.delayed, 0)
  })

  test('is kept over a restart, and due when the broker was down is sent at once', async () => {
    const files = new MemoryFileStore()
    const first = await withTopic({ files })
    const { clock } = first.broker
    for (const delay of ['10s', '2s', '60s'])
      await first.post('/topics/orders/messages', { partition: 0, value: delay, delay })
    await clock.advance(3_000)
    assert.deepEqual(await values(first), ['2s'])
    await first[Symbol.asyncDispose]()
    await clock.advance(20_000)
    await using second = await HttpFixture.open({ files, clock })
    await settled(second, 1)
    assert.deepEqual(await values(second), ['2s', '10s'])
    assert.equal((await second.get('/topics/orders')).body.delayed, 1)
    await clock.advance(40_000)
    assert.deepEqual(await values(second), ['2s', '10s', '60s'])
  })

  test('goes with its topic, and does not come back with one of the same name', async () => {
    await using http = await withTopic()
    await http.post('/topics/orders/messages', { partition: 0, value: 'gone', delay: '1s' })
    await http.delete('/topics/orders')
    assert.equal(http.broker.parts.context.delayed.count, 0)
    await http.post('/topics', { name: 'orders', num_partitions: 1 })
    await http.broker.clock.advance(2_000)
    assert.deepEqual(await values(http), [])
  })

  test('is not held longer by a clock that is set back, unless it has a time of day', async () => {
    await using http = await withTopic()
    const { clock } = http.broker
    await http.post('/topics/orders/messages', {
      messages: [
        { partition: 0, value: 'delay', delay: '10s' },
        { partition: 0, value: 'time', deliver_at: '2026-01-01T00:00:10Z' },
      ],
    })
    await clock.advance(5_000)
    clock.jumpWall(-3_600_000)
    await clock.advance(5_001)
    assert.deepEqual(await values(http), ['delay'])
    clock.jumpWall(3_600_000)
    await clock.advance(1_000)
    assert.deepEqual(await values(http), ['delay', 'time'])
  })

  test('is refused with its field and its limit, and nothing of the request is kept', async () => {
    await using http = await withTopic({ settings: { 'shoal.delayed.max.ms': 60_000 } })
    const refused: readonly (readonly [object, RegExp])[] = [
      [
        { delay: '61s' },
        /body\.messages\.1\.delay: is more than 60000 ms from now, the longest delay/,
      ],
      [{ deliver_at: '2027-01-01T00:00:00Z' }, /messages\.1\.deliver_at: is more than 60000 ms/],
      [{ delay: '1s', deliverAt: 5 }, /messages\.1\.deliverAt: is given beside delay/],
      [{ delay: 'soon' }, /delay/],
      [{ delay: -1 }, /delay/],
    ]
    for (const [fields, words] of refused) {
      const messages = [{ value: 'fine' }, { value: 'late', ...fields }]
      const { status, body } = await http.post('/topics/orders/messages', { messages })
      assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'])
      assert.match(body.detail, words)
    }
    assert.deepEqual(await values(http), [])
    const past = { partition: 0, value: 'past', deliver_at: '2001-01-01T00:00:00Z' }
    assert.equal((await http.post('/topics/orders/messages', past)).body.results[0].offset, 0)
  })

  test('is refused when as many wait as may wait, and taken when one is gone', async () => {
    await using http = await withTopic({ settings: { 'shoal.delayed.max.records': 2 } })
    const one = (delay: string) => http.post('/topics/orders/messages', { value: 'x', delay })
    await one('1s')
    await one('2s')
    const { status, headers, body } = await one('1s')
    assert.deepEqual([status, body.code, headers['retry-after']], [429, 'TOO_MANY_DELAYED', '10'])
    assert.match(
      body.detail,
      /2 delayed messages wait, at most 2 may \(shoal\.delayed\.max\.records\)/,
    )
    await http.broker.clock.advance(1_000)
    assert.equal((await one('1s')).status, 200)
  })

  test('that its topic takes no longer waits and is tried again, and holds up no other partition', async () => {
    await using http = await withTopic({}, 2)
    const { topics } = http.broker.parts.context
    const large = 'x'.repeat(5_000)
    await http.post('/topics/orders/messages', {
      messages: [
        { partition: 0, value: large, delay: '1s' },
        { partition: 1, value: 'small', delay: '1s' },
      ],
    })
    const configure = (value: string) => {
      const changes = [{ name: 'max.message.bytes', value, operation: 'set' as const }]
      const incremental = { kind: 'incremental' as const, changes }
      topics.decide({ kind: 'configure-topic', name: 'orders', changes: incremental })
    }
    configure('1000')
    await http.broker.clock.advance(2_000)
    assert.deepEqual([await values(http), await values(http, 1)], [[], ['small']])
    assert.equal((await http.get('/topics/orders')).body.delayed, 1)
    configure('100000')
    await http.broker.clock.advance(10_000)
    assert.deepEqual(await values(http), [large])
  })
})

interface Result {
  readonly offset?: number
  readonly deliver_at?: string
}

type OpenOptions = Parameters<typeof HttpFixture.open>[0]

async function withTopic(options: OpenOptions = {}, partitions = 1): Promise<HttpFixture> {
  const http = await HttpFixture.open(options)
  await http.post('/topics', { name: 'orders', num_partitions: partitions })
  return http
}

/** What waits is delivered in turns of the event loop of their own. */
async function settled(http: HttpFixture, waiting: number): Promise<void> {
  const { delayed } = http.broker.parts.context
  for (let turn = 0; turn < 1_000 && delayed.count > waiting; turn++)
    await http.broker.clock.advance(0)
  assert.equal(delayed.count, waiting)
}

async function values(http: HttpFixture, partition = 0): Promise<readonly string[]> {
  const found: string[] = []
  for (let offset = 0; ;) {
    const path = `/topics/orders/partitions/${partition}/messages?offset=${offset}`
    const { body } = await http.get(path)
    found.push(...body.messages.map(({ value }: { value: string }) => value))
    if (body.next_offset === body.log_end_offset) return found
    offset = body.next_offset
  }
}
