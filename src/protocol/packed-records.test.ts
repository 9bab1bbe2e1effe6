import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ShoalError, concatBytes } from '../core/index.ts'
import { compressionTypes } from './compression/compression.ts'
import { PackedRecords } from './packed-records.ts'
import { RecordBatch, batchesIn, setLogAppendTime } from './record-batch.ts'
import { recordsUpTo } from './records-fixture.test.ts'
import { decodeRecords, encodeRecordBatch } from './records.ts'
import type { KafkaRecord } from './records.ts'

const batch = fc.record({
  records: recordsUpTo(200),
  compression: fc.constantFrom(...compressionTypes),
  hasAppendTime: fc.boolean(),
})

function plain({ offset, timestampMs, key, value, headers }: KafkaRecord): KafkaRecord {
  return { offset, timestampMs, key, value, headers }
}

/** Packing and decoding give the same, were it an error, and what was packed before stays. */
function refusedAlike(bytes: Uint8Array): void {
  const options = { maxDecompressedBytes: 100_000 }
  const packed = new PackedRecords()
  packed.add(new RecordBatch(encodeRecordBatch([{ timestampMs: 7 }])))
  assert.deepEqual(
    outcome(() => {
      const expected = []
      for (const each of batchesIn(bytes)) expected.push(...decodeRecords(each, options))
      return expected.map((each) => each.value)
    }),
    outcome(() => {
      for (const each of batchesIn(bytes))
        // Sums of offsets that are no safe integers may be smaller than 0.
        packed.add(each, { ...options, from: Number.NEGATIVE_INFINITY })
      return [...packed].slice(1).map((each) => each.value)
    }),
  )
  assert.equal(packed.at(0)?.timestampMs, 7)
}

describe('packed records', () => {
  test('are those that decoding gives, whatever batches they come from, from an offset on', () => {
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 4 }), fc.nat(40), (inputs, from) => {
        let baseOffset = 0
        const packed = new PackedRecords()
        const expected: KafkaRecord[] = []
        for (const { records, compression, hasAppendTime } of inputs) {
          const bytes = encodeRecordBatch(records, { compression, baseOffset })
          if (hasAppendTime) setLogAppendTime(bytes, 0, 12_345)
          const each = new RecordBatch(bytes)
          packed.add(each, { from })
          expected.push(...decodeRecords(each).filter(({ offset }) => offset >= from))
          baseOffset += records.length
        }
        assert.equal(packed.length, expected.length)
        assert.deepEqual([...packed].map(plain), expected)
        for (const [index, one] of expected.entries())
          assert.deepEqual(plain(packed.at(index) as KafkaRecord), one)
      }),
    )
  })

  test('are slices of their batch, and there only where there is one', () => {
    const bytes = encodeRecordBatch([{ timestampMs: 0, key: Buffer.from('k'), value: null }])
    const packed = new PackedRecords()
    assert.equal(packed.add(new RecordBatch(bytes)), 0)
    assert.equal(packed.at(0)?.key?.buffer, bytes.buffer)
    assert.equal(packed.at(0)?.value, null)
    assert.deepEqual([packed.at(1), packed.at(-1)], [undefined, undefined])
  })

  test('tell how much memory decompressing took', () => {
    const value = new Uint8Array(1_000)
    const bytes = encodeRecordBatch([{ timestampMs: 0, value }], { compression: 'gzip' })
    const plainBytes = encodeRecordBatch([{ timestampMs: 0, value }])
    assert.equal(
      new PackedRecords().add(new RecordBatch(bytes)),
      new RecordBatch(plainBytes).recordBytes.length,
    )
  })

  test('of a damaged batch are refused exactly when decoding refuses it, with the same words, and none of them stays', () => {
    const changes = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(batch, changes, ({ records, compression }, changes) => {
        const bytes = Uint8Array.from(encodeRecordBatch(records, { compression }))
        for (const { at, byte } of changes) bytes[at % bytes.length] = byte
        refusedAlike(bytes)
      }),
      { numRuns: 1_000 },
    )
  })

  test('are refused with those words whatever a single byte of a batch becomes', () => {
    const whole = encodeRecordBatch([
      { timestampMs: 3, key: null, value: null, headers: [{ key: 'h', value: null }] },
      { timestampMs: 4, key: Buffer.from('k'), value: Buffer.from('v'), headers: [] },
    ])
    for (let at = 0; at < whole.length; at++)
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Uint8Array.from(whole)
        bytes[at] = byte
        refusedAlike(bytes)
      }
  })

  test('of two batches are told apart when the second is damaged', () => {
    const bytes = encodeRecordBatch([{ timestampMs: 1 }, { timestampMs: 2 }])
    const lying = Uint8Array.from(bytes)
    lying[lying.length - 1] = 0x7e
    const packed = new PackedRecords()
    const [first, second] = [...batchesIn(concatBytes([bytes, lying]))]
    packed.add(first as RecordBatch)
    assert.throws(() => packed.add(second as RecordBatch), { code: 'SHOAL_CORRUPT_BATCH' })
    assert.deepEqual(
      [...packed].map(({ timestampMs }) => timestampMs),
      [1, 2],
    )
  })
})

/** What it gives, or the words of our error, but for the number of the record. */
function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    assert.ok(error instanceof ShoalError, String(error))
    return error.message.replace(/\[\d+\]/, '[]')
  }
}
