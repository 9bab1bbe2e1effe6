import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { crc32c, crc32cImplementation, crc32cJavaScript } from './crc32c.ts'

describe('CRC-32C', () => {
  test('gives the check values of RFC 3720', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
    const cases: readonly [bytes: Uint8Array, crc: number][] = [
      [new Uint8Array(0), 0],
      [Buffer.from('123456789'), 0xe306_9283],
      [new Uint8Array(32), 0x8a91_36aa],
      [new Uint8Array(32).fill(0xff), 0x62a8_ab43],
      [ascending, 0x46dd_794e],
      [ascending.toReversed(), 0x113f_db5c],
    ]
    for (const [bytes, crc] of cases) {
      assert.equal(crc32c(bytes), crc)
      assert.equal(crc32cJavaScript(bytes), crc)
    }
  })

  test('is the same from native code and from JavaScript, for any part of any bytes', (t) => {
    t.diagnostic(`crc32c uses ${crc32cImplementation} code`)
    const parts = fc.record({
      bytes: fc.uint8Array({ minLength: 200, maxLength: 600 }),
      cut: fc.nat(30),
    })
    fc.assert(
      fc.property(parts, ({ bytes, cut }) => {
        const end = bytes.length - cut
        assert.equal(crc32c(bytes, cut, end), crc32cJavaScript(bytes, cut, end))
        assert.equal(crc32c(bytes.subarray(cut)), crc32cJavaScript(bytes, cut))
      }),
    )
  })

  test('goes on from the checksum of what came before', () => {
    const parts = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(parts, ([first, second]) => {
        const whole = crc32c(Buffer.concat([first, second]))
        for (const checksum of [crc32c, crc32cJavaScript])
          assert.equal(checksum(second, 0, second.length, checksum(first)), whole)
      }),
    )
  })
})
