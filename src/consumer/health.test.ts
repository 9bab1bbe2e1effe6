import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assessHealth } from './health.ts'
import type { HealthFacts } from './health.ts'

const fine: HealthFacts = {
  stuckAfterMs: 60_000,
  pausedWhy: null,
  failed: null,
  ownershipInDoubt: false,
  heldBy: [],
  noProgressMs: 0,
  buffered: 0,
  oldestInFlightMs: 12,
  retrying: 0,
  lettersWaiting: 0,
  commitFailures: 0,
  commitPendingMs: 0,
  detached: 0,
  parked: { keys: 0, records: 0 },
  fullMaps: [],
  starved: [],
}

describe('health', () => {
  test('is ok when everything moves, however long nothing came', () => {
    const health = assessHealth({ ...fine, noProgressMs: 1e9 })
    assert.deepEqual(health, { status: 'ok', reasons: [], oldestInFlightMs: 12, blockedKeys: 0 })
  })

  test('is stuck when records wait, here or at the broker, and nothing moves', () => {
    for (const [facts, reason] of [
      [{ buffered: 3, noProgressMs: 61_000 }, /^3 records wait and none has finished for 61 s$/],
      [
        { starved: [{ id: 'orders/3', waiting: 12, forMs: 90_000 }] },
        /^orders\/3: 12 records wait at the broker/,
      ],
      [{ commitPendingMs: 60_000 }, /^a commit has had no answer for 60 s$/],
    ] as [Partial<HealthFacts>, RegExp][]) {
      const { status, reasons } = assessHealth({ ...fine, ...facts })
      assert.equal(status, 'stuck')
      assert.match(reasons[0] ?? '', reason)
      assert.equal(assessHealth({ ...fine, ...facts, stuckAfterMs: 1e9 }).status, 'ok')
    }
  })

  test('is degraded, never stuck, when its user paused it', () => {
    const health = assessHealth({ ...fine, pausedWhy: 'deploy', buffered: 3, noProgressMs: 1e9 })
    assert.deepEqual([health.status, health.reasons], ['degraded', ['paused: deploy']])
  })

  test('names everything that somebody should look at', () => {
    const { status, reasons, blockedKeys } = assessHealth({
      ...fine,
      ownershipInDoubt: true,
      retrying: 2,
      lettersWaiting: 1,
      commitFailures: 4,
      detached: 1,
      failed: 'orders/0 offset 7 failed',
    })
    assert.deepEqual([status, reasons.length, blockedKeys], ['degraded', 6, 3])
  })
})
