import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../core/index.ts'
import { resetSpec, topicScope, type TargetFlags } from './reset-spec.ts'

const NOW_MS = Date.parse('2026-11-21T12:00:00Z')
const clock: Clock = { wallMs: () => NOW_MS, monotonicMs: () => 0 }
const hoursAgo = (hours: number) => ({ kind: 'time', timestampMs: NOW_MS - hours * 3_600_000 })
const at = (text: string) => ({ kind: 'time', timestampMs: Date.parse(text) })

const targets: readonly (readonly [TargetFlags, object])[] = [
  [{ to: 'earliest' }, { kind: 'earliest' }],
  [{ to: 'latest' }, { kind: 'latest' }],
  [{ to: 'current' }, { kind: 'current' }],
  [{ to: '1234' }, { kind: 'offset', offset: 1234 }],
  [{ to: '+100' }, { kind: 'shift', by: 100 }],
  [{ to: '-100' }, { kind: 'shift', by: -100 }],
  [{ to: '@2026-11-21T10:00:00Z' }, at('2026-11-21T10:00:00Z')],
  [{ to: '@-2h' }, hoursAgo(2)],
  [{ to: 'group:other' }, { kind: 'group', groupId: 'other' }],
  [{ toEarliest: true }, { kind: 'earliest' }],
  [{ toLatest: true }, { kind: 'latest' }],
  [{ toCurrent: true }, { kind: 'current' }],
  [{ toOffset: '0' }, { kind: 'offset', offset: 0 }],
  [{ shiftBy: '-7' }, { kind: 'shift', by: -7 }],
  [{ toDatetime: '2026-11-21T10:00:00.000' }, at('2026-11-21T10:00:00Z')],
  [{ toDatetime: '2026-11-21T10:00:00+01:00' }, at('2026-11-21T09:00:00Z')],
  [{ byDuration: 'PT2H' }, hoursAgo(2)],
  [{ byDuration: 'P1DT1H30M1.5S' }, { kind: 'time', timestampMs: NOW_MS - 91_801_500 }],
  [{ byDuration: 'P2D' }, hoursAgo(48)],
  [{ byDuration: '90m' }, hoursAgo(1.5)],
  [{ fromFile: 'o.csv' }, { kind: 'file', path: 'o.csv' }],
]
for (const [flags, spec] of targets)
  test(`${JSON.stringify(flags)} is a target`, () => {
    assert.deepEqual(resetSpec(flags, clock), spec)
  })

const wrong: readonly TargetFlags[] = [
  {},
  { to: 'earliest', toOffset: '1' },
  ...['', 'end', '1e3', '--1', '@5', '@2026-13-01T00:00:00Z', 'group:', '99999999999999999'].map(
    (to) => ({ to }),
  ),
  ...['', '-5', '1.5'].map((toOffset) => ({ toOffset })),
  ...['', 'x', '99999999999999999'].map((shiftBy) => ({ shiftBy })),
  ...['', '2026-11-21', '2026-11-21T25:00:00', '5'].map((toDatetime) => ({ toDatetime })),
  ...['', 'P', 'PT', 'P1', '2d', '-PT1H', 'P99999999999999999D'].map((byDuration) => ({
    byDuration,
  })),
]
for (const flags of wrong)
  test(`${JSON.stringify(flags)} is refused`, () => {
    assert.throws(() => resetSpec(flags, clock), { code: 'SHOAL_INVALID_ARGUMENT' })
  })

test('a topic is meant whole, or some of its partitions', () => {
  assert.deepEqual(topicScope('orders'), { topic: 'orders', partitions: null })
  assert.deepEqual(topicScope('orders:0,12'), { topic: 'orders', partitions: [0, 12] })
  for (const text of ['', ':0', 'orders:', 'orders:a', 'orders:-1'])
    assert.throws(() => topicScope(text), { code: 'SHOAL_INVALID_ARGUMENT' })
})
