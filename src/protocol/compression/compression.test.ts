import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compressionsAlgorithms } from '@platformatic/kafka'
import * as fc from 'fast-check'
import { ShoalError } from '../../core/index.ts'
import {
  compress,
  compressionCodeOf,
  compressionOf,
  compressionTypes,
  decompress,
} from './compression.ts'
import { xxhash32 } from './xxhash32.ts'

const types = compressionTypes.filter((type) => type !== 'none')

/** Text that repeats itself, bytes that do not, and both in turn: what encoders take different paths for. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(2_000)).map(repeated),
    ),
    { maxLength: 8 },
  )
  .map((parts) => new Uint8Array(Buffer.concat(parts)))

describe('compressed bytes', () => {
  for (const type of types) {
    test(`of ${type} come back, and stop at the budget`, () => {
      fc.assert(
        fc.property(content, (bytes) => {
          const compressed = compress(type, bytes)
          assertSame(decompress(type, compressed, bytes.length), bytes)
          if (bytes.length > 1)
            assert.throws(() => decompress(type, compressed, bytes.length - 1), {
              code: 'SHOAL_DECOMPRESSION_LIMIT',
            })
        }),
      )
    })

    test(`of ${type} come back when they take several blocks, at every offset of the end`, () => {
      const large = repeated([Buffer.from('a record of some kind, and another; '), 200_000])
      const noise = Uint8Array.from({ length: 150_000 }, (_, index) =>
        xxhash32(Uint8Array.of(index, index >> 8, index >> 16)),
      )
      for (const bytes of [
        large,
        noise,
        large.subarray(0, 65_536),
        large.subarray(0, 65_537),
        noise.subarray(0, 32_768),
      ])
        assertSame(decompress(type, compress(type, bytes), bytes.length), bytes)
      for (let length = 0; length < 80; length++)
        assertSame(
          decompress(type, compress(type, large.subarray(0, length)), 80),
          large.subarray(0, length),
        )
    })

    test(`of ${type} mean the same to another implementation, both ways`, () => {
      const theirs = compressionsAlgorithms[type]
      const bytes = repeated([Buffer.from('orders:{"id":17,"amount":"12.50"}'), 100_000])

      assertSame(theirs.decompressSync(Buffer.from(compress(type, bytes))), bytes)
      assertSame(decompress(type, theirs.compressSync(Buffer.from(bytes)), bytes.length), bytes)
    })

    test(`of ${type} that would grow a thousandfold are refused at the budget`, () => {
      const bomb = compress(type, new Uint8Array(20_000_000))

      assert.throws(() => decompress(type, bomb, 1_000_000), { code: 'SHOAL_DECOMPRESSION_LIMIT' })
    })

    test(`of ${type} that are damaged or cut off throw nothing but our error`, () => {
      const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.option(fc.nat()) })
      fc.assert(
        fc.property(content, damage, (bytes, { at, byte, cut }) => {
          const damaged = Uint8Array.from(compress(type, bytes))
          damaged[at % damaged.length] = byte
          const input = cut === null ? damaged : damaged.subarray(0, cut % damaged.length)
          expectOurError(() => decompress(type, input, 100_000))
        }),
        { numRuns: 300 },
      )
    })

    test(`of ${type} that are anything at all throw nothing but our error`, () => {
      const start = { gzip: '1f8b08', snappy: '', lz4: '04224d1860', zstd: '28b52ffd' }[type]
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), (rest) => {
          const bytes = Buffer.concat([Buffer.from(start, 'hex'), rest])
          expectOurError(() => decompress(type, bytes, 100_000))
        }),
        { numRuns: 300 },
      )
    })
  }

  test('have Kafka’s numbers', () => {
    assert.deepEqual(compressionTypes.map(compressionCodeOf), [0, 1, 2, 3, 4])
    assert.equal(compressionOf(4), 'zstd')
    assert.equal(compressionOf(5), undefined)
  })
})

describe('lies in compressed bytes', () => {
  const lies: readonly [what: string, type: 'snappy' | 'lz4' | 'zstd', hex: string][] = [
    ['a bare snappy block of 4 GiB in a few bytes', 'snappy', 'ffffffff0f 00 61'],
    [
      'a framed snappy block that says it is larger',
      'snappy',
      '82534e41505059 00 00000001 00000001 00000004 e807 00 61',
    ],
    [
      'a snappy block with a negative size',
      'snappy',
      '82534e41505059 00 00000001 00000001 ffffffff 00',
    ],
    ['a snappy match before the beginning', 'snappy', '05 00 61 01 05'],
    ['a snappy match with distance zero', 'snappy', '05 00 61 01 00'],
    ['a snappy literal longer than the block', 'snappy', '01 08 616263'],
    ['an lz4 header with a wrong checksum', 'lz4', '04224d18 60 40 00 00000000'],
    ['an lz4 frame without an end', 'lz4', '04224d18 60 40 82'],
    ['an lz4 block that goes beyond the frame', 'lz4', '04224d18 60 40 82 ffffff7f 00'],
    [
      'an lz4 match before the beginning',
      'lz4',
      '04224d18 60 40 82 06000000 10 61 0900 10 61 00000000',
    ],
    ['an lz4 length that does not end', 'lz4', '04224d18 60 40 82 04000000 f0 ffffff 00000000'],
    ['a zstd window of 2 TiB', 'zstd', '28b52ffd 00 f8 01 0000'],
  ]
  for (const [what, type, hex] of lies)
    test(`such as ${what} are found`, () => {
      const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
      assert.throws(() => decompress(type, bytes, 1_000_000_000), { code: 'SHOAL_CORRUPT_BATCH' })
    })
})

test('lz4 frames with checksums, a content size and blocks that refer back are read', () => {
  const block = '1f 61 0100 05 50 6161616161'
  const linked = '04 0500 50 6161616161'
  const size = (hex: string) => hex.replaceAll(' ', '').length / 2
  const first = Buffer.from(block.replaceAll(' ', ''), 'hex')
  const second = Buffer.from(linked.replaceAll(' ', ''), 'hex')
  const header = Buffer.from('5c402600000000000000', 'hex')
  const length = 1 + 24 + 5 + 8 + 5
  header.writeUInt8(length, 2)
  const frame = Buffer.concat([
    Buffer.from('04224d18', 'hex'),
    header,
    Uint8Array.of(xxhash32(header) >>> 8),
    word(size(block)),
    first,
    word(xxhash32(first)),
    word(size(linked)),
    second,
    word(xxhash32(second)),
    word(0),
    word(xxhash32(new Uint8Array(length).fill(0x61))),
  ])

  assertSame(decompress('lz4', frame, 1_000), new Uint8Array(length).fill(0x61))
  const wrong = Uint8Array.from(frame)
  wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
  assert.throws(() => decompress('lz4', wrong, 1_000), { message: /content checksum/ })
})

test('xxHash32 gives the values of its specification', () => {
  assert.equal(xxhash32(new Uint8Array(0)), 0x02cc_5d05)
  assert.equal(xxhash32(Buffer.from('a')), 0x550d_7456)
  assert.equal(xxhash32(Buffer.from('abc')), 0x32d1_53ff)
  assert.equal(xxhash32(Buffer.from('Nobody inspects the spammish repetition')), 0xe229_3b2f)
})

function repeated([unit, length]: readonly [Uint8Array, number]): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => unit[index % unit.length]!)
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(Buffer.compare(actual, expected) === 0, 'the bytes differ')
}

function expectOurError(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof ShoalError, String(error))
    assert.match(error.code, /^SHOAL_(?:CORRUPT_BATCH|DECOMPRESSION_LIMIT)$/)
  }
}
