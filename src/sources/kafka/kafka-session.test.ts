import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError, VirtualClock, seededRandom } from '../../core/index.ts'
import type {
  Assignment,
  OwnedPartition,
  SourceNotice,
  SourceSession,
} from '../../consumer/index.ts'
import {
  encodeAssignment,
  heartbeat,
  joinGroup,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { clusterScript } from './cluster-script.ts'
import { kafka } from './kafka-source.ts'
import { partitionKey } from './member-state.ts'
import type { KafkaSourceOptions } from './options.ts'
import { NO_ERROR } from './scripted-transport.ts'

describe('an assignment', () => {
  test('comes with what was committed, and begins there', async () => {
    const world = await open({
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

  test('below what retention kept skips to what is there, and says how many records were missed', async () => {
    const world = await open({
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
    const world = await open({
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
    await world.session.close()
  })

  test('under latest reads a partition from its beginning when the group knows the topic already', async () => {
    const world = await open({
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
    const world = await open({ options: { offsetReset: 'none' } })
    assert.deepEqual(world.codes(), ['SHOAL_NO_OFFSET'])
    assert.deepEqual(world.assigned, [])
    await world.session.close()
  })

  test('that lies beyond the end of the log ends the session rather than go anywhere', async () => {
    const world = await open({
      before: ({ script }) => script.committed.set(keyOf(0), { offset: 1, metadata: '' }),
    })
    assert.deepEqual(world.codes(), ['SHOAL_OFFSET_OUT_OF_RANGE'])
    await world.session.close()
  })
})

describe('a topic that is missing', () => {
  test('is told and waited for, and read from its beginning when it appears, under latest too', async () => {
    const world = await open({
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
    const world = await open()
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
    const world = await open()
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

  test('ends when its time is up, however long the runtime takes', async () => {
    const world = await open({ drainTimeoutMs: 3_000 })
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
    const world = await open()
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
    const world = await open({
      before: ({ script }) => script.transport.on(offsetFetch, () => new Promise(() => {})),
    })
    world.group.expel()
    await world.clock.advance(2_000)
    assert.deepEqual([world.assigned, world.lost], [[], []])
    await world.session.close()
  })
})

describe('a commit', () => {
  test('waits while a join is under way, then goes out in the new generation', async () => {
    const world = await open()
    const gate = Promise.withResolvers<void>()
    world.group.beforeJoin = () => gate.promise
    world.group.rebalance()
    await world.clock.advance(1_000)
    const commit = world.commit(0, 5)
    await world.clock.advance(5_000)
    assert.equal(world.asked(offsetCommit), 0)
    gate.resolve()
    await world.clock.advance(0)
    assert.equal(await commit, 'committed')
    assert.equal(world.script.transport.asked(offsetCommit)[0]?.generationIdOrMemberEpoch, 2)
    await world.session.close()
  })

  const table: readonly (readonly [KafkaErrorCode, string])[] = [
    ['NONE', 'committed'],
    ['REBALANCE_IN_PROGRESS', 'retry'],
    ['COORDINATOR_LOAD_IN_PROGRESS', 'retry'],
    ['NOT_COORDINATOR', 'retry'],
    ['UNSTABLE_OFFSET_COMMIT', 'retry'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'retry'],
    ['ILLEGAL_GENERATION', 'stale'],
    ['UNKNOWN_MEMBER_ID', 'stale'],
  ]
  for (const [error, outcome] of table)
    test(`answered ${error} is ${outcome}`, async () => {
      const world = await open()
      world.script.commitError = error
      assert.equal(await world.commit(0, 5), outcome)
      assert.equal(world.lost.length, outcome === 'stale' ? 2 : 0)
      await world.session.close()
    })

  test('whose metadata is too long is repeated without it', async () => {
    const world = await open()
    const usual = world.script.transport.answerTo(offsetCommit)
    world.script.transport.on(offsetCommit, async (request, asked) => {
      const isLong = request.topics.some(({ partitions }) =>
        partitions.some(({ committedMetadata }) => committedMetadata !== ''),
      )
      world.script.commitError = isLong ? 'OFFSET_METADATA_TOO_LARGE' : 'NONE'
      return usual(request, asked)
    })
    assert.equal(await world.commit(0, 5, 'x'.repeat(5_000)), 'committed')
    assert.deepEqual(world.script.committed.get(keyOf(0)), { offset: 5, metadata: '' })
    await world.session.close()
  })

  test('of an epoch that is over is not sent', async () => {
    const world = await open()
    const [result] = await world.session.commit([
      { topic: 't', partition: 0, epoch: 0, offset: 5, metadata: '' },
    ])
    assert.equal(result?.outcome, 'stale')
    assert.equal(world.asked(offsetCommit), 0)
    await world.session.close()
  })
})

describe('without a broker', () => {
  test('no handler may start after half a session timeout, after a whole one everything is lost, and it comes back', async () => {
    const world = await open()
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
    const world = await open()
    await world.session.close()
    await world.session.close()
    assert.equal(world.asked(leaveGroup), 1)
    assert.deepEqual([world.revoked, world.lost, world.codes()], [[], [], []])
  })

  test('of a static member keeps its place in the group', async () => {
    const world = await open({ options: { groupInstanceId: 'one' } })
    await world.session.close()
    assert.equal(world.asked(leaveGroup), 0)
  })

  test('does not wait for a broker that is gone', async () => {
    const world = await open()
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
    open({
      before: ({ script }) => {
        script.coordinator = 9
      },
    }),
    { code: 'SHOAL_REQUEST_FAILED' },
  )
})

/** The coordinator of a group that our member has to itself: it gets what `assignment` says. */
interface ScriptedGroup {
  generation: number
  /** Null: all partitions of t that exist. */
  assignment: readonly number[] | null
  beforeJoin: () => Promise<void>
  rebalance(): void
  /** The next heartbeat finds no such member. */
  expel(): void
}

async function open({
  options = {},
  generation = 1,
  drainTimeoutMs = 20_000,
  before = () => {},
}: {
  options?: Partial<KafkaSourceOptions>
  generation?: number
  drainTimeoutMs?: number
  before?: (world: { script: ReturnType<typeof clusterScript> }) => unknown
} = {}) {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1'], topics: { t: [1, 1] } })
  const group = scriptGroup(script, generation)
  before({ script })
  const world = {
    clock,
    script,
    group,
    assigned: [] as Assignment[],
    revoked: [] as OwnedPartition[],
    lost: [] as OwnedPartition[],
    notices: [] as SourceNotice[],
    failures: [] as unknown[],
    onRevoked: async (): Promise<void> => {},
    session: null as unknown as SourceSession,
    codes: () =>
      world.failures.map((error) => (error instanceof ShoalError ? error.code : String(error))),
    asked: (api: Parameters<typeof script.transport.asked>[0]) =>
      script.transport.asked(api).length,
    /** Commits one partition in its present epoch; the virtual clock stands still meanwhile. */
    async commit(partition: number, offset: number, metadata = ''): Promise<string | undefined> {
      const epoch = world.assigned.findLast((one) => one.partition === partition)?.epoch ?? -1
      const results = await world.session.commit([
        { topic: 't', partition, epoch, offset, metadata },
      ])
      return results[0]?.outcome
    },
  }
  const source = kafka(
    { brokers: 'b1:9092', topics: ['t'], heartbeatIntervalMs: 1_000, ...options },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  const opening = source.open({
    group: 'g',
    drainTimeoutMs,
    events: {
      assigned: (assignments) => void world.assigned.push(...assignments),
      revoked: async (partitions) => {
        world.revoked.push(...partitions)
        await world.onRevoked()
      },
      lost: (partitions) => void world.lost.push(...partitions),
      records: () => {},
      endOfPartition: () => {},
      notice: (notice) => void world.notices.push(notice),
      failed: (error) => void world.failures.push(error),
    },
  })
  // Coordinators that are not there are asked again for a while.
  opening.catch(() => {})
  await clock.advance(20)
  if (script.coordinator !== 1) await clock.advance(20_000)
  world.session = await opening
  await clock.advance(0)
  return world
}

function scriptGroup(
  script: ReturnType<typeof clusterScript>,
  firstGeneration: number,
): ScriptedGroup {
  let answer: KafkaErrorCode = NO_ERROR
  const group: ScriptedGroup = {
    generation: firstGeneration - 1,
    assignment: null,
    beforeJoin: async () => {},
    rebalance: () => void (answer = 'REBALANCE_IN_PROGRESS'),
    expel: () => void (answer = 'UNKNOWN_MEMBER_ID'),
  }
  const { transport } = script
  transport.on(joinGroup, async ({ memberId, protocols }) => {
    await group.beforeJoin()
    answer = NO_ERROR
    group.generation++
    const id = memberId === '' ? 'm' : memberId
    return {
      throttleTimeMs: 0,
      errorCode: NO_ERROR,
      generationId: group.generation,
      protocolType: 'consumer',
      protocolName: protocols[0]?.name ?? '',
      leader: id,
      skipAssignment: false,
      memberId: id,
      members: [{ memberId: id, groupInstanceId: null, metadata: protocols[0]!.metadata }],
    }
  })
  transport.on(syncGroup, ({ assignments }) => {
    const ours = group.assignment
    const assignedPartitions = ours === null ? null : [{ topic: 't', partitions: ours }]
    return {
      throttleTimeMs: 0,
      errorCode: NO_ERROR,
      protocolType: 'consumer',
      protocolName: 'p',
      assignment:
        assignedPartitions === null
          ? assignments[0]!.assignment
          : encodeAssignment({ assignedPartitions, userData: null }),
    }
  })
  transport.on(heartbeat, () => ({ throttleTimeMs: 0, errorCode: answer }))
  transport.on(leaveGroup, ({ members }) => ({
    throttleTimeMs: 0,
    errorCode: NO_ERROR,
    members: members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: NO_ERROR,
    })),
  }))
  return group
}

function keyOf(partition: number): string {
  return partitionKey({ topic: 't', partition })
}
