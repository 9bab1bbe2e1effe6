/**
 * Clients that behave, a broker that restarts, members that come, crash, leave and are restarted: when it calms down, the
 * group settles within the rebalance and session timeouts, and every partition belongs to one of those who are left.
 *
 * A client does what Kafka's do: joins with the id it is given, leads when it is told to, heartbeats every three seconds,
 * joins again when it must. Answers are looked for at each tick of half a second; a restart of the broker loses them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Assignment, assignors } from './assignor/index.ts'
import { heartbeatRequest, leaveRequest, Sim } from './fixture.test.ts'
import type { GroupResponse, JoinResponse, ReplyToken } from './messages.ts'

const TICK_MS = 500
const HEARTBEAT_MS = 3_000
const SESSION_TIMEOUT_MS = 10_000
const REBALANCE_TIMEOUT_MS = 12_000
const PARTITION_COUNT = 4

const anyEvent = fc.record({
  ticks: fc.nat(12),
  what: fc.constantFrom('start', 'start', 'crash', 'leave', 'restart-broker' as const),
  client: fc.nat(4),
})

test('a group settles when it is left alone, and never has two owners of a partition in one generation', () => {
  fc.assert(
    fc.property(
      fc.array(anyEvent, { maxLength: 25 }),
      fc.constantFrom(0, 3_000),
      fc.boolean(),
      (events, groupInitialRebalanceDelayMs, areStatic) => {
        const sim = new Sim({ groupInitialRebalanceDelayMs })
        const clients = Array.from(
          { length: 5 },
          (_, index) => new Client(sim, areStatic ? `i${index}` : null),
        )
        const tick = () => {
          sim.advance(TICK_MS)
          for (const client of clients) client.tick()
          assertSingleOwners(clients)
        }
        for (const { ticks, what, client: index } of events) {
          for (let count = 0; count < ticks; count++) tick()
          if (what === 'restart-broker') sim.restart()
          else clients[index]![what]()
        }
        clients[0]!.start()

        const settleMs =
          REBALANCE_TIMEOUT_MS +
          SESSION_TIMEOUT_MS +
          2 * groupInitialRebalanceDelayMs +
          2 * HEARTBEAT_MS
        for (let waitedMs = 0; waitedMs < settleMs; waitedMs += TICK_MS) tick()
        const living = clients.filter(({ isUp }) => isUp)
        const { groupState, members } = sim.coordinator.describe('g', 6)
        assert.equal(groupState, 'Stable')
        assert.deepEqual(
          new Set(members.map(({ memberId }) => memberId)),
          new Set(living.map(({ memberId }) => memberId)),
        )
        const owned = living.flatMap(({ partitions }) => partitions)
        assert.deepEqual(
          owned.sort((left, right) => left - right),
          [0, 1, 2, 3].slice(0, PARTITION_COUNT),
        )
      },
    ),
    { numRuns: 60 },
  )
})

class Client {
  readonly #sim: Sim
  readonly #groupInstanceId: string | null
  isUp = false
  memberId = ''
  generation = -1
  /** What it works on; kept while it rebalances only if it is told so by a new generation. */
  partitions: readonly number[] = []
  #waitingFor: { readonly token: ReplyToken; readonly what: 'join' | 'sync' } | null = null
  #heartbeatInMs = 0

  constructor(sim: Sim, groupInstanceId: string | null) {
    this.#sim = sim
    this.#groupInstanceId = groupInstanceId
  }

  start(): void {
    if (this.isUp) return
    this.isUp = true
    this.#reset()
    this.#join()
  }

  crash(): void {
    this.isUp = false
    this.partitions = []
  }

  leave(): void {
    if (this.isUp && this.memberId !== '') this.#sim.ask(leaveRequest({ memberId: this.memberId }))
    this.crash()
  }

  tick(): void {
    if (!this.isUp) return
    if (this.#waitingFor === null) return this.#beat()
    const { token, what } = this.#waitingFor
    const response = this.#sim.responses.get(token)
    if (response !== undefined) return this.#hear(response)
    // The broker was restarted: the connection is gone, and with it the request.
    if (this.#sim.waiting.has(token)) return
    if (what === 'join') this.#join()
    else this.#rejoin()
  }

  #beat(): void {
    this.#heartbeatInMs -= TICK_MS
    if (this.#heartbeatInMs > 0) return
    this.#heartbeatInMs = HEARTBEAT_MS
    const { response } = this.#sim.ask(
      heartbeatRequest({
        memberId: this.memberId,
        generationId: this.generation,
        groupInstanceId: this.#groupInstanceId,
      }),
    )
    if (response?.kind === 'heartbeat') this.#obey(response.errorCode)
  }

  #hear(response: GroupResponse): void {
    this.#waitingFor = null
    if (response.kind === 'join') {
      if (response.errorCode === 'MEMBER_ID_REQUIRED') {
        this.memberId = response.memberId
        return this.#join()
      }
      if (response.errorCode !== 'NONE') return this.#obey(response.errorCode)
      this.memberId = response.memberId
      this.generation = response.generationId
      return this.#sync(response)
    }
    if (response.kind !== 'sync') return
    if (response.errorCode !== 'NONE') return this.#obey(response.errorCode)
    this.partitions = [...response.assignment]
    this.#heartbeatInMs = HEARTBEAT_MS
  }

  #obey(errorCode: string): void {
    if (errorCode === 'NONE') return
    if (errorCode === 'REBALANCE_IN_PROGRESS') return this.#rejoin()
    assert.ok(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'].includes(errorCode), errorCode)
    this.#reset()
    this.#join()
  }

  #rejoin(): void {
    this.partitions = []
    this.#join()
  }

  #reset(): void {
    this.memberId = ''
    this.generation = -1
    this.partitions = []
  }

  #join(): void {
    const { token } = this.#sim.join({
      memberId: this.memberId,
      groupInstanceId: this.#groupInstanceId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
    })
    this.#waitingFor = { token, what: 'join' }
  }

  #sync(joined: JoinResponse): void {
    const isLeader = joined.leader === joined.memberId && !joined.skipAssignment
    const { token } = this.#sim.sync({
      memberId: this.memberId,
      generationId: this.generation,
      groupInstanceId: this.#groupInstanceId,
      assignments: isLeader ? encoded(lead(joined)) : [],
    })
    this.#waitingFor = { token, what: 'sync' }
  }
}

function lead({ members }: JoinResponse): Assignment {
  return assignors.range({
    members: members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      topics: ['orders'],
      ownedPartitions: [],
      generation: -1,
    })),
    partitionCounts: new Map([['orders', PARTITION_COUNT]]),
  })
}

function encoded(assignment: Assignment): { memberId: string; assignment: Uint8Array }[] {
  return Array.from(assignment, ([memberId, topics]) => ({
    memberId,
    assignment: Uint8Array.from(topics.flatMap(({ partitions }) => partitions)),
  }))
}

function assertSingleOwners(clients: readonly Client[]): void {
  const owners = new Set<string>()
  for (const { generation, partitions } of clients)
    for (const partition of partitions) {
      const key = `generation ${generation}, partition ${partition}`
      assert.ok(!owners.has(key), `two owners in ${key}`)
      owners.add(key)
    }
}
