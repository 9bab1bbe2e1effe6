import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QueueConsumerFacts, QueueFacts } from './management-api.ts'
import {
  listedGroups,
  placeOfQueue,
  queueBacklog,
  queuesOfGroup,
  type QueueLook,
} from './queue-backlog.ts'

const QUEUES = [
  'orders.0',
  'orders.1',
  'mail',
  'mail-dlq',
  'mail.shoal-suspects',
  'mail.shoal-later.60000',
]
const HASH = new Set(['orders'])
const CONSUMERS = [
  consumer({ queue: 'orders.0', group: 'billing', member: 'a' }),
  consumer({ queue: 'orders.1', group: 'billing', member: 'b' }),
]

describe('groups over RabbitMQ', () => {
  test('are those that members name, and otherwise queues or the topics whose shards they are', () => {
    const names = (consumers: readonly QueueConsumerFacts[]) =>
      listedGroups(QUEUES, consumers, HASH, '-dlq').map(({ groupId, state }) => [groupId, state])
    assert.deepEqual(names(CONSUMERS), [
      ['billing', 'Stable'],
      ['mail', 'Empty'],
    ])
    assert.deepEqual(names([]), [
      ['mail', 'Empty'],
      ['orders', 'Empty'],
    ])
    assert.deepEqual(names([consumer({ queue: 'mail-dlq' })]), [
      ['mail', 'Empty'],
      ['mail-dlq', 'Stable'],
      ['orders', 'Empty'],
    ])
  })

  test('mean the queues that their members consume, or those of their name', () => {
    const queues = (name: string, consumers: readonly QueueConsumerFacts[]) =>
      queuesOfGroup(name, QUEUES, consumers, HASH)
    assert.deepEqual(queues('billing', CONSUMERS), ['orders.0', 'orders.1'])
    assert.deepEqual(queues('billing', []), [])
    assert.deepEqual(queues('orders', []), ['orders.0', 'orders.1'])
    assert.deepEqual(queues('mail', CONSUMERS), ['mail'])
    assert.deepEqual(placeOfQueue('orders.1', HASH), { topic: 'orders', partition: 1 })
    assert.deepEqual(placeOfQueue('orders.1', new Set()), { topic: 'orders.1', partition: 0 })
  })

  test('show what is ready and what each member holds, by its channel', () => {
    const active = consumer({ queue: 'orders.0', member: 'a', channel: 'c1', host: '10.0.0.1' })
    const waiting = { ...active, member: 'b', channel: 'c2', isActive: false }
    const group = queueBacklog({
      groupId: 'billing',
      looks: [look({ facts: facts({ unacknowledged: 3, consumers: [active, waiting] }) })],
      channels: new Map([
        ['c1', { unacknowledged: 3, idleSinceMs: null }],
        ['c2', { unacknowledged: 0, idleSinceMs: 4_000 }],
      ]),
      nowMs: 10_000,
      missing: null,
    })
    assert.deepEqual(group.members, [
      { memberId: 'a', clientId: null, host: '10.0.0.1', idleMs: 0, pending: 3 },
      { memberId: 'b', clientId: null, host: '10.0.0.1', idleMs: 6_000, pending: 0 },
    ])
    const [row] = group.partitions
    assert.deepEqual(
      [row?.lag, row?.pending, row?.memberIds, row?.oldestUnreadMs, row?.oldestPendingMs],
      [5, 3, ['a'], 8_000, null],
    )
    assert.deepEqual(group.notes, [])
  })

  test('say in one sentence what is missing: the management API, figures, an age', () => {
    const seen = { groupId: 'mail', channels: new Map(), nowMs: 0 }
    const without = queueBacklog({ ...seen, looks: [look({ facts: null })], missing: 'no API' })
    assert.match(without.notes.join(), /^no API: members, what is unacknowledged .* not known/)
    assert.equal(without.partitions[0]?.pending, null)
    assert.equal(without.partitions[0]?.lag, 5)
    const young = facts({ unacknowledged: null, headTimestampMs: null })
    const { notes } = queueBacklog({ ...seen, looks: [look({ facts: young })], missing: null })
    assert.equal(notes.length, 2)
    assert.match(notes[0] ?? '', /not counted yet .* orders\.0/)
    assert.match(notes[1] ?? '', /how old the first message of orders\.0 is/)
  })
})

function look(over: Partial<QueueLook>): QueueLook {
  return {
    queue: 'orders.0',
    topic: 'orders',
    partition: 0,
    ready: 5,
    consumerCount: 1,
    facts: facts({}),
    ...over,
  }
}

function facts(over: Partial<QueueFacts>): QueueFacts {
  return {
    name: 'orders.0',
    isExclusive: false,
    unacknowledged: 0,
    published: 10,
    headTimestampMs: 2_000,
    consumers: [],
    ...over,
  }
}

function consumer(over: Partial<QueueConsumerFacts>): QueueConsumerFacts {
  return {
    queue: 'mail',
    tag: 'tag',
    isActive: true,
    group: null,
    member: null,
    host: null,
    channel: null,
    ...over,
  }
}
