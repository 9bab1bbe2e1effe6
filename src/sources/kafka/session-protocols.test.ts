import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  consumerGroupHeartbeat,
  decodeSubscription,
  joinGroup,
  offsetCommit,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import type { KafkaSourceOptions } from './options.ts'
import { keyOf, openSession } from './session-fixture.test.ts'

describe('the protocol of a group', () => {
  test('is KIP-848 where the broker has it', async () => {
    const world = await openSession({ options: { groupProtocol: 'auto' } })
    assert.deepEqual(joins(world), ['consumer'])
    assert.deepEqual(partitions(world), [0, 1])
    assert.equal(world.asked(joinGroup), 0)
    const [first] = world.script.transport.asked(consumerGroupHeartbeat)
    assert.partialDeepStrictEqual(first, {
      memberEpoch: 0,
      rebalanceTimeoutMs: 60_000,
      subscribedTopicNames: ['t'],
      subscribedTopicRegex: null,
      topicPartitions: [],
    })
    await world.session.close()
  })

  test('is the classic one where the broker does not have it', async () => {
    const world = await openSession({
      options: { groupProtocol: 'auto' },
      before: ({ script }) => withoutConsumerProtocol(script),
    })
    assert.deepEqual(joins(world), ['cooperative-sticky'])
    await world.session.close()
  })

  for (const error of ['UNSUPPORTED_VERSION', 'GROUP_ID_NOT_FOUND'] as const)
    test(`is the classic one where the broker answers ${error}: the feature is off, or the group is of another kind`, async () => {
      const world = await openSession({
        options: { groupProtocol: 'auto' },
        before: ({ script }) => {
          const usual = script.transport.answerTo(consumerGroupHeartbeat)
          script.transport.on(consumerGroupHeartbeat, async (request, asked) => ({
            ...(await usual(request, asked)),
            errorCode: error,
            assignment: null,
          }))
        },
      })
      assert.deepEqual(joins(world), ['cooperative-sticky'])
      assert.deepEqual(world.codes(), [])
      // One that has to join anew does not try in vain again.
      const asked = world.asked(consumerGroupHeartbeat)
      world.group.expel()
      await world.clock.advance(10_000)
      assert.deepEqual([world.asked(consumerGroupHeartbeat), joins(world).length], [asked, 2])
      await world.session.close()
    })

  test('is what was asked for: a broker without KIP-848 ends the consumer that wants nothing else', async () => {
    const world = await openSession({
      options: { groupProtocol: 'consumer' },
      before: ({ script }) => withoutConsumerProtocol(script),
    })
    assert.deepEqual(world.codes(), ['SHOAL_REQUEST_FAILED'])
    assert.match(String(world.failures[0]), /UNSUPPORTED_VERSION/)
    await world.session.close()
  })

  const keeps: readonly Partial<KafkaSourceOptions>[] = [
    { assignors: ['range'] },
    { sessionTimeoutMs: 30_000 },
    { heartbeatIntervalMs: 1_000 },
  ]
  for (const options of keeps)
    test(`is the classic one for who gives ${Object.keys(options).join()}, which no other keeps`, async () => {
      const world = await openSession({ options: { groupProtocol: 'auto', ...options } })
      assert.equal(world.asked(consumerGroupHeartbeat), 0)
      assert.equal(joins(world).length, 1)
      await world.session.close()
    })

  test('stays as it is when the broker is upgraded under a live member, until that has to join anew', async () => {
    const world = await openSession({
      options: { groupProtocol: 'auto' },
      before: ({ script }) => withoutConsumerProtocol(script),
    })
    const { transport } = world.script
    transport.versions = allVersions(world)
    transport.down('b1:9092')
    transport.up('b1:9092')
    await world.clock.advance(10_000)
    assert.deepEqual([joins(world), world.lost], [['cooperative-sticky'], []])
    world.group.expel()
    await world.clock.advance(10_000)
    assert.deepEqual(joins(world), ['cooperative-sticky', 'consumer'])
    assert.equal(world.lost.length, 2)
    assert.deepEqual(partitions(world), [0, 1, 0, 1])
    assert.equal(await world.commit(0, 0), 'committed')
    await world.session.close()
  })

  test('goes back to the classic one when the broker goes back to a time before KIP-848', async () => {
    const world = await openSession({ options: { groupProtocol: 'auto' } })
    withoutConsumerProtocol(world.script)
    world.script.transport.down('b1:9092')
    world.script.transport.up('b1:9092')
    await world.clock.advance(10_000)
    assert.deepEqual(joins(world), ['consumer', 'cooperative-sticky'])
    assert.deepEqual([world.lost.length, partitions(world), world.codes()], [2, [0, 1, 0, 1], []])
    await world.session.close()
  })
})

describe('a member of a KIP-848 group', () => {
  test('gives a partition up after the runtime drained and committed it, while its heartbeats go on', async () => {
    const world = await openSession({ options: { groupProtocol: 'consumer' } })
    const gate = Promise.withResolvers<void>()
    world.onRevoked = () => gate.promise
    world.consumerGroup.assignment = { t: [0] }
    await world.clock.advance(2_500)
    assert.deepEqual(
      world.revoked.map(({ partition }) => partition),
      [1],
    )
    const asked = world.script.transport.asked(consumerGroupHeartbeat)
    assert.ok(asked.length >= 4)
    assert.ok(asked.slice(2).every(({ topicPartitions }) => topicPartitions === null))
    assert.equal(await world.commit(1, 0, 'drained'), 'committed')
    gate.resolve()
    await world.clock.advance(0)
    assert.deepEqual(
      world.script.transport.asked(consumerGroupHeartbeat).at(-1)?.topicPartitions?.[0]?.partitions,
      [0],
    )
    assert.equal(await world.commit(1, 0), 'stale')
    await world.session.close()
  })

  test('commits with its member epoch, and asks for the newer one when that is stale', async () => {
    const world = await openSession({ options: { groupProtocol: 'consumer' } })
    world.consumerGroup.memberEpoch = 2
    world.script.commitError = 'STALE_MEMBER_EPOCH'
    assert.equal(await world.commit(0, 0), 'retry')
    world.script.commitError = 'NONE'
    await world.clock.advance(0)
    assert.equal(await world.commit(0, 0), 'committed')
    assert.deepEqual(
      world.script.transport
        .asked(offsetCommit)
        .map(({ generationIdOrMemberEpoch: epoch }) => epoch),
      [1, 2],
    )
    assert.deepEqual([world.lost, world.codes()], [[], []])
    await world.session.close()
  })

  test('believes in itself as long as its broker does, not longer, and loses everything when nobody answers', async () => {
    const world = await openSession({
      options: { groupProtocol: 'consumer' },
      before: ({ script }) => void (script.sessionTimeoutMs = 4_000),
    })
    world.script.transport.on(consumerGroupHeartbeat, () => new Promise(() => {}))
    await world.clock.advance(1_900)
    assert.equal(world.session.ownershipIsFresh(), true)
    await world.clock.advance(1_000)
    assert.equal(world.session.ownershipIsFresh(), false)
    assert.deepEqual(world.lost, [])
    await world.clock.advance(2_000)
    assert.equal(world.lost.length, 2)
    assert.ok(world.notices.some(({ kind }) => kind === 'heartbeat-failed'))
    world.script.transport.down('b1:9092')
    await world.session.close()
  })

  test('that was fenced loses everything and comes back at epoch 0, in new epochs', async () => {
    const world = await openSession({ options: { groupProtocol: 'consumer' } })
    world.consumerGroup.error = 'FENCED_MEMBER_EPOCH'
    await world.clock.advance(1_500)
    assert.equal(world.lost.length, 2)
    assert.deepEqual(
      world.assigned.map(({ partition, epoch }) => [partition, epoch > 1]),
      [
        [0, false],
        [1, false],
        [0, true],
        [1, true],
      ],
    )
    assert.deepEqual(world.revoked, [])
    await world.session.close()
  })

  test('leaves for good, a static one for a while, with its instance id in every word', async () => {
    for (const [groupInstanceId, epoch] of [
      [undefined, -1],
      ['fixed', -2],
    ] as const) {
      const options = groupInstanceId === undefined ? {} : { groupInstanceId }
      const world = await openSession({ options: { groupProtocol: 'consumer', ...options } })
      await world.session.close()
      const asked = world.script.transport.asked(consumerGroupHeartbeat)
      assert.equal(asked.at(-1)?.memberEpoch, epoch)
      assert.deepEqual(
        new Set(asked.map(({ instanceId }) => instanceId)),
        new Set([groupInstanceId ?? null]),
      )
    }
  })

  test('whose instance id is held says so, waits, and takes over when it is free', async () => {
    const world = await openSession({
      options: { groupProtocol: 'consumer', groupInstanceId: 'fixed' },
      before: ({ script }) => {
        const usual = script.transport.answerTo(consumerGroupHeartbeat)
        const held: KafkaErrorCode = 'UNRELEASED_INSTANCE_ID'
        let count = 0
        script.transport.on(consumerGroupHeartbeat, async (request, asked) => {
          const answer = await usual(request, asked)
          return ++count > 3 ? answer : { ...answer, errorCode: held, assignment: null }
        })
      },
    })
    await world.clock.advance(5_000)
    assert.deepEqual(
      world.notices.flatMap((notice) =>
        notice.kind === 'heartbeat-failed' ? [notice.reason] : [],
      ),
      Array.from(
        { length: 3 },
        () =>
          'the group instance id fixed is still held by another member; waiting until it is free',
      ),
    )
    assert.deepEqual(partitions(world), [0, 1])
    await world.session.close()
  })
})

describe('a subscription by pattern', () => {
  test('is matched by the broker where that assigns, and the topics are known by their ids', async () => {
    const world = await openSession({
      options: { groupProtocol: 'consumer', topicPattern: 'orders-.*' },
      before: ({ script }) => void script.leaders.set('orders-eu', [1, 1]),
    })
    world.script.leaders.set('orders-us', [1])
    world.consumerGroup.assignment = { 'orders-eu': [0, 1], 'orders-us': [0] }
    await world.clock.advance(1_500)
    assert.partialDeepStrictEqual(world.script.transport.asked(consumerGroupHeartbeat)[0], {
      subscribedTopicNames: [],
      subscribedTopicRegex: 'orders-.*',
    })
    assert.deepEqual(
      world.assigned
        .filter(({ topic }) => topic !== 't')
        .map(({ topic, partition }) => [topic, partition]),
      [
        ['orders-eu', 0],
        ['orders-eu', 1],
        ['orders-us', 0],
      ],
    )
    await world.session.close()
  })

  test('is matched by a classic member, who joins anew when it means other topics', async () => {
    const world = await openSession({
      options: { groupProtocol: 'classic', topicPattern: 't|orders-.*', metadataMaxAgeMs: 5_000 },
      before: ({ script }) => void script.leaders.set('torders-', [1]),
    })
    assert.deepEqual(subscriptions(world), [['t']])
    world.script.leaders.set('orders-eu', [1])
    await world.clock.advance(7_000)
    assert.deepEqual(subscriptions(world).at(-1), ['orders-eu', 't'])
    world.script.leaders.delete('orders-eu')
    await world.clock.advance(7_000)
    assert.deepEqual(subscriptions(world).at(-1), ['t'])
    assert.deepEqual(world.lost, [])
    await world.session.close()
  })

  test('under latest reads topics that come later from their beginning', async () => {
    const world = await openSession({
      options: { groupProtocol: 'consumer', topicPattern: '.*', offsetReset: 'latest' },
      before: ({ script }) => {
        script.partition('t', 0).logEndOffset = 5
        script.partition('t', 1).logEndOffset = 5
        script.partition('u', 0).logEndOffset = 3
      },
    })
    world.script.leaders.set('u', [1])
    world.consumerGroup.assignment = { t: [0, 1], u: [0] }
    await world.clock.advance(1_500)
    assert.deepEqual(
      world.assigned.map(({ topic, startOffset }) => [topic, startOffset]),
      [
        ['t', 5],
        ['t', 5],
        ['u', 0],
      ],
    )
    await world.session.close()
  })

  test('that nothing matches yet is told, and waited for', async () => {
    const world = await openSession({
      options: { groupProtocol: 'classic', topicPattern: 'later-.*' },
    })
    assert.partialDeepStrictEqual(
      world.notices.filter(({ kind }) => kind === 'topic-missing'),
      [{ topic: 'later-.*' }],
    )
    world.script.leaders.set('later-1', [1])
    await world.clock.advance(7_000)
    assert.deepEqual(subscriptions(world).at(-1), ['later-1'])
    await world.session.close()
  })
})

for (const groupProtocol of ['classic', 'consumer'] as const)
  describe(`a topic that is deleted and made anew, ${groupProtocol}`, () => {
    test('is read from its beginning in a new epoch; what was committed under its name does not count', async () => {
      const world = await openSession({
        options: { groupProtocol },
        before: ({ script }) => {
          script.leaders.set('t', [1])
          script.partition('t', 0).logEndOffset = 9
          script.committed.set(keyOf(0), { offset: 6, metadata: '' })
        },
      })
      assert.equal(world.assigned[0]?.startOffset, 6)
      const { epoch } = world.assigned[0]
      world.script.remakes.set('t', 1)
      world.consumerGroup.assignment = { t: [0] }
      await world.clock.advance(3_000)
      assert.deepEqual(
        world.lost.filter(({ partition }) => partition === 0),
        [{ topic: 't', partition: 0, epoch }],
      )
      const again = world.assigned.at(-1)!
      assert.deepEqual([again.startOffset, again.epoch > epoch, world.revoked], [0, true, []])
      assert.equal(world.script.committed.get(keyOf(0))?.offset, 0)
      assert.partialDeepStrictEqual(
        world.notices.filter(({ kind }) => kind === 'offset-reset'),
        [{ to: 0, reason: 'the topic was deleted and made anew' }],
      )
      const late = await world.session.commit([
        { topic: 't', partition: 0, epoch, offset: 9, metadata: '' },
      ])
      assert.equal(late[0]?.outcome, 'stale')
      await world.session.close()
    })

    test('is not committed for by who read the old one, although nothing is fetched at the moment', async () => {
      const world = await openSession({
        options: { groupProtocol, metadataMaxAgeMs: 2_000 },
        before: ({ script }) => {
          script.leaders.set('t', [1])
          script.partition('t', 0).logEndOffset = 9
        },
      })
      const [owned] = world.assigned
      world.session.pause(owned!)
      world.script.remakes.set('t', 1)
      await world.clock.advance(4_000)
      assert.equal(await world.commit(0, 9), 'stale')
      await world.clock.advance(2_000)
      assert.notEqual(world.script.committed.get(keyOf(0))?.offset, 9)
      await world.session.close()
    })

    test('is not committed for by a drain that its deletion began, and begins at its beginning when it comes back', async () => {
      const world = await openSession({
        options: { groupProtocol },
        before: ({ script }) => {
          script.leaders.set('t', [1])
          script.partition('t', 0).logEndOffset = 9
          script.committed.set(keyOf(0), { offset: 6, metadata: '' })
        },
      })
      const outcomes: (string | undefined)[] = []
      world.onRevoked = async () => void outcomes.push(await world.commit(0, 9))
      const assign = async (own: readonly number[]) => {
        world.group.assignment = own
        world.group.rebalance()
        world.consumerGroup.assignment = { t: own }
        await world.clock.advance(4_000)
      }
      world.session.pause(world.assigned[0]!)
      world.script.remakes.set('t', 1)
      await assign([])
      assert.deepEqual([outcomes, world.script.committed.get(keyOf(0))?.offset], [['stale'], 6])
      await assign([0])
      assert.equal(world.assigned.at(-1)?.startOffset, 0)
      assert.deepEqual(world.failures, [])
      await world.session.close()
    })

    test('ends the session under none', async () => {
      const world = await openSession({
        options: { groupProtocol, offsetReset: 'none' },
        before: ({ script }) => {
          script.leaders.set('t', [1])
          script.committed.set(keyOf(0), { offset: 0, metadata: '' })
        },
      })
      world.script.remakes.set('t', 1)
      world.consumerGroup.assignment = { t: [0] }
      await world.clock.advance(3_000)
      assert.deepEqual(world.codes(), ['SHOAL_OFFSET_OUT_OF_RANGE'])
      assert.match(String(world.failures[0]), /deleted and made anew/)
      await world.session.close()
    })
  })

type World = Awaited<ReturnType<typeof openSession>>

function joins({ notices }: World): readonly string[] {
  return notices.flatMap((notice) => (notice.kind === 'joined' ? [notice.protocol] : []))
}

function partitions({ assigned }: World): readonly number[] {
  return assigned.map(({ partition }) => partition)
}

function subscriptions({ script }: World): readonly (readonly string[])[] {
  return script.transport
    .asked(joinGroup)
    .map(({ protocols }) => decodeSubscription(protocols[0]!.metadata).topics)
}

function withoutConsumerProtocol({ transport }: World['script']): void {
  transport.versions = transport.versions.filter(
    ({ apiKey }) => apiKey !== consumerGroupHeartbeat.key,
  )
}

function allVersions({ script }: World): World['script']['transport']['versions'] {
  const [minVersion, maxVersion] = consumerGroupHeartbeat.versions
  const added = { apiKey: consumerGroupHeartbeat.key, minVersion, maxVersion }
  return [...script.transport.versions, added]
}
