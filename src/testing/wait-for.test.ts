import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { telemetry } from '../consumer/index.ts'
import { VirtualClock } from '../core/index.ts'
import { waitFor } from './wait-for.ts'

describe('waiting for a condition', () => {
  test('gives what the look found', async () => {
    assert.equal(await waitFor(() => 7), 7)
  })

  test('looks again after a while', async () => {
    const clock = new VirtualClock()
    let looks = 0
    const waiting = waitFor(() => ++looks === 3, { timers: clock, lookAgainMs: 50 })
    await clock.advance(49)
    assert.equal(looks, 1)
    await clock.advance(51)
    assert.equal(await waiting, true)
  })

  test('looks at once when the runtime tells something', async () => {
    const clock = new VirtualClock()
    let isTrue = false
    const waiting = waitFor(() => isTrue, { timers: clock })
    await clock.advance(0)
    isTrue = true
    telemetry.rebalance.publish({ group: 'g', kind: 'assigned', partitions: [] })
    assert.equal(await waiting, true)
    assert.equal(clock.monotonicMs(), 0)
  })

  test('says what it waited for when the limit is over, and leaves no timer behind', async () => {
    const clock = new VirtualClock()
    const waiting = waitFor(() => null, { timers: clock, what: 'pigs fly', limitMs: 1_000 })
    const failed = assert.rejects(waiting, {
      code: 'SHOAL_REQUEST_TIMEOUT',
      message: 'waited 1000 ms in vain until pigs fly',
    })
    await clock.advance(1_000)
    await failed
    assert.equal(clock.pendingCount, 0)
  })

  test('rejects with what the look throws', async () => {
    await assert.rejects(
      waitFor(() => {
        throw new Error('cannot look')
      }),
      /cannot look/,
    )
  })
})
