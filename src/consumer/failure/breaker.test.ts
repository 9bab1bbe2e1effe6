import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LETTERS, World } from '../fixtures.test.ts'
import { telemetry } from '../telemetry.ts'
import type { BreakerEvent } from '../telemetry.ts'
import { Breaker } from './breaker.ts'
import { matchesAny } from './error-classes.ts'

const policy = {
  name: 'downstream',
  failureRate: 0.5,
  window: 4,
  openMs: 1_000,
  probes: 1,
  counts: () => true,
}

function run(breaker: Breaker, outcome: 'succeeded' | 'failed' | 'ignored', nowMs = 0): boolean {
  assert.ok(breaker.mayStart(nowMs))
  return breaker.ended(breaker.start(), outcome, nowMs)
}

describe('a circuit breaker', () => {
  test('opens when the share of failures in a full window is reached', () => {
    const breaker = new Breaker(policy)
    for (const outcome of ['failed', 'succeeded', 'succeeded'] as const) run(breaker, outcome)
    assert.equal(breaker.state, 'closed')
    assert.equal(run(breaker, 'failed'), true)
    assert.equal(breaker.state, 'open')
    assert.equal(breaker.mayStart(999), false)
  })

  test('old outcomes leave the window, and those of other classes never enter it', () => {
    const breaker = new Breaker(policy)
    run(breaker, 'failed')
    for (let count = 0; count < 10; count++) run(breaker, 'ignored')
    for (let count = 0; count < 4; count++) run(breaker, 'succeeded')
    run(breaker, 'failed')
    assert.deepEqual([breaker.state, breaker.failures], ['closed', 1])
  })

  test('half-open, one probe decides; what began before counts for nothing', () => {
    const breaker = new Breaker(policy)
    const old = breaker.start()
    for (let count = 0; count < 4; count++) run(breaker, 'failed')
    assert.ok(breaker.mayStart(1_000))
    assert.equal(breaker.state, 'half-open')
    const probe = breaker.start()
    assert.equal(breaker.mayStart(1_000), false)
    assert.equal(breaker.ended(old, 'succeeded', 1_001), false)
    assert.equal(breaker.state, 'half-open')
    assert.equal(breaker.ended(probe, 'failed', 1_100), true)
    assert.deepEqual([breaker.state, breaker.openUntilMs], ['open', 2_100])
    assert.ok(breaker.mayStart(2_100))
    assert.equal(breaker.ended(breaker.start(), 'succeeded', 2_150), false)
    assert.deepEqual([breaker.state, breaker.failures], ['closed', 0])
  })
})

describe('an outage behind the handler', () => {
  test('costs no record an attempt, fills no dead letters, and is over with a probe', async () => {
    const world = new World()
    world.produce(Array.from({ length: 500 }, (_, index) => `k${index}`))
    let isDown = true
    let executions = 0
    const events: string[] = []
    const told = ({ state }: BreakerEvent) => void events.push(state)
    telemetry.breaker.subscribe(told)
    const running = await world.start({
      deadLetter: LETTERS,
      retry: { attempts: 3, backoff: { kind: 'fixed', base: 50 } },
      breaker: { window: 20, open: '5s' },
      handle: async () => {
        executions++
        if (isDown) throw new Error('connection refused')
      },
    })
    await world.pass(600_000)
    assert.equal(world.broker.records(LETTERS, 0).length, 0)
    assert.ok(executions < 100 + 2 * 120, `${executions}`)
    assert.match(running.health().reasons.join(), /circuit downstream is (?:open|half-open)/)
    assert.notEqual(running.health().status, 'stuck')
    assert.equal(world.committed(), 0)
    isDown = false
    await world.pass(30_000)
    assert.equal(world.committed(), 500)
    assert.deepEqual(events.slice(0, 3), ['open', 'half-open', 'open'])
    assert.equal(events.at(-1), 'closed')
    telemetry.breaker.unsubscribe(told)
    const report = await world.drain(running)
    assert.deepEqual([report.handled, report.deadLettered], [500, 0])
  })

  test('a breaker for one class of errors lets others go their way', async () => {
    const world = new World()
    world.produce(Array.from({ length: 60 }, (_, index) => `k${index}`))
    const running = await world.start({
      deadLetter: LETTERS,
      retry: { attempts: 1 },
      breaker: { window: 5, errors: ['ECONNREFUSED'] },
      handle: () => {
        throw new TypeError('a bug')
      },
    })
    await world.pass(1_000)
    assert.equal(world.broker.records(LETTERS, 0).length, 60)
    await world.drain(running)
  })
})

describe('error classes', () => {
  class Refused extends Error {}

  test('a class, a predicate, and a code or name mean what they say', () => {
    const refused = Object.assign(new Refused('no'), { code: 'ECONNREFUSED' })
    assert.ok(matchesAny([Refused], refused))
    assert.ok(matchesAny([Error], refused))
    assert.ok(!matchesAny([TypeError], refused))
    assert.ok(matchesAny(['ECONNREFUSED'], refused))
    assert.ok(matchesAny(['TypeError'], new TypeError('x')))
    assert.ok(matchesAny([(error: unknown) => error === 7], 7))
    assert.ok(!matchesAny(['x', Refused], 'x'))
  })

  test('a fatal error goes straight to the end, one that is not retriable too', async () => {
    const world = new World()
    world.produce(['a', 'b', 'c'])
    const tried: number[] = []
    const running = await world.start({
      deadLetter: LETTERS,
      retry: {
        attempts: 3,
        backoff: { kind: 'fixed', base: 1 },
        retriable: [Refused],
        fatal: [(error) => error instanceof Refused && error.message === 'for good'],
      },
      handle: (_, { offset }) => {
        tried.push(offset)
        throw [new Refused('for good'), new TypeError('x'), new Refused('now')][offset]
      },
    })
    await world.pass(1_000)
    assert.deepEqual(
      tried.toSorted((left, right) => left - right),
      [0, 1, 2, 2, 2],
    )
    await world.drain(running)
  })
})
