/**
 * A world of KIP-848 members, and if asked for a classic one among them, around one group: steps that may happen in any order,
 * clients that behave as real ones do, and what must hold after each step. Named as a test so that it is not shipped.
 */

import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { commitRequest, Sim, topicsOf } from '../fixture.test.ts'
import type { ConsumerHeartbeatResponse } from '../messages.ts'
import type { GroupRecord, TopicIdPartitions } from '../records.ts'
import { ClassicClient } from './classic-client.test.ts'
import { beat } from './fixture.test.ts'

const CLIENTS = 4
const TOPICS = ['x', 'y']

const client = fc.nat(CLIENTS - 1)
const isLost = fc.oneof(
  { weight: 5, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
)
export const anyStep = fc.oneof(
  { weight: 30, arbitrary: fc.record({ do: fc.constant('beat' as const), client, isLost }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('classic' as const), isLost }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('leave' as const), client, isLost }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), client }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('torn' as const), client, kept: fc.nat(4) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      client,
      topics: fc.subarray(TOPICS),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('topic' as const),
      topic: fc.constantFrom(...TOPICS),
      count: fc.nat(5),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(1_000, 20_000, 46_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      from: fc.constantFrom('journal' as const, 'snapshot' as const),
    }),
  },
)
export type Step = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never

class Client {
  readonly instanceId: string | null
  memberId: string
  epoch = 0
  wanted: readonly string[] = TOPICS
  owned: readonly TopicIdPartitions[] = []
  /** What the broker was told last, as far as the client knows; null: it has to say everything again. */
  told: { readonly wanted: readonly string[]; readonly owned: string } | null = null
  #lives = 0

  constructor(index: number, isStatic: boolean) {
    this.instanceId = isStatic ? 'i' : null
    this.memberId = `c${index}`
  }

  /** A new process: nothing is known and nothing owned; a static member comes under another id. */
  reborn(): void {
    this.memberId = `${this.memberId.split('/')[0]}/${++this.#lives}`
    this.rejoin()
  }

  rejoin(): void {
    this.epoch = 0
    this.owned = []
    this.told = null
  }
}

export interface WorldOptions {
  readonly assignor: string
  readonly assignmentIntervalMs: number
  readonly hasClassic?: boolean
}

export class World {
  readonly topics = topicsOf({ x: 3, y: 2 })
  readonly sim: Sim
  readonly clients: readonly Client[]
  readonly classic: ClassicClient | null
  readonly #assignor: string

  constructor({ assignor, assignmentIntervalMs, hasClassic = false }: WorldOptions) {
    this.#assignor = assignor
    const config = { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000, assignmentIntervalMs }
    this.sim = new Sim({ topics: this.topics, consumerGroupConfig: () => config })
    this.classic = hasClassic ? new ClassicClient(this.sim, this.topics, TOPICS) : null
    // With few of the new kind the group goes back and forth between the kinds.
    const count = hasClassic ? 2 : CLIENTS
    this.clients = Array.from(
      { length: count },
      (_, index) => new Client(index, index === count - 1),
    )
    for (let times = 0; times < 4; times++) this.classic?.act(false)
  }

  #client(step: { readonly client: number }): Client {
    return this.clients[step.client % this.clients.length]!
  }

  take(step: Step): void {
    switch (step.do) {
      case 'beat':
        this.beat(this.#client(step), step.isLost)
        break
      case 'leave':
        this.leave(this.#client(step), step.isLost)
        break
      case 'crash':
        this.#client(step).reborn()
        break
      case 'classic':
        this.classic?.act(step.isLost)
        break
      case 'torn': {
        // The broker dies when only the first of a heartbeat's records were written; its answer was not sent.
        const { journal } = this.sim
        const before = journal.length
        this.beat(this.#client(step), true)
        journal.splice(before + step.kept)
        this.sim.restart()
        break
      }
      case 'subscribe':
        this.#client(step).wanted = step.topics
        break
      case 'topic':
        if (step.count === 0) this.topics.delete(step.topic)
        else if ((this.topics.byName(step.topic)?.partitionCount ?? 0) < step.count)
          this.topics.set(step.topic, step.count)
        break
      case 'wait':
        this.sim.advance(step.ms)
        this.#loseTheSilent()
        break
      case 'restart': {
        const before = this.sim.coordinator.snapshot()
        this.sim.restart({ from: step.from })
        // Offsets are put together by the time of their commit, in any order.
        assert.deepEqual(groupsIn(this.sim.coordinator.snapshot()), groupsIn(before))
      }
    }
    this.check()
  }

  beat(client: Client, isLost: boolean): void {
    const isJoin = client.epoch === 0
    const all = isJoin || client.told === null
    const owned = JSON.stringify(client.owned)
    const response = beat(this.sim, {
      memberId: client.memberId,
      instanceId: client.instanceId,
      memberEpoch: client.epoch,
      rebalanceTimeoutMs: all ? 30_000 : -1,
      serverAssignor: all ? this.#assignor : null,
      subscribedTopicNames: all || client.told?.wanted !== client.wanted ? client.wanted : null,
      topicPartitions: all || client.told?.owned !== owned ? client.owned : null,
    })
    if (isLost) {
      client.told = null
      return
    }
    client.told = { wanted: client.wanted, owned }
    this.hear(client, response)
  }

  hear(client: Client, { errorCode, memberEpoch, assignment }: ConsumerHeartbeatResponse): void {
    switch (errorCode) {
      case 'NONE':
        assert.ok(memberEpoch >= client.epoch, 'epochs never fall')
        client.epoch = memberEpoch
        if (assignment !== null) client.owned = assignment.topicPartitions
        return
      case 'FENCED_MEMBER_EPOCH':
      case 'UNKNOWN_MEMBER_ID':
      case 'GROUP_ID_NOT_FOUND':
      case 'FENCED_INSTANCE_ID':
        return client.rejoin()
      default:
        assert.equal(errorCode, 'UNRELEASED_INSTANCE_ID')
    }
  }

  leave(client: Client, isLost: boolean): void {
    if (client.epoch === 0) return
    const { memberId, instanceId } = client
    const memberEpoch = instanceId === null ? -1 : -2
    const response = beat(this.sim, { memberId, instanceId, memberEpoch })
    if (!isLost && response.errorCode === 'NONE') assert.equal(response.memberEpoch, memberEpoch)
    client.reborn()
  }

  /** Who was silent for too long knows by its own clock that it has lost everything. */
  #loseTheSilent(): void {
    const { coordinator } = this.sim
    const members = new Set([
      ...coordinator.describeConsumer('g').members.map(idOf),
      ...coordinator.describe('g', 6).members.map(idOf),
    ])
    for (const each of this.clients) if (!members.has(each.memberId)) each.owned = []
    if (this.classic !== null && !members.has(this.classic.memberId)) this.classic.owned = []
  }

  check(): void {
    const owners = new Map<string, string>()
    for (const { topicId, partitions } of this.classic?.owned ?? [])
      for (const partition of partitions) owners.set(`${topicId}/${partition}`, 'classic')
    for (const { memberId, epoch, owned } of this.clients)
      for (const { topicId, partitions } of owned)
        for (const partition of partitions) {
          const key = `${topicId}/${partition}`
          assert.equal(owners.get(key), undefined, `${key} is owned twice`)
          owners.set(key, memberId)
          const topic = this.topics.byId(topicId)
          if (topic === undefined) continue
          const at = { memberId, generationIdOrMemberEpoch: epoch, topic: topic.name, partition }
          const { response } = this.sim.ask(commitRequest(at))
          assert.equal(
            response?.kind === 'offset-commit' && response.topics[0]?.partitions[0]?.errorCode,
            'NONE',
            `${memberId} owns ${key} and cannot commit it`,
          )
        }
  }

  /** With everybody here and nothing changing any more, all that is wanted is owned, by those who want it. */
  converge(): void {
    for (let round = 0; round < 20; round++) {
      for (const each of this.clients) {
        this.beat(each, false)
        this.check()
      }
      for (let times = 0; times < 4; times++) {
        this.classic?.act(false)
        this.check()
      }
      this.sim.advance(5_000)
    }
    const wanted = new Set<string>()
    const clients = this.classic === null ? this.clients : [...this.clients, this.classic]
    for (const { wanted: names } of clients)
      for (const name of names) {
        const topic = this.topics.byName(name)
        for (let index = 0; index < (topic?.partitionCount ?? 0); index++)
          wanted.add(`${topic?.topicId}/${index}`)
      }
    const owned = clients.flatMap((each) =>
      each.owned.flatMap(({ topicId, partitions }) => partitions.map((p) => `${topicId}/${p}`)),
    )
    assert.deepEqual(new Set(owned), wanted)
    assert.equal(this.sim.coordinator.describeConsumer('g').groupState, 'Stable')
    const [first] = clients
    if (clients.every((each) => String(each.wanted) === String(first?.wanted))) {
      const loads = clients.map(({ owned: list }) =>
        list.reduce((sum, { partitions }) => sum + partitions.length, 0),
      )
      // Range is balanced topic by topic.
      const most = this.#assignor === 'range' ? TOPICS.length : 1
      assert.ok(Math.max(...loads) - Math.min(...loads) <= most)
    }
  }
}

function groupsIn(records: readonly GroupRecord[]): readonly GroupRecord[] {
  return records.filter(({ kind }) => kind === 'consumer-group' || kind === 'group')
}

function idOf({ memberId }: { readonly memberId: string }): string {
  return memberId
}
