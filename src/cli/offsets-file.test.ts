import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { offsetsText, parseOffsets } from './offsets-file.ts'

test('what is exported is read back, whatever ends the lines', () => {
  const offsets = [
    { topic: 'payments', partition: 0, offset: 4 },
    { topic: 'or-ders.v2_x', partition: 11, offset: Number.MAX_SAFE_INTEGER },
  ]
  const text = offsetsText(offsets)
  assert.equal(text, 'payments,0,4\nor-ders.v2_x,11,9007199254740991\n\n')
  assert.deepEqual(parseOffsets('f', text), offsets)
  assert.deepEqual(parseOffsets('f', text.replaceAll('\n', '\r\n')), offsets)
})

test('a line that is no offset is told with its number', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['a,0,1\na,1\n', /^f:2: expected topic,partition,offset such as orders,0,1234, not "a,1"$/],
    ['a,0,-1', /^f:1: expected topic/],
    ['a,0,9007199254740993', /^f:1: expected topic/],
    ['g,a,0,1', /^f:1: expected topic/],
    ['x'.repeat(1_000), /^f:1: .*…"$/],
    ['a,0,1\n\na,0,2', /^f:3: a:0 is there twice$/],
    ['\n\n', /^f holds no offsets$/],
    ['', /^f holds no offsets$/],
  ]
  for (const [text, message] of wrong)
    assert.throws(() => parseOffsets('f', text), { code: 'SHOAL_INVALID_ARGUMENT', message })
})

test('whatever a file holds, it is offsets or an error of ours', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab,01 \n\r-.') })),
      (text) => {
        try {
          for (const { partition, offset } of parseOffsets('f', text))
            assert.ok(
              Number.isSafeInteger(partition) && Number.isSafeInteger(offset) && offset >= 0,
            )
        } catch (error) {
          assert.equal((error as { code?: unknown }).code, 'SHOAL_INVALID_ARGUMENT', String(error))
        }
      },
    ),
  )
})
