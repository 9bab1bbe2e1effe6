import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LogLevel } from '../core/index.ts'
import { ShoalError } from '../core/index.ts'
import { fixture } from './api-fixture.test.ts'
import { problem } from './problems.ts'

describe('a request', () => {
  test('reaches its handler checked: parameters decoded, queries read as their schema says', async () => {
    const { ask } = fixture()
    const { status, headers, body } = await ask('GET', '/things/a%2Fb?limit=3&flag&only=x&only=y')
    assert.deepEqual(body, { thing: 'a/b', query: { limit: 3, flag: true, only: ['x', 'y'] } })
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'application/json')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.deepEqual((await ask('GET', '/things/x?flag=false')).body.query, {
      limit: 5,
      flag: false,
    })
  })

  test('for a fixed path is not one for a parameter; a slash at the end changes nothing', async () => {
    const { ask } = fixture()
    for (const path of ['/things/special', '/things/special/'])
      assert.deepEqual((await ask('GET', path)).body, { special: true })
  })

  test('with several faults is told all of them', async () => {
    const { ask } = fixture()
    const { status, headers, body } = await ask('GET', '/things/x?limit=99&flag=maybe&colour=red')
    assert.equal(status, 400)
    assert.equal(headers['content-type'], 'application/problem+json')
    assert.deepEqual(
      body.errors.map(({ path }: { path: string }) => path),
      ['query.limit', 'query.flag', 'query.colour'],
    )
    assert.equal(body.error, body.detail)
    assert.equal(body.code, 'INVALID_REQUEST')
    const twice = await ask('GET', '/things/x?limit=1&limit=2')
    assert.deepEqual(twice.body.errors, [
      { path: 'query.limit', message: 'is given more than once' },
    ])
    const unasked = await ask('GET', '/text?x=1')
    assert.deepEqual(unasked.body.errors, [{ path: 'query.x', message: 'is not a known field' }])
  })

  test('takes 64-bit integers as numbers or text, and gets text where it asks for it', async () => {
    const { ask } = fixture()
    for (const size of [7, '7']) {
      const { body } = await ask('POST', '/things?int64=string', { json: { name: 'a', size } })
      assert.deepEqual([body.size, body.body.size], ['7', 7])
    }
    const beyond = await ask('POST', '/things', { json: { name: 'a', size: '9007199254740993' } })
    assert.match(beyond.body.error, /body\.size: is beyond 2\^53 - 1/)
  })

  test('is refused by its handler with a value, and by a status, a code and a sentence', async () => {
    const { ask } = fixture()
    const { status, body } = await ask('GET', '/things/nothing')
    assert.equal(status, 404)
    assert.deepEqual(body, {
      type: 'urn:shoal:problem:unknown-topic',
      title: 'The topic does not exist',
      status: 404,
      detail: 'there is no nothing',
      error: 'there is no nothing',
      code: 'UNKNOWN_TOPIC',
    })
  })

  test('may be answered with text', async () => {
    const { ask } = fixture()
    const { headers, body } = await ask('GET', '/text')
    assert.deepEqual([headers['content-type'], body], ['text/plain', 'plain'])
  })
})

describe('a path or method that is not there', () => {
  test('is told what is', async () => {
    const { ask } = fixture()
    const near = await ask('GET', '/thing/special')
    assert.deepEqual([near.status, near.body.code], [404, 'UNKNOWN_ROUTE'])
    assert.match(near.body.detail, /did you mean \/things\/special$/)
    assert.match((await ask('GET', '/a/b/c/d')).body.detail, /\/openapi\.json lists what there is/)
    const other = await ask('DELETE', '/things')
    assert.deepEqual(
      [other.status, other.body.code, other.headers['allow']],
      [405, 'METHOD_NOT_ALLOWED', 'POST'],
    )
  })

  test('is refused to strangers like any other: nothing is told of it', async () => {
    const { ask } = fixture({ token: 'a-long-enough-token' })
    assert.equal((await ask('GET', '/nowhere')).body.code, 'UNAUTHORIZED')
    assert.equal((await ask('GET', '/things/special')).status, 200)
  })
})

describe('who may ask', () => {
  const hosts: readonly (readonly [string, boolean])[] = [
    ['localhost', true],
    ['localhost:8080', true],
    ['app.localhost:3000', true],
    ['127.0.0.1:8080', true],
    ['192.168.1.4', true],
    ['[::1]:8080', true],
    ['[fe80::1]', true],
    ['shoal.internal:8080', true],
    ['SHOAL.internal', true],
    ['', false],
    ['evil.example', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['evil.example:localhost', false],
    ['localhost@evil.example', false],
    ['[evil.example]', false],
  ]
  for (const [host, isOwn] of hosts)
    test(`the Host ${JSON.stringify(host)} is ${isOwn ? 'ours' : 'another'}`, async () => {
      const { ask } = fixture({ allowedHosts: ['shoal.internal'] })
      const { status, body } = await ask('GET', '/text', { headers: { host } })
      assert.equal(status, isOwn ? 200 : 403)
      if (!isOwn) assert.equal(body.code, 'FOREIGN_HOST')
    })

  test('a page of this server may, a page of another may not', async () => {
    const { ask } = fixture()
    for (const [headers, status] of [
      [{ origin: 'http://localhost:8080' }, 200],
      [{ origin: 'http://localhost:3000' }, 403],
      [{ origin: 'null' }, 403],
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ 'sec-fetch-site': 'same-origin' }, 200],
    ] as const)
      assert.equal((await ask('GET', '/text', { headers })).status, status, JSON.stringify(headers))
  })

  test('a star allows any name', async () => {
    const { ask } = fixture({ allowedHosts: ['*'] })
    assert.equal((await ask('GET', '/text', { headers: { host: 'any.example' } })).status, 200)
  })

  test('with a token only who has it', async () => {
    const { ask } = fixture({ token: 'a-long-enough-token' })
    for (const [authorization, status] of [
      [undefined, 401],
      ['Bearer another', 401],
      ['Basic a-long-enough-token', 401],
      ['Bearer a-long-enough-token', 200],
      ['bearer  a-long-enough-token', 200],
    ] as const) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      const answer = await ask('GET', '/text', { headers })
      assert.equal(answer.status, status, authorization)
      if (status === 401) assert.equal(answer.headers['www-authenticate'], 'Bearer')
    }
  })
})

describe('a body', () => {
  const json = { 'content-type': 'application/json; charset=utf-8' }

  test('has to be JSON in UTF-8, and to say that it is', async () => {
    const { ask } = fixture()
    const cases: readonly (readonly [
      string | Uint8Array,
      Record<string, string>,
      number,
      string,
    ])[] = [
      ['{"name":"a"}', json, 201, ''],
      ['{"name":"a"}', { 'content-type': 'application/vnd.x+json' }, 201, ''],
      ['{"name":"a"}', {}, 415, 'NOT_JSON_CONTENT'],
      ['name=a', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'NOT_JSON_CONTENT'],
      ['{"name":', json, 400, 'BODY_NOT_JSON'],
      ['', json, 400, 'BODY_NOT_JSON'],
      [Uint8Array.of(0x22, 0xff, 0x22), json, 400, 'BODY_NOT_JSON'],
      ['{"__proto__":{"name":"a"}}', json, 400, 'BODY_NOT_JSON'],
      [String.raw`{"\u005f_proto__":{},"name":"a"}`, json, 400, 'BODY_NOT_JSON'],
      ['{"name":"a","data":{"deep":{"__proto__":1}}}', json, 400, 'BODY_NOT_JSON'],
      ['"name"', json, 400, 'INVALID_REQUEST'],
      ['null', json, 400, 'INVALID_REQUEST'],
    ]
    for (const [bytes, headers, status, code] of cases) {
      const answer = await ask('POST', '/things', { bytes, headers })
      assert.equal(answer.status, status, String(bytes))
      if (code !== '') assert.equal(answer.body.code, code, String(bytes))
    }
  })

  test('may say __proto__ and constructor as text, and be of a thing named constructor', async () => {
    const { ask } = fixture()
    const data = { said: '__proto__', constructor: 'Ferrari' }
    const { body } = await ask('POST', '/things', { json: { name: '__proto__', data } })
    assert.deepEqual(body.body, { name: '__proto__', data })
  })

  test('of a key that is given twice the last one counts', async () => {
    const { ask } = fixture()
    const { body } = await ask('POST', '/things', {
      bytes: '{"name":"a","name":"b"}',
      headers: json,
    })
    assert.deepEqual(body.body, { name: 'b' })
  })

  test('keeps its numbers', async () => {
    const { ask } = fixture()
    const data = '[1,1.5,-0.1,1e3,12345678901234567890,0.1234567890123456789,1e999]'
    const { text } = await ask('POST', '/things', {
      bytes: `{"name":"a","data":${data}}`,
      headers: json,
    })
    assert.ok(
      text.includes('[1,1.5,-0.1,1000,12345678901234567890,0.1234567890123456789,1e999]'),
      text,
    )
  })

  test('larger than the limit is refused before it is kept, and the connection ends', async () => {
    const { ask } = fixture({ limits: { maxBodyBytes: 20 } })
    assert.equal((await ask('POST', '/things', { json: { name: '12345678' } })).status, 201)
    const { status, headers, body } = await ask('POST', '/things', { json: { name: '1234567890' } })
    assert.deepEqual([status, body.code, body.max_bytes], [413, 'BODY_TOO_LARGE', 20])
    assert.equal(headers['connection'], 'close')
  })

  test('has no room while others take it all', async () => {
    const { promise: hold, resolve: release } = Promise.withResolvers<void>()
    const { ask } = fixture({
      limits: { maxBodyBytesInFlight: 30 },
      handlers: { putThing: () => hold.then(() => ({ made: 1, body: null })) },
    })
    const first = ask('POST', '/things', { json: { name: '1234567890' } })
    const second = await ask('POST', '/things', { json: { name: '1234567890' } })
    assert.deepEqual(
      [second.status, second.body.code, second.headers['retry-after']],
      [503, 'UNAVAILABLE', '1'],
    )
    release()
    assert.equal((await first).status, 201)
    assert.equal((await ask('POST', '/things', { json: { name: '1234567890' } })).status, 201)
  })
})

describe('a server', () => {
  test('works on as many requests as it may', async () => {
    const { promise: hold, resolve: release } = Promise.withResolvers<void>()
    const { ask } = fixture({
      limits: { maxRequests: 1 },
      handlers: { text: () => hold.then(() => 'late') },
    })
    const first = ask('GET', '/text')
    const second = await ask('GET', '/text')
    assert.deepEqual(
      [second.status, second.body.code, second.headers['retry-after']],
      [429, 'TOO_MANY_REQUESTS', '1'],
    )
    release()
    assert.equal((await first).body, 'late')
  })

  test('that closes ends what waits, answers what runs and refuses what comes', async () => {
    const { server, ask } = fixture({
      handlers: {
        text: (_, { signal }) =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve('ended'))),
      },
    })
    const waiting = ask('GET', '/text')
    const closed = server.close()
    assert.equal((await waiting).body, 'ended')
    await closed
    const late = await ask('GET', '/text')
    assert.deepEqual([late.status, late.body.code], [503, 'CLOSING'])
  })

  test('tells a handler when its caller is gone', async () => {
    const gone = new AbortController()
    const { ask } = fixture({
      handlers: {
        text: (_, { signal }) =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve('gone'))),
      },
    })
    const waiting = ask('GET', '/text', { signal: gone.signal })
    gone.abort()
    assert.equal((await waiting).body, 'gone')
  })

  test('logs what a handler throws and tells the caller nothing of it', async () => {
    const lines: (readonly [LogLevel, string, unknown])[] = []
    const { ask } = fixture({
      logger: { log: (level, message, fields) => void lines.push([level, message, fields]) },
      handlers: {
        text: () => {
          throw new Error('the secret of the house')
        },
      },
    })
    const { status, body, text } = await ask('GET', '/text')
    assert.deepEqual([status, body.code], [500, 'INTERNAL'])
    assert.ok(!text.includes('secret'))
    assert.deepEqual(lines, [
      ['error', 'a request failed', { operation: 'text', error: 'the secret of the house' }],
    ])
  })

  test('says what a caller can do about errors of ours', async () => {
    for (const [code, status] of [
      ['SHOAL_CLOSED', 503],
      ['SHOAL_STORAGE_FULL', 507],
    ] as const) {
      const { ask } = fixture({
        handlers: {
          text: () => {
            throw new ShoalError(code, 'as it is')
          },
        },
      })
      assert.equal((await ask('GET', '/text')).status, status)
    }
  })
})

describe('an Idempotency-Key', () => {
  const keyed = { 'idempotency-key': 'one', 'content-type': 'application/json' }
  const a = '{"name":"a"}'

  test('gets the first answer again instead of being done again', async () => {
    const { ask } = fixture()
    const first = await ask('POST', '/things', { bytes: a, headers: keyed })
    const again = await ask('POST', '/things', { bytes: a, headers: keyed })
    assert.deepEqual([first.body.made, again.body.made, again.status], [1, 1, 201])
    assert.equal((await ask('POST', '/things', { json: { name: 'a' } })).body.made, 2)
    const other = await ask('POST', '/things', {
      bytes: a,
      headers: { ...keyed, 'idempotency-key': 'two' },
    })
    assert.equal(other.body.made, 3)
  })

  test('with another body is refused', async () => {
    const { ask } = fixture()
    await ask('POST', '/things', { bytes: a, headers: keyed })
    const { status, body } = await ask('POST', '/things', { bytes: '{"name":"b"}', headers: keyed })
    assert.deepEqual([status, body.code], [422, 'IDEMPOTENCY_KEY_REUSED'])
  })

  test('waits for the first request while that is worked on', async () => {
    const { promise: hold, resolve: release } = Promise.withResolvers<void>()
    let made = 0
    const { ask } = fixture({
      handlers: { putThing: () => hold.then(() => ({ made: ++made, body: null })) },
    })
    const both = [1, 2].map(() => ask('POST', '/things', { bytes: a, headers: keyed }))
    release()
    assert.deepEqual(
      (await Promise.all(both)).map(({ body }) => body.made),
      [1, 1],
    )
  })

  test('of a refused request may be used again', async () => {
    let times = 0
    const { ask } = fixture({
      handlers: {
        putThing: () =>
          ++times === 1 ? problem('UNAVAILABLE', 'not now') : { made: times, body: null },
      },
    })
    assert.equal((await ask('POST', '/things', { bytes: a, headers: keyed })).status, 503)
    assert.equal((await ask('POST', '/things', { bytes: a, headers: keyed })).status, 201)
  })

  test('is forgotten after a while, and when there are too many', async () => {
    const { ask, clock } = fixture({
      limits: { idempotency: { maxEntries: 2, maxBytes: 10_000, keepMs: 1_000 } },
    })
    const make = async (key: string) =>
      (await ask('POST', '/things', { bytes: a, headers: { ...keyed, 'idempotency-key': key } }))
        .body.made
    assert.deepEqual([await make('a'), await make('a')], [1, 1])
    await clock.advance(1_001)
    assert.equal(await make('a'), 2)
    assert.deepEqual([await make('b'), await make('c'), await make('a')], [3, 4, 5])
  })

  test('of no or too many characters is refused', async () => {
    const { ask } = fixture()
    for (const key of ['', 'x'.repeat(256)]) {
      const headers = { ...keyed, 'idempotency-key': key }
      assert.equal((await ask('POST', '/things', { bytes: a, headers })).status, 400)
    }
  })
})

describe('the client of a table', () => {
  test('sends what the route says and reads what it answers', async () => {
    const { client } = fixture()
    const got = await client.getThing({
      params: { thing: 'a/b' },
      query: { limit: 2, only: ['x'] },
    })
    assert.ok(got.ok)
    assert.deepEqual(got.body, { thing: 'a/b', query: { limit: 2, only: ['x'] } })
    const made = await client.putThing({ body: { name: 'n', wait: '2s' }, idempotencyKey: 'k' })
    assert.ok(made.ok)
    assert.deepEqual([made.status, made.body.made], [201, 1])
    const text = await client.text()
    assert.ok(text.ok && text.body === 'plain')
  })

  test('gives a refusal as a value', async () => {
    const { client } = fixture()
    const refused = await client.getThing({ params: { thing: 'nothing' } })
    assert.ok(!refused.ok)
    const { status, code, detail, retryAfterSeconds } = refused.problem
    assert.deepEqual(
      [status, code, detail, retryAfterSeconds],
      [404, 'UNKNOWN_TOPIC', 'there is no nothing', null],
    )
  })
})
