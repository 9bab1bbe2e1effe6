import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { consumerGroupHeartbeat, heartbeat, joinGroup, offsetCommit } from '../../protocol/index.ts'
import type { KafkaSourceOptions } from './options.ts'
import { keyOf, openSession } from './session-fixture.test.ts'

type World = Awaited<ReturnType<typeof openSession>>

/** What goes wrong in the field with consumers of a group, in both protocols. */
interface Kind {
  readonly name: string
  readonly options: Partial<KafkaSourceOptions>
  /** The coordinator no longer knows the member. */
  expel(world: World): void
  assign(world: World, partitions: readonly number[]): void
  /** Nobody answers heartbeats from now on. */
  fallSilent(world: World): void
  joins(world: World): number
}

const kinds: readonly Kind[] = [
  {
    name: 'classic',
    options: { groupProtocol: 'classic', heartbeatIntervalMs: 1_000 },
    expel: ({ group }) => group.expel(),
    assign: ({ group }, partitions) => {
      group.assignment = partitions
      group.rebalance()
    },
    fallSilent: ({ script }) => script.transport.on(heartbeat, () => new Promise(() => {})),
    joins: ({ asked }) => asked(joinGroup),
  },
  {
    name: 'KIP-848',
    options: { groupProtocol: 'consumer' },
    expel: ({ consumerGroup }) => void (consumerGroup.error = 'UNKNOWN_MEMBER_ID'),
    assign: ({ consumerGroup }, partitions) => {
      consumerGroup.memberEpoch++
      consumerGroup.assignment = { t: partitions }
    },
    fallSilent: ({ script }) =>
      script.transport.on(consumerGroupHeartbeat, () => new Promise(() => {})),
    joins: ({ script }) =>
      script.transport.asked(consumerGroupHeartbeat).filter(({ memberEpoch }) => memberEpoch === 0)
        .length,
  },
]

for (const { name, options, expel, assign, fallSilent, joins } of kinds)
  describe(`hard cases, ${name}`, () => {
    test('handlers that are slower than the session cost nothing: heartbeats depend on nobody', async () => {
      const world = await openSession({ options })
      await world.clock.advance(4 * 45_000)
      assert.deepEqual([world.lost, world.revoked, joins(world)], [[], [], 1])
      assert.equal(world.session.ownershipIsFresh(), true)
      assert.equal(await world.commit(0, 0), 'committed')
      await world.session.close()
    })

    test('heartbeats that nobody answers for a session end in a loss that is told, and in joining anew', async () => {
      const world = await openSession({ options })
      fallSilent(world)
      await world.clock.advance(44_000)
      assert.deepEqual([world.lost, world.session.ownershipIsFresh()], [[], false])
      await world.clock.advance(3_000)
      assert.equal(world.lost.length, 2)
      assert.ok(joins(world) >= 2)
      assert.ok(
        world.notices.some(
          (notice) =>
            notice.kind === 'heartbeat-failed' && notice.reason.includes('a whole session timeout'),
        ),
      )
      world.script.transport.down('b1:9092')
      await world.session.close()
    })

    test('what is lost is not revoked: nothing is drained, and no commit leaves for it', async () => {
      const world = await openSession({ options })
      const late = world.assigned.map((one) => ({ ...one, offset: 0, metadata: '' }))
      expel(world)
      await world.clock.advance(1_500)
      assert.deepEqual([world.lost.length, world.revoked], [2, []])
      const results = await world.session.commit(late)
      assert.deepEqual(
        [results.map(({ outcome }) => outcome), world.asked(offsetCommit)],
        [['stale', 'stale'], 0],
      )
      await world.session.close()
    })

    test('a partition that is taken away and given back at once has a new epoch, and the old one changes nothing', async () => {
      const world = await openSession({ options })
      const [, before] = world.assigned
      assign(world, [0])
      await world.clock.advance(1_500)
      assign(world, [0, 1])
      await world.clock.advance(3_000)
      const again = world.assigned.at(-1)
      assert.deepEqual([again?.partition, (again?.epoch ?? 0) > before!.epoch], [1, true])
      const late = await world.session.commit([{ ...before!, offset: 0, metadata: 'old' }])
      assert.equal(late[0]?.outcome, 'stale')
      assert.equal(await world.commit(1, 0, 'new'), 'committed')
      assert.equal(world.script.committed.get(keyOf(1))?.metadata, 'new')
      assert.deepEqual(world.lost, [])
      await world.session.close()
    })

    test('an assignment that comes while another is being drained is worked off after it, not forgotten', async () => {
      const world = await openSession({ options })
      const gate = Promise.withResolvers<void>()
      world.onRevoked = () => gate.promise
      assign(world, [0])
      await world.clock.advance(3_000)
      assert.equal(world.revoked.length, 1)
      assign(world, [])
      await world.clock.advance(3_000)
      gate.resolve()
      await world.clock.advance(3_000)
      assert.deepEqual(
        world.revoked.map(({ partition }) => partition),
        [1, 0],
      )
      await world.session.close()
    })

    test('a broker that is gone for less than a session costs a pause: commits are kept back, nothing is lost', async () => {
      const world = await openSession({ options })
      world.script.transport.down('b1:9092')
      world.script.transport.down('b2:9092')
      await world.clock.advance(2_000)
      const commit = world.commit(0, 0)
      await world.clock.advance(31_000)
      assert.equal(await commit, 'retry')
      world.script.transport.up('b1:9092')
      world.script.transport.up('b2:9092')
      await world.clock.advance(5_000)
      assert.equal(await world.commit(0, 0), 'committed')
      assert.deepEqual([world.lost, world.revoked, joins(world)], [[], [], 1])
      await world.session.close()
    })

    test('a member that is put out again and again joins anew each time, without a storm', async () => {
      const world = await openSession({ options })
      for (let round = 0; round < 10; round++) {
        expel(world)
        await world.clock.advance(2_000)
      }
      assert.equal(joins(world), 11)
      assert.deepEqual([world.lost.length, world.codes()], [20, []])
      await world.session.close()
    })

    test('under latest a partition that comes later is read from its beginning', async () => {
      const world = await openSession({
        options: { ...options, offsetReset: 'latest' },
        before: ({ script }) => {
          script.partition('t', 0).logEndOffset = 5
          script.partition('t', 1).logEndOffset = 5
          script.partition('t', 2).logEndOffset = 5
        },
      })
      world.script.leaders.set('t', [1, 1, 1])
      assign(world, [0, 1, 2])
      await world.clock.advance(3_000)
      assert.deepEqual(
        world.assigned.map(({ partition, startOffset }) => [partition, startOffset]),
        [
          [0, 5],
          [1, 5],
          [2, 0],
        ],
      )
      await world.session.close()
    })
  })
