import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

describe('a pause over HTTP', () => {
  test('takes the partitions of an HTTP member, which stays, and gives them back', async () => {
    await using http = await joined()
    const paused = await http.post('/groups/g/pause', { reason: 'migration', until: '15m' })
    assert.equal(paused.status, 200)
    assert.deepEqual(
      [paused.body.paused, paused.body.held, paused.body.reason],
      [true, false, 'migration'],
    )
    assert.deepEqual(paused.body.holding, [{ member_id: 'a', client_id: 'a', partitions: 2 }])
    assert.equal(paused.body.until, '2026-01-01T00:15:00.000Z')
    const told = await rejoin(http)
    const { generation } = told.body
    assert.deepEqual([told.body.assigned_partitions, generation], [{ orders: [] }, 2])
    // Coming with that generation gives up what it was told of.
    await http.post('/groups/g/heartbeat', { member_id: 'a', generation })
    const state = await http.get('/groups/g/pause')
    assert.deepEqual([state.body.held, state.body.holding], [true, []])
    const group = await http.get('/groups/g')
    assert.deepEqual([group.body.paused, group.body.members.length], [true, 1])

    const resumed = await http.post('/groups/g/resume', {})
    assert.deepEqual([resumed.status, resumed.body.paused], [200, false])
    assert.deepEqual((await rejoin(http)).body.assigned_partitions, { orders: [0, 1] })
  })

  test('is refused for a group that is not there and for a time that has passed', async () => {
    await using http = await joined()
    for (const path of ['/groups/nobody/pause', '/groups/nobody/resume']) {
      const { status, body } = await http.post(path, {})
      assert.deepEqual([status, body.code], [404, 'UNKNOWN_GROUP'])
    }
    assert.equal((await http.get('/groups/nobody/pause')).status, 404)
    const past = await http.post('/groups/g/pause', { until: '2001-01-01T00:00:00Z' })
    assert.deepEqual([past.status, past.body.code], [400, 'INVALID_REQUEST'])
    // A time that no answer could tell would stay in the journal.
    const never = await http.post('/groups/g/pause', { until: '9999999999h' })
    assert.deepEqual([never.status, never.body.code], [400, 'INVALID_REQUEST'])
    assert.equal((await http.get('/groups/g/pause')).body.paused, false)
  })
})

async function joined(): Promise<HttpFixture> {
  const http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 2 })
  assert.deepEqual((await rejoin(http)).body.assigned_partitions, { orders: [0, 1] })
  return http
}

/** A member that joins again hears what it has. */
function rejoin(http: HttpFixture) {
  return http.post('/groups/g/join', { member_id: 'a', topics: ['orders'] })
}
