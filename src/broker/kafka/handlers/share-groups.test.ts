import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from '../../../log/index.ts'
import {
  alterShareGroupOffsets,
  deleteGroups,
  deleteShareGroupOffsets,
  deleteTopics,
  describeConfigs,
  describeShareGroupOffsets,
  listGroups,
  offsetCommit,
  shareGroupDescribe,
} from '../../../protocol/index.ts'
import { BrokerFixture } from '../../broker-fixture.test.ts'
import {
  ACCEPT,
  acknowledgeErrorIn,
  acquiredIn,
  configure,
  GAP,
  offsetsIn,
  publish,
  ranged,
  REJECT,
  RELEASE,
  RENEW,
  ShareMember,
  withShareGroup,
} from './share-fixture.test.ts'

describe('a member of a share group', () => {
  test('is sent records to acknowledge, release and reject, and its counts rise', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 10)
    const member = await joined(broker)
    const first = await member.fetch()
    assert.deepEqual(acquiredIn(first), ['0-9 1'])
    assert.deepEqual(offsetsIn(first), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.equal(first.acquisitionLockTimeoutMs, 30_000)
    const again = await member.fetch({
      acknowledgements: [
        ranged(0, 3, ACCEPT),
        ranged(4, 9, RELEASE, ACCEPT, GAP, REJECT, RELEASE, ACCEPT),
      ],
    })
    assert.equal(acknowledgeErrorIn(again), 'NONE')
    assert.deepEqual(acquiredIn(again), ['4-4 2', '8-8 2'])
    assert.deepEqual(offsetsIn(again).length, 10, 'batches travel whole')
  })

  test('shares a partition with others, each record with one of them', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 5)
    await publish(broker, 5)
    const [a, b] = [await joined(broker, 'a'), await joined(broker, 'b')]
    const limited = { maxRecords: 3, acquireMode: 1 }
    assert.deepEqual(acquiredIn(await a.fetch(limited)), ['0-2 1'], 'never more than the limit')
    assert.deepEqual(acquiredIn(await b.fetch({ maxRecords: 3 })), ['3-9 1'], 'whole batches')
    assert.deepEqual(acquiredIn(await a.fetch()), [])
  })

  test('leaves what it held when its connection breaks, its session ends, or it leaves', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 2)
    const first = await joined(broker, 'a')
    assert.deepEqual(acquiredIn(await first.fetch()), ['0-1 1'])
    first.connection.disconnect()
    const second = await joined(broker, 'b')
    assert.deepEqual(acquiredIn(await second.fetch()), ['0-1 2'])
    assert.deepEqual(await second.finish([ranged(0, 0, ACCEPT)]), ['NONE', 'NONE'])
    const third = await joined(broker, 'c')
    assert.deepEqual(acquiredIn(await third.fetch()), ['1-1 3'])
    await third.heartbeat(-1)
    const fourth = await joined(broker, 'd')
    assert.deepEqual(acquiredIn(await fourth.fetch()), ['1-1 4'])
  })

  test('has its lock for so long, and as long again when it renews it', async () => {
    await using broker = await withShareGroup()
    await configure(broker, 'share.record.lock.duration.ms', '1000')
    await publish(broker, 1)
    const [member, other] = [await joined(broker, 'a'), await joined(broker, 'b')]
    await member.fetch()
    await broker.clock.advance(900)
    const renewal = [ranged(0, 0, RENEW)]
    assert.deepEqual(await member.acknowledge(renewal, { isRenewAck: true }), ['NONE', 'NONE'])
    await broker.clock.advance(900)
    assert.deepEqual(acquiredIn(await other.fetch()), [])
    const renewed = await member.fetch({ acknowledgements: renewal, isRenewAck: true })
    assert.equal(acknowledgeErrorIn(renewed), 'NONE')
    await broker.clock.advance(1_000)
    assert.deepEqual(acquiredIn(await other.fetch()), ['0-0 2'])
    assert.deepEqual(await member.acknowledge([ranged(0, 0, ACCEPT)]), [
      'NONE',
      'INVALID_RECORD_STATE',
    ])
  })

  test('may renew only where it says so, and where the group allows it', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 1)
    const member = await joined(broker)
    await member.fetch()
    const renewal = [ranged(0, 0, RENEW)]
    assert.deepEqual(await member.acknowledge(renewal), ['NONE', 'INVALID_REQUEST'])
    assert.deepEqual(await member.acknowledge(renewal, { version: 1 }), ['NONE', 'INVALID_REQUEST'])
    await configure(broker, 'share.renew.acknowledge.enable', 'false')
    const renews = { isRenewAck: true }
    assert.deepEqual(await member.acknowledge(renewal, renews), ['NONE', 'INVALID_REQUEST'])
  })

  test('hears of each partition what is wrong with its acknowledgements, and its session goes on', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 10)
    const [member, other] = [await joined(broker, 'a'), await joined(broker, 'b')]
    await member.fetch({ maxRecords: 5, acquireMode: 1 })
    await other.fetch()
    const errorOf = async (...batches: ReturnType<typeof ranged>[]) => {
      const [top, partition] = await member.acknowledge(batches)
      assert.equal(top, 'NONE')
      return partition
    }
    assert.equal(await errorOf(ranged(0, 1, ACCEPT)), 'NONE')
    assert.equal(await errorOf(ranged(0, 1, ACCEPT)), 'NONE', 'below the start: ignored')
    assert.equal(await errorOf(ranged(5, 5, ACCEPT)), 'INVALID_RECORD_STATE', 'held by another')
    assert.equal(await errorOf(ranged(2, 2, ACCEPT), ranged(2, 2, ACCEPT)), 'INVALID_RECORD_STATE')
    assert.equal(await errorOf(ranged(8, 12, ACCEPT)), 'INVALID_REQUEST', 'beyond what there is')
    assert.equal(await errorOf(ranged(2, 2, 9)), 'INVALID_REQUEST', 'no such type')
    assert.equal(await errorOf(ranged(2, 4, ACCEPT, ACCEPT)), 'INVALID_REQUEST', 'two for three')
    assert.equal(await errorOf(ranged(2, 4, ACCEPT)), 'NONE')
  })

  test('gets a record so often, and then no more', async () => {
    await using broker = await withShareGroup()
    await configure(broker, 'share.delivery.count.limit', '2')
    await publish(broker, 1)
    const member = await joined(broker)
    assert.deepEqual(acquiredIn(await member.fetch()), ['0-0 1'])
    const acknowledgements = [ranged(0, 0, RELEASE)]
    assert.deepEqual(acquiredIn(await member.fetch({ acknowledgements })), ['0-0 2'])
    assert.deepEqual(acquiredIn(await member.fetch({ acknowledgements })), [])
    assert.equal(broker.parts.context.topics.table.byName('orders-dlq'), undefined)
  })
})

describe('a share session', () => {
  test('is refused by Kafka’s names', async () => {
    await using broker = await withShareGroup({
      settings: { 'group.share.max.share.sessions': 1 },
    })
    await publish(broker, 1)
    const member = await joined(broker)
    const errorOf = async (over: Parameters<ShareMember['fetch']>[0]) =>
      (await member.fetch(over)).errorCode
    assert.equal(await errorOf({ epoch: 1 }), 'SHARE_SESSION_NOT_FOUND')
    assert.equal(await errorOf({ epoch: -1 }), 'SHARE_SESSION_NOT_FOUND')
    assert.deepEqual(await member.acknowledge([], { epoch: 0 }), [
      'INVALID_SHARE_SESSION_EPOCH',
      undefined,
    ])
    const acknowledgements = [ranged(0, 0, ACCEPT)]
    assert.equal(await errorOf({ epoch: 0, acknowledgements }), 'INVALID_REQUEST')
    assert.equal(await errorOf({ epoch: 0 }), 'NONE')
    assert.equal(await errorOf({ epoch: 7 }), 'INVALID_SHARE_SESSION_EPOCH')
    const other = await joined(broker, 'b')
    assert.equal((await other.fetch()).errorCode, 'SHARE_SESSION_LIMIT_REACHED')
    assert.equal(await errorOf({ epoch: 0 }), 'NONE', 'a new one in place of its own')
    assert.deepEqual(await member.finish(), ['NONE', 'NONE'])
    assert.equal((await other.fetch()).errorCode, 'NONE')
  })

  test('names partitions that are not there', async () => {
    await using broker = await withShareGroup()
    const member = await joined(broker)
    const { responses } = await member.fetch({ partition: 3 })
    assert.equal(responses[0]?.partitions[0]?.errorCode, 'UNKNOWN_TOPIC_OR_PARTITION')
    await broker.ask(deleteTopics, 5, { topics: [], topicNames: ['orders'], timeoutMs: 1 })
    const gone = await member.fetch()
    assert.equal(gone.responses[0]?.partitions[0]?.errorCode, 'UNKNOWN_TOPIC_ID')
  })

  test('is nothing for a group of another type', async () => {
    await using broker = await withShareGroup()
    const member = new ShareMember(broker, 'a')
    assert.equal((await member.fetch()).errorCode, 'GROUP_ID_NOT_FOUND')
  })
})

describe('a share group', () => {
  test('keeps over a crash what was acknowledged, and how often the rest was delivered', async () => {
    const disk = new SimDisk()
    await using before = await withShareGroup({ files: disk })
    await publish(before, 4)
    const member = await joined(before)
    await member.fetch()
    await member.acknowledge([ranged(0, 0, ACCEPT), ranged(2, 2, ACCEPT)])
    await using broker = await BrokerFixture.open({ files: disk.afterCrash('nothing', 1) })
    const after = new ShareMember(broker, 'a')
    assert.equal((await after.heartbeat(2)).errorCode, 'NONE', 'it is still a member')
    assert.deepEqual(acquiredIn(await after.fetch()), ['1-1 2', '3-3 2'])
  })

  test('begins where its config says', async () => {
    await using broker = await withShareGroup()
    await configure(broker, 'share.auto.offset.reset', 'latest')
    await publish(broker, 3)
    const member = await joined(broker)
    assert.deepEqual(acquiredIn(await member.fetch()), [])
    await publish(broker, 1)
    assert.deepEqual(acquiredIn(await member.fetch()), ['3-3 1'])
  })

  test('has configs, with ranges and words of its own', async () => {
    await using broker = await withShareGroup()
    const set = (name: string, value: string) => configure(broker, name, value)
    assert.equal(await set('share.record.lock.duration.ms', '999'), 'INVALID_CONFIG')
    assert.equal(await set('share.delivery.count.limit', '11'), 'INVALID_CONFIG')
    assert.equal(await set('share.auto.offset.reset', 'none'), 'INVALID_CONFIG')
    assert.equal(await set('share.auto.offset.reset', 'by_duration:PT1H30M'), 'NONE')
    const { results } = await broker.ask(describeConfigs, 4, {
      resources: [{ resourceType: 32, resourceName: 'g', configurationKeys: null }],
      includeSynonyms: true,
      includeDocumentation: false,
    })
    const found = results[0]?.configs.find(({ name }) => name === 'share.auto.offset.reset')
    assert.equal(found?.value, 'by_duration:PT1H30M')
  })

  test('is listed, described, moved by an administrator when it is empty, and deleted', async () => {
    await using broker = await withShareGroup()
    await publish(broker, 10)
    const member = await joined(broker)
    await member.fetch()
    await member.finish([ranged(0, 1, ACCEPT), ranged(4, 4, ACCEPT)])
    const described = await broker.ask(shareGroupDescribe, 1, {
      groupIds: ['g', 'x'],
      includeAuthorizedOperations: false,
    })
    assert.deepEqual(
      described.groups.map(({ groupState, errorCode, assignorName }) => [
        groupState,
        errorCode,
        assignorName,
      ]),
      [
        ['Stable', 'NONE', 'simple'],
        ['', 'GROUP_ID_NOT_FOUND', ''],
      ],
    )
    const { groups } = await broker.ask(listGroups, 5, { statesFilter: [], typesFilter: ['share'] })
    assert.deepEqual(
      groups.map(({ groupId, protocolType }) => [groupId, protocolType]),
      [['g', 'share']],
    )
    assert.deepEqual(await standing(broker), [2, 7])
    assert.equal((await alter(broker, 5)).errorCode, 'NON_EMPTY_GROUP')
    await member.heartbeat(-1)
    assert.equal((await alter(broker, 5)).responses[0]?.partitions[0]?.errorCode, 'NONE')
    assert.deepEqual(await standing(broker), [5, 5])
    const deleted = await broker.ask(deleteShareGroupOffsets, 0, {
      groupId: 'g',
      topics: [{ topicName: 'orders' }, { topicName: 'nothing' }],
    })
    assert.deepEqual(
      deleted.responses.map(({ errorCode }) => errorCode),
      ['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'],
    )
    assert.deepEqual(await standing(broker), [-1, -1])
    const { results } = await broker.ask(deleteGroups, 2, { groupsNames: ['g'] })
    assert.equal(results[0]?.errorCode, 'NONE')
    assert.deepEqual(await standing(broker, 'GROUP_ID_NOT_FOUND'), [])
    assert.equal((await alter(broker, 5)).errorCode, 'NONE', 'the group is made')
    assert.deepEqual(await standing(broker), [5, 5])
  })

  test('has no committed offsets', async () => {
    await using broker = await withShareGroup()
    await joined(broker)
    const partition = { partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: -1 }
    const { topics } = await broker.ask(offsetCommit, 9, {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [{ name: 'orders', partitions: [{ ...partition, committedMetadata: null }] }],
    })
    assert.equal(topics[0]?.partitions[0]?.errorCode, 'GROUP_ID_NOT_FOUND')
  })
})

async function joined(broker: BrokerFixture, memberId = 'a'): Promise<ShareMember> {
  const member = new ShareMember(broker, memberId)
  const response = await member.heartbeat()
  assert.equal(response.errorCode, 'NONE')
  return member
}

/** Start offset and lag of partition 0. */
async function standing(broker: BrokerFixture, groupError = 'NONE') {
  const { groups } = await broker.ask(describeShareGroupOffsets, 1, {
    groups: [{ groupId: 'g', topics: [{ topicName: 'orders', partitions: [0] }] }],
  })
  assert.equal(groups[0]?.errorCode, groupError)
  const partition = groups[0]?.topics[0]?.partitions[0]
  if (partition === undefined) return []
  assert.equal(partition?.errorCode, 'NONE')
  return [partition?.startOffset, partition?.lag]
}

function alter(broker: BrokerFixture, startOffset: number) {
  return broker.ask(alterShareGroupOffsets, 0, {
    groupId: 'g',
    topics: [{ topicName: 'orders', partitions: [{ partitionIndex: 0, startOffset }] }],
  })
}
