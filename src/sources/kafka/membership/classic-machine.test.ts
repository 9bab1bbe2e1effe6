import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { initialMember, isFresh } from './classic-state.ts'
import { partitionKey } from '../topic-partition.ts'
import type { MemberState, MembershipSettings } from './classic-state.ts'
import { step } from './classic-machine.ts'
import type { JoinAnswer, MemberEffect, MemberInput } from './classic-messages.ts'
import type { KafkaErrorCode } from '../../../protocol/index.ts'

const settings: MembershipSettings = {
  cooperative: true,
  isStatic: false,
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 1_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
}

describe('joining', () => {
  test('takes the member id that the broker gives and asks again with it', () => {
    const member = fixture()
    assert.deepEqual(member.take({ kind: 'start' }), [
      { kind: 'cancel', key: 'retry' },
      {
        kind: 'join',
        attempt: 1,
        memberId: '',
        generation: -1,
        owned: [],
        isAnew: false,
        reason: 'joining the group',
      },
    ])
    const effects = member.take(joinRefused(1, 'MEMBER_ID_REQUIRED', 'm-1'))
    assert.partialDeepStrictEqual(only(effects, 'join'), { attempt: 2, memberId: 'm-1' })
  })

  test('a leader plans for the group, a follower waits for the plan', () => {
    const leader = fixture()
    leader.take({ kind: 'start' })
    const members = [{ memberId: 'm-1', groupInstanceId: null, metadata: new Uint8Array(0) }]
    const planning = leader.take(joinAccepted(1, { leader: 'm-1', members }))
    assert.deepEqual(only(planning, 'plan'), {
      kind: 'plan',
      attempt: 1,
      protocol: 'cooperative-sticky',
      members,
    })
    const assignments = [{ memberId: 'm-1', assignment: Uint8Array.of(1) }]
    const syncing = leader.take({ kind: 'planned', attempt: 1, assignments })
    assert.partialDeepStrictEqual(only(syncing, 'sync'), {
      generation: 1,
      memberId: 'm-1',
      assignments,
    })

    const follower = fixture()
    follower.take({ kind: 'start' })
    const waiting = follower.take(joinAccepted(1, { leader: 'other' }))
    assert.deepEqual(only(waiting, 'sync').assignments, [])
    assert.equal(
      waiting.some(({ kind }) => kind === 'plan'),
      false,
    )
  })

  test('a static leader that came back leaves the assignment as it is', () => {
    const member = fixture({ isStatic: true })
    member.take({ kind: 'start' })
    const effects = member.take(joinAccepted(1, { leader: 'm-1', skipAssignment: true }))
    assert.deepEqual(only(effects, 'sync').assignments, [])
  })

  test('what is assigned begins with an epoch, and heartbeats and the session are on', () => {
    const member = fixture()
    const effects = member.join([0, 1])
    assert.deepEqual(only(effects, 'assign'), {
      kind: 'assign',
      generation: 1,
      partitions: [
        { topic: 't', partition: 0, epoch: 1 },
        { topic: 't', partition: 1, epoch: 1 },
      ],
    })
    assert.deepEqual(
      effects.flatMap((effect) =>
        effect.kind === 'schedule' ? [[effect.key, effect.delayMs]] : [],
      ),
      [
        ['heartbeat', 1_000],
        ['session', 10_000],
      ],
    )
  })

  const table: readonly (readonly [KafkaErrorCode, string, Partial<MemberState>])[] = [
    ['UNKNOWN_MEMBER_ID', 'waiting', { memberId: '', generation: -1 }],
    ['COORDINATOR_LOAD_IN_PROGRESS', 'waiting', { memberId: 'm-1' }],
    ['NOT_COORDINATOR', 'waiting', { memberId: 'm-1' }],
    ['REBALANCE_IN_PROGRESS', 'joining', { memberId: 'm-1' }],
    ['FENCED_INSTANCE_ID', 'closed', {}],
    ['GROUP_AUTHORIZATION_FAILED', 'closed', {}],
    ['INCONSISTENT_GROUP_PROTOCOL', 'closed', {}],
    ['INVALID_SESSION_TIMEOUT', 'closed', {}],
  ]
  for (const [error, phase, expected] of table)
    test(`JoinGroup answered ${error} leads to ${phase}`, () => {
      const member = fixture()
      member.take({ kind: 'start' })
      member.take(joinRefused(1, 'MEMBER_ID_REQUIRED', 'm-1'))
      const effects = member.take(joinRefused(2, error))
      assert.partialDeepStrictEqual(member.state, { phase, ...expected })
      assert.equal(
        effects.some(({ kind }) => kind === 'fail'),
        phase === 'closed',
      )
    })

  test('tries again with growing pauses while the broker is not there', () => {
    const member = fixture()
    member.take({ kind: 'start' })
    const delays: number[] = []
    for (let attempt = 1; attempt <= 6; attempt++) {
      const effects = member.take({ kind: 'join-failed', attempt, reason: 'refused' })
      delays.push(only(effects, 'schedule').delayMs)
      member.take({ kind: 'timer', key: 'retry' })
    }
    assert.deepEqual(delays, [100, 200, 400, 800, 1_000, 1_000])
  })

  test('an answer to an attempt that is over changes nothing', () => {
    const member = fixture()
    member.take({ kind: 'start' })
    member.take({ kind: 'join-failed', attempt: 1, reason: 'timeout' })
    member.take({ kind: 'timer', key: 'retry' })
    const before = member.state
    assert.deepEqual(member.take(joinAccepted(1, {})), [])
    assert.equal(member.state, before)
  })
})

describe('a cooperative rebalance', () => {
  test('tells what is owned and interrupts nothing', () => {
    const member = fixture()
    member.join([0, 1])
    const effects = member.take(beat('REBALANCE_IN_PROGRESS'))
    const join = only(effects, 'join')
    assert.deepEqual(
      join.owned.map(({ partition }) => partition),
      [0, 1],
    )
    assert.equal(join.generation, 1)
    assert.ok(effects.every(({ kind }) => kind !== 'revoke' && kind !== 'lose'))
  })

  test('what stays keeps its epoch, what is new starts at once, what goes is drained and released by joining', () => {
    const member = fixture()
    member.join([0, 1])
    member.take(beat('REBALANCE_IN_PROGRESS'))
    const effects = member.answer([1, 2], { generation: 2 })
    assert.deepEqual(
      only(effects, 'assign').partitions.map(({ partition, epoch }) => [partition, epoch]),
      [[2, 2]],
    )
    const revoke = only(effects, 'revoke')
    assert.deepEqual(revoke.partitions, [{ topic: 't', partition: 0, epoch: 1 }])
    assert.equal(
      effects.some(({ kind }) => kind === 'join'),
      false,
    )
    assert.equal(member.owned(0), 1)

    const released = member.take({ kind: 'drained', drain: revoke.drain })
    assert.deepEqual(
      only(released, 'join').owned.map(({ partition, epoch }) => [partition, epoch]),
      [
        [1, 1],
        [2, 2],
      ],
    )
    assert.equal(member.owned(0), undefined)
  })

  test('that begins during a drain waits for its end, and heartbeats go on', () => {
    const member = fixture()
    member.join([0, 1])
    member.take(beat('REBALANCE_IN_PROGRESS'))
    member.answer([1], { generation: 2 })
    assert.deepEqual(kinds(member.take({ kind: 'timer', key: 'heartbeat' })), [
      'schedule',
      'heartbeat',
    ])
    const effects = member.take(beat('REBALANCE_IN_PROGRESS', { generation: 2 }))
    assert.deepEqual(kinds(effects), ['schedule'])
    assert.equal(member.state.phase, 'stable')
    assert.deepEqual(kinds(member.take({ kind: 'drained', drain: 1 })), ['cancel', 'join'])
  })

  test('beats beside the open join for what it kept, and a generation ahead does not fence it', () => {
    const member = fixture()
    member.join([0])
    member.take(beat('REBALANCE_IN_PROGRESS'))
    assert.equal(
      only(member.take({ kind: 'timer', key: 'heartbeat' }), 'heartbeat').besideJoin,
      true,
    )
    assert.deepEqual(member.take(beat('ILLEGAL_GENERATION')), [])
    assert.equal(member.owned(0), 1)
  })
})

describe('an eager rebalance', () => {
  test('drains everything before it joins, and everything comes back in a new epoch', () => {
    const member = fixture({ cooperative: false })
    member.join([0, 1])
    const effects = member.take(beat('REBALANCE_IN_PROGRESS'))
    assert.deepEqual(kinds(effects), ['schedule', 'revoke'])
    const joining = member.take({ kind: 'drained', drain: 1 })
    assert.deepEqual(only(joining, 'join').owned, [])
    const again = member.answer([0], { generation: 2 })
    assert.deepEqual(only(again, 'assign').partitions, [{ topic: 't', partition: 0, epoch: 2 }])
  })
})

describe('being fenced', () => {
  for (const error of ['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'] as const)
    test(`a heartbeat answered ${error} loses everything at once and joins anew`, () => {
      const member = fixture()
      member.join([0])
      const effects = member.take(beat(error))
      assert.deepEqual(only(effects, 'lose').partitions, [{ topic: 't', partition: 0, epoch: 1 }])
      const join = only(effects, 'join')
      assert.deepEqual([join.generation, join.owned], [-1, []])
      assert.equal(join.memberId, error === 'UNKNOWN_MEMBER_ID' ? '' : 'm-1')
    })

  test('a refused commit says the same, but only of the present generation', () => {
    const member = fixture()
    member.join([0])
    const told = { kind: 'refused', memberId: 'm-1', error: 'ILLEGAL_GENERATION' } as const
    assert.deepEqual(member.take({ ...told, generation: 0 }), [])
    assert.deepEqual(kinds(member.take({ ...told, generation: 1 })), ['lose', 'cancel', 'join'])
  })

  test('a second member with the same instance id ends this one', () => {
    const member = fixture({ isStatic: true })
    member.join([0])
    const effects = member.take(beat('FENCED_INSTANCE_ID'))
    assert.deepEqual(only(effects, 'fail').error, 'FENCED_INSTANCE_ID')
    assert.equal(only(effects, 'lose').partitions.length, 1)
    assert.equal(member.state.phase, 'closed')
  })

  test('during a drain takes what was being drained with it, and the late end of the drain changes nothing', () => {
    const member = fixture()
    member.join([0, 1])
    member.take(beat('REBALANCE_IN_PROGRESS'))
    member.answer([1], { generation: 2 })
    const effects = member.take(beat('UNKNOWN_MEMBER_ID', { generation: 2 }))
    assert.deepEqual(
      only(effects, 'lose').partitions.map(({ partition }) => partition),
      [0, 1],
    )
    assert.deepEqual(member.take({ kind: 'drained', drain: 1 }), [])
  })
})

describe('the session', () => {
  test('without an answer for a whole session timeout the member holds itself for fenced', () => {
    const member = fixture()
    member.join([0])
    member.nowMs = 9_000
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.take({ kind: 'heartbeat-failed', reason: 'no broker' })
    member.nowMs = 10_000
    const effects = member.take({ kind: 'timer', key: 'session' })
    assert.deepEqual(kinds(effects), [
      'heartbeat-failed',
      'forget-coordinator',
      'lose',
      'cancel',
      'join',
    ])
  })

  test('an answer proves membership as of when its request left', () => {
    const member = fixture()
    member.join([0])
    member.nowMs = 9_999
    member.take(beat('NONE', { sentMs: 7_000 }))
    const effects = member.take({ kind: 'timer', key: 'session' })
    assert.deepEqual(effects, [{ kind: 'schedule', key: 'session', delayMs: 7_001 }])
    assert.equal(isFresh(member.state, settings, 12_000), true)
    assert.equal(isFresh(member.state, settings, 12_001), false)
  })

  test('one heartbeat at a time, however slow the broker', () => {
    const member = fixture()
    member.join([0])
    assert.deepEqual(kinds(member.take({ kind: 'timer', key: 'heartbeat' })), [
      'schedule',
      'heartbeat',
    ])
    assert.deepEqual(kinds(member.take({ kind: 'timer', key: 'heartbeat' })), ['schedule'])
    member.take(beat('NONE'))
    assert.deepEqual(kinds(member.take({ kind: 'timer', key: 'heartbeat' })), [
      'schedule',
      'heartbeat',
    ])
  })
})

describe('topics that change', () => {
  test('make the leader rebalance the group, and nobody else', () => {
    const leader = fixture()
    leader.join([0], { leader: 'm-1' })
    assert.deepEqual(kinds(leader.take({ kind: 'topics-changed', isSubscription: false })), [
      'cancel',
      'join',
    ])
    const follower = fixture()
    follower.join([0], { leader: 'other' })
    assert.deepEqual(follower.take({ kind: 'topics-changed', isSubscription: false }), [])
  })
})

describe('leaving', () => {
  test('tells the group, unless the member is static and may come back', () => {
    const member = fixture()
    member.join([0])
    const effects = member.take({ kind: 'close' })
    assert.deepEqual(only(effects, 'leave').memberId, 'm-1')
    assert.equal(
      effects.some(({ kind }) => kind === 'lose' || kind === 'revoke'),
      false,
    )
    const fixed = fixture({ isStatic: true })
    fixed.join([0])
    assert.deepEqual(kinds(fixed.take({ kind: 'close' })), ['cancel', 'cancel', 'cancel'])
  })

  test('is the end: nothing that comes later does anything', () => {
    const member = fixture()
    member.join([0])
    member.take({ kind: 'close' })
    assert.deepEqual(member.take(beat('UNKNOWN_MEMBER_ID')), [])
    assert.deepEqual(member.take({ kind: 'timer', key: 'heartbeat' }), [])
    assert.deepEqual(member.take({ kind: 'close' }), [])
  })
})

/** A member and its history; `join` brings it into the group, `answer` answers the join that is under way. */
function fixture(changes: Partial<MembershipSettings> = {}) {
  let state = initialMember
  let epoch = 0
  const member = {
    nowMs: 0,
    get state() {
      return state
    },
    take(input: MemberInput): readonly MemberEffect[] {
      const next = step(state, input, { ...settings, ...changes }, member.nowMs)
      state = next.state
      return next.effects
    },
    owned: (partition: number) => state.owned.get(partitionKey({ topic: 't', partition }))?.epoch,
    join(partitions: readonly number[], answer: Partial<JoinAnswer> = {}) {
      member.take({ kind: 'start' })
      return member.answer(partitions, answer)
    },
    answer(partitions: readonly number[], answer: Partial<JoinAnswer> = {}) {
      const { attempt } = state
      member.take(joinAccepted(attempt, { leader: 'm-1', ...answer }))
      if (state.phase === 'planning') member.take({ kind: 'planned', attempt, assignments: [] })
      return member.take({
        kind: 'sync-answered',
        attempt,
        error: 'NONE',
        partitions: partitions.map((partition) => ({ topic: 't', partition })),
        epoch: ++epoch,
        sentMs: member.nowMs,
      })
    },
  }
  return member
}

function joinAccepted(attempt: number, answer: Partial<JoinAnswer>): MemberInput {
  return {
    kind: 'join-answered',
    attempt,
    answer: {
      error: 'NONE',
      memberId: 'm-1',
      generation: 1,
      leader: 'm-1',
      protocol: 'cooperative-sticky',
      skipAssignment: false,
      members: [],
      ...answer,
    },
  }
}

function joinRefused(attempt: number, error: KafkaErrorCode, memberId = ''): MemberInput {
  return joinAccepted(attempt, { error, memberId, generation: -1, leader: '', protocol: '' })
}

function beat(
  error: KafkaErrorCode,
  { generation = 1, sentMs = 0 }: { generation?: number; sentMs?: number } = {},
): MemberInput {
  return { kind: 'heartbeat-answered', generation, memberId: 'm-1', error, sentMs }
}

function kinds(effects: readonly MemberEffect[]): string[] {
  return effects.map(({ kind }) => kind)
}

/** The one effect of a kind. */
function only<Kind extends MemberEffect['kind']>(
  effects: readonly MemberEffect[],
  kind: Kind,
): MemberEffect & { kind: Kind } {
  const found = effects.filter((effect) => effect.kind === kind)
  assert.equal(found.length, 1, `${found.length} effects of kind ${kind}`)
  return found[0] as MemberEffect & { kind: Kind }
}
