import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeRecordBatch, offsetCommit } from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { keyOf, openSession } from './session-fixture.test.ts'

describe('a commit', () => {
  test('waits while a join is under way, then goes out in the new generation', async () => {
    const world = await openSession()
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
      const world = await openSession()
      world.script.commitError = error
      assert.equal(await world.commit(0, 5), outcome)
      assert.equal(world.lost.length, outcome === 'stale' ? 2 : 0)
      await world.session.close()
    })

  test('answered FENCED_INSTANCE_ID is stale, and ends this member for good', async () => {
    const world = await openSession({ options: { groupInstanceId: 'one' } })
    world.script.commitError = 'FENCED_INSTANCE_ID'
    assert.equal(await world.commit(0, 5), 'stale')
    assert.deepEqual([world.codes(), world.lost.length], [['SHOAL_MEMBER_FENCED'], 2])
    await world.session.close()
  })

  test('that finds a rebalance begun is retried in the new generation, once the member is in it', async () => {
    const world = await openSession()
    world.script.commitError = 'REBALANCE_IN_PROGRESS'
    assert.equal(await world.commit(0, 5), 'retry')
    world.script.commitError = 'NONE'
    await world.clock.advance(1_000)
    assert.deepEqual([world.revoked, world.lost], [[], []])
    assert.equal(await world.commit(0, 6), 'committed')
    const generations = world.script.transport
      .asked(offsetCommit)
      .map(({ generationIdOrMemberEpoch }) => generationIdOrMemberEpoch)
    assert.deepEqual(generations, [1, 2])
    await world.session.close()
  })

  test('whose coordinator has moved is retried there', async () => {
    const world = await openSession()
    world.script.commitError = 'NOT_COORDINATOR'
    assert.equal(await world.commit(0, 5), 'retry')
    world.script.commitError = 'NONE'
    world.script.coordinator = 2
    assert.equal(await world.commit(0, 5), 'committed')
    const hosts = world.script.transport.log
      .filter(({ name }) => name === offsetCommit.name)
      .map(({ asked }) => asked.address.host)
    assert.deepEqual(hosts, ['b1', 'b2'])
    assert.deepEqual([world.revoked, world.lost, world.codes()], [[], [], []])
    await world.session.close()
  })

  test('whose connection ends before the answer is retried, and nothing is given up', async () => {
    const world = await openSession()
    const usual = world.script.transport.answerTo(offsetCommit)
    world.script.transport.on(offsetCommit, () => {
      throw new Error('the connection ends')
    })
    assert.equal(await world.commit(0, 5), 'retry')
    world.script.transport.on(offsetCommit, usual)
    const again = world.commit(0, 5)
    await world.clock.advance(1_000)
    assert.equal(await again, 'committed')
    assert.deepEqual([world.revoked, world.lost, world.codes()], [[], [], []])
    await world.session.close()
  })

  test('says under which leader the record before it was written', async () => {
    const world = await openSession({
      before: ({ script }) => {
        const value = new Uint8Array(1)
        const bytes = encodeRecordBatch([{ timestampMs: 0, value }], { partitionLeaderEpoch: 6 })
        const log = script.partition('t', 0)
        log.batches.push({ baseOffset: 0, nextOffset: 1, bytes })
        Object.assign(log, { logEndOffset: 1, epochs: [{ epoch: 6, from: 0 }] })
      },
    })
    assert.equal(await world.commit(0, 1), 'committed')
    assert.deepEqual(world.script.committed.get(keyOf(0)), {
      offset: 1,
      metadata: '',
      leaderEpoch: 6,
    })
    await world.session.close()
  })

  test('whose metadata is too long is repeated without it', async () => {
    const world = await openSession()
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
    const world = await openSession()
    const [result] = await world.session.commit([
      { topic: 't', partition: 0, epoch: 0, offset: 5, metadata: '' },
    ])
    assert.equal(result?.outcome, 'stale')
    assert.equal(world.asked(offsetCommit), 0)
    await world.session.close()
  })
})
