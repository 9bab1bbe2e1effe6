import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { writeAssignment } from '../classic/consumer-protocol.ts'
import { beat, joining, newSim, orders, pair } from '../consumer/fixture.test.ts'
import { enter, heartbeatRequest, leaveRequest, owning, Sim, START_MS } from '../fixture.test.ts'
import type { JoinRequest } from '../messages.ts'
import { rebalanceFigures } from './timeline.ts'

const cooperative = (...partitions: readonly number[]): Partial<JoinRequest> => ({
  protocols: [{ name: 'cooperative-sticky', metadata: owning(...partitions) }],
})

describe('the timeline of a classic group', () => {
  test('tells a cooperative rebalance as its two rounds: who came, who released, what moved', () => {
    const { sim, a, b } = cooperativePair()
    const [first, second, third] = timeline(sim).rebalances
    assert.deepEqual(
      [first?.cause, first?.memberId, first?.assigned, first?.generation],
      ['member_joined', a, 4, 1],
    )
    assert.deepEqual(
      [second?.cause, second?.memberId, second?.clientId, second?.durationMs],
      ['member_joined', b, 'worker-2', 300],
    )
    assert.deepEqual([second?.revoked, second?.memberCountBefore, second?.memberCount], [2, 1, 2])
    assert.deepEqual(
      [third?.cause, third?.memberId, third?.detail],
      ['partitions_released', a, 'it gave up 2 partitions that others wait for'],
    )
    assert.deepEqual(third?.moved, [
      { topic: 'orders', partition: 2, from: null, to: b },
      { topic: 'orders', partition: 3, from: null, to: b },
    ])
  })

  test('says how long a member was silent, and who got what it lost', () => {
    const { sim, a, b } = cooperativePair()
    sim.advance(4_000)
    sim.ask(heartbeatRequest({ memberId: a, generationId: 3 }))
    sim.advance(6_000)
    join(sim, a, cooperative(0, 1))
    sync(sim, a, { [a]: [0, 1, 2, 3] })
    const last = timeline(sim).rebalances.at(-1)
    assert.deepEqual(
      [last?.cause, last?.memberId, last?.detail, last?.lost, last?.assigned],
      ['session_timeout', b, 'no heartbeat for 10 s (session timeout 10 s)', 2, 2],
    )
    assert.deepEqual(last?.moved[0], { topic: 'orders', partition: 2, from: b, to: a })
    assert.deepEqual(last?.clientIds, [
      [a, 'client'],
      [b, 'worker-2'],
    ])
  })

  test('quotes the reason of a client, and no more than it keeps', () => {
    const { sim, b } = cooperativePair()
    const [member] = leaveRequest({ memberId: b }).members
    assert.ok(member !== undefined)
    const reason = `the consumer is being closed ${'x'.repeat(500)}`
    sim.ask({ ...leaveRequest(), members: [{ ...member, reason }] })
    const { current } = timeline(sim)
    assert.equal(current?.cause, 'member_left')
    assert.equal(current?.detail, `the client says: ${reason.slice(0, 255)}`)
  })

  test('tells a topic that grew from a leader that joins for nothing, and from a restart', () => {
    const { sim, topics, a } = cooperativePair()
    topics.set('orders', 6)
    join(sim, a, cooperative(0, 1))
    assert.deepEqual(
      [timeline(sim).current?.cause, timeline(sim).current?.detail],
      ['topic_changed', 'orders grew from 4 to 6 partitions'],
    )

    const other = cooperativePair()
    other.sim.restart()
    join(other.sim, other.a, cooperative(0, 1))
    assert.equal(timeline(other.sim).current?.cause, 'coordinator_restarted')

    const third = cooperativePair()
    join(third.sim, third.a, cooperative(0, 1))
    assert.equal(timeline(third.sim).current?.cause, 'member_rejoined')
  })

  test('survives a crash in the middle of a rebalance, from the journal and from a snapshot alike', () => {
    for (const from of ['journal', 'snapshot'] as const) {
      const { sim, a, b } = cooperativePair()
      sim.ask(leaveRequest({ memberId: b }))
      const before = timeline(sim)
      sim.restart({ from })
      assert.deepEqual(timeline(sim), before, from)
      sim.advance(700)
      join(sim, a, cooperative(0, 1))
      sync(sim, a, { [a]: [0, 1, 2, 3] })
      const last = timeline(sim).rebalances.at(-1)
      assert.deepEqual([last?.cause, last?.durationMs, last?.lost], ['member_left', 700, 2], from)
      assert.deepEqual(last?.moved[0], { topic: 'orders', partition: 2, from: b, to: a })
    }
  })

  test('begins anew when its group was deleted', () => {
    const sim = new Sim()
    const a = enter(sim)
    sim.sync({ memberId: a, generationId: 1 })
    sim.ask(leaveRequest({ memberId: a }))
    assert.equal(timeline(sim).rebalanceCount, 2)
    sim.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] })
    assert.equal(sim.coordinator.timeline('g'), undefined)
    sim.advance(5)
    enter(sim)
    assert.deepEqual(
      [timeline(sim).rebalanceCount, timeline(sim).createdMs, timeline(sim).rebalances],
      [0, START_MS + 5, []],
    )
  })
})

describe('the timeline of a KIP-848 group', () => {
  test('is one rebalance from the join to the moment in which everybody has its target', () => {
    const { sim } = newSim()
    beat(sim, joining)
    beat(sim, { ...joining, memberId: 'b', clientId: 'worker-2' })
    sim.advance(200)
    beat(sim, { memberEpoch: 2 })
    beat(sim, { memberEpoch: 2, topicPartitions: orders(0, 1) })
    assert.equal(timeline(sim).current?.memberId, 'b')
    beat(sim, { memberId: 'b', memberEpoch: 3, clientId: 'worker-2' })
    const last = timeline(sim).rebalances.at(-1)
    assert.deepEqual(
      [last?.cause, last?.clientId, last?.durationMs, last?.generationFrom, last?.generation],
      ['member_joined', 'worker-2', 200, 2, 3],
    )
    assert.deepEqual(last?.moved, [
      { topic: 'orders', partition: 2, from: 'a', to: 'b' },
      { topic: 'orders', partition: 3, from: 'a', to: 'b' },
    ])
    assert.equal(timeline(sim).current, null)
  })

  test('names partitions by their topic, also when the topic is gone by then', () => {
    const { sim, topics } = pair()
    topics.delete('orders')
    beat(sim, { memberEpoch: 3 })
    beat(sim, { memberEpoch: 3, topicPartitions: [] })
    beat(sim, { memberId: 'b', memberEpoch: 3 })
    beat(sim, { memberId: 'b', memberEpoch: 3, topicPartitions: [] })
    const last = timeline(sim).rebalances.at(-1)
    assert.deepEqual([last?.cause, last?.detail], ['topic_changed', 'orders is gone'])
    assert.deepEqual(last?.moved[0], { topic: 'orders', partition: 0, from: 'a', to: null })
  })

  test('says what a member subscribes to now, and how long one was silent', () => {
    const { sim } = pair()
    beat(sim, { memberEpoch: 3, subscribedTopicNames: ['orders', 'other'] })
    assert.deepEqual(
      [timeline(sim).current?.cause, timeline(sim).current?.detail],
      ['subscription_changed', 'it subscribes to orders, other'],
    )
    const silent = pair().sim
    silent.advance(45_000)
    const causes = timeline(silent).rebalances.map(({ cause, detail }) => [cause, detail])
    assert.deepEqual(causes.at(-1), [
      'session_timeout',
      'no heartbeat for 45 s (session timeout 45 s)',
    ])
  })

  test('says when a group changed its kind, and keeps what was before', () => {
    const { sim } = cooperativePair()
    beat(sim, { ...joining, memberId: 'new', clientId: 'modern' })
    const { current, rebalances } = timeline(sim)
    assert.deepEqual(
      [current?.cause, current?.clientId, rebalances.length],
      ['migrated', 'modern', 3],
    )
    beat(sim, { memberId: 'new', memberEpoch: -1 })
    assert.equal(timeline(sim).current?.cause, 'migrated')
    assert.match(timeline(sim).current?.detail ?? '', /classic again/)
    assert.equal(timeline(sim).rebalances.length, 3)
  })
})

describe('the figures of a timeline', () => {
  test('count the last hour and all time, the rebalance that runs too', () => {
    const { sim } = newSim()
    beat(sim, joining)
    sim.advance(400)
    beat(sim, { ...joining, memberId: 'b' })
    const told = timeline(sim)
    const after = (durationMs: number) => rebalanceFigures(told, sim.wallMs + durationMs)
    assert.deepEqual(after(2_000), { rebalancesPerHour: 1, timeInRebalanceMs: 2_000 })
    assert.equal(after(3_600_000 - 400).rebalancesPerHour, 1)
    assert.equal(after(3_600_000 - 399).rebalancesPerHour, 0)
  })

  test('extrapolate where the timeline does not reach an hour back', () => {
    const sim = new Sim({ groupTimelineEntries: 6 })
    const a = enter(sim)
    for (let generation = 1; generation <= 20; generation++) {
      sim.sync({ memberId: a, generationId: generation })
      sim.advance(1_000)
      sim.join({ memberId: a })
    }
    const { rebalancesPerHour } = rebalanceFigures(timeline(sim), sim.wallMs)
    assert.equal(timeline(sim).rebalances.length, 6)
    assert.ok(rebalancesPerHour > 3_000 && rebalancesPerHour < 4_000, String(rebalancesPerHour))
  })
})

/** a with 0 and 1, b (client `worker-2`) with 2 and 3, at generation 3, after both rounds of a cooperative rebalance. */
function cooperativePair() {
  const { sim, topics } = newSim()
  const a = enter(sim, cooperative())
  sync(sim, a, { [a]: [0, 1, 2, 3] })
  const joiner = { ...cooperative(), clientId: 'worker-2' }
  const b = sim.join(joiner).response?.memberId ?? ''
  join(sim, b, joiner)
  sim.advance(300)
  join(sim, a, cooperative(0, 1, 2, 3))
  sync(sim, b, {})
  sync(sim, a, { [a]: [0, 1] })
  join(sim, a, cooperative(0, 1))
  join(sim, b, joiner)
  sync(sim, b, {})
  sync(sim, a, { [a]: [0, 1], [b]: [2, 3] })
  return { sim, topics, a, b }
}

function join(sim: Sim, memberId: string, over: Partial<JoinRequest>): void {
  sim.join({ ...over, memberId })
}

function sync(sim: Sim, memberId: string, shares: Record<string, readonly number[]>): void {
  sim.sync({
    memberId,
    generationId: timeline(sim).generation,
    protocolName: null,
    assignments: Object.entries(shares).map(([id, partitions]) => ({
      memberId: id,
      assignment: writeAssignment([{ topic: 'orders', partitions }]),
    })),
  })
}

function timeline(sim: Sim) {
  const told = sim.coordinator.timeline('g')
  assert.ok(told !== undefined)
  return told
}
