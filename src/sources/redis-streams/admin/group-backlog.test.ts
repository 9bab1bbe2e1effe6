import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { groupBacklog, type StreamPlace } from './group-backlog.ts'
import type { StreamLook } from './stream-looks.ts'

describe('a group of Redis Streams', () => {
  test('names the holder of a shard, and sums what each member has', () => {
    const consumers = [{ name: 'a', pending: 2, idleMs: 900 }]
    const group = backlogOf([
      place({ partition: 1, look: { consumers, owner: 'a' } }),
      place({ partition: 0, look: { consumers: [{ name: 'a', pending: 1, idleMs: 50 }] } }),
    ])
    assert.equal(group.state, 'Stable')
    assert.deepEqual(
      group.partitions.map(({ partition, memberIds }) => [partition, memberIds]),
      [
        [0, ['a']],
        [1, ['a']],
      ],
    )
    assert.deepEqual(group.members, [
      { memberId: 'a', clientId: null, host: null, idleMs: 50, pending: 3 },
    ])
    assert.deepEqual(group.notes, [])
  })

  test('that nobody reads any more is empty; who left work behind is named', () => {
    const consumers = [
      { name: 'dead', pending: 4, idleMs: 3_600_000 },
      { name: 'gone', pending: 0, idleMs: 3_600_000 },
    ]
    const group = backlogOf([place({ look: { consumers } })])
    assert.equal(group.state, 'Empty')
    assert.deepEqual(group.partitions[0]?.memberIds, ['dead'])
    assert.equal(backlogOf([place({ look: { consumers } })], ['new']).state, 'Stable')
  })

  test('says where a lag was counted, where counting stopped, and what was trimmed while it was pending', () => {
    const { notes, partitions } = backlogOf([
      place({ look: { stream: 'a', lagIs: 'counted' } }),
      place({ look: { stream: 'b', lagIs: 'at-least', lag: 10 } }),
      place({ look: { stream: 'c', hasLostPending: true } }),
      place({ look: { stream: 'd', oldestUnreadMs: null } }),
    ])
    assert.match(notes[0] ?? '', /the lag of a was counted/)
    assert.match(notes[1] ?? '', /the lag of b is at least 10/)
    assert.match(notes[2] ?? '', /c: entries that were handed out .* are gone/)
    assert.match(notes[3] ?? '', /the ids of d were chosen by a program/)
    assert.equal(notes.length, 4)
    assert.ok(partitions.some(({ lagIsAtLeast }) => lagIsAtLeast))
  })

  test('says how many records it put off: neither lag nor pending has them', () => {
    const { notes } = backlogOf([place({ look: { putOff: 7 } }), place({ partition: 1 })])
    assert.deepEqual(notes, [
      'orders: 7 put off, to be tried again (retry.later), neither in the lag nor pending',
    ])
  })
})

function backlogOf(places: readonly StreamPlace[], live: readonly string[] = []) {
  return groupBacklog({ groupId: 'g', places, live, maxCounted: 10, isCut: false })
}

function place({ partition = 0, look = {} }: { partition?: number; look?: Partial<StreamLook> }) {
  const whole: StreamLook = {
    stream: 'orders',
    facts: { length: 1, lastId: '1-0', firstId: '1-0', entriesAdded: 1 },
    group: { name: 'g', pending: 0, lastDeliveredId: '0-0', lag: 1 },
    consumers: [],
    lag: 1,
    lagIs: 'told',
    oldestUnreadMs: 5,
    oldestPendingMs: 0,
    hasLostPending: false,
    putOff: 0,
    owner: null,
    ...look,
  }
  return { topic: 'orders', partition, look: whole }
}
