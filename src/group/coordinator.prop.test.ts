/**
 * What holds for every sequence of requests, times and restarts: see the names of the checks. The oracle is a few lines
 * over the journal alone and shares nothing with the coordinator.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { bytes, commitRequest, heartbeatRequest, leaveRequest, Sim } from './fixture.test.ts'
import type { GroupResponse } from './messages.ts'
import type { GroupRecord } from './records.ts'

/** Clients as they are: each knows the ids and generations that it was told, and may use an old one. */
const client = fc.nat(4)
const back = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) })
const anyStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('join' as const), client, back, protocol: fc.nat(2) }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('sync' as const), client, back }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heartbeat' as const), client, back }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), client, back }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      client,
      back,
      outside: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(0, 1, 3_000, 7_000, 30_000, 400_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      from: fc.constantFrom('journal' as const, 'snapshot' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('other' as const),
      what: fc.constantFrom('delete-group' as const, 'delete-topic' as const, 'stall' as const),
    }),
  },
)
type Step = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never

interface Known {
  readonly memberId: string
  readonly generation: number
}

test('whatever is asked: generations rise, who is fenced changes nothing, a restart knows the same, everybody is answered', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 60, size: 'max' }),
      fc.constantFrom(0, 3_000),
      (steps, groupInitialRebalanceDelayMs) => {
        const world = new World(groupInitialRebalanceDelayMs)
        for (const step of steps) world.take(step)
        world.end()
      },
    ),
    { numRuns: 150 },
  )
})

class World {
  readonly sim: Sim
  readonly known: Known[][] = Array.from({ length: 5 }, () => [])
  /** What each waiting or answered token was asked by. */
  readonly askedBy = new Map<number, number>()
  readonly oracle = new Oracle()
  #seen = 0

  constructor(groupInitialRebalanceDelayMs: number) {
    this.sim = new Sim({ groupInitialRebalanceDelayMs, groupMaxSize: 4 })
  }

  take(step: Step): void {
    const { sim } = this
    switch (step.do) {
      case 'join':
        this.join(step.client, step.back, step.protocol)
        break
      case 'sync':
        this.sync(step.client, step.back)
        break
      case 'heartbeat':
        sim.ask(heartbeatRequest(this.identity(step.client, step.back)))
        break
      case 'leave': {
        const { memberId } = this.identity(step.client, step.back)
        sim.ask(leaveRequest({ memberId, groupInstanceId: instanceOf(step.client) }))
        break
      }
      case 'commit':
        this.commit(
          step.outside ? { memberId: '', generationId: -1 } : this.identity(step.client, step.back),
          step.client,
        )
        break
      case 'wait':
        sim.advance(step.ms)
        break
      case 'restart': {
        const before = hardState(sim)
        sim.restart({ from: step.from })
        assert.deepEqual(hardState(sim), before, 'a restart knows the same')
        break
      }
      default:
        if (step.what === 'delete-group')
          sim.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] })
        else if (step.what === 'delete-topic')
          sim.decide({ kind: 'topic-deleted', topic: 'orders', topicId: 'orders-id' })
        else sim.decide({ kind: 'stalled', durationMs: 5_000 })
    }
    this.learn()
  }

  /** With nobody left to speak, everything that waits is answered, and no timer but the one of expiry runs on. */
  end(): void {
    for (let round = 0; round < 4; round++) this.sim.advance(400_000)
    this.learn()
    assert.deepEqual([...this.sim.waiting.values()], [])
    assert.deepEqual([...this.sim.timers.keys()], ['offsets-expiry'])
    for (const { groupState } of this.sim.coordinator.list({ statesFilter: [], typesFilter: [] }))
      assert.equal(groupState, 'Empty')
  }

  join(client: number, back: number, protocol: number): void {
    const { token } = this.sim.join({
      memberId: this.identity(client, back).memberId,
      groupInstanceId: instanceOf(client),
      apiVersion: client === 0 ? 3 : 9,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 20_000,
      protocols: [
        { name: 'range', metadata: bytes(protocol) },
        ...(protocol === 0 ? [] : [{ name: 'sticky', metadata: bytes(1) }]),
      ],
    })
    this.askedBy.set(token, client)
  }

  sync(client: number, back: number): void {
    const identity = this.identity(client, back)
    // A leader that assigns: to each member its own id, so that a foreign assignment would show.
    const members = this.sim.coordinator.describe('g', 6).members.map(({ memberId }) => memberId)
    const assignments = members.map((memberId) => ({
      memberId,
      assignment: new TextEncoder().encode(`${identity.generationId}/${memberId}`),
    }))
    const { token } = this.sim.sync({
      ...identity,
      groupInstanceId: instanceOf(client),
      protocolType: null,
      protocolName: null,
      assignments,
    })
    this.askedBy.set(token, client)
  }

  commit(identity: { memberId: string; generationId: number }, client: number): void {
    const before = hardState(this.sim)
    const { memberId, generationId } = identity
    const groupInstanceId = generationId < 0 ? null : instanceOf(client)
    const offset = this.#seen + this.askedBy.size
    const { response } = this.sim.ask(
      commitRequest({ memberId, generationIdOrMemberEpoch: generationId, groupInstanceId, offset }),
    )
    const errorCode =
      response?.kind === 'offset-commit' && response.topics[0]?.partitions[0]?.errorCode
    if (errorCode !== 'NONE')
      assert.deepEqual(hardState(this.sim), before, 'a refused commit changes nothing')
    else if (generationId >= 0)
      assert.ok(this.oracle.isCurrent(memberId, generationId), 'only current members commit')
    else assert.equal(this.oracle.members.size, 0, 'from outside only to an empty group')
  }

  identity(client: number, back: number): { memberId: string; generationId: number } {
    const known = this.known[client]!.at(-1 - back)
    return { memberId: known?.memberId ?? '', generationId: known?.generation ?? 0 }
  }

  /** Reads the journal and the answers that came since. */
  learn(): void {
    const fresh = this.sim.journal.slice(this.#seen)
    this.#seen = this.sim.journal.length
    for (const record of fresh) this.oracle.read(record)
    for (const [token, client] of this.askedBy) {
      const response = this.sim.responses.get(token)
      if (response === undefined) continue
      this.askedBy.delete(token)
      this.hear(client, response)
    }
  }

  hear(client: number, response: GroupResponse): void {
    if (response.kind === 'join' && response.memberId !== '')
      this.known[client]!.push({ memberId: response.memberId, generation: response.generationId })
    if (response.kind === 'sync' && response.errorCode === 'NONE' && response.assignment.length > 0)
      this.oracle.checkAssignment(new TextDecoder().decode(response.assignment))
  }
}

/** What the journal says, read for itself. */
class Oracle {
  generation = 0
  readonly members = new Set<string>()
  #assignedIn = new Set<number>()
  readonly #assignments = new Set<string>()

  read(record: GroupRecord): void {
    switch (record.kind) {
      case 'generation':
        assert.equal(record.generation, this.generation + 1, 'generations rise by one')
        this.generation = record.generation
        this.members.clear()
        for (const { memberId } of record.members) this.members.add(memberId)
        break
      case 'assigned':
        assert.equal(record.generation, this.generation)
        assert.ok(!this.#assignedIn.has(record.generation), 'one assignment a generation')
        this.#assignedIn.add(record.generation)
        assert.deepEqual(new Set(record.assignments.map(({ memberId }) => memberId)), this.members)
        for (const { assignment } of record.assignments)
          this.#assignments.add(new TextDecoder().decode(assignment))
        break
      case 'member-removed':
        assert.ok(this.members.delete(record.memberId))
        break
      case 'member-replaced':
        assert.ok(this.members.delete(record.memberId))
        this.members.add(record.replacement.memberId)
        break
      case 'group-deleted':
        assert.equal(this.members.size, 0, 'only empty groups are deleted')
        this.generation = 0
        this.#assignedIn = new Set()
        break
      default:
    }
  }

  isCurrent(memberId: string, generation: number): boolean {
    return this.members.has(memberId) && generation === this.generation
  }

  checkAssignment(assignment: string): void {
    assert.ok(this.#assignments.has(assignment), `nobody's leader ever assigned ${assignment}`)
  }
}

function instanceOf(client: number): string | null {
  return client >= 3 ? `i${client}` : null
}

/** Everything that a client can see of the hard state, in an order of its own. */
function hardState(sim: Sim): unknown {
  const records = sim.coordinator.snapshot().filter(({ kind }) => kind !== 'clock-observed')
  const offsets = records.flatMap((record) =>
    record.kind === 'offsets-committed'
      ? record.topics.flatMap(({ topic, partitions }) =>
          partitions.map(
            (partition) =>
              `${record.groupId}/${topic}/${record.commitTimestampMs}/${JSON.stringify(partition)}`,
          ),
        )
      : [],
  )
  return { groups: records.filter(({ kind }) => kind === 'group'), offsets: new Set(offsets) }
}
