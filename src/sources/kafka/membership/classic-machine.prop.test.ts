import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { initialMember } from './classic-state.ts'
import { partitionKey } from '../topic-partition.ts'
import type { MemberState, MembershipSettings } from './classic-state.ts'
import { step } from './classic-machine.ts'
import type { MemberEffect, MemberInput } from './classic-messages.ts'

/** What the broker says to whatever it was asked; mostly yes, so that histories get far. */
const error = fc.oneof(
  { weight: 8, arbitrary: fc.constant<KafkaErrorCode>('NONE') },
  {
    weight: 2,
    arbitrary: fc.constantFrom<KafkaErrorCode>(
      'REBALANCE_IN_PROGRESS',
      'UNKNOWN_MEMBER_ID',
      'ILLEGAL_GENERATION',
      'NOT_COORDINATOR',
    ),
  },
)
const happening = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      error,
      leads: fc.boolean(),
      partitions: fc.uniqueArray(fc.nat(4), { maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'rebalance' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drained' as const), back: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'no-answer' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'late-heartbeat' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('topics-changed' as const),
      isSubscription: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('timer' as const),
      key: fc.constantFrom('heartbeat' as const, 'session' as const),
    }),
  },
)
type Happening = typeof happening extends fc.Arbitrary<infer Value> ? Value : never

for (const cooperative of [true, false])
  test(`whatever happens, ${cooperative ? 'a cooperative' : 'an eager'} member owns each partition once and gives it up in exactly one way`, () => {
    const reached = new Map<string, number>()
    fc.assert(
      fc.property(fc.array(happening, { minLength: 20, maxLength: 80 }), (happenings) => {
        const world = new World(cooperative)
        for (const one of happenings) world.happens(one)
        for (const kind of world.kinds) reached.set(kind, (reached.get(kind) ?? 0) + 1)
      }),
      { numRuns: 200 },
    )
    // A property that never gets anywhere proves nothing.
    for (const kind of ['assign', 'revoke', 'lose', 'heartbeat', 'plan', 'join'])
      assert.ok((reached.get(kind) ?? 0) > 10, `${kind} happened in ${reached.get(kind)} runs`)
  })

/** The broker and the runtime around a member; the runtime's side of ownership is kept and compared. */
class World {
  readonly kinds = new Set<string>()
  readonly #settings: MembershipSettings
  /** What the runtime was given and not asked back, and what it drains. */
  readonly #held = new Map<string, number>()
  readonly #draining = new Map<string, number>()
  #state: MemberState = initialMember
  #nowMs = 0
  #epoch = 0
  #generation = 0

  constructor(cooperative: boolean) {
    this.#settings = {
      cooperative,
      isStatic: false,
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1_000,
      retryBackoffMs: 100,
      retryBackoffMaxMs: 1_000,
    }
    this.#take({ kind: 'start' })
  }

  happens(one: Happening): void {
    const { attempt, generation, memberId, drain, drainCount } = this.#state
    switch (one.kind) {
      case 'answer':
        this.#take(this.#answer(one))
        break
      case 'rebalance':
      case 'late-heartbeat': {
        const error = one.kind === 'rebalance' ? 'REBALANCE_IN_PROGRESS' : 'ILLEGAL_GENERATION'
        const of = one.kind === 'rebalance' ? generation : generation - 1
        const sentMs = this.#nowMs
        this.#take({ kind: 'heartbeat-answered', generation: of, memberId, error, sentMs })
        break
      }
      case 'drained': {
        const id = drainCount - one.back
        if (id === drain?.id) this.#draining.clear()
        this.#take({ kind: 'drained', drain: id })
        break
      }
      case 'no-answer':
        this.#take({ kind: 'join-failed', attempt, reason: 'the connection ended' })
        break
      case 'topics-changed':
        this.#take({ kind: 'topics-changed', isSubscription: one.isSubscription })
        break
      case 'time':
        this.#nowMs += one.ms
        break
      case 'timer':
        this.#take({ kind: 'timer', key: one.key })
    }
    assert.deepEqual(
      new Map([...this.#state.owned].map(([key, { epoch }]) => [key, epoch])),
      new Map([...this.#held, ...this.#draining]),
    )
  }

  /** What the broker answers to what was asked last. */
  #answer(one: Happening & { kind: 'answer' }): MemberInput {
    const { phase, attempt, generation, memberId } = this.#state
    const { error } = one
    switch (phase) {
      case 'joining':
        return {
          kind: 'join-answered',
          attempt,
          answer: {
            error,
            memberId: 'm',
            generation: ++this.#generation,
            leader: one.leads ? 'm' : 'other',
            protocol: 'p',
            skipAssignment: false,
            members: [],
          },
        }
      case 'planning':
        return { kind: 'planned', attempt, assignments: [] }
      case 'syncing':
        return {
          kind: 'sync-answered',
          attempt,
          error,
          partitions: one.partitions.map((partition) => ({ topic: 't', partition })),
          epoch: ++this.#epoch,
          sentMs: this.#nowMs,
        }
      case 'waiting':
        return { kind: 'timer', key: 'retry' }
      default:
        return { kind: 'heartbeat-answered', generation, memberId, error, sentMs: this.#nowMs }
    }
  }

  #take(input: MemberInput): void {
    const next = step(this.#state, input, this.#settings, this.#nowMs)
    this.#state = next.state
    for (const effect of next.effects) this.#witness(effect)
  }

  #witness(effect: MemberEffect): void {
    this.kinds.add(effect.kind)
    switch (effect.kind) {
      case 'assign':
        for (const one of effect.partitions) {
          const key = partitionKey(one)
          assert.ok(!this.#held.has(key) && !this.#draining.has(key), `${key} was owned already`)
          this.#held.set(key, one.epoch)
        }
        return
      case 'revoke':
        for (const one of effect.partitions) {
          assert.equal(this.#held.get(partitionKey(one)), one.epoch)
          this.#held.delete(partitionKey(one))
          this.#draining.set(partitionKey(one), one.epoch)
        }
        return
      case 'lose':
        for (const one of effect.partitions) {
          const key = partitionKey(one)
          assert.equal(this.#held.get(key) ?? this.#draining.get(key), one.epoch)
          this.#held.delete(key)
          this.#draining.delete(key)
        }
        return
      case 'join': {
        // Nothing is released before it is drained, and nothing that was given up is claimed.
        assert.equal(this.#draining.size, 0, 'joined while a drain was under way')
        const claimed = new Map(effect.owned.map((one) => [partitionKey(one), one.epoch]))
        assert.deepEqual(claimed, this.#held)
        if (!this.#settings.cooperative) assert.equal(claimed.size, 0)
        return
      }
      default:
    }
  }
}
