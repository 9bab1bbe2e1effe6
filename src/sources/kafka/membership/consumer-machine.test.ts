import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { KafkaErrorCode } from '../../../protocol/index.ts'
import { partitionKey } from '../topic-partition.ts'
import { isFresh, step } from './consumer-machine.ts'
import type { ConsumerEffect, ConsumerInput } from './consumer-messages.ts'
import { initialConsumer } from './consumer-state.ts'
import type { ConsumerSettings } from './consumer-state.ts'

const settings: ConsumerSettings = {
  isStatic: false,
  sessionTimeoutMs: 10_000,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1_000,
  unreleasedLimitMs: 60_000,
}

describe('joining', () => {
  test('is a heartbeat of epoch 0 that says everything and owns nothing', () => {
    const member = fixture()
    assert.deepEqual(only(member.take({ kind: 'start' }), 'heartbeat'), {
      kind: 'heartbeat',
      attempt: 1,
      memberEpoch: 0,
      isFull: true,
      owned: [],
    })
  })

  test('brings an epoch, the interval that the broker wants, and what to own by the ids of topics', () => {
    const member = fixture()
    member.take({ kind: 'start' })
    const effects = member.answer({ memberEpoch: 2, intervalMs: 700, assignment: [0, 1] })
    assert.deepEqual(effects, [
      { kind: 'schedule', key: 'heartbeat', delayMs: 700 },
      { kind: 'schedule', key: 'session', delayMs: 10_000 },
      { kind: 'joined', memberEpoch: 2 },
      { kind: 'name', assignment: 1, partitions: [idOf(0), idOf(1)] },
    ])
    const named = member.named([0, 1])
    assert.deepEqual(only(named, 'assign'), {
      kind: 'assign',
      memberEpoch: 2,
      partitions: [owned(0, 1), owned(1, 1)],
    })
    assert.partialDeepStrictEqual(only(named, 'heartbeat'), {
      memberEpoch: 2,
      isFull: false,
      owned: [idOf(0), idOf(1)],
    })
  })

  test('tries again with growing pauses while the broker is not there', () => {
    const member = fixture()
    member.take({ kind: 'start' })
    const delays: number[] = []
    for (let attempt = 1; attempt <= 6; attempt++) {
      const effects = member.take({ kind: 'unanswered', attempt, reason: 'refused' })
      delays.push(only(effects, 'schedule').delayMs)
      assert.equal(only(effects, 'heartbeat-failed').reason, 'refused')
      member.take({ kind: 'timer', key: 'heartbeat' })
    }
    assert.deepEqual(delays, [100, 200, 400, 800, 1_000, 1_000])
  })

  const refusals: readonly (readonly [KafkaErrorCode, ConsumerEffect['kind'], string])[] = [
    ['COORDINATOR_LOAD_IN_PROGRESS', 'schedule', 'joining'],
    ['NOT_COORDINATOR', 'forget-coordinator', 'joining'],
    ['UNRELEASED_INSTANCE_ID', 'schedule', 'joining'],
    ['GROUP_ID_NOT_FOUND', 'unsupported', 'closed'],
    ['UNSUPPORTED_VERSION', 'unsupported', 'closed'],
    ['UNSUPPORTED_ASSIGNOR', 'fail', 'closed'],
    ['INVALID_REGULAR_EXPRESSION', 'fail', 'closed'],
    ['GROUP_MAX_SIZE_REACHED', 'fail', 'closed'],
    ['GROUP_AUTHORIZATION_FAILED', 'fail', 'closed'],
    ['INVALID_REQUEST', 'fail', 'closed'],
  ]
  for (const [error, kind, phase] of refusals)
    test(`answered ${error} leads to ${kind}`, () => {
      const member = fixture()
      member.take({ kind: 'start' })
      const effects = member.answer({ error })
      assert.ok(effects.some((effect) => effect.kind === kind))
      assert.equal(member.state.phase, phase)
    })

  test('with an instance id that is still held waits for it as long as a session lasts, then fails', () => {
    const member = fixture({ isStatic: true })
    member.take({ kind: 'start' })
    for (let waited = 0; waited < 60_000; waited += 1_000) {
      assert.ok(kinds(member.answer({ error: 'UNRELEASED_INSTANCE_ID' })).includes('schedule'))
      member.later(1_000)
      member.take({ kind: 'timer', key: 'heartbeat' })
    }
    assert.equal(
      only(member.answer({ error: 'UNRELEASED_INSTANCE_ID' }), 'fail').error,
      'UNRELEASED_INSTANCE_ID',
    )
  })
})

describe('heartbeats', () => {
  test('say nothing that the broker knows already', () => {
    const member = joined([0])
    assert.deepEqual(only(member.take({ kind: 'timer', key: 'heartbeat' }), 'heartbeat'), {
      kind: 'heartbeat',
      attempt: 3,
      memberEpoch: 2,
      isFull: false,
      owned: null,
    })
  })

  test('say everything again after one that was not answered', () => {
    const member = joined([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.take({ kind: 'unanswered', attempt: 3, reason: 'timeout' })
    const again = member.take({ kind: 'timer', key: 'heartbeat' })
    assert.partialDeepStrictEqual(only(again, 'heartbeat'), {
      memberEpoch: 2,
      isFull: true,
      owned: [idOf(0)],
    })
    member.answer({})
    assert.equal(only(member.take({ kind: 'timer', key: 'heartbeat' }), 'heartbeat').isFull, false)
  })

  test('are one at a time, and what was to be said meanwhile is said right after the answer', () => {
    const member = joined([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    const { drain } = only(member.named([0]), 'revoke')
    member.take({ kind: 'timer', key: 'heartbeat' })
    assert.deepEqual(member.take({ kind: 'drained', drain }), [])
    assert.deepEqual(only(member.answer({}), 'heartbeat').owned, [idOf(0)])
  })

  test('whose answer comes when another has been sent change nothing', () => {
    const member = joined([0])
    const before = member.state
    assert.deepEqual(member.take({ ...answerTo(1), memberEpoch: 9 }), [])
    assert.equal(member.state, before)
  })

  test('go on during a drain, and do not say yet that it is over', () => {
    const member = joined([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    member.named([0])
    assert.equal(only(member.take({ kind: 'timer', key: 'heartbeat' }), 'heartbeat').owned, null)
  })
})

describe('an assignment', () => {
  test('that takes something away is acknowledged only after that was drained', () => {
    const member = joined([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    const effects = member.named([0])
    assert.deepEqual(effects, [{ kind: 'revoke', drain: 1, partitions: [owned(1, 1)] }])
    assert.equal(member.epochOf(1), 1)
    const told = only(member.take({ kind: 'drained', drain: 1 }), 'heartbeat')
    assert.deepEqual([told.owned, told.memberEpoch, member.epochOf(1)], [[idOf(0)], 2, undefined])
  })

  test('that gives and takes lets the new start at once, and what stays keeps its epoch', () => {
    const member = joined([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [1, 2] })
    const effects = member.named([1, 2])
    assert.deepEqual(only(effects, 'assign').partitions, [owned(2, 2)])
    assert.deepEqual(only(effects, 'revoke').partitions, [owned(0, 1)])
    assert.deepEqual(only(effects, 'heartbeat').owned, [idOf(0), idOf(1), idOf(2)])
  })

  test('that gives back what is being drained waits for the drain and begins a new epoch', () => {
    const member = joined([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [] })
    member.named([])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    assert.deepEqual(kinds(member.named([0])), [])
    const effects = member.take({ kind: 'drained', drain: 1 })
    assert.deepEqual(only(effects, 'assign').partitions, [owned(0, 3)])
  })

  test('that comes during a drain is worked off after it', () => {
    const member = joined([0, 1, 2])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0, 1] })
    member.named([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    assert.deepEqual(kinds(member.named([0])), [])
    const effects = member.take({ kind: 'drained', drain: 1 })
    assert.deepEqual(only(effects, 'revoke'), {
      kind: 'revoke',
      drain: 2,
      partitions: [owned(1, 1)],
    })
    assert.deepEqual(only(effects, 'heartbeat').owned, [idOf(0), idOf(1)])
  })

  test('whose names come after a newer one are dropped', () => {
    const member = joined([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [1] })
    assert.deepEqual(
      member.take({ kind: 'named', assignment: 1, partitions: [namedAs(2)], epoch: 9 }),
      [],
    )
    assert.equal(member.epochOf(2), undefined)
  })

  test('of a topic that was made anew loses what was owned of the old one', () => {
    const member = joined([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    const effects = member.take({
      kind: 'named',
      assignment: 2,
      partitions: [{ ...namedAs(0), topicId: 'other' }],
      epoch: 2,
    })
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1)])
    assert.deepEqual(only(effects, 'assign').partitions, [owned(0, 2)])
    assert.deepEqual(only(effects, 'heartbeat').owned, [{ topicId: 'other', partition: 0 }])
  })

  test('of a topic that was made anew ends a drain of the old one: what goes next does not wait for it', () => {
    const member = joined([0])
    const assign = (assignment: number, topicId: string, partitions: readonly number[]) => {
      member.answer({ assignment: partitions })
      const named = partitions.map((partition) => ({ ...namedAs(partition), topicId }))
      return member.take({ kind: 'named', assignment, partitions: named, epoch: assignment })
    }
    member.take({ kind: 'timer', key: 'heartbeat' })
    assert.equal(only(assign(2, 'id', []), 'revoke').drain, 1)
    member.take({ kind: 'topic-remade', topic: 't' })
    assign(3, 'other', [0])
    const effects = assign(4, 'other', [])
    assert.deepEqual(only(effects, 'revoke'), {
      kind: 'revoke',
      drain: 2,
      partitions: [owned(0, 3)],
    })
    assert.deepEqual(member.take({ kind: 'drained', drain: 1 }), [])
  })

  test('is not waited for when the reader finds the topic made anew first', () => {
    const member = joined([0, 1])
    const effects = member.take({ kind: 'topic-remade', topic: 't' })
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1), owned(1, 1)])
    assert.partialDeepStrictEqual(only(effects, 'heartbeat'), { isFull: true, owned: [] })
  })

  test('is asked for in full after such a find, also when a heartbeat was under way then', () => {
    const member = joined([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    assert.deepEqual(kinds(member.take({ kind: 'topic-remade', topic: 't' })), ['lose'])
    assert.partialDeepStrictEqual(only(member.answer({}), 'heartbeat'), { isFull: true, owned: [] })
  })
})

describe('a member that is no longer one', () => {
  for (const error of ['FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID', 'GROUP_ID_NOT_FOUND'] as const)
    test(`answered ${error} loses everything, drains nothing, and joins at epoch 0`, () => {
      const member = joined([0, 1])
      member.take({ kind: 'timer', key: 'heartbeat' })
      const effects = member.answer({ error })
      assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1), owned(1, 1)])
      assert.partialDeepStrictEqual(only(effects, 'heartbeat'), {
        memberEpoch: 0,
        isFull: true,
        owned: [],
      })
      assert.equal(
        effects.some(({ kind }) => kind === 'revoke'),
        false,
      )
    })

  test('holds itself for fenced when nobody answered for a session, and joins anew', () => {
    const member = joined([0])
    member.later(10_000)
    const effects = member.take({ kind: 'timer', key: 'session' })
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1)])
    assert.equal(only(effects, 'heartbeat').memberEpoch, 0)
  })

  test('is not fresh after half a session without an answer, counted from when it asked', () => {
    const member = joined([0])
    member.later(5_000)
    assert.equal(isFresh(member.state, settings, member.nowMs), true)
    member.later(1)
    assert.equal(isFresh(member.state, settings, member.nowMs), false)
  })

  test('that drains when it is fenced loses what it drains, and the end of the drain says nothing', () => {
    const member = joined([0, 1])
    member.take({ kind: 'timer', key: 'heartbeat' })
    member.answer({ assignment: [0] })
    member.named([0])
    member.take({ kind: 'timer', key: 'heartbeat' })
    const effects = member.answer({ error: 'UNKNOWN_MEMBER_ID' })
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1), owned(1, 1)])
    assert.deepEqual(member.take({ kind: 'drained', drain: 1 }), [])
  })

  test('whose commit was refused for its epoch asks for the newer one at once', () => {
    const member = joined([0])
    const refused = { kind: 'refused', memberEpoch: 2, error: 'STALE_MEMBER_EPOCH' } as const
    assert.deepEqual(kinds(member.take(refused)), ['cancel', 'heartbeat'])
    assert.equal(member.epochOf(0), 1)
    assert.deepEqual(joined([0]).take({ ...refused, memberEpoch: 1 }), [])
  })

  test('of an instance id that another has taken over fails', () => {
    const member = joined([0], { isStatic: true })
    member.take({ kind: 'timer', key: 'heartbeat' })
    const effects = member.answer({ error: 'FENCED_INSTANCE_ID' })
    assert.equal(only(effects, 'fail').error, 'FENCED_INSTANCE_ID')
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1)])
  })

  test('whose broker went back to a time before the protocol loses everything and says so', () => {
    const member = joined([0])
    const effects = member.take({ kind: 'unsupported' })
    assert.deepEqual(only(effects, 'lose').partitions, [owned(0, 1)])
    assert.ok(only(effects, 'unsupported'))
  })
})

describe('leaving', () => {
  test('is for good, or for a static member for a while', () => {
    assert.equal(only(joined([0]).take({ kind: 'close' }), 'leave').memberEpoch, -1)
    assert.equal(
      only(joined([0], { isStatic: true }).take({ kind: 'close' }), 'leave').memberEpoch,
      -2,
    )
  })

  test('is told also when the join was not answered yet, and to nobody before it began', () => {
    const member = fixture()
    assert.equal(kinds(member.take({ kind: 'close' })).includes('leave'), false)
    const joining = fixture()
    joining.take({ kind: 'start' })
    assert.equal(only(joining.take({ kind: 'close' }), 'leave').memberEpoch, -1)
  })

  test('ends everything: no input changes anything any more', () => {
    const member = joined([0])
    member.take({ kind: 'close' })
    for (const input of [
      { kind: 'timer', key: 'heartbeat' },
      { kind: 'start' },
      answerTo(2),
      { kind: 'drained', drain: 1 },
    ] as const)
      assert.deepEqual(member.take(input), [])
  })
})

function fixture(overrides: Partial<ConsumerSettings> = {}) {
  let epoch = 0
  const member = {
    state: initialConsumer,
    nowMs: 0,
    take(input: ConsumerInput): readonly ConsumerEffect[] {
      const { state, effects } = step(
        member.state,
        input,
        { ...settings, ...overrides },
        member.nowMs,
      )
      member.state = state
      return effects
    },
    later: (ms: number) => void (member.nowMs += ms),
    /** The broker's answer to the heartbeat under way. */
    answer: ({
      assignment,
      ...rest
    }: {
      error?: KafkaErrorCode
      memberEpoch?: number
      intervalMs?: number
      assignment?: readonly number[]
    }) =>
      member.take({
        ...answerTo(member.state.attempt),
        memberEpoch: member.state.memberEpoch,
        sentMs: member.nowMs,
        ...rest,
        assignment: assignment?.map(idOf) ?? null,
      }),
    named: (partitions: readonly number[]) =>
      member.take({
        kind: 'named',
        assignment: member.state.assignment,
        partitions: partitions.map(namedAs),
        epoch: ++epoch,
      }),
    epochOf: (partition: number) =>
      member.state.owned.get(partitionKey({ topic: 't', partition }))?.epoch,
  }
  return member
}

function joined(partitions: readonly number[], overrides: Partial<ConsumerSettings> = {}) {
  const member = fixture(overrides)
  member.take({ kind: 'start' })
  member.answer({ memberEpoch: 2, assignment: partitions })
  member.named(partitions)
  member.answer({})
  return member
}

function answerTo(attempt: number) {
  return {
    kind: 'answered' as const,
    attempt,
    error: 'NONE' as KafkaErrorCode,
    memberEpoch: 2,
    intervalMs: 1_000,
    assignment: null,
    sentMs: 0,
  }
}

function idOf(partition: number) {
  return { topicId: 'id', partition }
}

function namedAs(partition: number) {
  return { topic: 't', ...idOf(partition) }
}

function owned(partition: number, epoch: number) {
  return { topic: 't', partition, epoch }
}

function kinds(effects: readonly ConsumerEffect[]): readonly string[] {
  return effects.map(({ kind }) => kind)
}

function only<Kind extends ConsumerEffect['kind']>(
  effects: readonly ConsumerEffect[],
  kind: Kind,
): ConsumerEffect & { kind: Kind } {
  const found = effects.filter((effect) => effect.kind === kind)
  assert.equal(
    found.length,
    1,
    `${found.length} effects of kind ${kind} in ${kinds(effects).join()}`,
  )
  return found[0] as ConsumerEffect & { kind: Kind }
}
