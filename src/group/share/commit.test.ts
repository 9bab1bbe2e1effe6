/** Commits beside deliveries: the pure decision, and the coordinator that makes it with every commit of a group. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Sim } from '../fixture.test.ts'
import type { OffsetCommitRequest } from '../messages.ts'
import type { GroupRecord } from '../records.ts'
import { Accept, batch, ID, ShareSim } from './fixture.test.ts'
import {
  type ShareRecord,
  acquireRecords,
  commitSharePartition,
  DEFAULT_SHARE_CONFIG,
  NO_HOLDS,
} from './index.ts'

const id = { groupId: 'g', topicId: 'orders-id', partition: 0 }

describe('a commit in a partition that is delivered record by record', () => {
  test('counts everything below as done, whoever holds it', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    assert.deepEqual(commitSharePartition(sim.state.partition, 4), [
      { kind: 'share-committed', ...ID, stateEpoch: 1, startOffset: 4 },
    ])
    sim.takeOver(commitSharePartition(sim.state.partition, 4))
    assert.deepEqual(sim.view, ['4-9 available 1 a until 31000'])
  })

  test('goes beyond what was delivered', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.takeOver(commitSharePartition(sim.state.partition, 25))
    assert.equal(sim.state.partition.startOffset, 25)
    assert.equal(sim.state.partition.endOffset, 25)
    assert.deepEqual(sim.state.holds, NO_HOLDS)
  })

  test('passes what is acknowledged behind it', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(4, 6, Accept))
    sim.takeOver(commitSharePartition(sim.state.partition, 4))
    assert.equal(sim.state.partition.startOffset, 7)
  })

  test('changes nothing at the start, and begins anew behind it', () => {
    const sim = new ShareSim({}, 5)
    sim.acquire('a', 5, 10)
    assert.deepEqual(commitSharePartition(sim.state.partition, 5), [])
    sim.takeOver(commitSharePartition(sim.state.partition, 2))
    const { startOffset, endOffset, stateEpoch } = sim.state.partition
    assert.deepEqual(
      { startOffset, endOffset, stateEpoch },
      { startOffset: 2, endOffset: 2, stateEpoch: 2 },
    )
    assert.deepEqual(sim.state.holds, NO_HOLDS)
  })

  test('to no position at all ends the state', () => {
    const sim = new ShareSim({}, 5)
    assert.deepEqual(commitSharePartition(sim.state.partition, -1), [
      { kind: 'share-deleted', ...ID, stateEpoch: 1 },
    ])
  })
})

describe('the coordinator', () => {
  test('decides the deliveries of a commit in the same turn', () => {
    const sim = delivered()
    assert.deepEqual(shares(commit(sim, [3])), [
      { kind: 'share-committed', ...id, stateEpoch: 1, startOffset: 3 },
    ])
    assert.equal(sim.coordinator.shares.get(id)?.startOffset, 3)
  })

  test('lets a partition that is named twice have the last word', () => {
    const sim = delivered()
    assert.deepEqual(
      shares(commit(sim, [6, 2])).map(({ kind }) => kind),
      ['share-committed', 'share-started'],
    )
    assert.equal(sim.coordinator.shares.get(id)?.startOffset, 2)
  })

  test('forgets deliveries with the group, and with the topic', () => {
    const withoutGroup = delivered()
    withoutGroup.ask({ kind: 'delete', replyTo: 0, groupsNames: ['g'] })
    assert.equal(withoutGroup.coordinator.shares.size, 0)
    const withoutTopic = delivered()
    withoutTopic.decide({ kind: 'topic-deleted', topic: 'orders', topicId: 'orders-id' })
    assert.equal(withoutTopic.coordinator.shares.size, 0)
  })

  test('commits what deliveries have done, for a group that there is', () => {
    const sim = delivered()
    const share = sim.coordinator.shares.get(id)!
    const moved = { ...share, startOffset: 7 }
    assert.deepEqual(sim.coordinator.commitOfDelivery(moved, sim.now())?.topics, [
      {
        topic: 'orders',
        partitions: [{ partition: 0, offset: 7, leaderEpoch: -1, metadata: '' }],
      },
    ])
    assert.equal(sim.coordinator.commitOfDelivery(share, sim.now()), null)
    assert.equal(sim.coordinator.commitOfDelivery({ ...moved, groupId: 'nobody' }, sim.now()), null)
  })

  test('finds deliveries again in its snapshot', () => {
    const sim = delivered()
    sim.restart({ from: 'snapshot' })
    assert.equal(sim.coordinator.shares.get(id)?.endOffset, 10)
  })
})

/** A group that committed 0 and was delivered ten records. */
function delivered(): Sim {
  const sim = new Sim()
  commit(sim, [0])
  sim.coordinator.replay({ kind: 'share-started', ...id, stateEpoch: 1, startOffset: 0 })
  const partition = sim.coordinator.shares.get(id)!
  const read = { fromOffset: 0, toOffset: 10, batches: [{ firstOffset: 0, lastOffset: 9 }] }
  const { records } = acquireRecords(
    { partition, holds: NO_HOLDS, config: DEFAULT_SHARE_CONFIG },
    { memberId: 'a', maxRecords: 10, mode: 'record-limit', read, nowMs: 0 },
  )
  for (const record of records) sim.coordinator.replay(record)
  return sim
}

function commit(sim: Sim, offsets: readonly number[]): readonly GroupRecord[] {
  const request: OffsetCommitRequest = {
    kind: 'offset-commit',
    replyTo: 0,
    apiVersion: 9,
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: [
      {
        name: 'orders',
        partitions: offsets.map((committedOffset) => ({
          partitionIndex: 0,
          committedOffset,
          committedLeaderEpoch: -1,
          committedMetadata: null,
        })),
      },
    ],
  }
  return sim.ask(request).records
}

function shares(records: readonly GroupRecord[]): readonly ShareRecord[] {
  return records.filter((record): record is ShareRecord => record.kind.startsWith('share-'))
}
