import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

test('the probes pass without a token, and say no more than that', async () => {
  await using http = await HttpFixture.open({ token: 'a-long-enough-token' })
  for (const path of ['/livez', '/healthz', '/readyz']) {
    const { status, body } = await http.get(path)
    assert.equal(status, 200)
    assert.deepEqual(Object.keys(body).sort(), ['status', 'timestamp', 'uptime'])
    assert.equal(body.status, 'pass')
  }
  assert.equal((await http.get('/version')).status, 401)
})

test('readiness lists its checks when it is asked to', async () => {
  await using http = await HttpFixture.open()
  const { body } = await http.get('/readyz?verbose')
  assert.deepEqual(body.checks, { storage: { status: 'pass', message: 'recovered' } })
})

test('a broker that stopped because its disk failed is neither alive nor ready', async () => {
  await using http = await HttpFixture.open()
  http.broker.parts.failure.fail(new Error('the disk is gone'))
  for (const path of ['/livez', '/healthz', '/readyz']) {
    const { status, headers, body } = await http.get(path)
    assert.deepEqual([status, body.code, headers['retry-after']], [503, 'UNAVAILABLE', '1'])
  }
})

test('the version names this package, its Node and the cluster', async () => {
  await using http = await HttpFixture.open()
  const { body } = await http.get('/version')
  assert.equal(body.version, '0.1.0')
  assert.equal(body.node_version, process.version)
  assert.equal(body.cluster_id, http.broker.parts.context.topics.clusterId)
})

test('the OpenAPI document lists every operation, with its address', async () => {
  await using http = await HttpFixture.open()
  const { body } = await http.get('/openapi.json')
  assert.equal(body.openapi, '3.1.0')
  assert.deepEqual(body.servers, [{ url: 'http://127.0.0.1:8080' }])
  assert.equal(body.paths['/livez'].get.operationId, 'livez')
})
