import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GroupDescription, GroupMember } from '../admin-port.ts'
import type { LagRow } from '../lag-model.ts'
import { clientAdvice } from './client-advice.ts'
import { groupAdvice } from './group-advice.ts'

/** Settings with which nothing is wrong. */
const sound: Readonly<Record<string, string>> = {
  'enable.auto.commit': 'false',
  'auto.offset.reset': 'earliest',
  'partition.assignment.strategy': 'cooperative-sticky',
}

describe('advice about a consumer’s settings', () => {
  test('has nothing to say where nothing is wrong', () => {
    assert.deepEqual(advised(sound, 5_000), [])
    assert.deepEqual(advised({ ...sound, 'enable.auto.commit': 'true' }, 100), [])
  })

  const cases: readonly (readonly [
    what: string,
    change: Readonly<Record<string, string>>,
    handlerMs: number | null,
    expected: readonly string[],
  ])[] = [
    [
      'auto-commit beside slow handlers',
      { 'enable.auto.commit': 'true' },
      7_500,
      ['warn auto-commit'],
    ],
    [
      'auto-commit beside handlers of unknown speed',
      { 'enable.auto.commit': 'true' },
      null,
      ['info auto-commit'],
    ],
    ['a poll loop that a 30 s request blocks', {}, 30_000, ['warn blocked-poll-loop']],
    [
      'a poll loop beyond its limit',
      { 'max.poll.interval.ms': '10000' },
      10_000,
      ['warn blocked-poll-loop'],
    ],
    [
      'a heartbeat that is more than a third of the session',
      { 'session.timeout.ms': '30000', 'heartbeat.interval.ms': '10001' },
      null,
      ['warn heartbeat-interval'],
    ],
    [
      'a tiny session timeout',
      { 'session.timeout.ms': '3000', 'heartbeat.interval.ms': '1000' },
      null,
      ['warn tiny-session-timeout'],
    ],
    ['a first start at the end', { 'auto.offset.reset': 'latest' }, null, ['info first-start']],
    [
      'an assignor that stops everything',
      { 'partition.assignment.strategy': 'range' },
      null,
      ['info stop-the-world'],
    ],
  ]
  for (const [what, change, handlerMs, expected] of cases)
    test(`names ${what}`, () => {
      assert.deepEqual(advised({ ...sound, ...change }, handlerMs), expected)
    })

  test('takes a heartbeat of exactly a third, as seed 001 prints it', () => {
    const printed = { 'session.timeout.ms': '30000', 'heartbeat.interval.ms': '10000' }
    assert.deepEqual(advised({ ...sound, ...printed }, null), [])
  })

  test('knows the defaults of what is not set', () => {
    assert.deepEqual(advised({}, 60_000), [
      'warn auto-commit',
      'warn blocked-poll-loop',
      'info first-start',
      'info stop-the-world',
    ])
  })

  test('gives every finding its fix', () => {
    for (const { fix, problem } of clientAdvice({ properties: new Map(), handlerMs: 400_000 }))
      assert.ok(fix.length > 10 && problem.length > 10)
  })
})

describe('advice about groups', () => {
  test('names members that have nothing to do, and how many would do', () => {
    const members = [member('a', [0]), member('b', [1]), member('c', [])]
    const [finding, ...more] = groupAdvice([{ group: group(members), rows: [] }])
    assert.deepEqual(more, [])
    assert.equal(finding?.rule, 'idle-members')
    assert.match(finding?.problem ?? '', /^3 members for 2 partitions: 1 idle \(c\)/)
    assert.match(finding?.fix ?? '', /at most as many members as partitions/)
  })

  test('does not take a rebalance for idleness', () => {
    const rebalancing = { ...group([member('a', [])]), state: 'PreparingRebalance' as const }
    assert.deepEqual(groupAdvice([{ group: rebalancing, rows: [] }]), [])
  })

  test('names lag that nobody works on, and not a group that has read all', () => {
    const empty = { ...group([]), state: 'Empty' as const }
    assert.deepEqual(
      groupAdvice([{ group: empty, rows: [row(0, 12)] }]).map(({ rule }) => rule),
      ['no-members'],
    )
    assert.deepEqual(groupAdvice([{ group: empty, rows: [row(0, 0)] }]), [])
  })

  test('names a partition that holds nearly all of the lag', () => {
    const rows = [row(0, 10), row(1, 9_000), row(2, 5), row(3, 0)]
    const [finding] = groupAdvice([{ group: group([member('a', [0, 1, 2, 3])]), rows }])
    assert.equal(finding?.rule, 'hot-partition')
    assert.match(finding?.problem ?? '', /100 % of its lag is on t\/1 \(9000 of 9015 records\)/)
    const even = [0, 1, 2, 3].map((partition) => row(partition, 1_000))
    assert.deepEqual(groupAdvice([{ group: group([member('a', [0])]), rows: even }]), [])
  })

  test('names too many groups', () => {
    const many = Array.from({ length: 200 }, () => ({
      group: { ...group([]), state: 'Empty' as const },
      rows: [],
    }))
    assert.deepEqual(
      groupAdvice(many).map(({ rule, severity }) => `${severity} ${rule}`),
      ['info many-groups'],
    )
  })
})

function advised(
  properties: Readonly<Record<string, string>>,
  handlerMs: number | null,
): readonly string[] {
  return clientAdvice({ properties: new Map(Object.entries(properties)), handlerMs }).map(
    ({ severity, rule }) => `${severity} ${rule}`,
  )
}

function group(members: readonly GroupMember[]): GroupDescription {
  return {
    groupId: 'g',
    type: 'Classic',
    state: 'Stable',
    protocolType: 'consumer',
    assignor: 'range',
    coordinator: { id: 1, host: 'h', port: 9_092 },
    epochs: null,
    members,
  }
}

function member(clientId: string, partitions: readonly number[]): GroupMember {
  return {
    memberId: `${clientId}-1`,
    groupInstanceId: null,
    clientId,
    host: '/127.0.0.1',
    assignment: partitions.length === 0 ? [] : [{ topic: 't', partitions }],
    memberEpoch: null,
    targetAssignment: null,
    targetEpoch: null,
    upgraded: null,
  }
}

function row(partition: number, lag: number): LagRow {
  return { topic: 't', partition, committed: null, logEndOffset: lag, lag, member: null }
}
