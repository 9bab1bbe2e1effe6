/**
 * What a request uses may go while it is answered: its topic, its group, its member. Whenever that happens, between any two
 * steps, the request is answered as the document says or refused with a code, and nothing of what went is left behind.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { systemTimers } from '../../core/index.ts'
import { bodyProblems, brokerRoutes, commonProblems } from '../../http/index.ts'
import type { Route } from '../../http/index.ts'
import { leaveRequest } from '../broker-fixture.test.ts'
import { MemoryFileStore } from '../memory-file-store.ts'
import { HttpFixture, type Received } from './http-fixture.test.ts'

/** What a request needs of what was there before. */
interface World {
  readonly generation: number
  readonly handle: string
}

interface Asked {
  readonly operation: keyof typeof brokerRoutes
  readonly target: string
  readonly body?: (world: World) => unknown
}

const members = '/groups/g'
const requests: readonly Asked[] = [
  { operation: 'publish', target: '/topics/orders/messages', body: () => ({ value: 'v' }) },
  {
    operation: 'publish',
    target: '/topics/orders/messages',
    body: () => ({
      messages: [
        { value: 'a', partition: 0 },
        { value: 'b', partition: 1 },
        { value: 'c', delay: '1h' },
      ],
    }),
  },
  {
    operation: 'publish',
    target: '/topics/orders/messages',
    body: () => ({ value: 'v', delay: '1h' }),
  },
  { operation: 'readPartition', target: '/topics/orders/partitions/0/messages' },
  { operation: 'getTopic', target: '/topics/orders' },
  {
    operation: 'joinGroup',
    target: `${members}/join`,
    body: () => ({ member_id: 'b', topics: ['orders'], auto_offset_reset: 'latest' }),
  },
  {
    operation: 'joinGroup',
    target: `${members}/join`,
    body: () => ({ member_id: 'a', topics: ['orders'], auto_offset_reset: 'earliest' }),
  },
  {
    operation: 'joinGroup',
    target: `/groups/h/join`,
    body: () => ({ member_id: 'b', topics: ['orders'], auto_offset_reset: 'latest' }),
  },
  {
    operation: 'heartbeat',
    target: `${members}/heartbeat`,
    body: ({ generation }) => ({ member_id: 'a', generation }),
  },
  { operation: 'leaveGroup', target: `${members}/leave`, body: () => ({ member_id: 'a' }) },
  { operation: 'poll', target: `${members}/poll?member_id=a&timeout=0s` },
  { operation: 'getOffsets', target: `${members}/offsets` },
  {
    operation: 'commitOffsets',
    target: `${members}/offsets`,
    body: ({ generation }) => ({
      member_id: 'a',
      generation,
      offsets: { orders: { 0: 2, 1: 1 } },
    }),
  },
  {
    operation: 'commitOffsets',
    target: '/groups/h/offsets',
    body: () => ({ offsets: { orders: { 0: 1 } } }),
  },
  {
    operation: 'resetOffsets',
    target: '/groups/done/offsets/reset',
    body: () => ({ to: 'latest', dry_run: false }),
  },
  {
    operation: 'resetOffsets',
    target: '/groups/done/offsets/reset',
    body: () => ({ to: '@-2h', topics: ['orders'], dry_run: false }),
  },
  {
    operation: 'resetOffsets',
    target: '/groups/g/offsets/reset',
    body: () => ({ to: 'latest', dry_run: false, pause_first: true, wait_ms: 0 }),
  },
  { operation: 'ack', target: '/messages/ack', body: ({ handle }) => ({ receipt_handle: handle }) },
  {
    operation: 'reject',
    target: '/messages/reject',
    body: ({ handle }) => ({ receipt_handle: handle, reason: 'no' }),
  },
  { operation: 'getGroup', target: members },
  { operation: 'listGroups', target: '/groups' },
  { operation: 'groupLag', target: `${members}/lag` },
  { operation: 'deleteGroup', target: '/groups/done' },
  { operation: 'pauseGroup', target: `${members}/pause`, body: () => ({}) },
]

/** What comes between, in one turn. */
type Event = (http: HttpFixture) => void

const events: Readonly<Record<string, Event>> = {
  'its topic is deleted': deleteTopic,
  'its topic is deleted and made again': (http) => {
    deleteTopic(http)
    http.broker.parts.context.topics.createOnDemand('orders')
  },
  'its member leaves and its group is deleted': ({ broker }) => {
    const { groups } = broker.parts.context
    void groups.request<'consumer-heartbeat'>(leaveRequest('g', 'a'))
    const groupsNames = ['g', 'done', 'h']
    void groups.request<'delete'>({ kind: 'delete', groupsNames })
  },
}

function deleteTopic({ broker }: HttpFixture): void {
  const { topics } = broker.parts.context
  const topicId = topics.table.byName('orders')?.topicId
  if (topicId !== undefined) topics.decide({ kind: 'delete', topicId })
}

async function prepared(http: HttpFixture): Promise<World> {
  const { topics, groups } = http.broker.parts.context
  const before = Array.from(topics.table.topics(), ({ topicId }) => topicId)
  for (const topicId of before) topics.decide({ kind: 'delete', topicId })
  await http.post('/groups/g/leave', { member_id: 'a' })
  await http.post('/groups/g/leave', { member_id: 'b' })
  await http.post('/groups/h/leave', { member_id: 'b' })
  await groups.request<'delete'>({ kind: 'delete', groupsNames: ['g', 'done', 'h'] })
  assert.deepEqual((await http.get('/groups')).body.groups, [])
  await http.post('/topics', { name: 'orders', num_partitions: 2 })
  const messages = [0, 0, 0, 1, 1].map((partition) => ({ value: 'v', partition }))
  await http.post('/topics/orders/messages', { messages })
  await http.post('/groups/done/offsets', { offsets: { orders: { 0: 1 } } })
  const join = { member_id: 'a', topics: ['orders'], auto_offset_reset: 'earliest' }
  const { body } = await http.post('/groups/g/join', join)
  const polled = await http.get('/groups/g/poll?member_id=a&max_messages=1&timeout=0s')
  return { generation: body.generation, handle: polled.body.messages[0].receipt_handle }
}

/** Steps of a request: microtasks in each of its first turns of the event loop. */
const STEPS = 12
const TURNS = 2

async function pass(turns: number, steps: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++)
    await new Promise<void>((resolve) => systemTimers.soon(resolve))
  for (let step = 0; step < steps; step++) await Promise.resolve()
}

/** A world to ask in, and what ends it. */
type MakeWorld = () => Promise<{
  readonly http: HttpFixture
  readonly world: World
  readonly end: () => Promise<void>
}>

/** Asks once for every place in which something may come between, until the answer is there before it. */
async function race(
  { operation, target, body }: Asked,
  happen: Event,
  make: MakeWorld,
): Promise<void> {
  const route: Route = brokerRoutes[operation]
  for (let turns = 0; turns < TURNS; turns++)
    for (let steps = 0; steps < STEPS; steps++) {
      const { http, world, end } = await make()
      const topicId = http.broker.parts.context.topics.table.byName('orders')?.topicId ?? ''
      let isAnswered = false
      const sent = body === undefined ? {} : { body: body(world) }
      const answering = http.send(route.method, target, sent).then((answer) => {
        isAnswered = true
        return answer
      })
      await pass(turns, steps)
      const wasAnswered = isAnswered
      happen(http)
      const answer = await answering
      const where = `after ${turns} turns and ${steps} steps: ${JSON.stringify(answer.body)}`
      check(route, answer, where)
      nothingLeft(http, topicId, where)
      await end()
      if (wasAnswered) return
    }
}

describe('whatever goes while a request is answered', () => {
  for (const [what, happen] of Object.entries(events))
    for (const asked of requests) {
      const { operation, target } = asked
      const said = JSON.stringify(asked.body?.({ generation: 1, handle: '…' }) ?? {})
      test(`${operation} ${target} ${said}: ${what}`, async () => {
        await using http = await HttpFixture.open()
        await race(asked, happen, async () => ({
          http,
          world: await prepared(http),
          end: async () => {},
        }))
      })
    }
})

describe('whatever goes while a log is opened after a restart', () => {
  const opening = new Set(['readPartition', 'poll'])
  for (const [what, happen] of Object.entries(events).filter(([each]) => !each.includes('again')))
    for (const asked of requests.filter(({ operation }) => opening.has(operation))) {
      const said = JSON.stringify(asked.body?.({ generation: 1, handle: '…' }) ?? {})
      test(`${asked.operation} ${asked.target} ${said}: ${what}`, () =>
        race(asked, happen, async () => {
          const files = new MemoryFileStore()
          const before = await HttpFixture.open({ files })
          const world = await prepared(before)
          await before[Symbol.asyncDispose]()
          const http = await HttpFixture.open({ files })
          return { http, world, end: () => http[Symbol.asyncDispose]() }
        }))
    }
})

function check({ problems }: Route, { status, body }: Received, where: string): void {
  assert.ok(status < 500, `${status} ${where}`)
  for (const message of body.messages ?? []) assert.notEqual(message.topic, '', where)
  for (const result of body.results ?? []) assert.notEqual(result, null, where)
  if (status < 400) return
  assert.ok(
    new Set<string>([...problems, ...commonProblems, ...bodyProblems]).has(body.code),
    `not documented ${where}`,
  )
  assert.equal(typeof body.error, 'string', where)
}

function nothingLeft({ broker }: HttpFixture, topicId: string, where: string): void {
  const { context, failure } = broker.parts
  assert.equal(failure.happened, false, where)
  const { topics, groups } = context
  for (const { groupId, topicId: id } of groups.shares.all()) {
    assert.notEqual(
      topics.table.byId(id),
      undefined,
      `deliveries of a topic that is gone: ${where}`,
    )
    assert.notEqual(
      groups.peek((all) => all.timeline(groupId)),
      undefined,
      `deliveries of a group that is gone: ${where}`,
    )
  }
  for (const groupId of ['g', 'done', 'h'])
    for (const partition of [0, 1]) {
      const offset = groups.committedOffset(groupId, 'orders', partition)
      if (offset === null) continue
      const topic = topics.table.byName('orders')
      assert.notEqual(topic, undefined, `an offset in a topic that is gone: ${where}`)
      if (topic === undefined || topic.topicId === topicId) continue
      const end = topics.openLog(topic, partition)?.logEndOffset ?? 0
      assert.ok(offset <= end, `an offset of the topic that was before: ${where}`)
    }
}
