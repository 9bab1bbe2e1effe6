import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../core/index.ts'
import { bytes } from '../fixture.test.ts'
import type { GenerationRecord, MemberRecord } from '../records.ts'
import { applyRecord, type ClassicRecord, snapshotOf, unknownGroup } from './classic-group.ts'

const at = (moment: number) => ({ wallMs: 1_000 + moment, observedMs: moment })
const rebalance = {
  cause: 'member_left',
  memberId: 'a',
  clientId: 'client',
  groupInstanceId: null,
  detail: '',
  startedMs: 1_000,
} as const
const removed = (memberId: string, moment: number): ClassicRecord => ({
  kind: 'member-removed',
  groupId: 'g',
  memberId,
  at: at(moment),
  rebalance,
})

describe('the hard state of a group', () => {
  test('is idle from the moment in which the last member went, by whatever record', () => {
    assert.deepEqual(after(generation({ members: [], leader: null, at: at(3) })).idleSince, at(3))
    assert.deepEqual(after(generation(), removed('a', 4), removed('b', 5)).idleSince, at(5))
  })

  test('is idle from the last commit when nobody is in, and commits of members do not count', () => {
    const commit: ClassicRecord = {
      kind: 'offsets-committed',
      groupId: 'g',
      commitTimestampMs: 1_009,
      expireTimestampMs: null,
      observedMs: 9,
      topics: [],
    }
    assert.deepEqual(after(commit).idleSince, at(9))
    assert.deepEqual(after(generation(), commit).idleSince, after(generation()).idleSince)
  })

  test('keeps the first cause of a rebalance when more goes wrong', () => {
    const other: ClassicRecord = {
      ...removed('b', 5),
      kind: 'member-removed',
      groupId: 'g',
      memberId: 'b',
      at: at(5),
      rebalance: { ...rebalance, cause: 'session_timeout' },
    }
    const quiet = generation({ rebalance: null })
    assert.deepEqual(after(quiet, removed('a', 4), other).rebalance, rebalance)
  })

  test('is its own snapshot', () => {
    const group = after(generation(), removed('a', 4))
    assert.deepEqual(applyRecord(unknownGroup('g'), snapshotOf(group)), group)
  })
})

describe('a record that cannot follow stops the instance', () => {
  const impossible: readonly (readonly [string, readonly ClassicRecord[]])[] = [
    ['a generation that skips one', [generation({ generation: 2 })]],
    ['a generation that was before', [generation(), generation()]],
    ['a leader who is no member', [generation({ leader: 'x' })]],
    ['members without a leader', [generation({ leader: null })]],
    ['the same member twice', [generation({ members: [member('a'), member('a')] })]],
    ['the same instance twice', [generation({ members: [member('a', 'i'), member('b', 'i')] })]],
    ['an assignment of another generation', [generation(), assigned('a', 2)]],
    ['an assignment to nobody', [generation(), assigned('x', 1)]],
    ['a second assignment', [generation(), assigned('a', 1), assigned('a', 1)]],
    ['the removal of nobody', [generation(), removed('x', 1)]],
    [
      'the replacement of nobody',
      [
        generation(),
        { kind: 'member-replaced', groupId: 'g', memberId: 'x', replacement: member('y') },
      ],
    ],
    [
      'a replacement of another instance',
      [
        generation(),
        { kind: 'member-replaced', groupId: 'g', memberId: 'a', replacement: member('y', 'i') },
      ],
    ],
    [
      'a replacement by a member that is there',
      [
        generation(),
        { kind: 'member-replaced', groupId: 'g', memberId: 'a', replacement: member('b') },
      ],
    ],
  ]
  for (const [what, records] of impossible)
    test(`such as ${what}`, () => {
      assert.throws(
        () => after(...records),
        (error: unknown) => error instanceof ShoalError && error.code === 'SHOAL_INVARIANT',
      )
    })
})

function after(...records: readonly ClassicRecord[]) {
  return records.reduce(applyRecord, unknownGroup('g'))
}

function generation(over: Partial<GenerationRecord> = {}): GenerationRecord {
  return {
    kind: 'generation',
    groupId: 'g',
    generation: 1,
    protocolType: 'consumer',
    protocolName: 'range',
    leader: 'a',
    members: [member('a'), member('b')],
    at: at(0),
    rebalance,
    durationMs: null,
    ...over,
  }
}

function assigned(memberId: string, number: number): ClassicRecord {
  return {
    kind: 'assigned',
    groupId: 'g',
    generation: number,
    assignments: [{ memberId, assignment: bytes(1) }],
    durationMs: 1,
  }
}

function member(memberId: string, groupInstanceId: string | null = null): MemberRecord {
  return {
    memberId,
    groupInstanceId,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocols: [],
    assignment: bytes(),
  }
}
