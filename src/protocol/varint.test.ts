import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  readUnsignedVarint,
  readVarint,
  readVarlong,
  unsignedVarintSize,
  varintSize,
  varlongSize,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
  type Cursor,
} from './varint.ts'

type Write = (target: Uint8Array, position: number, value: number) => number

const kinds: readonly {
  readonly name: string
  readonly values: fc.Arbitrary<number>
  readonly write: Write
  readonly read: (cursor: Cursor) => number
  readonly size: (value: number) => number
}[] = [
  {
    name: 'unsigned varint',
    values: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.nat(300)),
    write: writeUnsignedVarint,
    read: readUnsignedVarint,
    size: unsignedVarintSize,
  },
  {
    name: 'varint',
    values: fc.oneof(fc.integer(), fc.integer({ min: -300, max: 300 })),
    write: writeVarint,
    read: readVarint,
    size: varintSize,
  },
  {
    name: 'varlong',
    values: fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -300, max: 300 })),
    write: writeVarlong,
    read: readVarlong,
    size: varlongSize,
  },
]

describe('a variable-length number', () => {
  for (const { name, values, write, read, size } of kinds) {
    test(`of the kind ${name} comes back, takes the size that was told, and its cut form is refused`, () => {
      fc.assert(
        fc.property(values, (value) => {
          const bytes = new Uint8Array(12)
          const end = write(bytes, 1, value)
          const cursor = { bytes, position: 1, end }

          assert.equal(read(cursor), value)
          assert.equal(cursor.position, end)
          assert.equal(size(value), end - 1)
          assert.throws(() => read({ bytes, position: 1, end: end - 1 }), /past the end/)
        }),
        { examples: [[0], [127], [128], [2 ** 31 - 1]] },
      )
    })

    test(`of the kind ${name} that does not end is refused`, () => {
      const bytes = new Uint8Array(20).fill(0xff)
      assert.throws(() => read({ bytes, position: 0, end: 20 }), /takes more than (?:5|10) bytes/)
    })
  }

  test('has the bytes that the Kafka and Protocol Buffers documents give', () => {
    const cases: readonly [write: Write, value: number, hex: string][] = [
      [writeUnsignedVarint, 300, 'ac02'],
      [writeUnsignedVarint, 0xffff_ffff, 'ffffffff0f'],
      [writeVarint, -1, '01'],
      [writeVarint, 63, '7e'],
      [writeVarint, -64, '7f'],
      [writeVarint, 2_147_483_647, 'feffffff0f'],
      [writeVarint, -2_147_483_648, 'ffffffff0f'],
      [writeVarlong, Number.MAX_SAFE_INTEGER, 'feffffffffffff1f'],
      [writeVarlong, Number.MIN_SAFE_INTEGER, 'fdffffffffffff1f'],
    ]
    for (const [write, value, hex] of cases) {
      const bytes = new Uint8Array(12)
      assert.equal(Buffer.from(bytes.subarray(0, write(bytes, 0, value))).toString('hex'), hex)
    }
  })

  test('of 64 bits that a number cannot hold is refused', () => {
    const bytes = Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)
    assert.throws(() => readVarlong({ bytes, position: 0, end: 10 }), /beyond 2\^53/)
  })
})
