import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HttpFixture } from './http-fixture.test.ts'

const GROUP = '/groups/order-service'

async function withOrders(partitions: number, settings = {}): Promise<HttpFixture> {
  const http = await HttpFixture.open({ settings })
  await http.post('/topics', { name: 'orders', num_partitions: partitions })
  return http
}

async function join(http: HttpFixture, memberId: string, more: object = {}) {
  const { status, body } = await http.post(`${GROUP}/join`, {
    member_id: memberId,
    topics: ['orders'],
    ...more,
  })
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

async function beat(http: HttpFixture, memberId: string, more: object = {}) {
  const { body } = await http.post(`${GROUP}/heartbeat`, { member_id: memberId, ...more })
  return body
}

/** Heartbeats of all, until nobody hears anything new; who has what then. */
async function settled(http: HttpFixture, ...members: readonly string[]) {
  for (let round = 0; round < 10; round++) {
    const answers = []
    for (const member of members) answers.push(await beat(http, member))
    if (answers.every(({ rebalance_required: moved, state }) => !moved && state === 'stable'))
      return Object.fromEntries(
        answers.map((answer, index) => [members[index], answer.assigned_partitions.orders]),
      )
  }
  throw new Error('the group does not settle')
}

describe('joining over HTTP', () => {
  test('the request and the response of seed 001, as printed', async () => {
    await using http = await withOrders(2)
    const { status, body } = await http.post(`${GROUP}/join`, {
      member_id: 'consumer-1',
      topics: ['orders'],
      session_timeout_ms: 30000,
    })
    assert.equal(status, 200)
    const { member_id, generation, assigned_partitions, ...additions } = body
    assert.deepEqual(
      { member_id, generation, assigned_partitions },
      { member_id: 'consumer-1', generation: 1, assigned_partitions: { orders: [0, 1] } },
    )
    assert.deepEqual(additions, {
      heartbeat_interval_ms: 10_000,
      rebalance_required: false,
      members: ['consumer-1'],
    })
    assert.deepEqual(Object.keys(body).slice(0, 3), [
      'member_id',
      'generation',
      'assigned_partitions',
    ])
  })

  test('makes the group and its topics', async () => {
    await using http = await HttpFixture.open()
    assert.deepEqual((await http.get('/groups')).body.groups, [])
    const joined = await join(http, 'a')
    assert.deepEqual(joined.assigned_partitions, { orders: [0] })
    const { body } = await http.get('/groups')
    assert.deepEqual(
      body.groups.map(({ group_id: id, state }: Record<string, string>) => [id, state]),
      [['order-service', 'stable']],
    )
  })

  test('the spellings of other documents are understood', async () => {
    await using http = await withOrders(2)
    const { status, body } = await http.post(`${GROUP}/join`, {
      client_id: 'shop',
      topics: ['orders'],
      session_timeout: '9s',
      heartbeat_interval: '3s',
      rebalance_timeout: '1m',
      offset_reset: 'earliest',
    })
    assert.equal(status, 200)
    assert.match(body.member_id, /^shop-[0-9a-f-]{36}$/)
    assert.deepEqual([body.heartbeat_interval_ms, body.warnings], [3_000, undefined])
    const [member] = (await http.get(GROUP)).body.members
    assert.deepEqual([member.client_id, member.session_timeout_ms], ['shop', 9_000])
  })

  test('joining again keeps the place, the generation and the partitions', async () => {
    await using http = await withOrders(2)
    await join(http, 'a')
    const again = await join(http, 'a')
    assert.deepEqual([again.generation, again.assigned_partitions], [1, { orders: [0, 1] }])
  })

  test('a session of less than three heartbeats is taken with a warning that names the rule', async () => {
    await using http = await withOrders(2)
    const short = await join(http, 'a', { session_timeout_ms: 20_000 })
    assert.match(short.warnings[0], /20000 ms is below three heartbeat intervals of 10000 ms/)
    assert.equal(short.heartbeat_interval_ms, 6_666)
    const said = await join(http, 'a', { session_timeout_ms: 20_000, heartbeat_interval_ms: 5_000 })
    assert.equal(said.warnings, undefined)
    const equal = await join(http, 'a', { session_timeout_ms: 30_000 })
    assert.equal(equal.warnings, undefined)
  })

  test('what cannot be joined is refused, and nothing is made', async () => {
    await using http = await withOrders(2, { 'auto.create.topics.enable': 'false' })
    const refusals: readonly (readonly [object, number, string, RegExp])[] = [
      [{ topics: ['nowhere'] }, 404, 'UNKNOWN_TOPIC', /nowhere does not exist/],
      [{ topics: ['bad/name'] }, 400, 'INVALID_REQUEST', /characters other than/],
      [{ topics: [] }, 400, 'INVALID_REQUEST', /body\.topics/],
      [
        { topics: ['orders'], session_timeout_ms: 10 },
        400,
        'INVALID_REQUEST',
        /session_timeout_ms/,
      ],
      [{ topics: ['orders'], session_timeout: '10 s' }, 400, 'INVALID_REQUEST', /span of time/],
      [{ topics: ['orders'], session_timeout: '0s' }, 400, 'INVALID_REQUEST', /from 1s to 30m/],
      [{ topics: ['orders'], heartbeat_interval: '1ms' }, 400, 'INVALID_REQUEST', /from 100ms to/],
      [{ topics: ['orders'], assignor: 'best' }, 400, 'INVALID_REQUEST', /assignor/],
      [
        { topics: ['orders'], sesion_timeout_ms: 1_000 },
        400,
        'INVALID_REQUEST',
        /not a known field/,
      ],
      [{ topics: ['orders'], auto_offset_reset: 'none' }, 409, 'NO_OFFSET', /orders-0, orders-1/],
    ]
    for (const [more, status, code, sentence] of refusals) {
      const answer = await http.post(`${GROUP}/join`, { member_id: 'a', ...more })
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(more))
      assert.match(answer.body.error, sentence)
    }
    assert.deepEqual((await http.get('/groups')).body.groups, [])
  })

  test('a refused join makes no topic and commits no start', async () => {
    await using http = await withOrders(1, { 'group.consumer.max.size': 2 })
    await join(http, 'a', { instance_id: 'i' })
    await join(http, 'b')
    const { body: before } = await http.get(GROUP)
    const topics = ['orders', 'fresh']
    const refused = [
      [{ member_id: 'b', topics, instance_id: 'i' }, 'MEMBER_FENCED'],
      [{ member_id: 'c', topics, instance_id: 'i' }, 'MEMBER_FENCED'],
      [{ member_id: 'c', topics }, 'GROUP_FULL'],
      [{ member_id: 'b', topics, instance_id: 'j' }, 'GROUP_FULL'],
    ] as const
    for (const [sent, code] of refused) {
      const { status, body } = await http.post(`${GROUP}/join`, sent)
      assert.deepEqual([status, body.code], [409, code], JSON.stringify(sent))
    }
    assert.equal((await http.get('/topics/fresh')).status, 404)
    const { body: offsets } = await http.get(`${GROUP}/offsets`)
    assert.deepEqual(Object.keys(offsets.topics), ['orders'])
    assert.deepEqual((await http.get(GROUP)).body, before)
  })

  test('of two joins with one instance id that meet, the refused one commits no start', async () => {
    await using http = await withOrders(1)
    await http.post('/topics', { name: 'fresh', num_partitions: 1 })
    await join(http, 'b')
    const taking = join(http, 'a', { instance_id: 'i' })
    const both = { member_id: 'b', topics: ['orders', 'fresh'], instance_id: 'i' }
    const { status, body } = await http.post(`${GROUP}/join`, both)
    await taking
    assert.deepEqual([status, body.code], [409, 'MEMBER_FENCED'])
    const { body: offsets } = await http.get(`${GROUP}/offsets`)
    assert.deepEqual(Object.keys(offsets.topics), ['orders'])
  })

  test('a static member keeps its place until it leaves', async () => {
    await using http = await withOrders(2)
    await join(http, 'a', { instance_id: 'one' })
    const other = { member_id: 'b', topics: ['orders'], instance_id: 'one' }
    const refused = await http.post(`${GROUP}/join`, other)
    assert.deepEqual([refused.status, refused.body.code], [409, 'MEMBER_FENCED'])
    await http.post(`${GROUP}/leave`, { member_id: 'a' })
    assert.equal((await http.post(`${GROUP}/join`, other)).status, 200)
  })
})

describe('a group of HTTP members', () => {
  test('with range has exactly the partitions that seed 001 prints', async () => {
    await using http = await withOrders(6)
    const range = { assignor: 'range' }
    await join(http, 'A', range)
    assert.deepEqual(await settled(http, 'A'), { A: [0, 1, 2, 3, 4, 5] })
    await join(http, 'B', range)
    assert.deepEqual(await settled(http, 'A', 'B'), { A: [0, 1, 2], B: [3, 4, 5] })
    await join(http, 'C', range)
    assert.deepEqual(await settled(http, 'A', 'B', 'C'), { A: [0, 1], B: [2, 3], C: [4, 5] })
    await http.post(`${GROUP}/leave`, { member_id: 'B' })
    assert.deepEqual(await settled(http, 'A', 'C'), { A: [0, 1, 2], C: [3, 4, 5] })
  })

  test('by default moves as little as can be', async () => {
    await using http = await withOrders(6)
    await join(http, 'A')
    await join(http, 'B')
    const two = await settled(http, 'A', 'B')
    await join(http, 'C')
    const three = await settled(http, 'A', 'B', 'C')
    for (const member of ['A', 'B'])
      assert.ok(three[member].every((partition: number) => two[member].includes(partition)))
    assert.deepEqual(
      [three['A'], three['B'], three['C']].map((list) => list.length),
      [2, 2, 2],
    )
    assert.equal((await http.get(GROUP)).body.assignor, 'cooperative-sticky')
  })

  test('hands partitions over only when their owner came again', async () => {
    await using http = await withOrders(2)
    await join(http, 'a')
    const joined = await join(http, 'b')
    assert.deepEqual(
      [joined.assigned_partitions, joined.rebalance_required],
      [{ orders: [] }, true],
    )
    const told = await beat(http, 'a', { generation: 1 })
    assert.deepEqual(
      [told.rebalance_required, told.generation, told.assigned_partitions.orders.length],
      [true, 2, 1],
    )
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [] })
    const released = await beat(http, 'a', { generation: 2 })
    assert.deepEqual([released.rebalance_required, released.generation], [false, 2])
    const got = await beat(http, 'b')
    assert.deepEqual([got.rebalance_required, got.assigned_partitions.orders.length], [true, 1])
  })

  test('whose answer was lost says it again, is told the same, and gives nothing up', async () => {
    await using http = await withOrders(2)
    await join(http, 'a', { assignor: 'range' })
    await join(http, 'b', { assignor: 'range' })
    const told = await beat(http, 'a', { generation: 1 })
    assert.deepEqual([told.generation, told.assigned_partitions], [2, { orders: [0] }])
    const known = { generation: 1 }
    assert.deepEqual(await beat(http, 'a', known), told)
    const polled = await http.get(`${GROUP}/poll?member_id=a&generation=1&timeout=0s`)
    assert.deepEqual(
      [polled.body.generation, polled.body.assigned_partitions, polled.body.rebalance_required],
      [2, { orders: [0] }, true],
    )
    const again = await join(http, 'a', { assignor: 'range' })
    assert.deepEqual([again.generation, again.assigned_partitions], [2, { orders: [0] }])
    // A refusal would tell the number that gives up what it works on.
    const commit = { member_id: 'a', ...known, offsets: { orders: { 1: 0 } } }
    assert.equal((await http.post(`${GROUP}/offsets`, commit)).status, 200)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [] })
    assert.equal((await beat(http, 'a', { generation: 2 })).rebalance_required, false)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [1] })
    assert.equal((await http.post(`${GROUP}/offsets`, commit)).body.code, 'STALE_GENERATION')
  })

  test('joining again is not coming again: what the answers before took away is given up by the next heartbeat', async () => {
    await using http = await withOrders(2)
    await join(http, 'a', { assignor: 'range' })
    await join(http, 'b', { assignor: 'range' })
    const told = await join(http, 'a', { assignor: 'range' })
    assert.deepEqual([told.assigned_partitions, told.generation], [{ orders: [0] }, 2])
    assert.deepEqual(await join(http, 'a', { assignor: 'range' }), told)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [] })
    assert.equal((await beat(http, 'a')).generation, 2)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [1] })
  })

  test('a commit that writes one partition in two ways is refused: one of them would be lost', async () => {
    await using http = await withOrders(1)
    const sent = { offsets: { orders: { '00': 1, '0': 2 } } }
    const { status, body } = await http.post('/groups/tool/offsets', sent)
    assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'])
    assert.equal((await http.get('/groups/tool/offsets')).status, 404)
  })

  test('who says what it still owns keeps it until it says otherwise', async () => {
    await using http = await withOrders(2)
    await join(http, 'a', { assignor: 'range' })
    await join(http, 'b', { assignor: 'range' })
    assert.deepEqual((await beat(http, 'a')).assigned_partitions, { orders: [0] })
    const owned = { owned_partitions: { orders: [0, 1] } }
    for (let times = 0; times < 3; times++)
      assert.equal((await beat(http, 'a', owned)).rebalance_required, true)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [] })
    const given = { owned_partitions: { orders: [0] } }
    assert.equal((await beat(http, 'a', given)).rebalance_required, false)
    assert.deepEqual((await beat(http, 'b')).assigned_partitions, { orders: [1] })
  })

  test('more members than partitions: the idle ones are named', async () => {
    await using http = await withOrders(6)
    const names = Array.from({ length: 8 }, (_, index) => `consumer-${index + 1}`)
    let last
    for (const name of names) last = await join(http, name, { assignor: 'range' })
    assert.match(last.warnings[0], /8 members share 6 partitions: consumer-7, consumer-8 have none/)
    const shares = await settled(http, ...names)
    assert.deepEqual(Object.values(shares), [[0], [1], [2], [3], [4], [5], [], []])
    const { body } = await http.get(GROUP)
    assert.deepEqual(
      body.members.map(({ idle }: { idle: boolean }) => idle),
      [false, false, false, false, false, false, true, true],
    )
    assert.match(body.warnings[0], /consumer-7, consumer-8/)
  })

  test('new partitions come to a member by its heartbeat', async () => {
    await using http = await withOrders(2)
    await join(http, 'a')
    const { topics } = http.broker.parts.context
    topics.decide({ kind: 'add-partitions', name: 'orders', count: 4, assignments: null })
    const told = await beat(http, 'a')
    assert.deepEqual(
      [told.rebalance_required, told.assigned_partitions.orders],
      [true, [0, 1, 2, 3]],
    )
  })
})

describe('staying in and leaving over HTTP', () => {
  test('a heartbeat of a stale generation is refused with the present one', async () => {
    await using http = await withOrders(2)
    await join(http, 'a')
    await join(http, 'b')
    await settled(http, 'a', 'b')
    const body = { member_id: 'a', generation: 1 }
    const stale = await http.post(`${GROUP}/heartbeat`, body)
    assert.deepEqual([stale.status, stale.body.code], [409, 'STALE_GENERATION'])
    assert.equal(stale.body.generation, 2)
    const present = { member_id: 'a', generation: stale.body.generation }
    assert.equal((await http.post(`${GROUP}/heartbeat`, present)).status, 200)
    const future = await http.post(`${GROUP}/heartbeat`, { member_id: 'a', generation: 99 })
    assert.equal(future.status, 409)
  })

  test('who is not there is told so', async () => {
    await using http = await withOrders(2)
    for (const action of ['heartbeat', 'leave']) {
      const unknown = await http.post(`${GROUP}/${action}`, { member_id: 'a' })
      assert.deepEqual([unknown.status, unknown.body.code], [404, 'UNKNOWN_GROUP'])
    }
    await join(http, 'a')
    for (const action of ['heartbeat', 'leave']) {
      const unknown = await http.post(`${GROUP}/${action}`, { member_id: 'b' })
      assert.deepEqual([unknown.status, unknown.body.code], [404, 'UNKNOWN_MEMBER'])
    }
  })

  test('leaving gives the partitions to the others at once', async () => {
    await using http = await withOrders(2)
    await join(http, 'a')
    await join(http, 'b')
    await settled(http, 'a', 'b')
    const left = await http.post(`${GROUP}/leave`, { member_id: 'b', generation: 2 })
    assert.deepEqual([left.status, left.body], [200, { status: 'left', left: true }])
    const told = await beat(http, 'a')
    assert.deepEqual([told.rebalance_required, told.assigned_partitions.orders], [true, [0, 1]])
  })

  test('who is silent for its own session timeout is out', async () => {
    await using http = await withOrders(2)
    await join(http, 'short', { session_timeout_ms: 3_000 })
    await join(http, 'long', { session_timeout_ms: 30_000 })
    await settled(http, 'short', 'long')
    await http.broker.clock.advance(2_999)
    assert.equal((await http.get(GROUP)).body.members.length, 2)
    await http.broker.clock.advance(2)
    const { body } = await http.get(GROUP)
    assert.deepEqual(
      body.members.map(({ member_id: id }: { member_id: string }) => id),
      ['long'],
    )
    assert.deepEqual((await beat(http, 'long')).assigned_partitions, { orders: [0, 1] })
  })
})
