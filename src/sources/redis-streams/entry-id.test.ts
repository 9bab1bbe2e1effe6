import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { entryAtOffset, offsetOfEntry, offsetOfEntryBytes } from './entry-id.ts'

describe('entry ids as offsets', () => {
  test('the first possible id is offset 0, and nothing is before it but 0-0', () => {
    assert.equal(offsetOfEntry('0-1', 's'), 0)
    assert.equal(entryAtOffset(0), '0-1')
    assert.equal(entryAtOffset(-1), '0-0')
  })

  test('go there and back, and rise together', () => {
    const id = fc
      .tuple(fc.nat({ max: 2_190_000_000_000 }), fc.nat({ max: 4_095 }))
      .filter(([milliseconds, sequence]) => milliseconds > 0 || sequence > 0)
    fc.assert(
      fc.property(id, id, ([ms, sequence], [otherMs, otherSequence]) => {
        const offset = offsetOfEntry(`${ms}-${sequence}`, 's')
        assert.equal(entryAtOffset(offset), `${ms}-${sequence}`)
        assert.equal(offsetOfEntryBytes(bytes(`${ms}-${sequence}`), 's'), offset)
        const other = offsetOfEntry(`${otherMs}-${otherSequence}`, 's')
        const isBefore = ms < otherMs || (ms === otherMs && sequence < otherSequence)
        assert.equal(offset < other, isBefore)
      }),
    )
  })

  test('an id that somebody chose beyond what can be counted is refused by its name', () => {
    for (const id of ['5-4096', '9000000000000-0', '18446744073709551615-1', 'x-1', '5-x'])
      for (const read of [
        () => offsetOfEntry(id, 'orders'),
        () => offsetOfEntryBytes(bytes(id), 'orders'),
      ])
        assert.throws(read, {
          code: 'SHOAL_INVALID_ARGUMENT',
          message: new RegExp(`entry ${id} of stream orders`),
        })
  })
})

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
