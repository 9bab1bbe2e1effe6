import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { memoryLogger, seededRandom, VirtualClock } from '../core/index.ts'
import type { FetchPort } from '../http/index.ts'
import type { ConsumerConfig, Rebalance } from './config.ts'
import type { Message } from './message.ts'
import { newConsumer } from './new-consumer.ts'

interface Asked {
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Record<string, unknown>
  readonly idempotencyKey: string | undefined
}

type Answer = { readonly status?: number; readonly body: object } | 'unreachable'

/** Answers by the last part of the path; what is asked is remembered. */
class Server {
  readonly asked: Asked[] = []
  readonly answers: Record<string, (asked: Asked) => Answer> = {
    join: () => ({
      body: { ...this.assignment(), member_id: 'm', heartbeat_interval_ms: 1_000, members: ['m'] },
    }),
    heartbeat: () => ({ body: { ...this.assignment(), status: 'ok', state: 'stable' } }),
    poll: () => ({ body: { ...this.assignment(), messages: [], next_offset: {} } }),
    leave: () => ({ body: { status: 'left', left: true } }),
  }
  generation = 1
  partitions: readonly number[] = [0]

  assignment() {
    return {
      generation: this.generation,
      assigned_partitions: { orders: this.partitions },
      rebalance_required: false,
    }
  }

  of(operation: string): readonly Asked[] {
    return this.asked.filter(({ path }) => path.endsWith(`/${operation}`))
  }

  readonly fetch: FetchPort = async (url, { body, headers, signal }) => {
    const { pathname: path, searchParams: query } = new URL(url)
    const asked = {
      path,
      query,
      body: body === undefined ? {} : (JSON.parse(body) as Record<string, unknown>),
      idempotencyKey: headers['idempotency-key'],
    }
    this.asked.push(asked)
    signal?.throwIfAborted()
    const answer = this.answers[path.slice(path.lastIndexOf('/') + 1)]?.(asked) ?? 'unreachable'
    if (answer === 'unreachable') throw new TypeError('fetch failed')
    const text = JSON.stringify(answer.body)
    return { status: answer.status ?? 200, headers: { get: () => null }, text: async () => text }
  }
}

class World {
  readonly clock = new VirtualClock()
  readonly server = new Server()
  readonly logger = memoryLogger()
  readonly told: Rebalance[] = []

  async join(config: Partial<ConsumerConfig> = {}) {
    const joining = newConsumer(
      {
        brokers: 'localhost:8080',
        groupId: 'billing',
        topics: ['orders'],
        autoCommit: false,
        sessionTimeout: '6s',
        heartbeatInterval: '1s',
        logger: this.logger,
        onRebalance: (event) => this.told.push(event),
        ...config,
      },
      { clock: this.clock, timers: this.clock, random: seededRandom(1), fetch: this.server.fetch },
    )
    return this.settled(joining)
  }

  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = () => (isSettled = true)
    promise.then(settle, settle)
    for (let round = 0; round < 6_000; round++) {
      if (isSettled) return promise
      await this.clock.advance(10)
    }
    throw new Error('not settled within a minute of virtual time')
  }

  /** The next poll brings these, once. */
  bring(...messages: readonly object[]): void {
    const { answers } = this.server
    const usual = answers['poll']
    answers['poll'] = () => {
      if (usual !== undefined) answers['poll'] = usual
      return { body: { ...this.server.assignment(), messages, next_offset: {} } }
    }
  }
}

function message(offset: number, more: object = {}) {
  return {
    topic: 'orders',
    partition: 0,
    offset,
    timestamp: '2026-01-01T00:00:00.000Z',
    key: null,
    value: `v${offset}`,
    encoding: 'utf8',
    delivery_count: 1,
    receipt_handle: `handle-${offset}`,
    ...more,
  }
}

function refusal(status: number, code: string, more: object = {}): Answer {
  return { status, body: { status, title: code, detail: `no: ${code}`, error: '', code, ...more } }
}

describe('a member over HTTP', () => {
  test('joins with its settings, and reads messages of every encoding', async () => {
    const world = new World()
    world.bring(
      message(0, {
        key: 'AAE=',
        key_encoding: 'base64',
        value: '//4=',
        encoding: 'base64',
        headers: [
          ['a', 'text'],
          ['b', 'AAE=', 'base64'],
          ['c', null],
        ],
      }),
    )
    const consumer = await world.join({ memberId: 'm', autoOffsetReset: 'earliest' })
    const [joined] = world.server.of('join')
    assert.equal(joined!.path, '/groups/billing/join')
    assert.deepEqual(joined!.body, {
      member_id: 'm',
      client_id: 'shoal',
      topics: ['orders'],
      session_timeout_ms: 6_000,
      heartbeat_interval_ms: 1_000,
      rebalance_timeout_ms: 60_000,
      assignor: 'cooperative-sticky',
      auto_offset_reset: 'earliest',
    })
    const [polled] = (await world.settled(consumer.poll(10))) as [Message]
    assert.deepEqual([...polled.key!], [0, 1])
    assert.deepEqual([...polled.value!], [255, 254])
    assert.deepEqual(
      polled.headers.map(({ key, value }) => [key, value === null ? null : [...value]]),
      [
        ['a', [...Buffer.from('text')]],
        ['b', [0, 1]],
        ['c', null],
      ],
    )
    assert.equal(polled.timestampMs, Date.UTC(2026, 0, 1))
    assert.equal(world.server.of('poll')[0]!.query.get('max_messages'), '10')
    await world.settled(consumer.close())
    assert.equal(world.server.of('leave').length, 1)
  })

  test('sends heartbeats in the background, and says what it still works on', async () => {
    const world = new World()
    world.server.partitions = [0, 1]
    world.bring(message(0), message(0, { partition: 1 }))
    const consumer = await world.join()
    const messages = await world.settled(consumer.poll(10))
    world.server.generation = 2
    world.server.partitions = [1]
    await world.clock.advance(1_100)
    assert.deepEqual(world.server.of('heartbeat').at(-1)!.body['owned_partitions'], {
      orders: [0, 1],
    })
    await world.clock.advance(1_100)
    assert.deepEqual(
      world.server.of('heartbeat').at(-1)!.body['owned_partitions'],
      { orders: [1, 0] },
      'partition 0 is still worked on',
    )
    world.server.answers['ack'] = ({ body }) => ({
      body: {
        success: true,
        results: (body['receipt_handles'] as string[]).map(() => ({ success: true })),
      },
    })
    await world.settled(consumer.ack(messages))
    await world.clock.advance(50)
    assert.deepEqual(world.server.of('heartbeat').at(-1)!.body['owned_partitions'], {
      orders: [1],
    })
    assert.deepEqual(
      world.told.map(({ kind, partitions }) => [
        kind,
        partitions.map(({ partition }) => partition),
      ]),
      [
        ['assigned', [0, 1]],
        ['revoked', [0]],
      ],
    )
    await world.settled(consumer.close())
  })

  test('whose session ended loses everything and joins again', async () => {
    const world = new World()
    world.bring(message(0))
    const consumer = await world.join()
    const [first] = (await world.settled(consumer.poll(1))) as [Message]
    let refusals = 1
    const usual = world.server.answers['heartbeat']!
    world.server.answers['heartbeat'] = (asked) =>
      refusals-- > 0 ? refusal(404, 'UNKNOWN_MEMBER') : usual(asked)
    await world.clock.advance(1_100)
    assert.deepEqual(
      world.told.map(({ kind }) => kind),
      ['assigned', 'lost', 'assigned'],
    )
    assert.equal(world.server.of('join').length, 2)
    await assert.rejects(consumer.ack(first), { code: 'SHOAL_PARTITION_LOST' })
    await world.settled(consumer.close())
  })

  test('goes on with the present generation when an answer was lost', async () => {
    const world = new World()
    const consumer = await world.join()
    world.server.generation = 5
    const usual = world.server.answers['heartbeat']!
    world.server.answers['heartbeat'] = (asked) =>
      asked.body['generation'] === 5
        ? usual(asked)
        : refusal(409, 'STALE_GENERATION', { generation: 5, current_generation: 5 })
    await world.clock.advance(1_100)
    assert.deepEqual(
      world.server.of('heartbeat').map(({ body }) => body['generation']),
      [1, 5],
    )
    assert.deepEqual(
      world.told.map(({ kind }) => kind),
      ['assigned'],
    )
    await world.settled(consumer.close())
  })

  test('tells of a lock that ended, and of a partition that another has', async () => {
    const world = new World()
    world.bring(message(0), message(1))
    const consumer = await world.join()
    const [a, b] = (await world.settled(consumer.poll(2))) as [Message, Message]
    const refuse = (code: string) => () => ({
      body: { success: false, results: [{ success: false, code, error: 'no' }] },
    })
    world.server.answers['ack'] = refuse('HANDLE_EXPIRED')
    await assert.rejects(world.settled(consumer.ack(a)), { code: 'SHOAL_LOCK_EXPIRED' })
    world.server.answers['ack'] = refuse('HANDLE_NOT_HELD')
    await assert.rejects(world.settled(consumer.ack(b)), { code: 'SHOAL_PARTITION_LOST' })
    await world.settled(consumer.close())
  })

  test('asks again when there was no answer: an ack as it was, a nack under the same key', async () => {
    const world = new World()
    world.bring(message(0), message(1))
    const consumer = await world.join()
    const [a, b] = (await world.settled(consumer.poll(2))) as [Message, Message]
    let lost = 1
    world.server.answers['ack'] = () =>
      lost-- > 0 ? 'unreachable' : { body: { success: true, results: [{ success: true }] } }
    await world.settled(consumer.ack(a))
    assert.equal(world.server.of('ack').length, 2)
    lost = 1
    world.server.answers['nack'] = () =>
      lost-- > 0
        ? 'unreachable'
        : {
            body: {
              success: true,
              action: 'requeued',
              requeued: true,
              delivery_count: 1,
              next_visible_at: '2026-01-01T00:00:09.000Z',
            },
          }
    const outcome = await world.settled(consumer.nack(b, { delay: '9s', reason: 'later' }))
    assert.deepEqual(outcome, { kind: 'released', visibleAtMs: Date.UTC(2026, 0, 1, 0, 0, 9) })
    const [first, second] = world.server.of('nack') as [Asked, Asked]
    assert.equal(first.idempotencyKey, second.idempotencyKey)
    assert.deepEqual(first.body['delay'], '9000ms')
    world.server.answers['ack'] = () => 'unreachable'
    await world.settled(consumer.close())
  })

  test('goes on polling when the broker is away for a while, and says so', async () => {
    const world = new World()
    const consumer = await world.join()
    const usual = world.server.answers['poll']!
    world.server.answers['poll'] = () => 'unreachable'
    const polling = consumer.poll({ timeout: '5s' })
    await world.clock.advance(1_000)
    world.server.answers['poll'] = usual
    world.bring(message(7))
    assert.deepEqual(
      (await world.settled(polling)).map(({ offset }) => offset),
      [7],
    )
    assert.ok(world.logger.lines.some(({ message: words }) => words === 'source: disconnected'))
    await world.settled(consumer.close())
  })

  test('polls again with the generation that it knows when an answer was lost', async () => {
    const world = new World()
    const consumer = await world.join()
    const { answers } = world.server
    const usual = answers['poll']!
    let lost = 1
    answers['poll'] = (asked) => {
      if (lost-- <= 0) return usual(asked)
      world.server.generation = 2
      return 'unreachable'
    }
    await world.settled(consumer.poll({ timeout: '900ms' }))
    const [first, second] = world.server.of('poll') as [Asked, Asked]
    assert.deepEqual(
      [first, second].map(({ query }) => query.get('generation')),
      ['1', '1'],
    )
    await world.settled(consumer.close())
  })

  test('waits for a topic that does not exist, and ends for what cannot be mended', async () => {
    const world = new World()
    const usual = world.server.answers['join']!
    world.server.answers['join'] = () => refusal(404, 'UNKNOWN_TOPIC')
    const consumer = await world.join()
    assert.deepEqual(await world.settled(consumer.poll({ timeout: 100 })), [])
    world.server.answers['join'] = usual
    await world.clock.advance(1_000)
    assert.equal(consumer.assignment.length, 1)
    world.server.answers['heartbeat'] = () => refusal(409, 'MEMBER_FENCED')
    await world.clock.advance(1_100)
    await assert.rejects(world.settled(consumer.poll()), { code: 'SHOAL_MEMBER_FENCED' })
    await world.settled(consumer.close())
  })

  test('that reaches nobody says so, within the connect timeout', async () => {
    const world = new World()
    world.server.answers['join'] = () => 'unreachable'
    await assert.rejects(world.join({ connectTimeout: '2s' }), {
      code: 'SHOAL_BROKER_UNREACHABLE',
    })
    assert.ok(world.clock.monotonicMs() <= 2_100)
  })

  test('shows the warnings of the broker once', async () => {
    const world = new World()
    const warnings = ['consumer-7 is idle: there are 6 partitions']
    const { answers } = world.server
    for (const operation of ['join', 'heartbeat'] as const) {
      const usual = answers[operation]!
      answers[operation] = (asked) => {
        const answer = usual(asked)
        return answer === 'unreachable' ? answer : { body: { ...answer.body, warnings } }
      }
    }
    const consumer = await world.join()
    await world.clock.advance(3_500)
    assert.equal(world.logger.lines.filter(({ message: words }) => words === warnings[0]).length, 1)
    await world.settled(consumer.close())
  })
})
