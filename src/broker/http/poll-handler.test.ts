import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture, type SentRequest } from './http-fixture.test.ts'

const GROUP = '/groups/g'

/** Topic orders, and member `a` alone in its group from the start of the topic. */
async function withMember(partitions = 1, more: object = {}): Promise<HttpFixture> {
  const http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: partitions })
  await join(http, 'a', more)
  return http
}

async function join(http: HttpFixture, memberId: string, more: object = {}) {
  const body = { member_id: memberId, topics: ['orders'], ...more }
  const answer = await http.post(`${GROUP}/join`, body)
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

async function publish(http: HttpFixture, ...values: readonly string[]) {
  const messages = values.map((value) => ({ value, partition: 0 }))
  assert.equal((await http.post('/topics/orders/messages', { messages })).status, 200)
}

async function poll(
  http: HttpFixture,
  memberId = 'a',
  more = '&timeout=0s',
  sent: SentRequest = {},
) {
  const { status, body } = await http.get(`${GROUP}/poll?member_id=${memberId}${more}`, sent)
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

function values(answer: { messages: readonly { value: string }[] }): readonly string[] {
  return answer.messages.map(({ value }) => value)
}

describe('polling over HTTP', () => {
  test('gives messages once, with a receipt handle each and what to commit', async () => {
    await using http = await withMember()
    await publish(http, 'a', 'b', 'c')
    const first = await poll(http, 'a', '&max_messages=2&timeout=0s')
    assert.deepEqual(values(first), ['a', 'b'])
    assert.deepEqual(first.next_offset, { orders: { '0': 2 } })
    for (const { receipt_handle: handle, delivery_count: count } of first.messages) {
      assert.ok(handle.length > 20)
      assert.equal(count, 1)
    }
    assert.deepEqual(values(await poll(http, 'a', '&limit=100&timeout=0s')), ['c'])
    assert.deepEqual(values(await poll(http)), [])
  })

  test('waits for a message', async () => {
    await using http = await withMember()
    const waiting = poll(http, 'a', '&timeout=30s')
    await publish(http, 'x')
    assert.deepEqual(values(await waiting), ['x'])
  })

  test('answers with nothing when its time is over', async () => {
    await using http = await withMember()
    const waiting = poll(http, 'a', '&timeout=2s')
    await http.broker.clock.advance(2_100)
    const { messages, rebalance_required: moved, generation } = await waiting
    assert.deepEqual([messages, moved, generation], [[], false, 1])
  })

  test('a longer timeout than may be is cut to what may be', async () => {
    await using http = await withMember()
    const waiting = poll(http, 'a', '&timeout=1h')
    await http.broker.clock.advance(61_000)
    assert.deepEqual((await waiting).messages, [])
  })

  test('ends when the client goes away, or the server closes', async () => {
    await using http = await withMember()
    const gone = new AbortController()
    const left = poll(http, 'a', '&timeout=30s', { signal: gone.signal })
    gone.abort()
    assert.deepEqual((await left).messages, [])
    const waiting = poll(http, 'a', '&timeout=30s')
    await Promise.all([http.api.close(), waiting])
    assert.equal((await http.get(`${GROUP}/poll?member_id=a`)).body.code, 'CLOSING')
  })

  test('is a sign of life: who only polls stays in, also while it waits', async () => {
    await using http = await withMember(1, { session_timeout_ms: 3_000 })
    for (let times = 0; times < 4; times++) {
      const waiting = poll(http, 'a', '&timeout=10s')
      await http.broker.clock.advance(10_100)
      assert.deepEqual((await waiting).messages, [])
    }
    assert.equal((await http.get(GROUP)).body.members.length, 1)
    await http.broker.clock.advance(3_100)
    assert.equal((await http.get(GROUP)).body.state, 'empty')
  })

  test('ends early when the group changes for the member, and the next poll gives up what it lost', async () => {
    await using http = await withMember(2, { assignor: 'range' })
    const waiting = poll(http, 'a', '&timeout=30s&generation=1')
    await join(http, 'b', { assignor: 'range' })
    const told = await waiting
    assert.deepEqual(
      [told.messages, told.rebalance_required, told.generation, told.assigned_partitions],
      [[], true, 2, { orders: [0] }],
    )
    const next = await poll(http, 'a', '&timeout=0s&generation=2')
    assert.deepEqual([next.rebalance_required, next.generation], [false, 2])
    const other = await poll(http, 'b')
    assert.deepEqual([other.rebalance_required, other.assigned_partitions], [true, { orders: [1] }])
  })

  test('a member that others join without taking anything from it goes on waiting', async () => {
    await using http = await withMember(1)
    await join(http, 'idle')
    const waiting = poll(http, 'a', '&timeout=30s')
    // Its generation moves on once; from then on the group is settled.
    assert.equal((await waiting).generation, 2)
    const again = poll(http, 'a', '&timeout=30s')
    await http.post(`${GROUP}/heartbeat`, { member_id: 'idle' })
    await publish(http, 'x')
    assert.deepEqual(values(await again), ['x'])
  })

  test('refuses a stale generation and who is not a member', async () => {
    await using http = await withMember()
    const stale = await http.get(`${GROUP}/poll?member_id=a&generation=7`)
    assert.deepEqual(
      [stale.status, stale.body.code, stale.body.generation],
      [409, 'STALE_GENERATION', 1],
    )
    const unknown = await http.get(`${GROUP}/poll?member_id=b`)
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'UNKNOWN_MEMBER'])
    const nowhere = await http.get('/groups/nowhere/poll?member_id=a')
    assert.deepEqual([nowhere.status, nowhere.body.code], [404, 'UNKNOWN_GROUP'])
    const wrong = await http.get(
      `${GROUP}/poll?max_messages=0&timeout=soon&member_id=a&member_id=b`,
    )
    assert.deepEqual(
      wrong.body.errors.map(({ path }: { path: string }) => path),
      ['query.member_id', 'query.max_messages', 'query.timeout'],
    )
  })

  test('every partition gets its turn', async () => {
    await using http = await withMember(3)
    const all = [0, 1, 2].flatMap((partition) =>
      Array.from({ length: 3 }, (_, index) => ({ partition, value: `${partition}-${index}` })),
    )
    await http.post('/topics/orders/messages', { messages: all })
    const seen = []
    for (let times = 0; times < 3; times++)
      seen.push(...values(await poll(http, 'a', '&limit=1&timeout=0s')))
    assert.deepEqual(seen.sort(), ['0-0', '1-0', '2-0'])
  })
})

describe('committed offsets over HTTP', () => {
  test('what was committed is read back, and is where another member goes on', async () => {
    await using http = await withMember()
    await publish(http, 'a', 'b', 'c')
    await poll(http)
    const body = { member_id: 'a', generation: 1, offsets: { orders: { '0': 2 } } }
    const committed = await http.post(`${GROUP}/offsets`, body)
    assert.deepEqual(
      [committed.status, committed.body],
      [200, { status: 'committed', committed: true, group: 'g', offsets: body.offsets }],
    )
    const read = await http.get(`${GROUP}/offsets`)
    assert.deepEqual([read.body.topics, read.body.generation], [{ orders: { '0': 2 } }, 1])
    assert.equal(read.body.partitions[0].lag, 1)
    await http.post(`${GROUP}/leave`, { member_id: 'a' })
    await join(http, 'b')
    assert.deepEqual(values(await poll(http, 'b')), ['c'])
  })

  test('an earlier offset than the committed one delivers again from there', async () => {
    await using http = await withMember()
    await publish(http, 'a', 'b', 'c')
    await poll(http)
    const commit = (offset: number) =>
      http.post(`${GROUP}/offsets`, { member_id: 'a', offsets: { orders: { '0': offset } } })
    await commit(3)
    assert.deepEqual(values(await poll(http)), [])
    await commit(1)
    assert.deepEqual(values(await poll(http)), ['b', 'c'])
  })

  test('a refused commit changes nothing', async () => {
    await using http = await withMember(2)
    await publish(http, 'a', 'b', 'c')
    await http.post(`${GROUP}/offsets`, { member_id: 'a', offsets: { orders: { '0': 1 } } })
    const refusals: readonly (readonly [object, number, string])[] = [
      [{ member_id: 'a', generation: 9, offsets: { orders: { '0': 2 } } }, 409, 'STALE_GENERATION'],
      [{ member_id: 'b', offsets: { orders: { '0': 2 } } }, 404, 'UNKNOWN_MEMBER'],
      [{ offsets: { orders: { '0': 2 } } }, 409, 'GROUP_NOT_EMPTY'],
      [
        { member_id: 'a', offsets: { orders: { '0': 2 }, nowhere: { '0': 1 } } },
        404,
        'UNKNOWN_TOPIC',
      ],
      [{ member_id: 'a', offsets: { orders: { '0': 2, '7': 1 } } }, 404, 'UNKNOWN_PARTITION'],
      [{ member_id: 'a', offsets: { orders: { '0': 2, '1': 9 } } }, 416, 'OFFSET_OUT_OF_RANGE'],
      [{ member_id: 'a', offsets: { orders: { '0': -2 } } }, 400, 'INVALID_REQUEST'],
      [{ member_id: 'a', offsets: {} }, 400, 'INVALID_REQUEST'],
      [{ member_id: 'a', offsets: { orders: { first: 2 } } }, 400, 'INVALID_REQUEST'],
    ]
    for (const [body, status, code] of refusals) {
      const answer = await http.post(`${GROUP}/offsets`, body)
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(body))
    }
    const { body } = await http.get(`${GROUP}/offsets`)
    assert.deepEqual(body.topics, { orders: { '0': 1, '1': 0 } })
  })

  test('a member commits its own partitions only', async () => {
    await using http = await withMember(2, { assignor: 'range' })
    await join(http, 'b', { assignor: 'range' })
    for (const member of ['a', 'a', 'b'])
      await http.post(`${GROUP}/heartbeat`, { member_id: member })
    const body = { member_id: 'b', offsets: { orders: { '0': 0 } } }
    const { status, body: refusal } = await http.post(`${GROUP}/offsets`, body)
    assert.deepEqual([status, refusal.code], [403, 'NOT_ASSIGNED'])
    assert.match(refusal.error, /orders-0 is not assigned to b/)
  })

  test('anybody commits while the group has no members, and the group begins by it', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders' })
    await publish(http, 'a', 'b')
    const body = { offsets: { orders: { '0': 1 } } }
    assert.equal((await http.post(`${GROUP}/offsets`, body)).status, 200)
    await join(http, 'a', { auto_offset_reset: 'none' })
    assert.deepEqual(values(await poll(http)), ['b'])
  })

  test('of a group that is not there are unknown', async () => {
    await using http = await HttpFixture.open()
    const { status, body } = await http.get(`${GROUP}/offsets`)
    assert.deepEqual([status, body.code], [404, 'UNKNOWN_GROUP'])
  })
})

describe('where a group begins', () => {
  test('at the end by default, at the start where it asks for it', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders' })
    await publish(http, 'old')
    await join(http, 'a')
    await publish(http, 'new')
    assert.deepEqual(values(await poll(http)), ['new'])
    const early = { member_id: 'e', topics: ['orders'], auto_offset_reset: 'earliest' }
    await http.post('/groups/early/join', early)
    const { body } = await http.get('/groups/early/poll?member_id=e&timeout=0s')
    assert.deepEqual(values(body), ['old', 'new'])
  })

  test('once and for all: who joins later, or again, does not begin anew', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders' })
    await join(http, 'a', { auto_offset_reset: 'latest' })
    await http.post(`${GROUP}/leave`, { member_id: 'a' })
    await publish(http, 'while nobody was in')
    await join(http, 'b', { auto_offset_reset: 'latest' })
    assert.deepEqual(values(await poll(http, 'b')), ['while nobody was in'])
  })

  test('partitions that come later begin at their start', async () => {
    await using http = await withMember(1, { auto_offset_reset: 'latest' })
    const { topics } = http.broker.parts.context
    topics.decide({ kind: 'add-partitions', name: 'orders', count: 2, assignments: null })
    await http.post('/topics/orders/messages', { value: 'early', partition: 1 })
    assert.deepEqual(values(await poll(http)), ['early'])
  })
})

describe('groups over HTTP', () => {
  test('the shape of seed 001: state, generation, members with host and partitions', async () => {
    await using http = await HttpFixture.open()
    await http.post('/topics', { name: 'orders', num_partitions: 6 })
    for (const [index, peerHost] of ['10.0.0.5', '10.0.0.6'].entries()) {
      const body = { member_id: `consumer-${index + 1}`, topics: ['orders'], assignor: 'range' }
      await http.post('/groups/order-service/join', body, { peerHost })
    }
    for (const member of [1, 1, 2])
      await http.post('/groups/order-service/heartbeat', { member_id: `consumer-${member}` })
    const { body } = await http.get('/groups/order-service')
    assert.deepEqual(Object.keys(body).slice(0, 4), ['group_id', 'state', 'generation', 'members'])
    const { group_id, state, generation, members } = body
    assert.deepEqual(
      {
        group_id,
        state,
        generation,
        members: members.map(({ member_id, client_host, assigned_partitions }: never) => ({
          member_id,
          client_host,
          assigned_partitions,
        })),
      },
      {
        group_id: 'order-service',
        state: 'stable',
        generation: 2,
        members: [
          {
            member_id: 'consumer-1',
            client_host: '10.0.0.5',
            assigned_partitions: { orders: [0, 1, 2] },
          },
          {
            member_id: 'consumer-2',
            client_host: '10.0.0.6',
            assigned_partitions: { orders: [3, 4, 5] },
          },
        ],
      },
    )
    assert.deepEqual([body.rebalance_count, body.lag], [2, 0])
  })

  test('a group is deleted when it is empty, and its members are named when it is not', async () => {
    await using http = await withMember()
    const refused = await http.delete(GROUP)
    assert.deepEqual([refused.status, refused.body.code], [409, 'GROUP_NOT_EMPTY'])
    assert.match(refused.body.error, /has members: a;/)
    await http.post(`${GROUP}/leave`, { member_id: 'a' })
    assert.deepEqual((await http.delete(GROUP)).body, { deleted: true, name: 'g' })
    assert.equal((await http.delete(GROUP)).status, 404)
    assert.equal((await http.get(GROUP)).status, 404)
  })

  test('the list is by id, a page at a time, by state and topic', async () => {
    await using http = await HttpFixture.open()
    for (const group of ['c', 'a', 'b'])
      await http.post(`/groups/${group}/join`, { member_id: 'm', topics: [`of-${group}`] })
    await http.post('/groups/b/leave', { member_id: 'm' })
    const ids = async (query: string) => {
      const { body } = await http.get(`/groups${query}`)
      return [body.groups.map(({ group_id: id }: { group_id: string }) => id), body.next_cursor]
    }
    assert.deepEqual(await ids(''), [['a', 'b', 'c'], null])
    assert.deepEqual(await ids('?limit=2'), [['a', 'b'], 'b'])
    assert.deepEqual(await ids('?limit=2&cursor=b'), [['c'], null])
    assert.deepEqual(await ids('?state=empty'), [['b'], null])
    assert.deepEqual(await ids('?topic=of-c'), [['c'], null])
    assert.equal((await http.get('/groups?state=happy')).status, 400)
  })
})
