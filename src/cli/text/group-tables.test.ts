import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { lagRows, type GroupDescription, type GroupMember } from '../../admin/index.ts'
import {
  groupList,
  membersTable,
  missingGroupText,
  offsetsTable,
  idleRemark,
  stateRemark,
  stateTable,
} from './group-tables.ts'

const printed = (name: string) =>
  readFileSync(new URL(`../../../test/printed/${name}.txt`, import.meta.url), 'utf8')

const billing = member('billing-fd4b0e47-448a-4789-9d13-451f7c379848', 'billing', {
  orders: [0, 1],
})
const shipping = member('shipping-3e1fff56-8c45-4984-bc39-9130b0ee4eae', 'shipping', {
  orders: [2],
})
const classic = group('g-classic', 'range', [shipping, billing])
const worker = {
  ...member('worker-1-e578007f-3968-4878-ae4f-0135343bd52b', 'billing', { orders: [2] }),
  groupInstanceId: 'worker-1',
}
const fixed = group('g-static', 'range', [
  worker,
  member('billing-f36e7e82-2e7c-4fcb-b7e0-afbd8d01107b', 'billing', { orders: [0, 1] }),
])
const empty: GroupDescription = { ...group('g-empty', '', []), state: 'Empty' }

test('a describe table is the one that Kafka prints', () => {
  const committed = [0, 1, 2].map((partition) => offset('orders', partition, 5))
  assert.equal(describe(classic, committed, 10), printed('describe-classic'))
  assert.equal(describe(fixed, committed, 10), printed('describe-static'))
})

test('a group without members shows its committed offsets, and one without offsets shows dashes', () => {
  const committed = [offset('payments', 0, 4), offset('orders', 2, 10), offset('orders', 1, 6)]
  const ends: Record<string, number> = { payments: 4, orders: 10 }
  const rows = lagRows({ group: empty, committed, endOffsetOf: ({ topic }) => ends[topic] ?? null })
  assert.equal(offsetsTable({ group: empty, rows }, false), printed('describe-empty'))

  const fresh = group('g-nocommit', 'range', [
    member('billing-0d7aae30-0007-4a88-a065-9d80e1c32dd2', 'billing', { payments: [0] }),
  ])
  assert.equal(describe(fresh, [], 4), printed('describe-nocommit'))
})

test('long names widen their columns', () => {
  const long = group('a-group-with-a-very-long-name-indeed', 'range', [
    member('billing-0ac5abac-6c56-47bf-8e10-ee4309843097', 'billing', {
      'a-topic-with-a-rather-long-name': [0],
    }),
  ])
  assert.equal(describe(long, [], 2), printed('describe-long'))
})

test('the verbose table of a KIP-848 group has the leader epoch of each commit', () => {
  const first = consumer('t96VNIkeSCO7YQGSoXrj8Q', 'billing', { orders: [2], payments: [0] })
  const second = consumer('R5/kThQaQbSOG+i0mgyXng', 'shipping', { orders: [0, 1] })
  const modern: GroupDescription = {
    ...group('g-consumer', 'uniform', [first, second]),
    type: 'Consumer',
  }
  const committed = [0, 1, 2].map((partition) => offset('orders', partition, 5))
  const rows = lagRows({
    group: modern,
    committed,
    endOffsetOf: ({ topic }) => (topic === 'orders' ? 10 : 4),
  })
  assert.equal(offsetsTable({ group: modern, rows }, true), printed('describe-consumer-verbose'))
  assert.equal(membersTable(modern, true), printed('members-consumer-verbose'))
  assert.equal(stateTable({ ...modern, ...epochs(3) }, false), printed('state-consumer'))
})

test('member tables are the ones that Kafka prints', () => {
  assert.equal(membersTable(classic, false), printed('members-classic'))
  assert.equal(membersTable(classic, true), printed('members-classic-verbose'))
  assert.equal(membersTable(fixed, false), printed('members-static'))
  assert.equal(membersTable(fixed, true), printed('members-static-verbose'))
  assert.equal(membersTable(empty, false), printed('members-empty'))
})

test('a group of both kinds of members says who is upgraded', () => {
  const modern = {
    ...consumer('H3AIR4CKTmO1pS5N8Sr/lg', 'newcomer', { orders: [2] }),
    memberEpoch: 2,
    targetEpoch: 2,
    upgraded: true,
  }
  const old = {
    ...consumer('billing-08e95c1d-7124-418f-b8dc-dc62c527b26c', 'billing', { orders: [0, 1] }),
    memberEpoch: 2,
    targetEpoch: 2,
    upgraded: false,
  }
  const mixed = { ...group('g-mixed', 'uniform', [modern, old]), ...epochs(2) }
  assert.equal(membersTable(mixed, true), printed('members-mixed-verbose'))
  assert.equal(membersTable(mixed, false), printed('members-mixed'))
  assert.equal(stateTable(mixed, true), printed('state-mixed-verbose'))
  const committed = [0, 1, 2].map((partition) => offset('orders', partition, 5))
  assert.equal(describe(mixed, committed, 10), printed('describe-mixed'))
})

test('a group that rebalances shows what its members still hold', () => {
  const raw = (id: string, assigned: Record<string, readonly number[]>) =>
    member(`raw-${id}`, 'raw', assigned)
  const rebalancing: GroupDescription = {
    ...group('g-rebalancing', '', [
      raw('2bf61b9d-acd8-4fa9-9403-b54e7f8f5a8a', {}),
      raw('3c97483f-0a32-48c2-b183-8509e87f351b', { orders: [0, 1, 2] }),
    ]),
    state: 'PreparingRebalance',
  }
  const rows = lagRows({
    group: rebalancing,
    committed: [offset('orders', 0, 1)],
    endOffsetOf: ({ partition }) => (partition === 0 ? 27 : 10),
  })
  assert.equal(offsetsTable({ group: rebalancing, rows }, false), printed('describe-rebalancing'))
  assert.equal(membersTable(rebalancing, true), printed('members-rebalancing-verbose'))
  assert.equal(stateTable(rebalancing, false), printed('state-rebalancing'))
})

test('an idle member has no assignment to show', () => {
  const idle = group('g-idle', 'range', [
    member('billing-efbd2e62-ac53-4747-b8e6-54255f03bd65', 'billing', {}),
    member('billing-2276afcd-878d-4f50-87ee-ede61f0e0412', 'billing', { payments: [0] }),
  ])
  assert.equal(membersTable(idle, true), printed('members-idle-verbose'))
  assert.equal(describe(idle, [], 4), printed('describe-idle'))
})

test('state tables are the ones that Kafka prints', () => {
  assert.equal(stateTable(classic, false), printed('state-classic'))
  assert.equal(stateTable(classic, true), printed('state-classic-verbose'))
  assert.equal(stateTable(empty, false), printed('state-empty'))
  const modern = {
    ...group('g-consumer', 'uniform', [billing, shipping]),
    ...epochs(3),
  }
  assert.equal(stateTable(modern, true), printed('state-consumer-verbose'))
})

test('a list has bare names, or the columns that were asked for', () => {
  const lines = printed('list-state-type').trimEnd().split('\n').slice(1)
  const groups = lines.map((line) => {
    const [groupId = '', type, state] = line.trim().split(/\s+/)
    return { groupId, type: type as 'Classic', state: state as 'Stable', protocolType: 'consumer' }
  })
  assert.equal(groupList(groups, { showType: true, showState: true }), printed('list-state-type'))
  assert.equal(groupList(groups), printed('list'))
})

test('a group that rests, rebalances or is missing is named as Kafka names it', () => {
  assert.equal(stateRemark(empty), "\nConsumer group 'g-empty' has no active members.\n")
  assert.equal(
    stateRemark({ ...classic, state: 'PreparingRebalance' }),
    "\nWarning: Consumer group 'g-classic' is rebalancing.\n",
  )
  assert.equal(stateRemark(classic), null)
  assert.equal(missingGroupText('nope'), printed('describe-missing'))
})

function describe(
  described: GroupDescription,
  committed: readonly ReturnType<typeof offset>[],
  end: number,
): string {
  return offsetsTable(
    { group: described, rows: lagRows({ group: described, committed, endOffsetOf: () => end }) },
    false,
  )
}

function group(
  groupId: string,
  assignor: string,
  members: readonly GroupMember[],
): GroupDescription {
  return {
    groupId,
    assignor,
    members,
    type: 'Classic',
    state: 'Stable',
    protocolType: 'consumer',
    coordinator: { id: 1, host: '127.0.0.1', port: 9492 },
    epochs: null,
  }
}

function member(
  memberId: string,
  clientId: string,
  assigned: Record<string, readonly number[]>,
): GroupMember {
  const assignment = Object.entries(assigned).map(([topic, partitions]) => ({ topic, partitions }))
  return {
    memberId,
    clientId,
    assignment,
    groupInstanceId: null,
    host: '/127.0.0.1',
    memberEpoch: null,
    targetAssignment: null,
    targetEpoch: null,
    upgraded: null,
  }
}

function consumer(
  memberId: string,
  clientId: string,
  assigned: Record<string, readonly number[]>,
): GroupMember {
  const plain = member(memberId, clientId, assigned)
  return { ...plain, memberEpoch: 3, targetEpoch: 3, targetAssignment: plain.assignment }
}

function epochs(epoch: number): Pick<GroupDescription, 'type' | 'epochs'> {
  return { type: 'Consumer', epochs: { group: epoch, targetAssignment: epoch } }
}

function offset(topic: string, partition: number, at: number) {
  return { topic, partition, offset: at, leaderEpoch: 0, metadata: '' }
}

test('members without a partition are named, ten at most, once the group is stable', () => {
  const [member] = classic.members
  assert.ok(member !== undefined)
  const idle = (index: number) => ({ ...member, memberId: `idle-${index}`, assignment: [] })
  const withIdle = (count: number) => ({
    ...classic,
    members: [member, ...Array.from({ length: count }, (_, index) => idle(index))],
  })
  assert.equal(idleRemark(classic), null)
  assert.match(
    idleRemark(withIdle(1)) ?? '',
    /^\nIdle: 1 member has no partition, .*: idle-0 \(client [^)]+\)\n$/,
  )
  assert.match(idleRemark(withIdle(12)) ?? '', /Idle: 12 members have .* idle-9 .*, 2 more\n$/)
  assert.equal(idleRemark({ ...withIdle(1), state: 'PreparingRebalance' }), null)
  assert.match(idleRemark({ ...classic, members: [idle(0)] }) ?? '', /it is paused, or its topics/)
})
