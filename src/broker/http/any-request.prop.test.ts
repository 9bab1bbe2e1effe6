/** Whatever is asked of the HTTP API, it is answered as the document says or refused with a code: never 500, never a hang. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bodyProblems, brokerRoutes, commonProblems, type Route } from '../../http/index.ts'
import { HttpFixture } from './http-fixture.test.ts'

const names = fc.oneof(
  fc.constantFrom(
    'orders',
    'g',
    'a',
    '__proto__',
    'constructor',
    '.',
    '..',
    '%',
    '%2F',
    '0',
    '-1',
    ' ',
  ),
  fc.string({ maxLength: 12, unit: 'binary' }),
)
const scalars = fc.oneof(
  names,
  fc.integer(),
  fc.constantFrom(
    null,
    true,
    0,
    1,
    -1,
    2 ** 53,
    1e300,
    '9007199254740993',
    '1s',
    '30s',
    '2026-11-21T10:00:00Z',
  ),
)
const anything = fc.oneof(
  scalars,
  fc.array(scalars, { maxLength: 3 }),
  fc.dictionary(names, scalars, { maxKeys: 3 }),
  fc.dictionary(names, fc.dictionary(names, scalars, { maxKeys: 2 }), { maxKeys: 2 }),
)

/** A field keeps the value of its example, gets any other, or is left out. */
function varied(value: unknown): fc.Arbitrary<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fc.oneof(
      { weight: 3, arbitrary: fc.constant(value) },
      { weight: 1, arbitrary: anything },
    )
  const fields = Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, varied(each)]),
  )
  return fc.record(fields, { requiredKeys: [] })
}

const routes: readonly Route[] = Object.values(brokerRoutes)

const request = fc.constantFrom(...routes).chain((route) => {
  const [example] = route.examples
  const body = route.body === undefined ? fc.constant(undefined) : varied(example?.body ?? {})
  return fc.record({
    route: fc.constant(route),
    path: fc
      .array(
        fc.oneof({ weight: 4, arbitrary: fc.constant('g') }, { weight: 1, arbitrary: names }),
        {
          minLength: 2,
          maxLength: 2,
        },
      )
      .map(([first = '', second = '']) => filled(route, [first, second])),
    // A poll that waits would wait for virtual time.
    query: fc
      .dictionary(fc.constantFrom('limit', 'offset', 'cursor', 'member_id', 'int64', 'x'), names, {
        maxKeys: 3,
      })
      .map(
        (query) => new URLSearchParams({ ...query, ...(isPoll(route) ? { timeout: '0s' } : {}) }),
      ),
    body,
  })
})

/** What the document says of the operation, and what is said before it is found or its body is read. */
function mayAnswer({ problems }: Route): ReadonlySet<string> {
  return new Set([
    ...problems,
    ...commonProblems,
    'UNKNOWN_ROUTE',
    'METHOD_NOT_ALLOWED',
    ...bodyProblems,
  ])
}

function isPoll({ path }: Route): boolean {
  return path.endsWith('/poll')
}

function filled({ path }: Route, values: readonly string[]): string {
  let at = 0
  return path.replaceAll(/\{\w+\}/g, () => {
    const value = values[at++] ?? ''
    // What is broken stays broken: `%` alone is not percent-encoding.
    return value === '%' ? '%' : encodeURIComponent(value.toWellFormed())
  })
}

test('any request is answered or refused, and the broker goes on', async () => {
  await using http = await HttpFixture.open()
  await http.post('/topics', { name: 'orders', num_partitions: 2 })
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), async (requests) => {
      await http.post('/groups/g/join', { member_id: 'a', topics: ['orders'] })
      for (const { route, path, query, body } of requests) {
        const target = query.size === 0 ? path : `${path}?${query.toString()}`
        const sent = body === undefined ? {} : { body: JSON.stringify(body) }
        const answer = await http.send(route.method, target, sent)
        const where = `${route.method} ${target} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`
        assert.ok(answer.status < 500, where)
        if (answer.status >= 400) {
          assert.ok(mayAnswer(route).has(answer.body.code), `not documented: ${where}`)
          assert.equal(answer.body.status, answer.status, where)
          assert.equal(typeof answer.body.error, 'string', where)
        }
      }
      assert.equal((await http.get('/livez')).status, 200)
    }),
    { numRuns: 150 },
  )
})
