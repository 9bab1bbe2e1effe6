import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backoffMs, decide } from './decide.ts'
import type { Failure, RetryPolicy } from './decide.ts'

const policy: RetryPolicy = {
  attempts: 3,
  backoff: { kind: 'exponential', base: 100, max: 1_000, jitter: 'none' },
  when: () => true,
  finally: 'dead-letter',
  hasDeadLetters: true,
}
const threw: Failure = { kind: 'threw', error: new RangeError('too far') }

describe('decide', () => {
  test('a failure is tried again until its attempts are used up, the first one included', () => {
    assert.deepEqual(decide(threw, 1, policy, 0), { kind: 'retry', afterMs: 100 })
    assert.deepEqual(decide(threw, 2, policy, 0), { kind: 'retry', afterMs: 200 })
    assert.deepEqual(decide(threw, 3, policy, 0), {
      kind: 'dead-letter',
      reason: 'RangeError',
      error: 'too far',
    })
  })

  test('an error that will not go away is not tried again', () => {
    const hopeless = { ...policy, when: (error: unknown) => !(error instanceof RangeError) }
    assert.equal(decide(threw, 1, hopeless, 0).kind, 'dead-letter')
    assert.equal(decide({ kind: 'threw', error: new TypeError('x') }, 1, hopeless, 0).kind, 'retry')
  })

  test('a timeout is a failed attempt', () => {
    const timeout: Failure = { kind: 'aborted', cause: 'timeout' }
    assert.equal(decide(timeout, 1, policy, 0).kind, 'retry')
    assert.deepEqual(decide(timeout, 3, policy, 0), {
      kind: 'dead-letter',
      reason: 'handler-timeout',
      error: 'the handler was aborted: timeout',
    })
  })

  test('an invalid payload and an asked-for dead letter are never tried again', () => {
    assert.equal(
      decide({ kind: 'invalid', error: new Error('no') }, 1, policy, 0).kind,
      'dead-letter',
    )
    assert.deepEqual(decide({ kind: 'asked-dead-letter', reason: 'fraud' }, 1, policy, 0), {
      kind: 'dead-letter',
      reason: 'fraud',
      error: '',
    })
  })

  test('a retry that the handler asks for takes the time it says, and counts as an attempt', () => {
    const asked: Failure = { kind: 'asked-retry', afterMs: 7_777 }
    assert.deepEqual(decide(asked, 2, policy, 0), { kind: 'retry', afterMs: 7_777 })
    assert.equal(decide(asked, 3, policy, 0).kind, 'dead-letter')
  })

  test('without a place for dead letters nothing is dropped: it stops, unless skipping was asked for', () => {
    const nowhere = { ...policy, hasDeadLetters: false, finally: 'stop' as const }
    for (const failure of [
      threw,
      { kind: 'invalid', error: 0 },
      { kind: 'asked-dead-letter', reason: 'x' },
    ] as Failure[]) {
      assert.equal(decide(failure, 3, nowhere, 0).kind, 'stop')
      assert.equal(decide(failure, 3, { ...nowhere, finally: 'skip' }, 0).kind, 'skip')
    }
    assert.equal(
      decide({ kind: 'invalid', error: 0 }, 1, { ...policy, finally: 'skip' }, 0).kind,
      'dead-letter',
    )
  })

  test('whatever is thrown has words, and not too many', () => {
    const nasty = {
      toString: () => {
        throw new Error('no words')
      },
    }
    for (const error of [undefined, null, 7, 'text', {}, nasty, new Error('x'.repeat(100_000))]) {
      const decision = decide({ kind: 'threw', error }, 3, policy, 0)
      assert.ok(decision.kind === 'dead-letter' && decision.error.length <= 1_000)
    }
  })
})

describe('backoff', () => {
  test('grows by its factor up to its maximum, also after a great many attempts', () => {
    const wait = (attempt: number) =>
      backoffMs(
        { kind: 'exponential', base: '100ms', max: '2s', factor: 3, jitter: 'none' },
        attempt,
        null,
        0,
      )
    assert.deepEqual([1, 2, 3, 4, 1e9].map(wait), [100, 300, 900, 2_000, 2_000])
  })

  test('jitter is full by default: anywhere between nothing and the wait', () => {
    const backoff = { kind: 'fixed', base: 100 } as const
    assert.deepEqual(
      [0, 0.5, 0.99].map((chance) => backoffMs(backoff, 1, null, chance)),
      [0, 50, 99],
    )
    assert.equal(backoffMs({ ...backoff, jitter: 'equal' }, 1, null, 0.5), 75)
    assert.equal(backoffMs({ ...backoff, jitter: 'none' }, 1, null, 0.5), 100)
  })

  test('a function decides by attempt and error', () => {
    const backoff = (attempt: number, error: unknown) => (error === 'slow' ? '1m' : attempt) as '1m'
    assert.equal(backoffMs(backoff, 4, 'slow', 0), 60_000)
    assert.equal(backoffMs(backoff, 4, 'fast', 0), 4)
  })
})
