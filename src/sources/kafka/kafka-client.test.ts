import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock, seededRandom } from '../../core/index.ts'
import { heartbeat, listGroups } from '../../protocol/index.ts'
import { KafkaClient } from './kafka-client.ts'
import type { LinkEvent } from './broker-link.ts'
import { clusterScript } from './cluster-script.test.ts'
import { NO_ERROR } from './scripted-transport.test.ts'

const beat = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null }

describe('opening', () => {
  test('goes on to the next address when one does not answer', async () => {
    const { open, script } = fixture()
    script.transport.down('bad:1')
    const client = await open('bad:1,b1:9092')
    assert.deepEqual([...client.cluster.brokers.keys()], [1, 2])
    await client.close()
  })

  test('gives up after its time with the reason', async () => {
    const { open, script, clock } = fixture()
    script.transport.down('bad:1')
    const opening = assert.rejects(open('bad:1'), { code: 'SHOAL_BROKER_UNREACHABLE' })
    await clock.advance(10_000)
    await opening
  })
})

describe('a request', () => {
  test('speaks the highest version that both sides have', async () => {
    const { open, script } = fixture()
    script.transport.versions = script.transport.versions.map((one) =>
      one.apiKey === listGroups.key ? { ...one, maxVersion: 2 } : one,
    )
    const client = await open()
    script.transport.on(listGroups, () => ({ throttleTimeMs: 0, errorCode: NO_ERROR, groups: [] }))
    const { version } = await client.request(
      listGroups,
      { statesFilter: [], typesFilter: [] },
      { to: 'any' },
    )
    assert.equal(version, 2)
    await client.close()
  })

  test('without a common version is refused before it is sent', async () => {
    const { open, script } = fixture()
    script.transport.versions = script.transport.versions.filter(
      ({ apiKey }) => apiKey !== listGroups.key,
    )
    const client = await open()
    await assert.rejects(
      client.request(listGroups, { statesFilter: [], typesFilter: [] }, { to: 'any' }),
      { code: 'SHOAL_REQUEST_FAILED', message: /speaks no version/ },
    )
    await client.close()
  })

  test('for a group goes to its coordinator, which is asked for once', async () => {
    const { open, script } = fixture()
    script.coordinator = 2
    const client = await open()
    script.transport.on(heartbeat, () => ({ throttleTimeMs: 0, errorCode: NO_ERROR }))
    for (let round = 0; round < 3; round++)
      await client.request(heartbeat, beat, { to: { group: 'g' }, channel: 'group' })
    assert.deepEqual(
      script.transport.log
        .filter(({ name }) => name === 'Heartbeat' || name === 'FindCoordinator')
        .map(({ name, asked }) => (name === 'Heartbeat' ? asked.address.host : name)),
      ['FindCoordinator', 'b2', 'b2', 'b2'],
    )
    await client.close()
  })

  test('that is not answered in time is rejected, and its connection ends', async () => {
    const { open, script, clock, events } = fixture()
    const client = await open()
    script.transport.on(heartbeat, () => new Promise(() => {}))
    const waiting = assert.rejects(
      client.request(heartbeat, beat, { to: { node: 1 }, timeoutMs: 500 }),
      { code: 'SHOAL_REQUEST_TIMEOUT' },
    )
    await clock.advance(500)
    await waiting
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['disconnected'],
    )
    script.transport.on(heartbeat, () => ({ throttleTimeMs: 0, errorCode: NO_ERROR }))
    await client.request(heartbeat, beat, { to: { node: 1 } })
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['disconnected', 'reconnected'],
    )
    await client.close()
  })

  test('to a broker that fell waits a growing while before each new attempt', async () => {
    const { open, script, clock } = fixture()
    const client = await open()
    script.transport.down('b2:9092')
    const gaps: number[] = []
    for (let round = 0; round < 6; round++) {
      const before = clock.monotonicMs()
      const failing = assert.rejects(client.request(heartbeat, beat, { to: { node: 2 } }), {
        code: 'SHOAL_BROKER_UNREACHABLE',
      })
      const state = { isSettled: false }
      void failing.then(() => (state.isSettled = true))
      await clock.advance(0)
      while (!state.isSettled) await clock.advance(10)
      gaps.push(clock.monotonicMs() - before)
    }
    assert.equal(gaps[0], 0)
    assert.ok(gaps[1]! >= 40 && gaps[1]! <= 70, String(gaps))
    assert.ok(gaps[5]! >= 640 && gaps[5]! <= 970, String(gaps))
    await client.close()
  })

  test('on one channel does not wait for one on another', async () => {
    const { open, script } = fixture()
    const client = await open()
    const { promise: joined, resolve } = Promise.withResolvers<void>()
    let requests = 0
    script.transport.on(heartbeat, async () => {
      if (requests++ === 0) await joined
      return { throttleTimeMs: 0, errorCode: NO_ERROR }
    })
    const slow = client.request(heartbeat, beat, { to: { node: 1 }, channel: 'group' })
    await client.request(heartbeat, beat, { to: { node: 1 } })
    resolve()
    await slow
    await client.close()
  })
})

describe('closing', () => {
  test('rejects what waits, and what comes later', async () => {
    const { open, script } = fixture()
    const client = await open()
    script.transport.on(heartbeat, () => new Promise(() => {}))
    const waiting = assert.rejects(client.request(heartbeat, beat, { to: { node: 1 } }))
    await new Promise((resolve) => setImmediate(resolve))
    await client.close()
    await waiting
    await assert.rejects(client.request(heartbeat, beat, { to: { node: 1 } }), {
      code: 'SHOAL_CLOSED',
    })
  })
})

function fixture() {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1', 'b2'], topics: { t: [1, 2] } })
  const events: LinkEvent[] = []
  return {
    clock,
    script,
    events,
    open: (brokers = 'b1:9092') =>
      KafkaClient.open(
        { brokers, onConnection: (event) => events.push(event) },
        { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
      ),
  }
}
