import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ShoalError } from '../core/index.ts'
import { compressionTypes } from './compression/compression.ts'
import { BATCH_HEADER_BYTES, batchesIn, BatchPosition, RecordBatch } from './record-batch.ts'
import { recordsUpTo } from './records-fixture.test.ts'
import { decodeRecords, encodeRecordBatch } from './records.ts'

const batch = recordsUpTo(40)

describe('the records of a batch', () => {
  for (const compression of compressionTypes)
    test(`come back as they were, with compression ${compression}`, () => {
      fc.assert(
        fc.property(batch, fc.nat(1_000), (records, baseOffset) => {
          const bytes = encodeRecordBatch(records, { compression, baseOffset })
          const [only, ...others] = [...batchesIn(bytes)]

          assert.ok(only !== undefined && only.isCrcValid)
          assert.deepEqual(others, [])
          assert.equal(only.maxTimestamp, Math.max(...records.map((each) => each.timestampMs)))
          assert.deepEqual(
            decodeRecords(only),
            records.map((each, index) => ({ offset: baseOffset + index, ...each })),
          )
        }),
      )
    })

  test('are slices of the batch', () => {
    const bytes = encodeRecordBatch([
      { timestampMs: 0, key: Buffer.from('k'), value: Buffer.from('v') },
    ])

    const [first] = decodeRecords(new RecordBatch(bytes))

    assert.equal(first?.key?.buffer, bytes.buffer)
    assert.equal(first?.value?.buffer, bytes.buffer)
  })

  test('may have gaps between their offsets, as compaction leaves them', () => {
    const bytes = encodeRecordBatch(
      [0, 3, 9].map((offsetDelta) => ({ timestampMs: 0, offsetDelta })),
      { baseOffset: 100 },
    )

    const whole = new RecordBatch(bytes)

    assert.equal(whole.lastOffset, 109)
    assert.deepEqual(
      decodeRecords(whole).map(({ offset }) => offset),
      [100, 103, 109],
    )
  })

  test('have the bytes that the format says', () => {
    const headers = [{ key: 'h', value: null }]
    const bytes = encodeRecordBatch([
      { timestampMs: 1_000, key: null, value: Buffer.from('v'), headers },
      { timestampMs: 999, key: Buffer.from('k'), value: null },
    ])

    const hex = Buffer.from(bytes.subarray(BATCH_HEADER_BYTES)).toString('hex')

    assert.equal(
      hex,
      [
        '14',
        '00',
        '00',
        '00',
        '01',
        '0276',
        '02',
        '0268',
        '01',
        '0e',
        '00',
        '01',
        '02',
        '026b',
        '01',
        '00',
      ].join(''),
    )
  })

  test('are refused where the format cannot hold them', () => {
    assert.throws(() => encodeRecordBatch([]), { code: 'SHOAL_PROTOCOL_ENCODE' })
    assert.throws(() => encodeRecordBatch([{ timestampMs: 0.5 }]), {
      code: 'SHOAL_PROTOCOL_ENCODE',
    })
  })
})

describe('a batch that lies about its records', () => {
  const honest = encodeRecordBatch([
    { timestampMs: 5, key: Buffer.from('key'), value: Buffer.from('value') },
    { timestampMs: 6, value: Buffer.from('value'), headers: [{ key: 'h', value: null }] },
  ])
  /** Where the first record's fields are: length, attributes, deltas, key length. */
  const first = BATCH_HEADER_BYTES
  const lies: readonly [what: string, position: number, bytes: readonly number[]][] = [
    ['one record fewer than it has', BatchPosition.recordCount, [0, 0, 0, 1]],
    ['one record more than it has', BatchPosition.recordCount, [0, 0, 0, 3]],
    ['two thousand million records', BatchPosition.recordCount, [0x7f, 0xff, 0xff, 0xff]],
    ['a negative number of records', BatchPosition.recordCount, [0xff, 0xff, 0xff, 0xff]],
    ['an offset beyond its last', BatchPosition.lastOffsetDelta, [0, 0, 0, 0]],
    ['another format', BatchPosition.magic, [1]],
    ['more bytes than there are', BatchPosition.batchLength, [0, 0, 1, 0]],
    ['a record with a negative length', first, [0x05]],
    ['a record longer than the batch', first, [0xfe, 0x7f]],
    ['a record shorter than its fields', first, [0x0a]],
    ['a key longer than its record', first + 4, [0x7e]],
    ['a key of length -2', first + 4, [0x03]],
    ['a negative offset', first + 3, [0x01]],
    ['a number that does not end', first, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ]
  for (const [what, position, bytes] of lies)
    test(`such as one with ${what} is refused`, () => {
      const lying = Uint8Array.from(honest)
      lying.set(bytes, position)
      assert.throws(() => decodeRecords(new RecordBatch(lying)), { code: 'SHOAL_CORRUPT_BATCH' })
    })

  test('with a header count that cannot be, is refused', () => {
    for (const count of [0x7e, 0x03]) {
      const lying = Uint8Array.from(honest)
      lying[lying.length - 4] = count
      assert.throws(() => decodeRecords(new RecordBatch(lying)), {
        code: 'SHOAL_CORRUPT_BATCH',
        message: /headers cannot be/,
      })
    }
  })

  test('in whatever byte, throws nothing but our error', () => {
    const changes = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    })
    const compressions = fc.constantFrom(...compressionTypes)
    fc.assert(
      fc.property(batch, compressions, changes, (records, compression, changes) => {
        const bytes = Uint8Array.from(encodeRecordBatch(records, { compression }))
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte
        try {
          for (const each of batchesIn(bytes))
            decodeRecords(each, { maxDecompressedBytes: 100_000 })
        } catch (error) {
          assert.ok(error instanceof ShoalError, String(error))
          assert.match(
            error.code,
            /^SHOAL_(?:CORRUPT_BATCH|UNSUPPORTED_COMPRESSION|DECOMPRESSION_LIMIT)$/,
          )
        }
      }),
      { numRuns: 1_000 },
    )
  })

  for (const compression of compressionTypes.filter((type) => type !== 'none'))
    test(`by decompressing with ${compression} to more than the budget is refused`, () => {
      const bomb = encodeRecordBatch([{ timestampMs: 0, value: new Uint8Array(4_000_000) }], {
        compression,
      })

      assert.throws(
        () => decodeRecords(new RecordBatch(bomb), { maxDecompressedBytes: 1_000_000 }),
        {
          code: 'SHOAL_DECOMPRESSION_LIMIT',
        },
      )
    })
})
