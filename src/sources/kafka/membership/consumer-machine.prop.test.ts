import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { partitionKey } from '../topic-partition.ts'
import { step } from './consumer-machine.ts'
import type { ConsumerEffect, ConsumerInput, IdPartition } from './consumer-messages.ts'
import { initialConsumer } from './consumer-state.ts'
import type { ConsumerSettings, ConsumerState } from './consumer-state.ts'

/** What the broker says; mostly yes, so that histories get far. */
const error = fc.oneof(
  { weight: 10, arbitrary: fc.constant<KafkaErrorCode>('NONE') },
  {
    weight: 2,
    arbitrary: fc.constantFrom<KafkaErrorCode>(
      'UNKNOWN_MEMBER_ID',
      'FENCED_MEMBER_EPOCH',
      'NOT_COORDINATOR',
      'COORDINATOR_LOAD_IN_PROGRESS',
    ),
  },
)
const happening = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      error,
      isRebalanced: fc.boolean(),
      partitions: fc.option(fc.uniqueArray(fc.nat(4), { maxLength: 5 })),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('named' as const), back: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drained' as const), back: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'no-answer' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'remade' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'stale-commit' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.integer({ min: 1, max: 6_000 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('timer' as const),
      key: fc.constantFrom('heartbeat' as const, 'session' as const),
    }),
  },
)
type Happening = typeof happening extends fc.Arbitrary<infer Value> ? Value : never

test('whatever happens, a member owns each partition once, gives it up in one way, and never disowns what it drains', () => {
  const reached = new Map<string, number>()
  fc.assert(
    fc.property(fc.array(happening, { minLength: 20, maxLength: 80 }), (happenings) => {
      const world = new World()
      for (const one of happenings) world.happens(one)
      for (const kind of world.kinds) reached.set(kind, (reached.get(kind) ?? 0) + 1)
    }),
    { numRuns: 300 },
  )
  // A property that never gets anywhere proves nothing.
  for (const kind of ['assign', 'revoke', 'lose', 'heartbeat', 'name', 'joined'])
    assert.ok((reached.get(kind) ?? 0) > 10, `${kind} happened in ${reached.get(kind)} runs`)
})

/** The broker and the runtime around a member; the runtime's side of ownership is kept and compared. */
class World {
  readonly kinds = new Set<string>()
  readonly #settings: ConsumerSettings = {
    isStatic: false,
    sessionTimeoutMs: 10_000,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 1_000,
    unreleasedLimitMs: 60_000,
  }
  /** What the runtime was given and not asked back, and what it drains. */
  readonly #held = new Map<string, number>()
  readonly #draining = new Map<string, number>()
  /** What the broker was told last that we own. */
  #told: ReadonlySet<string> = new Set()
  readonly #toName: (readonly IdPartition[])[] = []
  #state: ConsumerState = initialConsumer
  #inFlight = 0
  #nowMs = 0
  #epoch = 0
  #memberEpoch = 1
  #topicId = 0

  constructor() {
    this.#take({ kind: 'start' })
  }

  happens(one: Happening): void {
    const { attempt, drain, drainCount, assignment, memberEpoch } = this.#state
    switch (one.kind) {
      case 'answer':
        if (!this.#state.isInFlight) break
        this.#inFlight = 0
        if (one.isRebalanced) this.#memberEpoch++
        this.#take({
          kind: 'answered',
          attempt,
          error: one.error,
          memberEpoch: this.#memberEpoch,
          intervalMs: 1_000,
          assignment: one.partitions?.map((partition) => this.#id(partition)) ?? null,
          sentMs: this.#nowMs,
        })
        break
      case 'named': {
        const number = assignment - one.back
        const partitions = this.#toName.at(-1 - one.back) ?? []
        const named = partitions.map((id) => ({ ...id, topic: 't' }))
        this.#take({ kind: 'named', assignment: number, partitions: named, epoch: ++this.#epoch })
        break
      }
      case 'drained': {
        const id = drainCount - one.back
        if (id === drain?.id) this.#draining.clear()
        this.#take({ kind: 'drained', drain: id })
        break
      }
      case 'no-answer':
        if (this.#state.isInFlight) this.#inFlight = 0
        this.#take({ kind: 'unanswered', attempt, reason: 'the connection ended' })
        break
      case 'remade':
        this.#topicId++
        this.#take({ kind: 'topic-remade', topic: 't' })
        break
      case 'stale-commit':
        this.#take({ kind: 'refused', memberEpoch, error: 'STALE_MEMBER_EPOCH' })
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
    // What the broker does not know yet is said with the heartbeat under way, or with one that is due.
    const { phase, isInFlight, isFull, owned } = this.#state
    if (phase === 'member' && !isInFlight && !isFull)
      assert.deepEqual(this.#told, new Set(owned.keys()))
  }

  #id(partition: number): IdPartition {
    return { topicId: `id-${this.#topicId}`, partition }
  }

  #take(input: ConsumerInput): void {
    const next = step(this.#state, input, this.#settings, this.#nowMs)
    this.#state = next.state
    for (const effect of next.effects) this.#witness(effect)
  }

  #witness(effect: ConsumerEffect): void {
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
      case 'name':
        this.#toName.push(effect.partitions)
        return
      case 'heartbeat': {
        if (effect.memberEpoch === 0) this.#inFlight = 0
        assert.equal(++this.#inFlight, 1, 'two heartbeats at once')
        // What the runtime still works on is owned, whatever is said.
        if (effect.owned !== null)
          this.#told = new Set(
            effect.owned.map(({ partition }) => partitionKey({ topic: 't', partition })),
          )
        if (effect.owned !== null)
          assert.deepEqual(
            new Set(effect.owned.map(({ partition }) => partitionKey({ topic: 't', partition }))),
            new Set([...this.#held.keys(), ...this.#draining.keys()]),
          )
        if (effect.memberEpoch === 0) assert.deepEqual([effect.isFull, effect.owned], [true, []])
        return
      }
      default:
    }
  }
}
