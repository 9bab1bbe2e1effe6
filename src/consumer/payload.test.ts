import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { json, payloadReader } from './payload.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const Order = z.object({ id: z.number(), note: z.string().default('none') })

describe('payloads', () => {
  test('without schema and decoding the bytes go through untouched', () => {
    assert.equal(payloadReader('bytes', undefined), null)
  })

  test('a schema is given the JSON of the value, and what it makes of it is the payload', () => {
    assert.deepEqual(payloadReader('json', Order)?.(bytes('{"id":7}')), { id: 7, note: 'none' })
  })

  test('json() types without checking', () => {
    assert.deepEqual(payloadReader('json', json<{ id: number }>())?.(bytes('{"id":"x"}')), {
      id: 'x',
    })
  })

  test('a schema can be given text or bytes', () => {
    assert.equal(payloadReader('text', z.string())?.(bytes('näh')), 'näh')
    const given = payloadReader('bytes', z.instanceof(Uint8Array))?.(bytes('x'))
    assert.deepEqual(given, bytes('x'))
  })

  test('a null value is not decoded: the schema decides about tombstones', () => {
    assert.equal(payloadReader('json', Order.nullable())?.(null), null)
    assert.equal(payloadReader('text', undefined)?.(null), null)
    assert.throws(() => payloadReader('json', Order)?.(null), { code: 'SHOAL_INVALID_PAYLOAD' })
  })

  test('what cannot be decoded and what the schema refuses are invalid payloads', async () => {
    const invalid = { code: 'SHOAL_INVALID_PAYLOAD' }
    const read = payloadReader('json', Order)!
    for (const value of [Uint8Array.of(0xff, 0xfe), bytes(''), bytes('{'), bytes('{"id":"x"}')])
      assert.throws(() => read(value), invalid)
    assert.throws(() => read(bytes('{"id":"x"}')), /id: .*number/)
    assert.throws(() => read(bytes('secret')), { message: 'the value is not JSON' })
    const throwing = z.unknown().transform(() => {
      throw new Error('broken schema')
    })
    await assert.rejects(async () => payloadReader('json', throwing)!(bytes('1')), invalid)
    const slow = payloadReader(
      'json',
      z.number().refine(async (value) => value > 1),
    )!
    await assert.rejects(async () => slow(bytes('0')), invalid)
    assert.equal(await slow(bytes('2')), 2)
  })
})
