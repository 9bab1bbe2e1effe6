import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deadLetterOf, originOf } from './dead-letter.ts'
import type { RecordHeader } from '../source.ts'
import { recordOf } from '../fixtures.test.ts'

const facts = {
  group: 'billing',
  topic: 'orders.dlq',
  reason: 'TypeError',
  error: 'no such ünit',
  attempts: 5,
  firstFailureMs: 10,
  lastFailureMs: 20,
}
const partition = { topic: 'orders', partition: 3 }

describe('dead letters', () => {
  test('carry the record byte for byte and why it is there', () => {
    const key = Uint8Array.of(0, 255)
    const record = recordOf(42, key, [{ key: 'trace', value: Uint8Array.of(1) }])
    const letter = deadLetterOf({ record, partition }, facts)
    assert.deepEqual(
      [letter.topic, letter.partition, letter.key, letter.value],
      ['orders.dlq', null, key, record.value],
    )
    assert.deepEqual(plain(letter.headers.slice(1)), {
      'shoal-dlq-id': 'billing/orders/3/42',
      'shoal-dlq-reason': 'TypeError',
      'shoal-dlq-error': 'no such ünit',
      'shoal-dlq-attempts': '5',
      'shoal-dlq-group': 'billing',
      'shoal-dlq-origin-topic': 'orders',
      'shoal-dlq-origin-partition': '3',
      'shoal-dlq-origin-offset': '42',
      'shoal-dlq-origin-timestamp': '1042',
      'shoal-dlq-first-failure': '10',
      'shoal-dlq-last-failure': '20',
    })
    assert.deepEqual(letter.headers[0], { key: 'trace', value: Uint8Array.of(1) })
  })

  test('a record that was redriven keeps its first origin and has each header once', () => {
    const first = deadLetterOf({ record: recordOf(42), partition }, facts)
    const redriven = { ...recordOf(7_000), headers: first.headers }
    const again = deadLetterOf(
      { record: redriven, partition: { topic: 'orders', partition: 9 } },
      { ...facts, reason: 'RangeError' },
    )
    const headers = plain(again.headers)
    assert.equal(again.headers.length, first.headers.length)
    assert.equal(headers['shoal-dlq-id'], 'billing/orders/3/42')
    assert.equal(headers['shoal-dlq-reason'], 'RangeError')
  })

  test('a record with an id of its own is known by it, also after a redrive', () => {
    const id = 'b7'
    const first = deadLetterOf({ record: { ...recordOf(0), id }, partition }, facts)
    const again = deadLetterOf(
      { record: { ...recordOf(9), id: 'c8', headers: first.headers }, partition },
      facts,
    )
    for (const { headers } of [first, again])
      assert.equal(plain(headers)['shoal-dlq-id'], 'billing/orders/3/b7')
    assert.equal(again.headers.length, first.headers.length)
  })

  test('an origin that somebody made up in part is not believed', () => {
    const header = (name: string, value: string): RecordHeader => ({
      key: `shoal-dlq-origin-${name}`,
      value: new TextEncoder().encode(value),
    })
    const own = { topic: 'orders', partition: 3, offset: 42, timestampMs: 1_042 }
    for (const headers of [
      [header('topic', 'x')],
      [
        header('topic', 'x'),
        header('partition', '-1'),
        header('offset', '1'),
        header('timestamp', '1'),
      ],
      [
        header('topic', 'x'),
        header('partition', '1'),
        header('offset', '9'.repeat(16)),
        header('timestamp', '1'),
      ],
      [
        header('topic', 'x'),
        header('partition', '1e3'),
        header('offset', '1'),
        header('timestamp', '1'),
      ],
    ])
      assert.deepEqual(originOf({ record: recordOf(42, null, headers), partition }), own)
  })
})

function plain(headers: readonly RecordHeader[]): Record<string, string> {
  return Object.fromEntries(
    headers.map(({ key, value }) => [key, new TextDecoder().decode(value ?? undefined)]),
  )
}
