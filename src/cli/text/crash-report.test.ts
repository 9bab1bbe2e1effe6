import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CrashReport } from '../../testing/index.ts'
import { crashReportText } from './crash-report.ts'

const clean: CrashReport = {
  done: 4_000,
  settled: 0,
  lost: [],
  outOfOrder: [],
  repeated: 212,
  inFlight: 300,
  explainedByPosition: 731,
  explainedByCompletion: 731,
  records: 4_000,
  keys: 200,
  partitions: 8,
  members: 1,
  kills: 3,
  stops: 1,
  seed: 4_711,
  order: 'key',
  unexpectedExits: [],
  durationMs: 6_163.2,
  passed: true,
}

describe('the report of a crash ledger', () => {
  test('says what was lost, out of order and repeated', () => {
    assert.equal(
      crashReportText(clean),
      `records       4000 of 4000 done, 200 keys, 8 partitions
lost          0
out of order  0
repeated      212, the crashes explain at most 731
in flight     300 at the crashes
crashes       3 SIGKILLs, 1 SIGSTOP, 1 at work
took          6.2 s, seed 4711
PASSED: nothing lost, nothing out of order
`,
    )
  })

  test('names the first ten of what is wrong', () => {
    const lost = Array.from({ length: 12 }, (_, index) => `key-${index}/0`)
    const text = crashReportText({
      ...clean,
      lost,
      outOfOrder: ['key-1/1 by worker-2'],
      settled: 2,
      unexpectedExits: ['worker-2 (exit code 1)\nError: out of disk'],
      passed: false,
    })
    assert.match(text, /^lost {10}12: key-0\/0, .*key-9\/0 and 2 more$/m)
    assert.match(text, /^out of order {2}1: key-1\/1 by worker-2$/m)
    assert.match(text, /^not done {6}2 in the dead letters or skipped$/m)
    assert.match(text, /^ended alone {3}worker-2 \(exit code 1\)\nError: out of disk$/m)
    assert.match(text, /^FAILED: 12 lost, 1 out of order, 1 process ended alone$/m)
  })

  test('does not blame disorder where no order was promised', () => {
    const text = crashReportText({ ...clean, order: 'none', outOfOrder: ['key-1/1 by worker-1'] })
    assert.match(text, /out of order {2}1: .* \(order: none promises none\)/)
    assert.match(text, /PASSED/)
  })
})
