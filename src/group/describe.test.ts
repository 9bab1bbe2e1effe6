import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  bytes,
  commitRequest,
  completingPair,
  leaveRequest,
  Sim,
  stablePair,
  subscription,
} from './fixture.test.ts'

const everything = { statesFilter: [], typesFilter: [] }

describe('a list of groups', () => {
  test('shows every group with its state, also one that only gathers', () => {
    const { sim } = stablePair()
    sim.ask(commitRequest({ groupId: 'simple' }))
    sim.join({ groupId: 'new' })
    assert.deepEqual(sim.coordinator.list(everything), [
      { groupId: 'g', protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' },
      { groupId: 'simple', protocolType: '', groupState: 'Empty', groupType: 'classic' },
      { groupId: 'new', protocolType: '', groupState: 'Empty', groupType: 'classic' },
    ])
  })

  test('is filtered by state and type in any case; a filter that is none fits nothing', () => {
    const { sim } = stablePair()
    const ids = (statesFilter: string[], typesFilter: string[]) =>
      sim.coordinator.list({ statesFilter, typesFilter }).map(({ groupId }) => groupId)
    assert.deepEqual(ids(['sTABLE', 'Empty'], ['CLASSIC']), ['g'])
    assert.deepEqual(ids(['preparingrebalance'], []), [])
    assert.deepEqual(ids(['nonsense'], []), [])
    assert.deepEqual(ids([], ['consumer']), [])
  })
})

describe('a description', () => {
  test('of a stable group has what its members said and got', () => {
    const { sim, a, b } = stablePair()
    const member = (memberId: string, assignment: Uint8Array) => ({
      memberId,
      groupInstanceId: null,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      memberMetadata: subscription('orders'),
      memberAssignment: assignment,
    })
    assert.deepEqual(sim.coordinator.describe('g', 6), {
      groupId: 'g',
      errorCode: 'NONE',
      errorMessage: null,
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [member(a, bytes(1)), member(b, bytes(2))],
    })
  })

  test('of any other state has the members without it', () => {
    const { sim, a, b } = completingPair()
    const seen = () => {
      const { groupState, protocolData, members } = sim.coordinator.describe('g', 6)
      const hidden = members.every(
        (member) => member.memberMetadata.length + member.memberAssignment.length === 0,
      )
      return [groupState, protocolData, hidden, ...members.map(({ memberId }) => memberId)]
    }
    assert.deepEqual(seen(), ['CompletingRebalance', '', true, a, b])
    sim.join({ groupInstanceId: 'i' })
    assert.deepEqual(seen(), ['PreparingRebalance', '', true, a, b, 'i-3'])
    sim.ask(leaveRequest({ memberId: a }, { memberId: b }, { memberId: 'i-3' }))
    assert.deepEqual(seen(), ['Empty', '', true])
  })

  test('of an unknown group is Dead: an error from version 6 on, none before', () => {
    const dead = {
      groupId: 'g',
      groupState: 'Dead',
      protocolType: '',
      protocolData: '',
      members: [],
    }
    const { coordinator } = new Sim()
    assert.deepEqual(coordinator.describe('g', 6), {
      ...dead,
      errorCode: 'GROUP_ID_NOT_FOUND',
      errorMessage: 'Group g not found.',
    })
    assert.deepEqual(coordinator.describe('g', 5), {
      ...dead,
      errorCode: 'NONE',
      errorMessage: null,
    })
  })
})
