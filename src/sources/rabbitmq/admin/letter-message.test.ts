import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GetMessage } from 'amqplib'
import { letterFacts } from '../../../admin/index.ts'
import { messageOf } from '../message-record.ts'
import { letterOfMessage, publishOptions } from './letter-message.ts'

describe('a message of a dead-letter queue', () => {
  test('of ours is the letter that was written', () => {
    const headers = [{ key: 'shoal-dlq-origin-topic', value: Buffer.from('orders') }]
    const written = messageOf({ key: Buffer.from('k'), value: Buffer.from('v'), headers }, 5_000)
    const letter = letterOfMessage('orders-dlq', 2, message(written.headers, written.body))
    assert.deepEqual([letter.place, letter.timestampMs], ['orders-dlq#2', 5_000])
    assert.equal(String(letter.key), 'k')
    assert.equal(letterFacts(letter).originTopic, 'orders')
  })

  test('that RabbitMQ dead-lettered itself says where from and why by its x-death', () => {
    const deaths = [{ queue: 'mail', reason: 'rejected', count: 2 }, { queue: 'older' }]
    const { originTopic, reason, attempts } = letterFacts(
      letterOfMessage('q', 1, message({ 'x-death': deaths, plain: 7 })),
    )
    assert.deepEqual([originTopic, reason, attempts], ['mail', 'rejected', 2])
    for (const odd of ['text', [], [null], [{ queue: { a: 1 } }]])
      assert.equal(
        letterFacts(letterOfMessage('q', 1, message({ 'x-death': odd }))).originTopic,
        null,
      )
  })

  test('goes on with the headers and properties of its producer, and what is ours anew', () => {
    const table = { number: 7, nested: { a: 1 }, 'shoal-dlq-redriven': Buffer.from('1') }
    const stored = message(table)
    stored.properties.contentType = 'application/json'
    stored.properties.userId = 'guest'
    stored.properties.expiration = '10'
    const letter = letterOfMessage('q', 1, stored)
    const redriven = { key: 'shoal-dlq-redriven', value: Buffer.from('2') }
    const options = publishOptions(stored, letter, [redriven])
    assert.deepEqual(options, {
      contentType: 'application/json',
      headers: { ...table, 'shoal-dlq-redriven': Buffer.from('2') },
      persistent: true,
      mandatory: true,
    })
  })

  test('whose headers are a list keeps repeated names', () => {
    const twice = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'a', value: Buffer.from('2') },
    ]
    const written = messageOf({ key: null, value: Buffer.from('v'), headers: twice }, 5_000)
    const stored = message(written.headers, written.body)
    const letter = letterOfMessage('q', 1, stored)
    const { headers } = publishOptions(stored, letter, letter.headers)
    assert.deepEqual(
      letterOfMessage('q', 1, message(headers as Record<string, unknown>)).headers,
      twice,
    )
  })
})

function message(headers: object, content: Uint8Array = Buffer.from('v')): GetMessage {
  return { content: Buffer.from(content), properties: { headers }, fields: {} } as GetMessage
}
