import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupDescription, GroupMember, GroupState } from './admin-port.ts'
import { isLive, liveGroupError } from './live-group.ts'

test('a group is live while it has members or is on its way to some', () => {
  assert.equal(isLive(group('Empty', 0)), false)
  assert.equal(isLive(group('Dead', 0)), false)
  assert.equal(isLive(group('Stable', 1)), true)
  assert.equal(isLive(group('PreparingRebalance', 0)), true)
})

test('the refusal names the members and says what to do', () => {
  assert.equal(
    liveGroupError(group('Stable', 2), 'delete it').message,
    'group g is Stable with 2 members: m-0 (client worker at /10.0.0.1), m-1 (client worker at /10.0.0.1); ' +
      'stop them and wait until the group is Empty, then delete it. Nothing changed',
  )
  assert.equal(liveGroupError(group('Stable', 2), 'delete it').details['error'], 'NON_EMPTY_GROUP')
  assert.match(liveGroupError(group('Stable', 1), 'x').message, /with 1 member: m-0 \(client/)
  assert.match(
    liveGroupError(group('Stable', 300), 'x').message,
    /with 300 members: m-0 .*, m-4 \(client worker at \/10\.0\.0\.1\), 295 more; stop/,
  )
})

function group(state: GroupState, memberCount: number): GroupDescription {
  return {
    groupId: 'g',
    type: 'Classic',
    state,
    protocolType: 'consumer',
    assignor: 'range',
    coordinator: { id: 1, host: '127.0.0.1', port: 9092 },
    epochs: null,
    members: Array.from({ length: memberCount }, (_, index) => member(`m-${index}`)),
  }
}

function member(memberId: string): GroupMember {
  return {
    memberId,
    groupInstanceId: null,
    clientId: 'worker',
    host: '/10.0.0.1',
    assignment: [],
    memberEpoch: null,
    targetAssignment: null,
    targetEpoch: null,
    upgraded: null,
  }
}
