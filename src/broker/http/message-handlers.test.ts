import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'
import { timestampText } from './message-json.ts'

interface Message {
  readonly key: string | null
  readonly value: string | null
  readonly offset: number
}

async function valuesOf(http: HttpFixture, path: string): Promise<unknown> {
  const { body } = await http.get(path)
  return body.messages.map(({ key, value }: Message) => [key, value])
}

describe('publishing over HTTP', () => {
  test('makes the topic, appends in order and answers where each message went', async () => {
    await using http = await HttpFixture.open()
    const messages = [{ value: 'M1' }, { value: 'M2' }, { value: 'M3' }]
    const { status, body } = await http.post('/topics/orders/messages', { messages })
    assert.equal(status, 200)
    assert.deepEqual(body.results, [
      { partition: 0, offset: 0 },
      { partition: 0, offset: 1 },
      { partition: 0, offset: 2 },
    ])
    assert.deepEqual(await valuesOf(http, '/topics/orders/partitions/0/messages'), [
      [null, 'M1'],
      [null, 'M2'],
      [null, 'M3'],
    ])
  })

  test('a message comes back as it was sent: text, JSON, bytes, key, headers, time, nothing', async () => {
    await using http = await HttpFixture.open()
    const timestamp = '2026-11-21T10:00:00.000Z'
    const messages = [
      { key: 'k', value: 'text', timestamp, headers: { source: 'shop' } },
      { value: { order: 17, exact: 0.1 } },
      { value: '/wAB', encoding: 'base64', key: '/w==', key_encoding: 'base64' },
      { value: 'quoted', encoding: 'json', timestamp: 1_000 },
      {
        value: null,
        headers: [
          ['a', '1'],
          ['a', null],
          ['b', '/w==', 'base64'],
        ],
      },
      { value: 3 },
    ]
    await http.post('/topics/orders/messages', { messages })
    const { body } = await http.get('/topics/orders/partitions/0/messages')
    const plain = { topic: 'orders', partition: 0, encoding: 'utf8', key: null }
    const seen = body.messages.map((message: Record<string, unknown>, index: number) => {
      const { offset, timestamp: at, ...rest } = message
      assert.equal(offset, index)
      return index === 0 || index === 3 ? { ...rest, timestamp: at } : rest
    })
    assert.deepEqual(seen, [
      { ...plain, key: 'k', value: 'text', timestamp, headers: [['source', 'shop']] },
      { ...plain, value: '{"order":17,"exact":0.1}' },
      { ...plain, key: '/w==', key_encoding: 'base64', value: '/wAB', encoding: 'base64' },
      { ...plain, value: '"quoted"', timestamp: '1970-01-01T00:00:01.000Z' },
      {
        ...plain,
        value: null,
        headers: [
          ['a', '1'],
          ['a', null],
          ['b', '/w==', 'base64'],
        ],
      },
      { ...plain, value: '3' },
    ])
  })

  test('a time that RFC 3339 cannot write is refused, and of a Kafka client told as the last one', async () => {
    await using http = await HttpFixture.open()
    const { status, body } = await http.post('/topics/orders/messages', {
      value: 'v',
      timestamp: 253_402_300_800_000,
    })
    assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'])
    for (const timestampMs of [253_402_300_800_000, Number.MAX_SAFE_INTEGER])
      assert.equal(timestampText(timestampMs), '9999-12-31T23:59:59.999Z')
    assert.equal(timestampText(-1), '1970-01-01T00:00:00.000Z')
  })

  test('numbers that no double holds keep their digits', async () => {
    await using http = await HttpFixture.open()
    const value = '{"id":12345678901234567890,"sum":0.12345678901234567890,"big":1e400}'
    await http.post('/topics/orders/messages', `{"value":${value}}`)
    assert.deepEqual(await valuesOf(http, '/topics/orders/partitions/0/messages'), [[null, value]])
  })

  test('keys choose partitions as Java clients do, or as librdkafka does', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'tasks', num_partitions: 2 })
    const messages = [
      { key: 'task-123', value: 'a' },
      { key: 'task-456', value: 'b' },
    ]
    const partitions = async (more: object) => {
      const { body } = await http.post('/topics/tasks/messages', { messages, ...more })
      return body.results.map(({ partition }: { partition: number }) => partition)
    }
    assert.deepEqual(await partitions({}), [1, 1])
    assert.deepEqual(await partitions({ partitioner: 'crc32' }), [0, 1])
    assert.deepEqual(await partitions({ partitioner: 'consistent_random' }), [0, 1])
  })

  test('messages without a key take the partitions in turn, a request each', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders', num_partitions: 3 })
    const seen = []
    for (const value of ['M1', 'M2', 'M3', 'M4']) {
      const { body } = await http.post('/topics/orders/messages', { value })
      seen.push(body.results[0].partition)
    }
    assert.deepEqual(seen, [0, 1, 2, 0])
  })

  test('one batch a partition, and several where one would be larger than the topic takes', async () => {
    await using http = await HttpFixture.open()
    const config = { 'max.message.bytes': '1000' }
    await http.post('/topics', { name: 'small', num_partitions: 1, config })
    const messages = Array.from({ length: 10 }, (_, index) => ({ value: `${index}`.repeat(300) }))
    const { status, body } = await http.post('/topics/small/messages', { messages })
    assert.equal(status, 200)
    assert.deepEqual(
      body.results,
      messages.map((_, offset) => ({ partition: 0, offset })),
    )
    const read = await http.get('/topics/small/partitions/0/messages')
    assert.deepEqual(
      read.body.messages.map(({ value }: Message) => value),
      messages.map(({ value }) => value),
    )
  })

  test('a refused request appends nothing, and says all that is wrong', async () => {
    await using http = await HttpFixture.open()
    const config = { 'max.message.bytes': '1000' }
    await http.post('/topics', { name: 'small', num_partitions: 1, config })
    await http.post('/topics', { name: 'keyed', config: { 'cleanup.policy': 'compact' } })
    const good = { key: 'k', value: 'good' }
    const refusals: readonly (readonly [string, unknown, number, string, RegExp])[] = [
      [
        'small',
        { messages: [good, { value: 'x'.repeat(1_000) }] },
        413,
        'MESSAGE_TOO_LARGE',
        /messages\.1: has more than 1000/,
      ],
      [
        'small',
        { messages: [good, { value: 'x', partition: 1 }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.partition: 1 is not from 0 to 0/,
      ],
      [
        'small',
        { messages: [good, { value: '*', encoding: 'base64' }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.value: is not base64/,
      ],
      [
        'small',
        { messages: [good, { value: 1, encoding: 'utf8' }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.value: is not text/,
      ],
      [
        'small',
        { messages: [good, { key: 'no value' }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.value: is missing/,
      ],
      [
        'small',
        { messages: [good, { value: 'x', kee: 'typo' }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.kee: is not a known field/,
      ],
      ['small', { messages: [] }, 400, 'INVALID_REQUEST', /messages/],
      ['small', { key: 'no value' }, 400, 'INVALID_REQUEST', /body\.value: is missing/],
      ['small', [], 400, 'INVALID_REQUEST', /body: expected object/],
      ['small', { value: 'x', timestamp: 'yesterday' }, 400, 'INVALID_REQUEST', /timestamp/],
      [
        'keyed',
        { messages: [good, { value: 'no key' }] },
        400,
        'INVALID_REQUEST',
        /messages\.1\.key: is missing/,
      ],
      ['bad/name', { value: 'x' }, 400, 'INVALID_REQUEST', /characters other than/],
    ]
    for (const [topic, body, status, code, sentence] of refusals) {
      const answer = await http.post(`/topics/${encodeURIComponent(topic)}/messages`, body)
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(body))
      assert.match(answer.body.error, sentence)
    }
    for (const topic of ['small', 'keyed'])
      assert.deepEqual(await valuesOf(http, `/topics/${topic}/partitions/0/messages`), [])
  })

  test('a value that is nested beyond all sense is refused, not a crash', async () => {
    await using http = await HttpFixture.open()
    const depth = 100_000
    const body = `{"value":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const answer = await http.post('/topics/orders/messages', body)
    assert.deepEqual([answer.status, answer.body.code], [400, 'INVALID_REQUEST'])
  })

  test('an unknown topic stays unknown where topics are not made on demand', async () => {
    await using http = await HttpFixture.open({
      settings: { 'auto.create.topics.enable': 'false' },
    })
    const { status, body } = await http.post('/topics/orders/messages', { value: 'x' })
    assert.deepEqual([status, body.code], [404, 'UNKNOWN_TOPIC'])
    assert.deepEqual((await http.get('/topics')).body.topics, [])
  })

  test('a topic that is deleted while its logs are opened is told, whenever that happens', async () => {
    await using http = await HttpFixture.open()
    const { topics } = http.broker.parts.context
    const seen = new Set<string>()
    for (let turns = 0; turns < 40; turns++) {
      topics.createOnDemand('orders')
      const publishing = http.post('/topics/orders/messages', { value: 'v' })
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      topics.decide({ kind: 'delete', topicId: topics.table.byName('orders')?.topicId ?? '' })
      const { status, body } = await publishing
      seen.add(`${status} ${body.detail ?? ''}`)
      // Who asks after the deletion has it made anew.
      if (topics.table.byName('orders') !== undefined) await http.delete('/topics/orders')
    }
    assert.deepEqual([...seen].sort(), [
      '200 ',
      '404 nothing was appended to orders: the topic was deleted meanwhile',
    ])
  })
})

describe('reading a partition over HTTP', () => {
  test('goes on where it ended, and tells the ends of the log', async () => {
    await using http = await HttpFixture.open()
    const messages = ['a', 'b', 'c'].map((value) => ({ value }))
    await http.post('/topics/orders/messages', { messages })
    const path = '/topics/orders/partitions/0/messages'
    const first = await http.get(`${path}?limit=2`)
    assert.equal(first.body.next_offset, 2)
    assert.deepEqual([first.body.log_start_offset, first.body.log_end_offset], [0, 3])
    const second = await http.get(`${path}?offset=2`)
    assert.deepEqual(
      second.body.messages.map(({ value }: Message) => value),
      ['c'],
    )
    assert.equal(second.body.next_offset, 3)
    const end = await http.get(`${path}?offset=latest`)
    assert.deepEqual([end.body.messages, end.body.next_offset], [[], 3])
  })

  test('of a topic without a name is not told to try the same again', async () => {
    await using http = await HttpFixture.open()
    const { status, body } = await http.get('/topics//partitions/0/messages')
    assert.equal(status, 404)
    assert.match(body.detail, /\/openapi\.json lists what there is$/)
  })

  test('64-bit integers are text where that is asked for', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics/orders/messages?int64=string', { value: 'x' })
    const { body } = await http.get('/topics/orders/partitions/0/messages?int64=string')
    assert.deepEqual([body.next_offset, body.messages[0].offset], ['1', '0'])
    assert.equal(body.messages[0].partition, 0)
    const topic = await http.get('/topics/orders?int64=string')
    assert.equal(topic.body.total_messages, '1')
    assert.deepEqual(topic.body.partition_offsets['0'], { earliest: '0', latest: '1' })
    assert.equal(topic.body.partitions, 1)
  })

  test('what is not there is refused with what there is', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics/orders/messages', { value: 'x' })
    const outside = await http.get('/topics/orders/partitions/0/messages?offset=9')
    assert.deepEqual([outside.status, outside.body.code], [416, 'OFFSET_OUT_OF_RANGE'])
    assert.deepEqual([outside.body.log_start_offset, outside.body.log_end_offset], [0, 1])
    const partition = await http.get('/topics/orders/partitions/7/messages')
    assert.deepEqual([partition.status, partition.body.code], [404, 'UNKNOWN_PARTITION'])
    const topic = await http.get('/topics/nowhere/partitions/0/messages')
    assert.deepEqual([topic.status, topic.body.code], [404, 'UNKNOWN_TOPIC'])
    const number = await http.get('/topics/orders/partitions/zero/messages?limit=0&offset=x')
    assert.deepEqual(
      number.body.errors.map(({ path }: { path: string }) => path),
      ['path.partition', 'query.offset', 'query.limit'],
    )
  })
})
