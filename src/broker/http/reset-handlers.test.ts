import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

describe('a reset over HTTP', () => {
  test('is a plan unless it is said otherwise, and then exactly that', async () => {
    await using http = await withOffsets()
    const plan = await http.post('/groups/g/offsets/reset', { to: 'earliest' })
    assert.equal(plan.status, 200)
    assert.deepEqual(plan.body, {
      group_id: 'g',
      executed: false,
      plan: [
        {
          topic: 'orders',
          partition: 0,
          from: 4,
          to: 0,
          delta: -4,
          records: 4,
          clamped: false,
          note: '',
        },
        {
          topic: 'orders',
          partition: 1,
          from: 3,
          to: 0,
          delta: -3,
          records: 3,
          clamped: false,
          note: '',
        },
      ],
    })
    assert.deepEqual(await committed(http), [4, 3])
    const done = await http.post('/groups/g/offsets/reset', { to: 'earliest', dry_run: false })
    assert.deepEqual(done.body, { ...plan.body, executed: true })
    assert.deepEqual(await committed(http), [0, 0])
  })

  test('goes wherever the grammar says, and never out of the log', async () => {
    await using http = await withOffsets()
    const targets: readonly (readonly [object, readonly number[]])[] = [
      [{ to: 'latest' }, [6, 6]],
      [{ to: '2' }, [2, 2]],
      [{ to: '+2' }, [6, 5]],
      [{ to: '-100' }, [0, 0]],
      [{ to: '@2026-01-01T00:00:03Z' }, [3, 3]],
      [{ to: '@-5s' }, [5, 5]],
      [{ to: 'group:g' }, [4, 3]],
      [{ to: 'latest', topics: ['orders'] }, [6, 6]],
      [{ partitions: [{ topic: 'orders', partition: 1, offset: 5 }] }, [5]],
    ]
    for (const [body, offsets] of targets) {
      const { status, body: answer } = await http.post('/groups/g/offsets/reset', body)
      assert.equal(status, 200, JSON.stringify(answer))
      assert.deepEqual(
        answer.plan.map(({ to }: { to: number }) => to),
        offsets,
        JSON.stringify(body),
      )
    }
    assert.deepEqual(await committed(http), [4, 3])
  })

  test('of a group that is not there yet makes it, where topics are named', async () => {
    await using http = await withOffsets()
    const body = { to: 'latest', topics: ['orders'], dry_run: false }
    assert.equal((await http.post('/groups/fresh/offsets/reset', body)).body.executed, true)
    const { body: offsets } = await http.get('/groups/fresh/offsets')
    assert.deepEqual(offsets.topics, { orders: { 0: 6, 1: 6 } })
  })

  test('of a group with members wants a pause, after which they go on at the new offsets', async () => {
    await using http = await withOffsets()
    await http.post('/groups/g/join', { member_id: 'a', topics: ['orders'] })
    const refused = await http.post('/groups/g/offsets/reset', { to: '1', dry_run: false })
    assert.deepEqual([refused.status, refused.body.code], [409, 'GROUP_NOT_EMPTY'])
    const body = { to: '1', dry_run: false, pause_first: true, wait_ms: 60_000 }
    const resetting = http.post('/groups/g/offsets/reset', body)
    await http.broker.clock.advance(50)
    assert.equal((await http.get('/groups/g/pause')).body.paused, true)
    // It is told, and by coming again it gives up what was taken.
    for (let times = 0; times < 2; times++)
      await http.post('/groups/g/heartbeat', { member_id: 'a' })
    await http.broker.clock.advance(100)
    assert.deepEqual((await resetting).body.executed, true)
    assert.deepEqual(await committed(http), [1, 1])
    assert.equal((await http.get('/groups/g/pause')).body.paused, false)
    const back = await http.post('/groups/g/join', { member_id: 'a', topics: ['orders'] })
    assert.deepEqual(back.body.assigned_partitions, { orders: [0, 1] })
    const polled = await http.get('/groups/g/poll?member_id=a&timeout=0s&limit=1')
    assert.deepEqual(
      polled.body.messages.map(({ offset }: { offset: number }) => offset),
      [1],
    )
  })

  test('gives up where a member does not, changes nothing and resumes the group', async () => {
    await using http = await withOffsets()
    await http.post('/groups/g/join', { member_id: 'a', topics: ['orders'] })
    const body = { to: '1', dry_run: false, pause_first: true, wait_ms: 100 }
    const resetting = http.post('/groups/g/offsets/reset', body)
    await http.broker.clock.advance(500)
    const { status, body: refused } = await resetting
    assert.deepEqual([status, refused.code], [409, 'GROUP_NOT_EMPTY'])
    assert.match(
      refused.detail,
      /members of g have not given up their partitions: a\. Nothing changed/,
    )
    assert.deepEqual(await committed(http), [4, 3])
    assert.equal((await http.get('/groups/g/pause')).body.paused, false)
  })

  test('is refused with its reason, and changes nothing', async () => {
    await using http = await withOffsets()
    const refusals: readonly (readonly [string, object, number, string, RegExp])[] = [
      ['g', { to: 'soon' }, 400, 'INVALID_REQUEST', /soon: expected earliest, latest/],
      ['g', {}, 400, 'INVALID_REQUEST', /say either to, or partitions/],
      ['g', { to: 'earliest', topics: ['nosuch'] }, 404, 'UNKNOWN_TOPIC', /nosuch does not exist/],
      ['nobody', { to: 'earliest' }, 404, 'UNKNOWN_GROUP', /group nobody does not exist/],
      ['g', { to: 'group:nobody' }, 400, 'INVALID_REQUEST', /committed nothing/],
      ['g', { to: 'latest', if_generation: 7 }, 409, 'STALE_GENERATION', /is at generation 0/],
      [
        'g',
        { partitions: [{ topic: 'orders', partition: 9, offset: 0 }] },
        404,
        'UNKNOWN_TOPIC',
        /no partition 9/,
      ],
    ]
    for (const [group, body, status, code, words] of refusals) {
      const refused = await http.post(`/groups/${group}/offsets/reset`, { dry_run: false, ...body })
      assert.deepEqual([refused.status, refused.body.code], [status, code], JSON.stringify(body))
      assert.match(refused.body.detail, words)
    }
    assert.deepEqual(await committed(http), [4, 3])
  })
})

/** Six messages, a second apart, in each of two partitions; g committed 4 and 3. */
async function withOffsets(): Promise<HttpFixture> {
  const http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 2 })
  const messages = [0, 1, 2, 3, 4, 5].flatMap((second) =>
    [0, 1].map((partition) => ({
      partition,
      value: String(second),
      timestamp: `2026-01-01T00:00:0${second}Z`,
    })),
  )
  await http.broker.clock.advance(10_000)
  await http.post('/topics/orders/messages', { messages })
  const offsets = { orders: { 0: 4, 1: 3 } }
  assert.equal((await http.post('/groups/g/offsets', { offsets })).status, 200)
  return http
}

async function committed(http: HttpFixture): Promise<readonly number[]> {
  const { body } = await http.get('/groups/g/offsets')
  return [body.topics.orders['0'], body.topics.orders['1']]
}
