import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeCompletions } from './completion-map.ts'
import { CommitLedger } from './commit-ledger.ts'
import type { PartitionWork } from '../work.ts'
import type { CommitPosition, CommitResult } from '../source.ts'
import { workOf } from '../fixtures.test.ts'

function tracked(ledger: CommitLedger, work: PartitionWork, committed: number | null = 0): void {
  const { topic, partition, epoch } = work
  const startOffset = work.tracker.nextOffset
  const stored = committed === null ? null : { offset: committed, metadata: 'somebody’s own words' }
  ledger.track(work, { topic, partition, epoch, startOffset, committed: stored })
}

function finish(work: PartitionWork, count: number): void {
  for (let left = count; left > 0; left--)
    work.tracker.finish(work.tracker.deliver(work.tracker.nextOffset))
}

function answers(
  positions: readonly CommitPosition[],
  outcome: CommitResult['outcome'],
): CommitResult[] {
  return positions.map(({ topic, partition, epoch }) => ({ topic, partition, epoch, outcome }))
}

describe('the commit ledger', () => {
  test('a position is clean only when the broker answered, and only as far as was sent', () => {
    const [ledger, work] = [new CommitLedger(), workOf()]
    tracked(ledger, work)
    assert.deepEqual(ledger.plan(), [])
    finish(work, 3)
    const sent = ledger.plan()
    assert.deepEqual(
      sent.map(({ offset, epoch, metadata }) => ({ offset, epoch, metadata })),
      [{ offset: 3, epoch: 1, metadata: '' }],
    )
    finish(work, 2)
    assert.deepEqual(ledger.committed(), {})
    ledger.answer(sent, answers(sent, 'committed'))
    assert.deepEqual(ledger.committed(), { 'orders/0': 3 })
    assert.deepEqual(
      ledger.plan().map(({ offset }) => offset),
      [5],
    )
  })

  test('a source that acknowledges records is told what is done beyond the position, and no text', () => {
    const [ledger, work] = [new CommitLedger(0, true), workOf()]
    tracked(ledger, work)
    work.tracker.deliver(0)
    work.tracker.finish(work.tracker.deliver(1))
    const sent = ledger.plan()
    assert.deepEqual(
      sent.map(({ offset, metadata, completions }) => ({ offset, metadata, completions })),
      [{ offset: 0, metadata: '', completions: { base: 0, end: 2, open: [0] } }],
    )
    ledger.answer(sent, answers(sent, 'committed'))
    assert.deepEqual(ledger.plan(), [])
  })

  test('what was refused, and what the answer leaves out, stays to be sent', () => {
    const [ledger, work] = [new CommitLedger(), workOf()]
    tracked(ledger, work)
    finish(work, 3)
    const sent = ledger.plan()
    assert.equal(ledger.answer(sent, answers(sent, 'retry')).retry, true)
    assert.equal(ledger.answer(sent, []).retry, true)
    assert.deepEqual(ledger.plan(), sent)
  })

  test('a stale answer, and an answer to a former epoch, change nothing for the new one', () => {
    const ledger = new CommitLedger()
    const former = workOf({ epoch: 1 })
    tracked(ledger, former)
    finish(former, 9)
    const sent = ledger.plan()
    ledger.forget(former)
    assert.deepEqual(ledger.plan(), [])
    const current = workOf({ epoch: 2 })
    tracked(ledger, current)
    finish(current, 2)
    for (const outcome of ['committed', 'stale', 'retry'] as const)
      assert.equal(ledger.answer(sent, answers(sent, outcome)).retry, false)
    assert.deepEqual(
      ledger.plan().map(({ offset, epoch }) => [offset, epoch]),
      [[2, 2]],
    )
    const now = ledger.plan()
    ledger.answer(now, answers(now, 'stale'))
    finish(current, 1)
    assert.deepEqual(ledger.plan(), [])
  })

  test('an older answer that comes late does not take a position back', () => {
    const [ledger, work] = [new CommitLedger(), workOf()]
    tracked(ledger, work)
    finish(work, 2)
    const older = ledger.plan()
    finish(work, 2)
    const newer = ledger.plan()
    ledger.answer(newer, answers(newer, 'committed'))
    ledger.answer(older, answers(older, 'committed'))
    assert.deepEqual(ledger.plan(), [])
  })

  test('where a group began is committed at once when it had committed nothing, or something else', () => {
    const ledger = new CommitLedger()
    tracked(ledger, workOf({ partition: 0, startOffset: 40 }), null)
    tracked(ledger, workOf({ partition: 1, startOffset: 40 }), 17)
    tracked(ledger, workOf({ partition: 2, startOffset: 40 }), 40)
    assert.deepEqual(
      ledger.plan().map(({ partition, offset }) => [partition, offset]),
      [
        [0, 40],
        [1, 40],
      ],
    )
  })

  test('can be asked whether some partitions have something to store', () => {
    const ledger = new CommitLedger()
    const works = [0, 1].map((partition) => workOf({ partition }))
    for (const work of works) tracked(ledger, work)
    assert.equal(ledger.isDirty(), false)
    finish(works[1]!, 1)
    assert.equal(ledger.isDirty(), true)
    assert.equal(ledger.isDirty([works[0]!]), false)
    assert.equal(ledger.isDirty([works[1]!]), true)
  })

  test('what finished beyond the position goes with it as a map, and is stored by an answer alone', () => {
    const [ledger, work] = [new CommitLedger(4_096), workOf()]
    tracked(ledger, work)
    const [, second] = [work.tracker.deliver(0), work.tracker.deliver(1)]
    work.tracker.finish(second)
    const sent = ledger.plan()
    assert.equal(sent[0]?.offset, 0)
    const decoded = decodeCompletions(sent[0].metadata, 0)
    assert.deepEqual(decoded, { kind: 'map', completions: { base: 0, end: 2, open: [0] } })
    ledger.answer(sent, answers(sent, 'retry'))
    assert.equal(ledger.isDirty(), true)
    ledger.answer(sent, answers(sent, 'committed'))
    assert.equal(ledger.isDirty(), false)
  })
})
