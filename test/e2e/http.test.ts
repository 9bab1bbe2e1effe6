/**
 * The HTTP API as its users meet it: the commands of seed 001's page run by curl as they are printed, beside a Kafka client, over
 * restarts, and with all the bad input that a socket can bring.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { run } from '../real/program.ts'
import { shoal, ShoalProcess, startShoal } from '../real/shoal.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- answers have every shape
type Json = any

let broker: ShoalProcess
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-http-'))
  broker = await ShoalProcess.start()
})

after(async () => {
  await broker[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Runs lines of the page in a shell; `localhost:8080` is this broker. */
async function asPrinted(lines: string): Promise<Json> {
  const { host } = new URL(broker.url)
  await writeFile(join(folder, '.curlrc'), `silent\nconnect-to = "localhost:8080:${host}"\n`)
  const { stdout, stderr, exitCode } = await run('sh', ['-c', lines], {
    env: { CURL_HOME: folder },
  })
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout)
}

async function ask(method: string, path: string, body?: unknown) {
  const response = await fetch(`${broker.url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, body: (await response.json()) as Json }
}

describe('the commands of the page of seed 001, as printed', () => {
  test('joining answers what is printed', async () => {
    await ask('POST', '/topics', { name: 'orders', num_partitions: 2 })
    const answer =
      await asPrinted(String.raw`curl -X POST http://localhost:8080/groups/order-service/join \
  -H "Content-Type: application/json" \
  -d '{
    "member_id": "consumer-1",
    "topics": ["orders"],
    "session_timeout_ms": 30000
  }'`)
    assert.deepEqual(Object.entries(answer as object).slice(0, 3), [
      ['member_id', 'consumer-1'],
      ['generation', 1],
      ['assigned_partitions', { orders: [0, 1] }],
    ])
  })

  test('listing and describing groups answers in the shape that is printed', async () => {
    const list = await asPrinted('curl http://localhost:8080/groups')
    assert.deepEqual(
      list.groups.map(({ group_id: id }: { group_id: string }) => id),
      ['order-service'],
    )
    const group = await asPrinted('curl http://localhost:8080/groups/order-service')
    assert.deepEqual(Object.keys(group).slice(0, 4), ['group_id', 'state', 'generation', 'members'])
    assert.deepEqual(
      [group.group_id, group.state, group.generation],
      ['order-service', 'stable', 1],
    )
    const [{ member_id: id, client_host: host, assigned_partitions: partitions }] = group.members
    assert.deepEqual([id, host, partitions], ['consumer-1', '127.0.0.1', { orders: [0, 1] }])
  })
})

describe('a group over HTTP', () => {
  test('outlives a killed broker: the same members, generation and offsets, and no rebalance', async () => {
    await ask('POST', '/topics', { name: 'kept', num_partitions: 4 })
    for (const member of ['a', 'b'])
      await ask('POST', '/groups/kept/join', { member_id: member, topics: ['kept'] })
    for (const member of ['a', 'a', 'b'])
      await ask('POST', '/groups/kept/heartbeat', { member_id: member })
    const before = (await ask('GET', '/groups/kept')).body
    await ask('POST', '/topics/kept/messages', {
      value: 'x',
      partition: before.members[0].assigned_partitions.kept[0],
    })
    await broker.kill()
    await broker.start()
    const beats = await Promise.all(
      ['a', 'b'].map((member) =>
        ask('POST', '/groups/kept/heartbeat', { member_id: member, generation: 2 }),
      ),
    )
    for (const { status, body } of beats)
      assert.deepEqual([status, body.rebalance_required], [200, false])
    const after = (await ask('GET', '/groups/kept')).body
    const { members, generation, rebalance_count: count } = before
    assert.deepEqual(
      [after.members, after.generation, after.rebalance_count],
      [members, generation, count],
    )
    const { body } = await ask('GET', '/groups/kept/poll?member_id=a')
    assert.deepEqual(
      body.messages.map(({ value }: { value: string }) => value),
      ['x'],
    )
  })

  test('is the same group to the command line', async () => {
    const described = await shoal([
      'groups',
      'describe',
      'kept',
      '--members',
      '-b',
      broker.bootstrap,
    ])
    assert.equal(described.exitCode, 0, described.stderr)
    for (const member of ['a', 'b'])
      assert.match(described.stdout, new RegExp(`kept +${member} +/127\\.0\\.0\\.1`))
    const timeline = await shoal([
      'groups',
      'timeline',
      'kept',
      '-b',
      broker.bootstrap,
      '--http',
      broker.url,
    ])
    assert.equal(timeline.exitCode, 0, timeline.stderr)
    assert.match(timeline.stdout, /joined/)
  })

  test('a poll ends when its client goes away', async () => {
    await ask('POST', '/groups/gone/join', { member_id: 'a', topics: ['kept'] })
    const left = new AbortController()
    const poll = fetch(`${broker.url}/groups/gone/poll?member_id=a&timeout=60s`, {
      signal: left.signal,
    })
    // The broker has it when a second request on another connection was answered after it.
    await ask('POST', '/groups/gone/heartbeat', { member_id: 'a' })
    left.abort()
    await assert.rejects(poll, { name: 'AbortError' })
    // What is published now is not taken by the poll of nobody.
    await ask('POST', '/topics/kept/messages', { value: 'for who is there', partition: 0 })
    const { body } = await ask('GET', '/groups/gone/poll?member_id=a&timeout=30s')
    assert.deepEqual(
      body.messages.map(({ value }: { value: string }) => value),
      ['for who is there'],
    )
  })
})

describe('bad input over the socket', () => {
  const join = '/groups/order-service/join'
  const json = 'Content-Type: application/json\r\n'
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['a body that is not JSON', post(join, json, '{"member_id": '), 400, 'BODY_NOT_JSON'],
    ['an empty body', post(join, json, ''), 400, 'BODY_NOT_JSON'],
    ['a body that is no object', post(join, json, '[]'), 400, 'INVALID_REQUEST'],
    [
      'a body with __proto__',
      post(join, json, '{"__proto__": {"topics": ["orders"]}}'),
      400,
      'BODY_NOT_JSON',
    ],
    [
      'a body of another type',
      post(join, 'Content-Type: text/plain\r\n', '{}'),
      415,
      'NOT_JSON_CONTENT',
    ],
    [
      'a body that announces too much',
      `POST ${join} HTTP/1.1\r\nHost: localhost\r\n${json}Content-Length: 99999999999\r\n\r\n`,
      413,
      'BODY_TOO_LARGE',
    ],
    ['the Host of another site', get('/groups', 'evil.example'), 403, 'FOREIGN_HOST'],
    [
      'a Host that only begins like ours',
      get('/groups', 'localhost.evil.example'),
      403,
      'FOREIGN_HOST',
    ],
    [
      'the page of another site',
      get('/groups', 'localhost:8080', 'Origin: http://evil.example\r\n'),
      403,
      'FOREIGN_ORIGIN',
    ],
    [
      'a request across sites',
      get('/groups', 'localhost:8080', 'Sec-Fetch-Site: cross-site\r\n'),
      403,
      'FOREIGN_ORIGIN',
    ],
    ['a path that is not there', get('/group', 'localhost'), 404, 'UNKNOWN_ROUTE'],
    [
      'another method',
      'DELETE /topics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      405,
      'METHOD_NOT_ALLOWED',
    ],
  ]
  for (const [what, request, status, code] of cases)
    test(`${what} is answered ${status} ${code}, with a sentence`, async () => {
      const before = (await ask('GET', '/groups/order-service')).body
      const answer = await raw(request)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
      assert.match(answer, /content-type: application\/problem\+json/i)
      const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))) as Record<string, unknown>
      assert.deepEqual(
        [body['status'], body['code'], body['error']],
        [status, code, body['detail']],
      )
      assert.ok(String(body['detail']).length > 20)
      const { members, generation } = (await ask('GET', '/groups/order-service')).body
      assert.deepEqual([members, generation], [before.members, before.generation])
    })

  test('a body in pieces is counted while it comes, and cut off at the limit', async () => {
    const head = `POST /topics/orders/messages HTTP/1.1\r\nHost: localhost\r\n${json}Transfer-Encoding: chunked\r\n\r\n`
    const piece = `100000\r\n${'x'.repeat(0x10_00_00)}\r\n`
    const answer = await raw(head + piece.repeat(17))
    assert.match(answer, /^HTTP\/1.1 413 /)
    assert.match(answer, /BODY_TOO_LARGE/)
  })

  test('what is no HTTP at all ends with its connection, and the broker serves on', async () => {
    assert.match(await raw('\u0000\u0000\u0000\u0012\u0000\u0003'), /^HTTP\/1.1 400 /)
    assert.equal((await ask('GET', '/livez')).status, 200)
  })

  test('a route that is nearly right names the one that is meant', async () => {
    const { body } = await ask('POST', '/groups/order-service/joined', {})
    assert.match(body.detail, /did you mean \/groups\/order-service\/join$/)
  })
})

describe('starting', () => {
  test('shoal dev listens on 8080, or says that it is taken and where it listens instead', async () => {
    const config = await usualPort()
    // Whoever has it first, this one or a stranger: the second one finds it taken.
    await using first = startShoal(['dev', '--config', config])
    await first.until(({ stdout }) => stdout.includes('ready '))
    await using second = startShoal(['dev', '--config', config])
    await second.until(({ stdout }) => stdout.includes('ready '))
    if (first.stderr === '') assert.match(first.stdout, / http=127\.0\.0\.1:8080 /)
    assert.match(
      second.stderr,
      /^shoal: cannot listen on 127\.0\.0\.1:8080: another program listens there; the HTTP API takes a free port instead$/m,
    )
    assert.match(second.stdout, / http=127\.0\.0\.1:(?!8080 )\d+ /)
  })

  test('a port that was asked for and is taken is refused in one sentence, with exit code 78', async () => {
    const port = new URL(broker.url).port
    const refused = await shoal(['serve', '--kafka-port', '0', '--http-port', port], {
      cwd: folder,
    })
    assert.equal(refused.exitCode, 78)
    assert.equal(refused.stdout, '')
    assert.equal(
      refused.stderr
        .split('\n')
        .filter((line) => line.startsWith('shoal:'))
        .join('\n'),
      `shoal: cannot listen on 127.0.0.1:${port}: another program listens there; --http-port chooses another port, 0 a free one, --no-http none`,
    )
  })

  test('beyond this machine it needs a token, and then asks for it', async () => {
    const beyond = ['dev', '--kafka-port', '0', '--http-host', '0.0.0.0']
    const refused = await shoal(beyond)
    assert.equal(refused.exitCode, 78)
    assert.match(refused.stderr, /set a token/)
    const token = 'a-token-of-this-test'
    await using program = startShoal(beyond, { env: { SHOAL_HTTP_TOKEN: token } })
    await program.until(({ stdout }) => stdout.includes('ready '))
    const [, port] = /http=0\.0\.0\.0:(\d+)/.exec(program.stdout) ?? []
    const url = `http://127.0.0.1:${port}`
    assert.equal((await fetch(`${url}/livez`)).status, 200)
    const nobody = await fetch(`${url}/groups`)
    assert.deepEqual([nobody.status, nobody.headers.get('www-authenticate')], [401, 'Bearer'])
    const other = await fetch(`${url}/groups`, { headers: { authorization: 'Bearer another' } })
    assert.equal(other.status, 401)
    const known = await fetch(`${url}/groups`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(known.status, 200)
    assert.ok(!program.stderr.includes(token), 'the token is in no log')
  })

  test('limits come from shoal.yaml, and one that is none is told', async () => {
    const path = join(folder, 'limits.yaml')
    await writeFile(path, 'kafka:\n  port: 0\nhttp:\n  limits:\n    maxBodyBytes: 50\n')
    await using program = startShoal(['dev', '--config', path])
    await program.until(({ stdout }) => stdout.includes('ready '))
    const [, port] = /http=127\.0\.0\.1:(\d+)/.exec(program.stdout) ?? []
    const answer = await fetch(`http://127.0.0.1:${port}/topics`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x'.repeat(50) }),
    })
    assert.equal(answer.status, 413)
    await writeFile(path, 'http:\n  limits:\n    maxBody: 50\n')
    const refused = await shoal(['dev', '--config', path])
    assert.equal(refused.exitCode, 78)
    assert.match(refused.stderr, /http\.limits: the limits are maxBodyBytes, /)
  })

  test('closing answers a poll that waits, and ends', async () => {
    await using program = startShoal(['dev', '--kafka-port', '0'])
    await program.until(({ stdout }) => stdout.includes('ready '))
    const [, port] = /http=127\.0\.0\.1:(\d+)/.exec(program.stdout) ?? []
    const url = `http://127.0.0.1:${port}`
    const headers = { 'content-type': 'application/json' }
    const member = JSON.stringify({ member_id: 'a', topics: ['orders'] })
    await fetch(`${url}/groups/g/join`, { method: 'POST', headers, body: member })
    const poll = fetch(`${url}/groups/g/poll?member_id=a&timeout=60s`)
    await fetch(`${url}/groups/g`)
    const finished = program.stop()
    const { messages } = (await (await poll).json()) as { messages: unknown }
    assert.deepEqual(messages, [])
    assert.equal((await finished).exitCode, 0)
  })
})

/** A configuration without a port for HTTP, so that the usual one is taken, and a free one for Kafka clients. */
async function usualPort(): Promise<string> {
  const path = join(folder, 'usual.yaml')
  await writeFile(path, 'kafka:\n  port: 0\nhttp:\n  port: 8080\n')
  return path
}

function get(path: string, host: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`
}

function post(path: string, headers: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
}

/** All that comes back for these bytes. */
async function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(broker.url)
  const socket = connect(Number(port), hostname)
  // What is refused half way closes the connection under what is still being sent.
  socket.on('error', () => {})
  socket.write(bytes)
  const answer = await text(socket)
  socket.destroy()
  return answer
}
