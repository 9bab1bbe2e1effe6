import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { thrown, verdictOf } from './outcome.ts'
import { InvalidPayload } from '../payload.ts'

describe('what a handler says', () => {
  test('returning anything but an outcome means done', () => {
    for (const value of [undefined, null, 0, true, 'skip', {}, [], { ok: true }])
      assert.deepEqual(verdictOf(value), { kind: 'handled' })
  })

  test('outcomes are told by their field', () => {
    assert.deepEqual(verdictOf({ skip: 'old' }), { kind: 'skipped' })
    assert.deepEqual(verdictOf({ retry: '2s' }), { kind: 'asked-retry', afterMs: 2_000 })
    assert.deepEqual(verdictOf({ deadLetter: 'fraud' }), {
      kind: 'asked-dead-letter',
      reason: 'fraud',
    })
  })

  test('a retry after nonsense is a failed attempt that says so', () => {
    const verdict = verdictOf({ retry: 'soon' })
    assert.ok(verdict.kind === 'threw' && /retry that is no duration/.test(String(verdict.error)))
  })

  test('only the payload reader can call a payload invalid', () => {
    assert.equal(thrown(new InvalidPayload('x')).kind, 'invalid')
    assert.equal(thrown(new Error('x')).kind, 'threw')
  })
})
