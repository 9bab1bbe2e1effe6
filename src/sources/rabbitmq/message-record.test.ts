import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { contentOf, messageOf, recordOf, routingKeyOf } from './message-record.ts'

const bytes = fc.uint8Array({ maxLength: 20 })
const nullable = fc.option(bytes, { nil: null })
const text = (words: string) => new TextEncoder().encode(words)

describe('AMQP messages as records', () => {
  test('keys, values and headers come back byte for byte, nulls and repeated names too', () => {
    const plain = { noNullPrototype: true }
    const header = fc.record(
      { key: fc.constantFrom('a', 'b', '', 'shoal-key'), value: nullable },
      plain,
    )
    const content = fc.record(
      { key: nullable, value: nullable, headers: fc.array(header, { maxLength: 4 }) },
      plain,
    )
    fc.assert(
      fc.property(content, (record) => {
        const back = contentOf(messageOf(record, 5))
        assert.deepEqual(unwrapped(back), unwrapped(record))
      }),
    )
  })

  test('headers of other producers become texts, what RabbitMQ adds is left out', () => {
    const headers = { attempt: 3, nested: { a: 1 }, trace: 't1', 'x-delivery-count': 2 }
    const record = recordOf(7, { body: text('v'), headers }, 2, 1_000)
    assert.deepEqual(
      record.headers.map(({ key, value }) => [key, new TextDecoder().decode(value ?? undefined)]),
      [
        ['attempt', '3'],
        ['nested', '{"a":1}'],
        ['trace', 't1'],
      ],
    )
    assert.deepEqual([record.key, record.timestampMs, record.deliveryCount], [null, 1_000, 3])
  })

  test('a message that was delivered before says so, one that was not says nothing', () => {
    const message = messageOf({ key: null, value: text('v'), headers: [] }, 5)
    assert.equal(recordOf(0, message, 1, 9).deliveryCount, 2)
    assert.equal(recordOf(0, message, 0, 9).deliveryCount, undefined)
    assert.equal(recordOf(0, message, 0, 9).timestampMs, 5)
  })

  test('a key that can be a routing key is one, any other has one of its own', () => {
    assert.equal(routingKeyOf(text('customer-7')), 'customer-7')
    assert.equal(routingKeyOf(Uint8Array.of(0xff, 0x01)), 'ff01')
    assert.ok(routingKeyOf(new Uint8Array(300)).length <= 255)
  })
})

/** Buffers and arrays of bytes are told apart by deepEqual. */
function unwrapped(content: ReturnType<typeof contentOf>): unknown {
  const plain = (value: Uint8Array | null) => (value === null ? null : [...value])
  return {
    key: plain(content.key),
    value: plain(content.value),
    headers: content.headers.map(({ key, value }) => [key, plain(value)]),
  }
}

describe('a message that was put off', () => {
  test('says how often it was tried, and nothing of its way', () => {
    const content = {
      key: null,
      value: text('v'),
      headers: [{ key: 'x-death-row', value: text('a') }],
    }
    const { body, headers } = messageOf(content, 5, { attempts: 2, firstFailureMs: 7 })
    const onItsWay = { ...headers, 'x-death': [{ count: 1 }], 'x-first-death-queue': 'q' }
    const record = recordOf(0, { body, headers: onItsWay }, 0, 9)
    assert.deepEqual(record.retried, { attempts: 2, firstFailureMs: 7 })
    assert.equal(record.timestampMs, 5)
    assert.deepEqual(
      record.headers.map(({ key }) => key),
      ['x-death-row'],
    )
    const foreign = recordOf(0, { body, headers: { 'x-death': 'theirs' } }, 0, 9)
    assert.deepEqual(
      foreign.headers.map(({ key }) => key),
      ['x-death'],
    )
  })

  test('a word of somebody else is no word of ours', () => {
    for (const word of ['', '{', '7', '{"attempts":-0.5,"firstFailureMs":1}', 'null'])
      assert.equal(
        recordOf(0, { body: text('v'), headers: { 'shoal-retry': word } }, 0, 9).retried,
        undefined,
        word,
      )
  })
})
