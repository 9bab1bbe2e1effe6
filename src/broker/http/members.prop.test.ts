/**
 * Members that come and go over HTTP in any order, and do not hear every answer: what they work on never overlaps, what they
 * settled never comes back, and in the end every message was delivered.
 *
 * A member that was told of fewer partitions still works on the others until it comes with the generation of that answer.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HttpFixture, type Received } from './http-fixture.test.ts'

const MEMBERS = ['a', 'b', 'c', 'd'] as const
const PARTITIONS = 5
const SESSION_MS = 9_000
/** Heartbeats of all after which a group that nobody disturbs has come to rest. */
const MOST_ROUNDS = 12

const member = fc.constantFrom(...MEMBERS)
const call = { member, isLost: fc.nat(3).map((number) => number === 0) }
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), ...call }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('beat' as const), ...call }) },
  // Says that it still works on all it had: nothing is released.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('keep' as const), ...call }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('poll' as const), ...call }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), member }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('publish' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
)
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

interface Owner {
  /** Of the last answer that it heard; undefined before the first. */
  readonly generation: number | undefined
  /** By that answer. */
  readonly told: readonly number[]
  /** What it may work on: what it was told, and what it has not given up yet. */
  readonly works: readonly number[]
}

/** What the members of one run know. */
class World {
  readonly #http: HttpFixture
  /** Those that are in. */
  readonly #owns = new Map<string, Owner>()
  readonly #settled = new Set<string>()
  #published = 0

  constructor(http: HttpFixture) {
    this.#http = http
  }

  async act(step: Action): Promise<void> {
    this.#forgetExpired()
    switch (step.kind) {
      case 'join':
        return this.#join(step.member, step)
      case 'beat':
        return this.#beat(step.member, step)
      case 'keep': {
        const { works: orders } = this.#owner(step.member)
        const answer = await this.#post('heartbeat', {
          ...this.#who(step.member),
          owned_partitions: { orders },
        })
        return this.#heard(step.member, answer, { ...step, kept: orders })
      }
      case 'poll':
        return this.poll(step.member, step)
      case 'leave':
        await this.#post('leave', { member_id: step.member })
        this.#owns.delete(step.member)
        return
      case 'publish':
        return this.#publish()
      case 'pass':
        return this.#http.broker.clock.advance(step.ms)
    }
  }

  /** Takes what there is and settles half of it. */
  async poll(memberId: string, { isLost = false, isLast = false }): Promise<void> {
    const { generation } = this.#owner(memberId)
    const known = generation === undefined ? '' : `&generation=${generation}`
    const answer = await this.#http.get(`/groups/g/poll?member_id=${memberId}&timeout=0s${known}`)
    if (answer.status !== 200 || isLost) return this.#heard(memberId, answer, { isLost })
    const done: string[] = []
    for (const { value, receipt_handle: handle } of answer.body.messages) {
      assert.ok(!this.#settled.has(value), `${value} was settled and came back`)
      if (isLast || done.length % 2 === 0) done.push(handle)
      if (done.at(-1) === handle) this.#settled.add(value)
    }
    if (done.length > 0) {
      const { body } = await this.#http.post('/messages/ack', { receipt_handles: done })
      assert.ok(body.success, JSON.stringify(body))
    }
    this.#heard(memberId, answer)
  }

  async #beat(memberId: string, { isLost = false } = {}): Promise<void> {
    this.#heard(memberId, await this.#post('heartbeat', this.#who(memberId)), { isLost })
  }

  /** Nobody disturbs the group any more: it rests, every partition has one owner, and all messages are done. */
  async rest(): Promise<void> {
    this.#forgetExpired()
    for (const name of MEMBERS) await this.#join(name)
    for (let round = 0; round < MOST_ROUNDS; round++)
      for (const name of MEMBERS) await this.#beat(name)
    assert.deepEqual(
      [...this.#owns.values()].flatMap(({ works }) => works).sort((left, right) => left - right),
      Array.from({ length: PARTITIONS }, (_, index) => index),
    )
    assert.equal((await this.#http.get('/groups/g')).body.state, 'stable')
    // Locks of what was not settled end, then it comes again.
    for (let times = 0; times < 6; times++) {
      for (const name of MEMBERS) await this.poll(name, { isLast: true })
      await this.#http.broker.clock.advance(SESSION_MS - 1_000)
    }
    assert.equal(this.#settled.size, this.#published)
  }

  /** A join says nothing of what was heard: it gives nothing up. */
  async #join(memberId: string, { isLost = false } = {}): Promise<void> {
    const answer = await this.#post('join', {
      member_id: memberId,
      topics: ['orders'],
      session_timeout_ms: SESSION_MS,
      auto_offset_reset: 'earliest',
    })
    this.#heard(memberId, answer, { isLost, kept: this.#owner(memberId).works })
  }

  #owner(memberId: string): Owner {
    return this.#owns.get(memberId) ?? { generation: undefined, told: [], works: [] }
  }

  #who(memberId: string) {
    const { generation } = this.#owner(memberId)
    return { member_id: memberId, ...(generation === undefined ? {} : { generation }) }
  }

  #post(path: string, body: object): Promise<Received> {
    return this.#http.post(`/groups/g/${path}`, body)
  }

  async #publish(): Promise<void> {
    const messages = Array.from({ length: PARTITIONS }, (_, partition) => ({
      partition,
      value: `m${this.#published++}`,
    }))
    assert.equal((await this.#http.post('/topics/orders/messages', { messages })).status, 200)
  }

  /** Coming gave up all but what it was told by the generation that it came with, or what it said. */
  #heard(
    memberId: string,
    { status, body }: Received,
    { isLost = false, kept }: { isLost?: boolean; kept?: readonly number[] } = {},
  ): void {
    const owner = this.#owner(memberId)
    const before = kept ?? owner.told
    if (isLost) this.#owns.set(memberId, { ...owner, works: before })
    else if (status === 200) {
      const told: readonly number[] = body.assigned_partitions.orders
      const works = [...new Set([...before, ...told])]
      this.#owns.set(memberId, { generation: body.generation, told, works })
    } else if (body.code === 'STALE_GENERATION')
      this.#owns.set(memberId, { ...owner, generation: body.current_generation })
    else {
      assert.ok(['UNKNOWN_MEMBER', 'UNKNOWN_GROUP'].includes(body.code), JSON.stringify(body))
      this.#owns.delete(memberId)
    }
    this.#forgetExpired()
    const all = [...this.#owns.values()].flatMap(({ works }) => works)
    assert.equal(new Set(all).size, all.length, JSON.stringify([...this.#owns]))
  }

  /** A member whose session is over owns nothing, though it has not heard of it. */
  #forgetExpired(): void {
    const { groups } = this.#http.broker.parts.context
    const members = groups.peek((coordinator) => coordinator.consumerGroup('g'))?.members
    for (const name of this.#owns.keys()) if (members?.has(name) !== true) this.#owns.delete(name)
  }
}

test('members that come and go own each partition once and lose no message', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 50 }), async (steps) => {
      await using http = await HttpFixture.open()
      const config = { 'shoal.delivery.lock.duration.ms': 3_000, 'shoal.delivery.attempts': 1_000 }
      const made = await http.post('/topics', {
        name: 'orders',
        num_partitions: PARTITIONS,
        config,
      })
      assert.equal(made.status, 201, JSON.stringify(made.body))
      const world = new World(http)
      for (const step of steps) await world.act(step)
      await world.rest()
    }),
    { numRuns: 40 },
  )
})
