import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type SessionFetch, ShareSessions } from './share-sessions.ts'

const [ORDERS_0, ORDERS_1] = [0, 1].map((partition) => ({ topicId: 'orders-id', partition }))

describe('a share session', () => {
  test('goes on epoch by epoch, and remembers its partitions', () => {
    const sessions = new ShareSessions(10)
    assert.deepEqual(partitionsOf(sessions, { epoch: 0, added: [ORDERS_0!] }), [0])
    assert.deepEqual(partitionsOf(sessions, { epoch: 1, added: [ORDERS_1!] }), [1, 0])
    assert.deepEqual(partitionsOf(sessions, { epoch: 2 }), [0, 1], 'everybody is first in turn')
    assert.deepEqual(partitionsOf(sessions, { epoch: 3, forgotten: [ORDERS_0!] }), [1])
    assert.deepEqual(sessions.acknowledge({ ...member, epoch: 4 }), { isFinal: false })
    assert.equal(errorOf(sessions, { epoch: 4 }), 'INVALID_SHARE_SESSION_EPOCH')
  })

  test('ends with its last request, and with its connection alone', () => {
    const sessions = new ShareSessions(10)
    sessions.fetch(request({ epoch: 0, connectionId: 1 }))
    sessions.fetch(request({ epoch: 0, connectionId: 2 }))
    assert.deepEqual(sessions.disconnected(1), [], 'the member came back by another')
    const [ended, ...others] = sessions.disconnected(2)
    assert.deepEqual([ended?.memberId, others.length, sessions.size], ['a', 0, 0])
    sessions.fetch(request({ epoch: 0 }))
    assert.deepEqual(sessions.acknowledge({ ...member, epoch: -1 }), { isFinal: true })
    sessions.end(member)
    assert.equal(errorOf(sessions, { epoch: 1 }), 'SHARE_SESSION_NOT_FOUND')
  })

  test('is one of so many', () => {
    const sessions = new ShareSessions(1)
    sessions.fetch(request({ epoch: 0 }))
    assert.equal(errorOf(sessions, { epoch: 0, memberId: 'b' }), 'SHARE_SESSION_LIMIT_REACHED')
    assert.equal(errorOf(sessions, { epoch: 0 }), null, 'in place of its own')
    assert.equal(sessions.size, 1)
  })

  test('is that of one member of one group, whatever characters their ids have', () => {
    const sessions = new ShareSessions(10)
    sessions.fetch(request({ epoch: 0, groupId: 'g:1', memberId: 'a' }))
    const other = { epoch: 1, groupId: 'g', memberId: '1:a' }
    assert.equal(errorOf(sessions, other), 'SHARE_SESSION_NOT_FOUND')
  })
})

const member = { groupId: 'g', memberId: 'a', connectionId: 1 }

function request(over: Partial<SessionFetch>): SessionFetch {
  const nothing = { added: [], forgotten: [], hasAcknowledgements: false }
  return { ...member, epoch: 0, ...nothing, ...over }
}

function partitionsOf(sessions: ShareSessions, over: Partial<SessionFetch>): readonly number[] {
  const plan = sessions.fetch(request(over))
  assert.ok(plan.kind === 'fetch')
  return plan.session.partitions.map(({ partition }) => partition)
}

function errorOf(sessions: ShareSessions, over: Partial<SessionFetch>): string | null {
  const plan = sessions.fetch(request(over))
  return plan.kind === 'refused' ? plan.errorCode : null
}
