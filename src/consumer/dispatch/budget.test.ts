import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Budget } from './budget.ts'
import type { Usage } from './budget.ts'

const calm = { fullLanes: 0, span: 0, mapFill: 0, parkedFill: 0 }
const usage = (): Usage => ({ records: 0, bytes: 0, paused: false })

function budget(): Budget {
  return new Budget({
    records: 100,
    bytes: 10_000,
    partitionRecords: 50,
    partitionBytes: 1_000,
    window: 200,
    pausesOnFullMap: true,
  })
}

describe('the budget', () => {
  test('a partition pauses at its limit of records or bytes and goes on at 70 %', () => {
    for (const [records, bytes] of [
      [50, 0],
      [0, 1_000],
    ] as const) {
      const [whole, one] = [budget(), usage()]
      whole.take(one, records, bytes)
      assert.equal(whole.mustPause(one, calm), 'buffer')
      whole.release(one, records * 0.28, bytes * 0.28)
      assert.equal(whole.mayResume(one, calm), false)
      whole.release(one, records * 0.02, bytes * 0.02)
      assert.equal(whole.mayResume(one, calm), true)
    }
  })

  test('only the offender pauses', () => {
    const [whole, greedy, modest] = [budget(), usage(), usage()]
    whole.take(greedy, 60, 10)
    whole.take(modest, 1, 10)
    assert.deepEqual(
      [whole.mustPause(greedy, calm), whole.mustPause(modest, calm)],
      ['buffer', null],
    )
  })

  test('when the whole is full everybody who delivers pauses, until 70 %', () => {
    const [whole, a, b, c] = [budget(), usage(), usage(), usage()]
    for (const one of [a, b, c]) whole.take(one, 34, 10)
    assert.deepEqual([whole.full, whole.mustPause(a, calm)], [true, 'buffer'])
    assert.equal(whole.release(a, 30, 0), false)
    assert.equal(whole.mayResume(a, calm), false)
    assert.equal(whole.release(b, 2, 0), true)
    assert.deepEqual([whole.full, whole.mayResume(a, calm)], [false, true])
  })

  test('a full key and a window that is too wide hold their partition', () => {
    const [whole, one] = [budget(), usage()]
    for (const pressure of [
      { fullLanes: 1, span: 0, mapFill: 0, parkedFill: 0 },
      { fullLanes: 0, span: 200, mapFill: 0, parkedFill: 0 },
    ]) {
      assert.equal(whole.mustPause(one, pressure), 'buffer')
      assert.equal(whole.mayResume(one, pressure), false)
    }
    assert.equal(whole.mayResume(one, { fullLanes: 0, span: 140, mapFill: 0, parkedFill: 0 }), true)
  })

  test('a completion map that does not fit holds its partition until 70 %, where it is asked to', () => {
    const [whole, one] = [budget(), usage()]
    assert.equal(whole.mustPause(one, { ...calm, mapFill: 1 }), 'completion-map')
    assert.equal(whole.mayResume(one, { ...calm, mapFill: 0.8 }), false)
    assert.equal(whole.mayResume(one, { ...calm, mapFill: 0.7 }), true)
  })
})
