/**
 * Our members of a KIP-848 group and Shoal's coordinator, over a network that loses requests and answers: members come,
 * crash, leave, drain slowly; the broker restarts, topics grow and are made anew. At no moment has a partition two owners,
 * what is drained included; and when it calms down every partition has one.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { beat } from '../../../group/consumer/fixture.test.ts'
import { Sim, topicsOf } from '../../../group/fixture.test.ts'
import type { TestTopics } from '../../../group/fixture.test.ts'
import { step } from './consumer-machine.ts'
import type { ConsumerEffect, ConsumerInput } from './consumer-messages.ts'
import { initialConsumer } from './consumer-state.ts'
import type { ConsumerSettings, ConsumerState } from './consumer-state.ts'

const TICK_MS = 500
const SESSION_TIMEOUT_MS = 12_000
const HEARTBEAT_MS = 2_000
const REBALANCE_TIMEOUT_MS = 30_000
/** A drain ends before the rebalance timeout, as the session above sees to. */
const LONGEST_DRAIN_TICKS = 40
const MEMBERS = 4

const event = fc.record({
  ticks: fc.nat(15),
  what: fc.constantFrom(
    'start',
    'start',
    'start',
    'crash',
    'leave',
    'restart-broker',
    'grow',
    'remake',
    'cut-off',
  ),
  member: fc.nat(MEMBERS - 1),
  /** Of the network, per thousand messages. */
  loss: fc.constantFrom(0, 0, 100, 400),
})

test('a partition never has two owners, and every one has its owner when the group is left alone', () => {
  const reached = { moved: 0, lost: 0, drained: 0, dropped: 0 }
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 3, maxLength: 25 }),
      fc.infiniteStream(fc.nat(999)),
      (events, chance) => {
        const world = new World(() => chance.next().value ?? 0, reached)
        for (const { ticks, what, member, loss } of events) {
          world.loss = loss
          for (let count = 0; count < ticks; count++) world.tick()
          world.happens(what, member)
        }
        world.calmDown()
      },
    ),
    { numRuns: 80 },
  )
  // A property that never gets anywhere proves nothing.
  for (const [what, count] of Object.entries(reached))
    assert.ok(count > 20, `${what} happened ${count} times`)
})

interface Reached {
  moved: number
  lost: number
  drained: number
  dropped: number
}

class World {
  readonly topics: TestTopics = topicsOf({ orders: 4 })
  readonly sim: Sim
  readonly members: readonly Member[]
  readonly reached: Reached
  readonly #chance: () => number
  nowMs = 0
  epoch = 0
  loss = 0

  constructor(chance: () => number, reached: Reached) {
    this.#chance = chance
    this.reached = reached
    this.sim = new Sim({
      topics: this.topics,
      consumerGroupConfig: () => ({
        sessionTimeoutMs: SESSION_TIMEOUT_MS,
        heartbeatIntervalMs: HEARTBEAT_MS,
        assignmentIntervalMs: 0,
      }),
    })
    this.members = Array.from({ length: MEMBERS }, (_, index) => new Member(this, `m${index}`))
  }

  isLost(): boolean {
    const isLost = this.#chance() < this.loss
    if (isLost) this.reached.dropped++
    return isLost
  }

  drainTicks(): number {
    return this.#chance() % LONGEST_DRAIN_TICKS
  }

  tick(): void {
    this.nowMs += TICK_MS
    for (const member of this.members) member.tick()
    this.sim.advance(TICK_MS)
    this.#assertSingleOwners()
  }

  happens(what: string, index: number): void {
    const member = this.members[index]!
    const count = this.topics.byName('orders')?.partitionCount ?? 0
    switch (what) {
      case 'start':
        return member.start()
      case 'crash':
        return member.crash()
      case 'leave':
        return member.take({ kind: 'close' })
      case 'cut-off':
        member.cutOffUntilMs = this.nowMs + 3 * SESSION_TIMEOUT_MS
        return
      case 'restart-broker':
        return this.sim.restart()
      case 'grow':
        if (count < 8) this.topics.set('orders', count + 1)
        break
      case 'remake':
        this.topics.delete('orders')
        this.topics.set('orders', count)
        for (const one of this.members) one.take({ kind: 'topic-remade', topic: 'orders' })
    }
  }

  /** Nothing is lost any more: within the longest timeouts the group has settled. */
  calmDown(): void {
    this.loss = 0
    this.members[0]!.start()
    const settleMs = 3 * SESSION_TIMEOUT_MS + 2 * REBALANCE_TIMEOUT_MS + 6 * HEARTBEAT_MS
    for (let waitedMs = 0; waitedMs < settleMs; waitedMs += TICK_MS) this.tick()
    const orders = this.topics.byName('orders')
    const owned = this.members.flatMap((member) => member.owned)
    assert.deepEqual(
      owned.map(({ topicId, partition }) => `${topicId} ${partition}`).sort(),
      Array.from({ length: orders?.partitionCount ?? 0 }, (_, at) => `${orders?.topicId} ${at}`),
    )
  }

  #assertSingleOwners(): void {
    const owners = new Map<string, string>()
    for (const { name, owned } of this.members)
      for (const { topicId, partition } of owned) {
        const key = `${topicId} ${partition}`
        assert.equal(owners.get(key), undefined, `${key} belongs to ${owners.get(key)} and ${name}`)
        owners.set(key, name)
      }
  }
}

class Member {
  readonly name: string
  readonly #world: World
  readonly #timers = new Map<string, number>()
  readonly #drains = new Map<number, number>()
  #state: ConsumerState = initialConsumer
  #lives = 0
  cutOffUntilMs = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
  }

  get owned() {
    return [...this.#state.owned.values()]
  }

  start(): void {
    if (this.#state.phase !== 'out' && this.#state.phase !== 'closed') return
    this.crash()
    this.#lives++
    this.take({ kind: 'start' })
  }

  /** The process is gone, and says nothing. */
  crash(): void {
    this.#state = initialConsumer
    this.#timers.clear()
    this.#drains.clear()
  }

  tick(): void {
    const { nowMs } = this.#world
    const drains = Array.from(this.#drains)
    for (const [drain, endMs] of drains)
      if (endMs <= nowMs) {
        this.#drains.delete(drain)
        this.#world.reached.drained++
        this.take({ kind: 'drained', drain })
      }
    // A timer that is set for now fires in the next tick.
    const timers = Array.from(this.#timers)
    for (const [key, dueMs] of timers)
      if (dueMs <= nowMs && this.#timers.get(key) === dueMs) {
        this.#timers.delete(key)
        this.take({ kind: 'timer', key: key as 'heartbeat' | 'session' })
      }
  }

  take(input: ConsumerInput): void {
    const next = step(this.#state, input, settings, this.#world.nowMs)
    this.#state = next.state
    for (const effect of next.effects) this.#perform(effect)
  }

  #perform(effect: ConsumerEffect): void {
    const { reached, nowMs } = this.#world
    switch (effect.kind) {
      case 'heartbeat':
        return this.#beat(effect)
      case 'leave':
        this.#ask(effect.memberEpoch, false, null)
        return
      case 'name': {
        const { topics } = this.#world
        const partitions = effect.partitions.flatMap((one) => {
          const topic = topics.byId(one.topicId)?.name
          return topic === undefined ? [] : [{ ...one, topic }]
        })
        const epoch = ++this.#world.epoch
        return this.take({ kind: 'named', assignment: effect.assignment, partitions, epoch })
      }
      case 'assign':
        reached.moved += effect.partitions.length
        return
      case 'lose':
        reached.lost += effect.partitions.length
        return
      case 'revoke':
        this.#drains.set(effect.drain, nowMs + this.#world.drainTicks() * TICK_MS)
        return
      case 'schedule':
        this.#timers.set(effect.key, nowMs + effect.delayMs)
        return
      case 'cancel':
        this.#timers.delete(effect.key)
        return
      case 'unsupported':
      case 'fail':
        return assert.fail(`${this.name}: ${effect.kind} ${effect.error}`)
      default:
    }
  }

  #beat(effect: ConsumerEffect & { kind: 'heartbeat' }): void {
    const { attempt, memberEpoch, isFull, owned } = effect
    const sentMs = this.#world.nowMs
    const answer = this.#ask(memberEpoch, isFull, owned)
    if (answer === null) return this.take({ kind: 'unanswered', attempt, reason: 'lost' })
    this.take({
      kind: 'answered',
      attempt,
      error: answer.errorCode,
      memberEpoch: answer.memberEpoch,
      intervalMs: answer.heartbeatIntervalMs,
      assignment:
        answer.assignment?.topicPartitions.flatMap(({ topicId, partitions }) =>
          partitions.map((partition) => ({ topicId, partition })),
        ) ?? null,
      sentMs,
    })
  }

  /** Null when the request or its answer was lost on the way. */
  #ask(
    memberEpoch: number,
    isFull: boolean,
    owned: readonly { readonly topicId: string; readonly partition: number }[] | null,
  ) {
    const { sim, nowMs } = this.#world
    if (nowMs < this.cutOffUntilMs || this.#world.isLost()) return null
    const answer = beat(sim, {
      // A process that starts anew is another member.
      memberId: `${this.name}-${this.#lives}`,
      memberEpoch,
      rebalanceTimeoutMs: isFull ? REBALANCE_TIMEOUT_MS : -1,
      subscribedTopicNames: isFull ? ['orders'] : null,
      topicPartitions:
        owned === null
          ? null
          : [...Map.groupBy(owned, ({ topicId }) => topicId)].map(([topicId, held]) => ({
              topicId,
              partitions: held.map(({ partition }) => partition),
            })),
    })
    return this.#world.isLost() ? null : answer
  }
}

/** A member stops believing in itself a little before the broker does: it asked before it was heard. */
const settings: ConsumerSettings = {
  isStatic: false,
  sessionTimeoutMs: SESSION_TIMEOUT_MS - 2 * TICK_MS,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
  unreleasedLimitMs: 60_000,
}
