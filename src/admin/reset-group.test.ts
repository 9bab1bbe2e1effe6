import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../core/index.ts'
import type {
  AdminPort,
  CommittedOffset,
  GroupDescription,
  NewOffset,
  OffsetSpec,
  TopicPartition,
} from './admin-port.ts'
import { executeReset, proposeReset } from './reset-group.ts'

test('without topics a reset concerns what the group has committed', async () => {
  const admin = new OneGroup({ 'orders:1': 15 })
  const { group, plan } = await proposeReset(admin.port, {
    groupId: 'g',
    target: { kind: 'earliest' },
    scope: 'committed',
  })
  assert.equal(group?.groupId, 'g')
  assert.deepEqual(
    plan.resets.map(({ topic, partition, newOffset }) => [topic, partition, newOffset]),
    [['orders', 1, 10]],
  )
})

test('topics are taken whole or in part, each partition once', async () => {
  const { plan } = await proposeReset(new OneGroup({}).port, {
    groupId: 'g',
    target: { kind: 'latest' },
    scope: [
      { topic: 'orders', partitions: [2, 0] },
      { topic: 'orders', partitions: [0] },
    ],
  })
  assert.deepEqual(
    plan.resets.map(({ partition }) => partition),
    [0, 2],
  )
  const whole = await proposeReset(new OneGroup({}).port, {
    groupId: 'g',
    target: { kind: 'time', timestampMs: 17 },
    scope: [{ topic: 'orders', partitions: null }],
  })
  assert.deepEqual(
    whole.plan.resets.map(({ newOffset }) => newOffset),
    [17, 17, 17],
  )
})

test('a group that does not exist can be given offsets of named topics only', async () => {
  const { port } = new OneGroup(null)
  const target = { kind: 'latest' } as const
  await assert.rejects(proposeReset(port, { groupId: 'g', target, scope: 'committed' }), {
    code: 'SHOAL_UNKNOWN_GROUP',
  })
  const scope = [{ topic: 'orders', partitions: [0] }]
  const proposed = await proposeReset(port, { groupId: 'g', target, scope })
  assert.equal(proposed.group, null)
  assert.deepEqual(proposed.plan.resets[0]?.notes, ['nothing committed yet'])
})

test('a group that has committed nothing, and partitions that are not there, are said so', async () => {
  const { port } = new OneGroup({})
  const target = { kind: 'latest' } as const
  await assert.rejects(proposeReset(port, { groupId: 'g', target, scope: 'committed' }), {
    code: 'SHOAL_REQUEST_FAILED',
    message: 'group g has committed nothing; name topics to give it offsets',
  })
  const scope = [{ topic: 'orders', partitions: [3] }]
  await assert.rejects(proposeReset(port, { groupId: 'g', target, scope }), {
    code: 'SHOAL_UNKNOWN_TOPIC',
    message: 'topic orders has no partition 3: it has 3, counted from 0',
  })
})

test('executing commits what the plan says, and nothing else', async () => {
  const admin = new OneGroup({ 'orders:0': 11, 'orders:2': 19 })
  const request = { groupId: 'g', target: { kind: 'shift', by: 5 }, scope: 'committed' } as const
  const { plan } = await proposeReset(admin.port, request)
  assert.deepEqual(admin.commits, [], 'planning commits nothing')
  const outcomes = await executeReset(admin.port, 'g', plan)
  assert.deepEqual(admin.commits, [
    { topic: 'orders', partition: 0, offset: 16 },
    { topic: 'orders', partition: 2, offset: 20 },
  ])
  assert.ok(outcomes.every(({ error }) => error === null))
})

/** A broker with the topic orders, three partitions from 10 to 20 whose records are as old as their offset, and a group. */
class OneGroup {
  readonly commits: NewOffset[] = []
  readonly port: AdminPort

  /** @param committed by `topic:partition`; null: there is no group. */
  constructor(committed: Readonly<Record<string, number>> | null) {
    const stored = Object.entries(committed ?? {}).map(([key, offset]): CommittedOffset => {
      const [topic = '', partition] = key.split(':')
      return { topic, partition: Number(partition), offset, leaderEpoch: -1, metadata: '' }
    })
    const asked: Pick<
      AdminPort,
      'describeGroup' | 'describeTopic' | 'committedOffsets' | 'offsets' | 'commitOffsets'
    > = {
      describeGroup: async (groupId) => {
        if (committed === null) throw new ShoalError('SHOAL_UNKNOWN_GROUP', 'no such group')
        return { groupId, state: 'Empty', members: [] } as unknown as GroupDescription
      },
      describeTopic: async (name) => ({
        name,
        topicId: '',
        partitionCount: 3,
        internal: false,
        replicationFactor: 1,
        configs: [],
        partitions: [],
      }),
      committedOffsets: async () => stored,
      offsets: async (partitions: readonly TopicPartition[], spec: OffsetSpec) => {
        const offset = spec === 'earliest' ? 10 : spec === 'latest' ? 20 : spec.atMs
        return partitions.map(({ topic, partition }) => ({ topic, partition, offset }))
      },
      commitOffsets: async (_, offsets) => {
        this.commits.push(...offsets)
        return offsets.map(({ topic, partition }) => ({ topic, partition, error: null }))
      },
    }
    this.port = asked as AdminPort
  }
}
