import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { StoredLetter } from '../../admin/index.ts'
import { deadLetterHeaders } from '../../core/index.ts'
import {
  deadLetterTable,
  letterJson,
  letterText,
  redriveSummary,
  redriveTable,
} from './letter-text.ts'

describe('dead letters in words', () => {
  test('say where they stand, why they are there and what is in them', () => {
    assert.equal(
      letterText(letter()),
      `orders-dlq/0@12  2026-11-21T10:00:05.000Z  from orders/2@7  group billing  3 attempts
  reason   RangeError
  error    too much: 2
  id       billing/orders/2/7
  failed   2026-11-21T10:00:01.000Z first, 2026-11-21T10:00:04.000Z last
  key      k
  value    {"amount":2}
  headers  trace=t-1
`,
    )
  })

  test('of strangers show what is there, and nothing that a terminal would obey', () => {
    const [key, value] = [Buffer.from([0xff, 0xfe]), Buffer.from('a\u001b[2Jb\nc')]
    const reason = { key: 'shoal-dlq-reason', value: Buffer.from('bad\u001b]0;title\u0007') }
    const stranger = { place: 'd#1', timestampMs: null, key, value, headers: [] }
    assert.match(letterText({ ...stranger, headers: [reason] }), /reason {2}bad \]0;title \n/)
    assert.equal(letterText(stranger), 'd#1\n  key    2 bytes, not UTF-8\n  value  a [2Jb c\n')
    assert.deepEqual(letterJson({ ...stranger, value: null }), {
      place: 'd#1',
      timestamp: null,
      id: null,
      reason: null,
      error: null,
      attempts: null,
      group: null,
      originTopic: null,
      originPartition: null,
      originOffset: null,
      firstFailureMs: null,
      lastFailureMs: null,
      redriven: 0,
      key: { base64: '//4=' },
      value: null,
      headers: [],
    })
  })

  test('are counted by topic, and a plan by destination', () => {
    assert.equal(
      deadLetterTable([
        { topic: 'orders-dlq', letterCount: 12, oldestMs: 3_660_000 },
        { topic: 'a-dlq', letterCount: 0, oldestMs: null },
      ]),
      'TOPIC       LETTERS  OLDEST\norders-dlq  12       1h1m\na-dlq       0        -\n',
    )
    const plan = {
      topic: 'orders-dlq',
      moves: [{ to: 'orders', reason: 'RangeError', letterCount: 2 }],
      moveCount: 2,
      otherCount: 1,
      withoutOriginCount: 0,
      tooOftenCount: 1,
      isCut: false,
    }
    assert.equal(
      redriveTable(plan),
      'FROM        TO      LETTERS  REASON\norders-dlq  orders  2        RangeError\n',
    )
    assert.equal(
      redriveSummary(plan),
      '2 letters go back; what stays: 1 letter not asked for, 1 letter sent back too often (--max-redrives)',
    )
    assert.equal(
      redriveSummary({ ...plan, moveCount: 1, otherCount: 0, tooOftenCount: 0, isCut: true }),
      '1 letter goes back; more letters are there than a plan looks at',
    )
  })
})

function letter(): StoredLetter {
  const atMs = Date.UTC(2026, 10, 21, 10)
  return {
    place: 'orders-dlq/0@12',
    timestampMs: atMs + 5_000,
    key: Buffer.from('k'),
    value: Buffer.from('{"amount":2}'),
    headers: deadLetterHeaders(
      [{ key: 'trace', value: Buffer.from('t-1') }],
      { topic: 'orders', partition: 2, offset: 7, timestampMs: atMs },
      {
        group: 'billing',
        reason: 'RangeError',
        error: 'too much: 2',
        attempts: 3,
        firstFailureMs: atMs + 1_000,
        lastFailureMs: atMs + 4_000,
      },
    ),
  }
}
