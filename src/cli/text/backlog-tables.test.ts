import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GroupBacklog, PartitionBacklog } from '../../admin/index.ts'
import {
  backlogJson,
  backlogMembersTable,
  backlogStateTable,
  backlogTable,
} from './backlog-tables.ts'

const GROUP: GroupBacklog = {
  groupId: 'billing',
  type: 'Stream',
  state: 'Stable',
  members: [
    { memberId: 'worker-1', clientId: null, host: '10.0.0.12', idleMs: 240, pending: 3 },
    { memberId: 'worker-2', clientId: null, host: null, idleMs: null, pending: null },
  ],
  partitions: [
    partition({ position: '41', end: '53', lag: 12, pending: 3, memberIds: ['worker-1'] }),
    partition({ partition: 1, lag: 10_000, lagIsAtLeast: true, oldestUnreadMs: 70_000 }),
    partition({ topic: 'mail', lag: null, oldestUnreadMs: null }),
  ],
  notes: ['a note'],
}

describe('a backlog in words', () => {
  test('has a row a partition; what is not told is a dash', () => {
    assert.equal(
      backlogTable(GROUP),
      `GROUP    TOPIC   PARTITION  POSITION  END  LAG     PENDING  OLDEST-UNREAD  OLDEST-PENDING  MEMBERS
billing  orders  0          41        53   12      3        4s             -               worker-1
billing  orders  1          -         -    >10000  -        1m10s          -               -
billing  mail    0          -         -    -       -        -              -               -
`,
    )
  })

  test('has a row a member, and a row in all', () => {
    assert.equal(
      backlogMembersTable(GROUP),
      `GROUP    MEMBER    HOST       IDLE  PENDING  PARTITIONS
billing  worker-1  10.0.0.12  0.2s  3        orders:0
billing  worker-2  -          -     -        -
`,
    )
    assert.equal(
      backlogStateTable(GROUP),
      `GROUP    TYPE    STATE   #MEMBERS  LAG     PENDING  OLDEST-UNREAD
billing  Stream  Stable  2         >10012  3        1m10s
`,
    )
  })

  test('for programs has ages in seconds, and null for what is not told', () => {
    const { lag, lagIsAtLeast, pending, oldestUnreadSeconds, oldestPendingSeconds, partitions } =
      backlogJson(GROUP) as Record<string, unknown> & { partitions: Record<string, unknown>[] }
    assert.deepEqual(
      [lag, lagIsAtLeast, pending, oldestUnreadSeconds, oldestPendingSeconds],
      [10_012, true, 3, 70, null],
    )
    assert.deepEqual(
      [partitions[0]?.['oldestUnreadSeconds'], partitions[2]?.['oldestUnreadSeconds']],
      [4, null],
    )
  })
})

function partition(over: Partial<PartitionBacklog>): PartitionBacklog {
  return {
    topic: 'orders',
    partition: 0,
    position: null,
    end: null,
    lag: 0,
    lagIsAtLeast: false,
    pending: null,
    oldestUnreadMs: 4_000,
    oldestPendingMs: null,
    memberIds: [],
    writtenCount: null,
    ...over,
  }
}
