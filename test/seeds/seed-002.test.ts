/**
 * Seed 002, its Kafka half: one interface's consumer groups, order, and what a rebalance delivers twice.
 */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { numbered, SeedBroker, seedSuite, Stage } from './stage.ts'
import { eventually, once, ROOM_MS } from './waiting.ts'

describe('seed 002, Kafka consumer groups', seedSuite, () => {
  let broker: SeedBroker
  before(async () => {
    broker = await SeedBroker.start()
  })
  after(async () => broker[Symbol.asyncDispose]())

  /** Three members, and 210 records of thirty keys over three partitions. */
  const keyed = once(async () => {
    await using stage = await Stage.set(broker, 's002-20', { partitions: 3 })
    const members = [stage.member(), stage.member(), stage.member()]
    await Promise.all(members.map((member) => member.untilOwnsSome(1)))
    const group = await stage.untilStable(3)
    for (let round = 0; round < 7; round += 1)
      await stage.produce(numbered(30).map((key) => ({ key: `key-${key}`, value: `${round}` })))
    await eventually(
      async () => members.flatMap(({ messages }) => messages).length,
      (count) => count >= 210,
    )
    return {
      group,
      owned: members.map(({ owned }) => owned),
      shares: members.map(({ messages }) => messages),
    }
  })

  /** A member that is killed with five records processed and none committed, and its successor. */
  const uncommitted = once(async () => {
    await using stage = await Stage.set(broker, 's002-24')
    await stage.produce(numbered(5))
    const session = { 'session.timeout.ms': 12_000 }
    const first = stage.member(session)
    await first.untilMessages(5)
    const killedMs = performance.now()
    await first.crash()
    const second = stage.member(session)
    await second.untilOwns([0])
    const takeoverMs = performance.now() - killedMs
    await second.untilMessages(5)
    return { first: first.messages, second: second.messages, takeoverMs }
  })

  test('S002-01 delivers each message to one consumer of the group', async () => {
    const { shares } = await keyed()
    const records = shares.flat().map(({ partition, offset }) => `${partition}:${offset}`)
    assert.equal(records.length, 210)
    assert.equal(new Set(records).size, 210)
  })

  test("S002-02 uses Kafka's native consumer groups", async () => {
    const { group } = await keyed()
    assert.deepEqual([group.state, group.members.length], ['Stable', 3])
    assert.match(group.protocol, /^range$|^roundrobin$/)
  })

  test('S002-06 gives three members of one group a partition each', async () => {
    const { owned } = await keyed()
    assert.deepEqual(
      owned.flat().toSorted((a, b) => a - b),
      [0, 1, 2],
    )
    assert.ok(owned.every((partitions) => partitions.length === 1))
  })

  test('S002-20 keeps the order of each partition, and so of each key', async () => {
    for (const messages of (await keyed()).shares) {
      const offsets = messages.map(({ offset }) => offset)
      assert.deepEqual(offsets, [...offsets.keys()])
      for (const key of new Set(messages.map((message) => message.key)))
        assert.deepEqual(
          messages.filter((message) => message.key === key).map(({ value }) => value),
          numbered(7),
        )
    }
  })

  test('S002-21 keeps a total order with a single consumer', async () => {
    await using stage = await Stage.set(broker, 's002-21')
    await stage.produce(numbered(100))
    const member = stage.member()
    await member.untilMessages(100)
    assert.deepEqual(
      member.messages.map(({ value }) => value),
      numbered(100),
    )
  })

  test('S002-22 sends the same key to the same partition', async () => {
    const partitions = new Map<string, Set<number>>()
    for (const { key, partition } of (await keyed()).shares.flat())
      partitions.set(key!, (partitions.get(key!) ?? new Set()).add(partition!))
    assert.equal(partitions.size, 30)
    assert.ok([...partitions.values()].every((of) => of.size === 1))
    assert.equal(new Set([...partitions.values()].flatMap((of) => [...of])).size, 3)
  })

  test('S002-24 delivers duplicates when a member dies before its commit: five of five', async () => {
    const { first, second } = await uncommitted()
    assert.deepEqual(
      second.map(({ offset }) => offset),
      first.map(({ offset }) => offset),
    )
    assert.equal(second.length, 5)
  })

  test('S002-25 delivers no duplicates when a member shuts down gracefully', async () => {
    await using stage = await Stage.set(broker, 's002-25', { partitions: 2 })
    const staying = stage.member({}, { commit: 'each' })
    const leaving = stage.member({}, { commit: 'each' })
    await Promise.all([staying.untilOwnsSome(1), leaving.untilOwnsSome(1)])
    const half = () =>
      stage.produce(numbered(30).map((value, index) => ({ value, partition: index % 2 })))
    await half()
    await leaving.untilMessages(5)
    const closing = leaving.close()
    await half()
    await closing
    await stage.untilCommitted(30, 30)
    const records = [staying, leaving]
      .flatMap(({ messages }) => messages)
      .map(({ partition, offset }) => `${partition}:${offset}`)
    assert.equal(records.length, 60)
    assert.equal(new Set(records).size, 60)
  })

  test('S002-26 replaces a dead member when its session has ended', async () => {
    const { takeoverMs } = await uncommitted()
    assert.ok(takeoverMs > 3_000 && takeoverMs < 12_000 + ROOM_MS, `${takeoverMs} ms`)
  })
})
