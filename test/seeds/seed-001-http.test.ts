/**
 * Seed 001 over its HTTP API: joining, heartbeats, polls, offsets, what a group looks like.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { HttpStage, type Json } from './http-stage.ts'
import { BEFORE_SESSION_END_MS, once, ROOM_MS, timed } from './waiting.ts'

describe('seed 001, over HTTP', { concurrency: 16 }, () => {
  let stage: HttpStage
  before(async () => {
    stage = await HttpStage.open()
  })
  after(async () => stage[Symbol.asyncDispose]())

  /** The page's first command, its body letter for letter. */
  const joined = once(async () => {
    await stage.topic('orders', 2)
    const body = '{ "member_id": "consumer-1", "topics": ["orders"], "session_timeout_ms": 30000 }'
    return stage.ask('POST', '/groups/order-service/join', JSON.parse(body))
  })

  /** Two members of a group on six partitions. */
  const pair = once(async () => {
    await stage.topic('pair', 6)
    for (const member of ['consumer-1', 'consumer-2'])
      await stage.join('pair', 'pair', member, { assignor: 'range' })
    await stage.shared('pair', ['consumer-1', 'consumer-2'], 6)
    return stage.ask('GET', '/groups/pair')
  })

  test('S001-08 takes the join request as printed', async () => {
    assert.equal((await joined()).status, 200)
  })

  test('S001-09 answers a join with the fields that are printed', async () => {
    const { body } = await joined()
    assert.deepEqual(Object.keys(body).slice(0, 3), [
      'member_id',
      'generation',
      'assigned_partitions',
    ])
    assert.equal(body.member_id, 'consumer-1')
  })

  test('S001-10 answers the first join with generation 1 and orders [0, 1], on a topic of two partitions', async () => {
    const { generation, assigned_partitions: partitions } = (await joined()).body
    assert.deepEqual({ generation, partitions }, { generation: 1, partitions: { orders: [0, 1] } })
  })

  test('S001-12 assigns as printed by range, and with the fewest moves by default', async (context) => {
    for (const [assignor, ...printed] of [
      [
        'range',
        [
          [0, 1, 2],
          [3, 4, 5],
        ],
        [
          [0, 1],
          [2, 3],
          [4, 5],
        ],
        [
          [0, 1, 2],
          [3, 4, 5],
        ],
      ],
      ['cooperative-sticky'],
    ] as const) {
      const group = `s001-12-${assignor}`
      await stage.topic(group, 6)
      const join = (member: string) => stage.join(group, group, member, { assignor })
      await join('A')
      await join('B')
      const initial = await stage.shared(group, ['A', 'B'], 6)
      await join('C')
      const three = await stage.shared(group, ['A', 'B', 'C'], 6)
      await stage.post(`/groups/${group}/leave`, { member_id: 'B' })
      const two = await stage.shared(group, ['A', 'C'], 6)
      context.diagnostic(`${assignor}: ${JSON.stringify([initial, three, two])}`)
      if (assignor === 'range') assert.deepEqual([initial, three, two], printed)
      else {
        // Of two members each gives one up; of three the two that stay keep all they have.
        assert.deepEqual(
          [0, 1].map((index) => kept(initial[index], three[index])),
          [2, 2],
        )
        assert.deepEqual([kept(three[0], two[0]), kept(three[2], two[1])], [2, 2])
      }
    }
  })

  test('S001-29 considers a member dead that sent no heartbeat for session_timeout_ms', async () => {
    await stage.topic('dead', 2)
    for (const member of ['a', 'b'])
      await stage.join('dead', 'dead', member, { session_timeout_ms: 30_000 })
    await stage.shared('dead', ['a', 'b'], 2)
    const tookMs = await timed(() => stage.shared('dead', ['a'], 2))
    assert.ok(tookMs > 15_000 && tookMs < 30_000 + ROOM_MS, `${tookMs} ms`)
  })

  test('S001-34 gives M1 to A, M2 to B and M3 to C', async () => {
    await stage.topic('competing', 3)
    for (const member of ['A', 'B', 'C'])
      await stage.join('competing', 'competing', member, { assignor: 'range' })
    await stage.shared('competing', ['A', 'B', 'C'], 3)
    for (const partition of [0, 1, 2])
      await stage.publish('competing', [`M${partition + 1}`], partition)
    const got = await Promise.all(
      ['A', 'B', 'C'].map(async (member) => valuesOf(await stage.poll('competing', member))),
    )
    assert.deepEqual(got, [['M1'], ['M2'], ['M3']])
  })

  test('S001-38b commits by hand and reads it back', async () => {
    await stage.topic('by-hand', 1, 'a', 'b')
    await stage.join('by-hand', 'by-hand', 'c', { auto_offset_reset: 'earliest' })
    const offsets = { 'by-hand': { '0': 1 } }
    await stage.post('/groups/by-hand/offsets', { member_id: 'c', generation: 1, offsets })
    assert.equal(await stage.committed('by-hand', 'by-hand'), 1)
  })

  test('S001-47 shows the lag: five records behind', async () => {
    await stage.topic('lag', 1, ...'abcdefgh')
    await stage.join('lag', 'lag', 'c', { auto_offset_reset: 'earliest' })
    const offsets = { lag: { '0': 3 } }
    await stage.post('/groups/lag/offsets', { member_id: 'c', generation: 1, offsets })
    const [{ lag }] = (await stage.get('/groups/lag/offsets')).partitions
    assert.equal(lag, 5)
    assert.equal((await stage.get('/groups/lag')).lag, 5)
  })

  test('S001-48 tells how often the group rebalanced', async () => {
    await pair()
    const { rebalances } = await stage.get('/groups/pair/rebalances')
    assert.ok(rebalances.length >= 2)
    assert.deepEqual(rebalances.map(({ reason }: Json) => reason).slice(-2), [
      'member_joined',
      'member_joined',
    ])
  })

  test('S001-49 tells how long each rebalance took', async () => {
    await pair()
    for (const { duration_seconds: seconds } of (await stage.get('/groups/pair/rebalances'))
      .rebalances)
      assert.ok(seconds >= 0, `${seconds}`)
  })

  test('S001-50 lists the groups', async () => {
    await joined()
    const { groups } = await stage.get('/groups')
    assert.ok(groups.some(({ group_id: id }: Json) => id === 'order-service'))
  })

  test('S001-51 describes a group', async () => {
    const { status, body } = await pair()
    assert.equal(status, 200)
    assert.equal(body.members.length, 2)
  })

  test('S001-52 describes it field by field as printed', async () => {
    const { group_id, state, generation, members } = (await pair()).body
    const printed = members.map(({ member_id, client_host, assigned_partitions }: Json) => ({
      member_id,
      client_host,
      assigned_partitions,
    }))
    assert.deepEqual(
      { group_id, state, generation, members: printed },
      {
        group_id: 'pair',
        state: 'stable',
        generation: 2,
        members: [
          {
            member_id: 'consumer-1',
            client_host: '127.0.0.1',
            assigned_partitions: { pair: [0, 1, 2] },
          },
          {
            member_id: 'consumer-2',
            client_host: '127.0.0.1',
            assigned_partitions: { pair: [3, 4, 5] },
          },
        ],
      },
    )
  })

  test('S001-60 takes a heartbeat, refuses a stale generation with the present one, and an unknown member', async () => {
    await stage.topic('beats', 1)
    await stage.join('beats', 'beats', 'a')
    const beat = (body: object) => stage.ask('POST', '/groups/beats/heartbeat', body)
    assert.equal((await beat({ member_id: 'a', generation: 1 })).status, 200)
    const stale = await beat({ member_id: 'a', generation: 7 })
    assert.deepEqual([stale.status, stale.body.current_generation], [409, 1])
    assert.equal((await beat({ member_id: 'nobody' })).status, 404)
  })

  test('S001-61 lets a member leave, and its partitions move at once', async () => {
    await stage.topic('leaving', 2)
    for (const member of ['a', 'b'])
      await stage.join('leaving', 'leaving', member, { session_timeout_ms: 45_000 })
    await stage.shared('leaving', ['a', 'b'], 2)
    const left = await stage.ask('POST', '/groups/leaving/leave', { member_id: 'b' })
    assert.equal(left.status, 200)
    const tookMs = await timed(() => stage.shared('leaving', ['a'], 2))
    assert.ok(tookMs < BEFORE_SESSION_END_MS, `${tookMs} ms, where the session lasts 45 s`)
  })

  test('S001-62 polls 250 messages with where they are from, and nothing after the timeout', async () => {
    await stage.topic('polled', 1, ...Array.from({ length: 250 }, (_, index) => `${index}`))
    await stage.join('polled', 'polled', 'a', { auto_offset_reset: 'earliest' })
    const { messages } = await stage.poll('polled', 'a', 'max_messages=250&timeout=10s')
    assert.deepEqual(
      messages.map(({ partition, offset, value }: Json) => [partition, offset, value]),
      Array.from({ length: 250 }, (_, offset) => [0, offset, `${offset}`]),
    )
    const tookMs = await timed(async () => {
      assert.deepEqual((await stage.poll('polled', 'a', 'timeout=1s')).messages, [])
    })
    assert.ok(tookMs > 900, `${tookMs} ms`)
  })

  test('S001-63 commits offsets, reads them back, and refuses a stale generation', async () => {
    await stage.topic('offsets', 1, 'a', 'b')
    await stage.join('offsets', 'offsets', 'm', { auto_offset_reset: 'earliest' })
    const commit = (generation: number, offset: number) =>
      stage.ask('POST', '/groups/offsets/offsets', {
        member_id: 'm',
        generation,
        offsets: { offsets: { '0': offset } },
      })
    assert.equal((await commit(1, 2)).status, 200)
    assert.equal((await commit(9, 1)).status, 409)
    assert.equal(await stage.committed('offsets', 'offsets'), 2)
  })
})

function valuesOf({ messages }: Json): readonly string[] {
  return messages.map(({ value }: Json) => value)
}

/** How many partitions a member kept. */
function kept(before: readonly number[] = [], now: readonly number[] = []): number {
  return before.filter((partition) => now.includes(partition)).length
}
