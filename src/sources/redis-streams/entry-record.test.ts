import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { contentOf, fieldsOf } from './entry-record.ts'

const bytes = fc.uint8Array({ maxLength: 20 })
const nullable = fc.option(bytes, { nil: null })
const text = (words: string) => new TextEncoder().encode(words)

describe('stream entries as records', () => {
  test('keys, values and headers come back byte for byte, nulls and repeated names too', () => {
    const plain = { noNullPrototype: true }
    const header = fc.record({ key: fc.string({ maxLength: 8 }), value: nullable }, plain)
    const headers = fc.array(header, { maxLength: 4 })
    fc.assert(
      fc.property(fc.record({ key: nullable, value: nullable, headers }, plain), (content) => {
        const fields = fieldsOf(content)
        assert.ok(fields.length >= 2, 'a stream takes no entry without a field')
        assert.deepEqual(contentOf(fields), content)
      }),
    )
  })

  test('an entry of another program with a field value: the other fields are headers', () => {
    const fields = ['trace', 't1', 'value', 'v', 'key', 'k'].map(text)
    assert.deepEqual(contentOf(fields), {
      key: text('k'),
      value: text('v'),
      headers: [{ key: 'trace', value: text('t1') }],
    })
  })

  test('an entry of another program without one: the value is a JSON object of its fields', () => {
    const { key, value, headers } = contentOf(['sensor', '7', 'celsius', '21.5'].map(text))
    assert.deepEqual([key, headers], [null, []])
    assert.deepEqual(JSON.parse(new TextDecoder().decode(value ?? undefined)), {
      sensor: '7',
      celsius: '21.5',
    })
  })

  test('a field without its value at the end is left out', () => {
    assert.deepEqual(contentOf([text('value'), text('v'), text('odd')]).headers, [])
  })
})
