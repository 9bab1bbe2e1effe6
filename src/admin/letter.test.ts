import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { deadLetterHeaders } from '../core/index.ts'
import type { StoredLetter } from './broker-port.ts'
import { letterFacts, redriveVerdict, type RedriveRules } from './letter.ts'

const ALL: RedriveRules = { to: null, reason: null, group: null, only: new Set(), maxRedrives: 3 }

describe('a dead letter', () => {
  test('says what the runtime wrote into it', () => {
    assert.deepEqual(letterFacts(letter()), {
      id: 'billing/orders/2/7',
      reason: 'RangeError',
      error: 'too much',
      attempts: 3,
      group: 'billing',
      originTopic: 'orders',
      originPartition: 2,
      originOffset: 7,
      firstFailureMs: 1_000,
      lastFailureMs: 2_000,
      redriven: 0,
    })
  })

  test('of any headers says nothing that is not there, and never fails', () => {
    const header = fc.record({
      key: fc.constantFrom('shoal-dlq-attempts', 'shoal-dlq-redriven', 'shoal-dlq-reason', 'x'),
      value: fc.option(fc.uint8Array()),
    })
    fc.assert(
      fc.property(fc.array(header), (headers) => {
        const { attempts, redriven } = letterFacts({ headers })
        assert.ok(attempts === null || Number.isSafeInteger(attempts))
        assert.ok(Number.isSafeInteger(redriven))
      }),
    )
  })

  test('goes back to its origin with its headers, and counts how often', () => {
    const first = redriveVerdict(letter(), ALL, 'orders-dlq')
    assert.ok(first.kind === 'move')
    const { topic, partition, headers } = first.destination
    assert.deepEqual([topic, partition], ['orders', 2])
    assert.deepEqual(headers.slice(0, -1), letter().headers)
    const facts = letterFacts({ headers })
    assert.deepEqual([facts.redriven, facts.originOffset], [1, 7])
    const second = redriveVerdict({ ...letter(), headers }, ALL, 'orders-dlq')
    assert.ok(second.kind === 'move')
    assert.equal(letterFacts(second.destination).redriven, 2)
    assert.equal(second.destination.headers.length, headers.length)
  })

  test('stays when it was sent back too often, has no origin, or would come to where it is', () => {
    const often = { ...letter(), headers: [...letter().headers, header('redriven', '3')] }
    assert.deepEqual(redriveVerdict(often, ALL, 'orders-dlq'), {
      kind: 'stays',
      why: 'sent back too often',
    })
    const stranger = { ...letter(), headers: [] }
    assert.deepEqual(redriveVerdict(stranger, ALL, 'd'), { kind: 'stays', why: 'no origin' })
    assert.deepEqual(redriveVerdict(letter(), ALL, 'orders'), { kind: 'stays', why: 'no origin' })
    const sent = redriveVerdict(stranger, { ...ALL, to: 'repair' }, 'd')
    assert.ok(sent.kind === 'move')
    assert.deepEqual([sent.destination.topic, sent.destination.partition], ['repair', null])
  })

  test('is asked for by its id, its place, its group, its reason or the words of its error', () => {
    const cases: readonly (readonly [Partial<RedriveRules>, boolean])[] = [
      [{ only: new Set(['billing/orders/2/7']) }, true],
      [{ only: new Set(['orders-dlq/0@1']) }, true],
      [{ only: new Set(['other']) }, false],
      [{ group: 'billing' }, true],
      [{ group: 'shipping' }, false],
      [{ reason: 'Range' }, true],
      [{ reason: 'too much' }, true],
      [{ reason: 'Timeout' }, false],
    ]
    for (const [rules, moves] of cases)
      assert.equal(
        redriveVerdict(letter(), { ...ALL, ...rules }, 'orders-dlq').kind,
        moves ? 'move' : 'other',
      )
  })
})

function letter(): StoredLetter {
  return {
    place: 'orders-dlq/0@1',
    timestampMs: 3_000,
    key: null,
    value: new TextEncoder().encode('{}'),
    headers: deadLetterHeaders(
      [{ key: 'trace', value: null }],
      { topic: 'orders', partition: 2, offset: 7, timestampMs: 500 },
      {
        group: 'billing',
        reason: 'RangeError',
        error: 'too much',
        attempts: 3,
        firstFailureMs: 1_000,
        lastFailureMs: 2_000,
      },
    ),
  }
}

function header(name: string, text: string) {
  return { key: `shoal-dlq-${name}`, value: new TextEncoder().encode(text) }
}
