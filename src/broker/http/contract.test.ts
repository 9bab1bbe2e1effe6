/**
 * The contract: every example of the OpenAPI document is played against a broker and answered as the document says.
 *
 * The examples are one story of one topic and one group, told in the order below. Times, ids and handles are those of the run;
 * a handle in an example stands for the one that the story's poll gave for that partition and offset.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokerRoutes, type Example, type Route } from '../../http/index.ts'
import { VERSION } from '../../core/index.ts'
import { HttpFixture } from './http-fixture.test.ts'

/** Operations in the order of the story; where one has several examples, all of them at its place. */
const STORY: readonly (keyof typeof brokerRoutes)[] = [
  'livez',
  'healthz',
  'readyz',
  'version',
  'openapi',
  'createTopic',
  'listTopics',
  'getTopic',
  'joinGroup',
  'heartbeat',
  'poll',
  'publish',
  'readPartition',
  'ack',
  'extendVisibility',
  'nack',
  'reject',
  'commitOffsets',
  'getOffsets',
  'resetOffsets',
  'groupLag',
  'rebalances',
  'getGroup',
  'listGroups',
  'pauseGroup',
  'getPause',
  'resumeGroup',
  'leaveGroup',
  'deleteGroup',
  'deleteTopic',
]

/** What is another at each run, or on each machine. */
const OF_THE_RUN = new Set([
  'at',
  'cluster_id',
  'created_at',
  'lag_seconds',
  'max_lag_seconds',
  'new_deadline',
  'next_visible_at',
  'node_version',
  'rebalances_per_hour',
  'receipt_handle',
  'since',
  'time_in_rebalance_ms',
  'timestamp',
  'total_size_bytes',
  'until',
  'uptime',
  'duration_seconds',
])

describe('the examples of the OpenAPI document', () => {
  test('tell one story in which every operation has its place', () => {
    assert.deepEqual([...STORY].sort(), Object.keys(brokerRoutes).sort())
    for (const [id, { examples }] of Object.entries(brokerRoutes))
      if (id !== 'openapi') assert.ok(examples.length > 0, `${id} has no example`)
  })

  test('are answered as they say', async () => {
    await using http = await HttpFixture.open()
    const handles = new Map<string, string>()
    for (const id of STORY) {
      const route: Route = brokerRoutes[id]
      if (id === 'ack') await takeHandles(http, handles)
      for (const example of route.examples) await play(http, id, route, example, handles)
    }
  })

  test('have answers that their own schemas let through', () => {
    for (const [id, route] of Object.entries(brokerRoutes) as [string, Route][])
      for (const { name, response } of route.examples) {
        const { success, error } = route.response.safeParse(response)
        assert.ok(success, `${id}, ${name}: ${error?.message}`)
      }
  })

  test('have the parameters of their paths', () => {
    for (const [id, { path, params, examples }] of Object.entries(brokerRoutes) as [
      string,
      Route,
    ][]) {
      const named = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => name).sort()
      assert.deepEqual(Object.keys(params?.shape ?? {}).sort(), named, id)
      for (const example of examples)
        assert.deepEqual(Object.keys(example.params ?? {}).sort(), named, `${id}, ${example.name}`)
    }
  })
})

async function takeHandles(http: HttpFixture, handles: Map<string, string>): Promise<void> {
  const { body } = await http.get('/groups/order-service/poll?member_id=consumer-1&timeout=0s')
  for (const { partition, offset, receipt_handle: handle } of body.messages)
    handles.set(`handle-of-${partition}-${offset}`, handle)
}

async function play(
  http: HttpFixture,
  id: string,
  route: Route,
  example: Example,
  handles: ReadonlyMap<string, string>,
): Promise<void> {
  const { params = {}, query, body, response } = example
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '')
  const target = query === undefined ? path : `${path}?${new URLSearchParams(query).toString()}`
  const sent = JSON.stringify(body)?.replaceAll(
    /handle-of-\d+-\d+/g,
    (name) => handles.get(name) ?? name,
  )
  // The fixture holds the answer to the schema of its route.
  const answer = await http.send(route.method, target, sent === undefined ? {} : { body: sent })
  const where = `${id}, ${example.name}`
  assert.equal(answer.status, route.status ?? 200, `${where}: ${JSON.stringify(answer.body)}`)
  assert.deepEqual(shown(answer.body, response), shown(response, response), where)
}

/** What the example shows of a value, without what is of the run. */
function shown(value: unknown, example: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(example))
    return value.map((each, index) => shown(each, example[index] ?? each))
  if (typeof value !== 'object' || value === null || typeof example !== 'object') return value
  const entries = Object.entries(value as Record<string, unknown>)
    .filter(([name]) => Object.hasOwn(example ?? {}, name) && !OF_THE_RUN.has(name))
    .map(([name, each]) => [name, shown(each, (example as Record<string, unknown>)[name])])
  return Object.fromEntries(entries)
}

test('the version of the examples is this one', () => {
  const [{ response }] = brokerRoutes.version.examples
  assert.equal(response.version, VERSION)
})
