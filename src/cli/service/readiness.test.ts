import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Health } from '../../consumer/index.ts'
import { assessReadiness } from './readiness.ts'

const well: Health = { status: 'ok', reasons: [], oldestInFlightMs: 1_250, blockedKeys: 0 }
const ready = { hasJoined: true, isStopping: false, health: well, firing: [] }

describe('a service is ready', () => {
  test('when it is in its group, takes records and moves', () => {
    const { isReady, checks } = assessReadiness(ready)
    assert.equal(isReady, true)
    assert.equal(checks.progress.message, 'ok; the oldest handler has run for 1.3 s; 0 keys wait')
  })

  const failing = [
    ['before it has joined', { hasJoined: false }, 'group'],
    ['while it stops', { isStopping: true }, 'running'],
    ['when it is stuck', { health: { ...well, status: 'stuck' } }, 'progress'],
  ] as const
  for (const [when, change, name] of failing)
    test(`not ${when}`, () => {
      const { isReady, checks } = assessReadiness({ ...ready, ...change })
      const failed = Object.entries(checks).filter(([, { status }]) => status === 'fail')
      assert.deepEqual([isReady, failed.map(([check]) => check)], [false, [name]])
    })

  test('although it is degraded or far behind, and says why', () => {
    const health: Health = { ...well, status: 'degraded', reasons: ['2 dead letters wait'] }
    const { isReady, checks } = assessReadiness({ ...ready, health, firing: ['behind'] })
    assert.equal(isReady, true)
    assert.match(checks.progress.message, /^degraded; 2 dead letters wait; /)
    assert.equal(checks.lag.message, 'alerts: behind')
  })
})
