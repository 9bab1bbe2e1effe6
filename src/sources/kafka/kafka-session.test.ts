import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../core/index.ts'
import { heartbeat, joinGroup, leaveGroup, offsetFetch } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { keyOf, openSession } from './session-fixture.test.ts'

describe('an assignment', () => {
  test('comes with what was committed, and begins there', async () => {
    const world = await openSession({
      before: ({ script }) => {
        script.partition('t', 0).logEndOffset = 9
        script.committed.set(keyOf(0), { offset: 4, metadata: 'map' })
      },
    })
    assert.deepEqual(
      world.assigned.map(({ partition, committed, startOffset }) => [
        partition,
        committed,
        startOffset,
      ]),
      [
        [0, { offset: 4, metadata: 'map' }, 4],
        [1, null, 0],
      ],
    )
    await world.session.close()
  })

  test('says which generation of the group it belongs to, and keeps that while the partition stays', async () => {
    const world = await openSession({ generation: 7 })
    world.script.leaders.set('t', [1, 1, 1])
    world.group.assignment = [0, 1, 2]
    world.group.rebalance()
    await world.clock.advance(2_000)
    assert.deepEqual(
      world.assigned.map(({ partition, generation }) => [partition, generation]),
      [
        [0, 7],
        [1, 7],
        [2, 8],
      ],
    )
    await world.session.close()
  })

  test('waits for a transaction that has offsets of the group pending', async () => {
    const world = await openSession({
      before: ({ script }) => {
        script.partition('t', 0).logEndOffset = 9
        script.committed.set(keyOf(0), { offset: 4, metadata: '' })
        script.fetchOffsetsError = 'UNSTABLE_OFFSET_COMMIT'
      },
    })
    await world.clock.advance(5_000)
    assert.equal(world.assigned.length, 0)
    const asked = world.script.transport.asked(offsetFetch)
    assert.ok(asked.length > 2 && asked.length < 30, `${asked.length} times asked in five seconds`)
    assert.ok(asked.every(({ requireStable }) => requireStable))
    // The transaction commits.
    world.script.committed.set(keyOf(0), { offset: 6, metadata: '' })
    world.script.fetchOffsetsError = 'NONE'
    await world.clock.advance(2_000)
    assert.deepEqual([world.assigned[0]?.startOffset, world.codes()], [6, []])
    await world.session.close()
  })

  test('whose committed records the log has lost ends the session with where it diverged', async () => {
    const world = await openSession({
      before: ({ script }) => {
        // The group read to 5 under leader 3; the log it finds was written anew from 2 on under leader 4.
        script.committed.set(keyOf(0), { offset: 5, metadata: '', leaderEpoch: 3 })
        Object.assign(script.partition('t', 0), {
          logEndOffset: 9,
          epochs: [
            { epoch: 3, from: 0 },
            { epoch: 4, from: 2 },
          ],
        })
      },
    })
    await world.clock.advance(1_000)
    assert.deepEqual(
      world.failures.map((error) => (error instanceof ShoalError ? error.details : error)),
      [{ topic: 't', partition: 0, offset: 5, divergedAt: 2 }],
    )
    assert.deepEqual(world.codes(), ['SHOAL_OFFSET_OUT_OF_RANGE'])
    await world.session.close()
  })

  test('below what retention kept skips to what is there, and says how many records were missed', async () => {
    const world = await openSession({
      before: ({ script }) => {
        Object.assign(script.partition('t', 0), { logStartOffset: 100, logEndOffset: 150 })
        script.committed.set(keyOf(0), { offset: 40, metadata: '' })
      },
    })
    assert.equal(world.assigned[0]?.startOffset, 100)
    assert.partialDeepStrictEqual(
      world.notices.filter(({ kind }) => kind === 'records-skipped'),
      [{ topic: 't', partition: 0, count: 60 }],
    )
    await world.session.close()
  })

  test('under latest is committed at once, for idle partitions too', async () => {
    const world = await openSession({
      options: { offsetReset: 'latest' },
      before: ({ script }) => {
        script.partition('t', 0).logEndOffset = 7
      },
    })
    assert.deepEqual(
      world.assigned.map(({ startOffset }) => startOffset),
      [7, 0],
    )
    assert.deepEqual(
      world.script.committed,
      new Map([
        [keyOf(0), { offset: 7, metadata: '' }],
        [keyOf(1), { offset: 0, metadata: '' }],
      ]),
    )
    // What waits and is not read is told by its number.
    assert.partialDeepStrictEqual(
      world.notices.filter(({ kind }) => kind === 'records-skipped'),
      [{ topic: 't', partition: 0, count: 7 }],
    )
    await world.session.close()
  })

  test('under latest reads a partition from its beginning when the group knows the topic already', async () => {
    const world = await openSession({
      options: { offsetReset: 'latest' },
      generation: 4,
      before: ({ script }) => {
        script.partition('t', 0).logEndOffset = 7
        script.partition('t', 1).logEndOffset = 7
        script.committed.set(keyOf(0), { offset: 5, metadata: '' })
      },
    })
    assert.deepEqual(
      world.assigned.map(({ startOffset }) => startOffset),
      [5, 0],
    )
    await world.session.close()
  })

  test('without a committed offset under none ends the session with what to do', async () => {
    const world = await openSession({ options: { offsetReset: 'none' } })
    assert.deepEqual(world.codes(), ['SHOAL_NO_OFFSET'])
    assert.deepEqual(world.assigned, [])
    await world.session.close()
  })

  test('that lies beyond the end of the log ends the session rather than go anywhere', async () => {
    const world = await openSession({
      before: ({ script }) => script.committed.set(keyOf(0), { offset: 1, metadata: '' }),
    })
    assert.deepEqual(world.codes(), ['SHOAL_OFFSET_OUT_OF_RANGE'])
    await world.session.close()
  })
})

test('a partition that has no leader holds up no other', async () => {
  const world = await openSession({
    before: ({ script }) => {
      script.leaders.set('t', [1, -1])
      script.partition('t', 1).logEndOffset = 4
    },
  })
  await world.clock.advance(5_000)
  assert.deepEqual(
    world.assigned.map(({ partition }) => partition),
    [0],
  )
  world.script.leaders.set('t', [1, 2])
  await world.clock.advance(5_000)
  assert.deepEqual(
    world.assigned.map(({ partition }) => partition),
    [0, 1],
  )
  await world.session.close()
})

describe('a topic that is missing', () => {
  test('is told and waited for, and read from its beginning when it appears, under latest too', async () => {
    const world = await openSession({
      options: { offsetReset: 'latest' },
      before: ({ script }) => script.leaders.delete('t'),
    })
    assert.deepEqual(
      world.notices.filter(({ kind }) => kind === 'topic-missing'),
      [{ kind: 'topic-missing', topic: 't' }],
    )
    assert.deepEqual(world.assigned, [])
    world.script.leaders.set('t', [1, 1])
    world.script.partition('t', 0).logEndOffset = 3
    await world.clock.advance(6_000)
    assert.deepEqual(
      world.assigned.map(({ partition, startOffset }) => [partition, startOffset]),
      [
        [0, 0],
        [1, 0],
      ],
    )
    await world.session.close()
  })

  test('grown by partitions is noticed, and what was owned keeps its epoch', async () => {
    const world = await openSession()
    world.script.leaders.set('t', [1, 1, 1])
    world.group.assignment = [0, 1, 2]
    await world.clock.advance(400_000)
    assert.deepEqual(
      world.assigned.map(({ partition, epoch }) => [partition, epoch]),
      [
        [0, 1],
        [1, 1],
        [2, 2],
      ],
    )
    assert.deepEqual([world.revoked, world.lost], [[], []])
    await world.session.close()
  })
})

describe('a revoke', () => {
  test('waits for the runtime, with heartbeats and commits, and only then joins without the partitions', async () => {
    const world = await openSession()
    const gate = Promise.withResolvers<void>()
    world.onRevoked = () => gate.promise
    world.group.assignment = [1]
    world.group.rebalance()
    await world.clock.advance(1_000)
    assert.deepEqual(
      world.revoked.map(({ partition, epoch }) => [partition, epoch]),
      [[0, 1]],
    )
    const [joins, beats] = [world.asked(joinGroup), world.asked(heartbeat)]
    await world.clock.advance(5_000)
    assert.equal(world.asked(joinGroup), joins)
    assert.ok(world.asked(heartbeat) >= beats + 4)
    assert.deepEqual(await world.commit(0, 5), 'committed')
    gate.resolve()
    await world.clock.advance(1)
    assert.equal(world.asked(joinGroup), joins + 1)
    assert.deepEqual(await world.commit(0, 6), 'stale')
    assert.equal(world.script.committed.get(keyOf(0))?.offset, 5)
    await world.session.close()
  })

  test('says how long it will wait: what the runtime wants, less when the group gives less', async () => {
    for (const [rebalanceTimeoutMs, limitMs] of [
      [60_000, 20_000],
      [10_000, 7_000],
      [2_000, 1_000],
    ] as const) {
      const world = await openSession({ options: { rebalanceTimeoutMs } })
      world.group.assignment = [1]
      world.group.rebalance()
      await world.clock.advance(1_000)
      assert.deepEqual(world.limitsMs, [limitMs])
      await world.session.close()
    }
  })

  test('ends when its time is up, however long the runtime takes', async () => {
    const world = await openSession({ drainTimeoutMs: 3_000 })
    world.onRevoked = () => new Promise(() => {})
    world.group.assignment = [1]
    world.group.rebalance()
    await world.clock.advance(1_000)
    const joins = world.asked(joinGroup)
    await world.clock.advance(2_900)
    assert.equal(world.asked(joinGroup), joins)
    await world.clock.advance(200)
    assert.equal(world.asked(joinGroup), joins + 1)
    await world.session.close()
  })
})

describe('a loss', () => {
  test('during a drain tells the runtime that what it drains is lost too, and its late commit is stale', async () => {
    const world = await openSession()
    const gate = Promise.withResolvers<void>()
    world.onRevoked = () => gate.promise
    world.group.assignment = [1]
    world.group.rebalance()
    await world.clock.advance(1_000)
    world.group.expel()
    await world.clock.advance(1_000)
    assert.deepEqual(new Set(world.lost.map(({ partition }) => partition)), new Set([0, 1]))
    assert.equal(await world.commit(0, 5), 'stale')
    gate.resolve()
    await world.clock.advance(1)
    assert.deepEqual(world.codes(), [])
    await world.session.close()
  })

  test('of partitions whose start is not known yet is never heard of', async () => {
    const world = await openSession({
      before: ({ script }) => script.transport.on(offsetFetch, () => new Promise(() => {})),
    })
    world.group.expel()
    await world.clock.advance(2_000)
    assert.deepEqual([world.assigned, world.lost], [[], []])
    await world.session.close()
  })
})

const NOT_COORDINATOR: KafkaErrorCode = 'NOT_COORDINATOR'

describe('a coordinator that moves', () => {
  test('is looked for by the next heartbeat, and nothing is given up', async () => {
    const world = await openSession()
    const { transport } = world.script
    const usual = transport.answerTo(heartbeat)
    transport.on(heartbeat, async (request, asked) =>
      asked.address.host === 'b1'
        ? { throttleTimeMs: 0, errorCode: NOT_COORDINATOR }
        : usual(request, asked),
    )
    world.script.coordinator = 2
    await world.clock.advance(60_000)
    const last = transport.log.findLast(({ name }) => name === heartbeat.name)
    assert.equal(last?.asked.address.host, 'b2')
    assert.equal(world.session.ownershipIsFresh(), true)
    assert.deepEqual([world.revoked, world.lost, world.codes()], [[], [], []])
    await world.session.close()
  })
})

describe('without a broker', () => {
  test('no handler may start after half a session timeout, after a whole one everything is lost, and it comes back', async () => {
    const world = await openSession()
    assert.equal(world.session.ownershipIsFresh(), true)
    world.script.transport.down('b1:9092')
    await world.clock.advance(22_000)
    assert.equal(world.session.ownershipIsFresh(), true)
    await world.clock.advance(1_000)
    assert.equal(world.session.ownershipIsFresh(), false)
    assert.deepEqual(world.lost, [])
    await world.clock.advance(23_000)
    assert.deepEqual(
      world.lost.map(({ partition, epoch }) => [partition, epoch]),
      [
        [0, 1],
        [1, 1],
      ],
    )
    world.script.transport.up('b1:9092')
    await world.clock.advance(5_000)
    assert.deepEqual(
      world.assigned.slice(2).map(({ partition, epoch }) => [partition, epoch]),
      [
        [0, 2],
        [1, 2],
      ],
    )
    assert.deepEqual(world.codes(), [])
    await world.session.close()
  })
})

describe('closing', () => {
  test('leaves the group, and says nothing more to the runtime', async () => {
    const world = await openSession()
    await world.session.close()
    await world.session.close()
    assert.equal(world.asked(leaveGroup), 1)
    assert.deepEqual([world.revoked, world.lost, world.codes()], [[], [], []])
  })

  test('of a static member keeps its place in the group', async () => {
    const world = await openSession({ options: { groupInstanceId: 'one' } })
    await world.session.close()
    assert.equal(world.asked(leaveGroup), 0)
  })

  test('does not wait for a broker that is gone', async () => {
    const world = await openSession()
    world.script.transport.down('b1:9092')
    let isClosed = false
    const closing = world.session.close().then(() => (isClosed = true))
    await world.clock.advance(6_000)
    assert.equal(isClosed, true)
    await closing
  })
})

test('opening fails when the group has no coordinator for the whole time that opening may take', async () => {
  await assert.rejects(
    openSession({
      before: ({ script }) => {
        script.coordinator = 9
      },
    }),
    { code: 'SHOAL_REQUEST_FAILED' },
  )
})
