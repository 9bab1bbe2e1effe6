import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { BatchPosition, decodeRecords, encodeRecordBatch, RecordBatch } from '../protocol/index.ts'
import { walkRecords } from './record-walk.ts'

test('records pass whatever the size of their numbers, and what is told of them is right', () => {
  // Around the ends of one, two and three bytes of a varint.
  const length = fc.constantFrom(0, 1, 62, 63, 64, 65, 8_190, 8_191, 8_192)
  const record = fc.record({
    timestampMs: fc.constantFrom(0, 1, 63, 64, 8_191, 8_192, 2 ** 40).map((ms) => 2 ** 41 + ms),
    key: fc.option(length.map((bytes) => new Uint8Array(bytes))),
    value: fc.option(length.map((bytes) => new Uint8Array(bytes))),
    headers: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.constant([{ key: 'k', value: null }]) },
    ),
  })
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 8 }), (records) => {
      const [{ timestampMs: base } = { timestampMs: 0 }] = records
      const deltas = records.map(({ timestampMs }) => timestampMs - base)
      assert.deepEqual(walk(encodeRecordBatch(records)), {
        fault: null,
        maxTimestampDelta: Math.max(...deltas),
        minTimestampDelta: Math.min(...deltas),
        withoutKey: records.flatMap(({ key }, index) => (key === null ? [index] : [])),
      })
    }),
    { numRuns: 300 },
  )
})

test('records pass where their offset deltas take a third byte', () => {
  const records = Array.from({ length: 8_200 }, () => ({ timestampMs: 1, value: null }))
  assert.equal(walk(encodeRecordBatch(records)).fault, null)
})

test('whichever byte is changed to whatever, what passes can be decoded', () => {
  const records = [
    { timestampMs: 5, value: new Uint8Array(2) },
    { timestampMs: 70, key: new Uint8Array(1), value: new Uint8Array(64) },
    { timestampMs: 5, value: null },
  ]
  const good = encodeRecordBatch(records)
  let refused = 0
  for (let at: number = BatchPosition.records; at < good.length; at++)
    for (let byte = 0; byte < 256; byte++) {
      const bytes = good.slice()
      bytes[at] = byte
      if (walk(bytes).fault === null) assert.equal(decodeRecords(new RecordBatch(bytes)).length, 3)
      else refused++
    }
  assert.ok(refused > 1_000, `only ${refused} changes were refused`)
})

test('no record passes that ends behind the others, though there are bytes', () => {
  const good = encodeRecordBatch([1, 2, 3].map((timestampMs) => ({ timestampMs, value: null })))
  for (let end: number = BatchPosition.records; end < good.length; end++)
    assert.match(walk(good, end).fault ?? 'passed', /are left|does not end|does not fill/)
})

function walk(bytes: Uint8Array, end: number = bytes.length) {
  const { recordCount } = new RecordBatch(bytes)
  const range = { start: BatchPosition.records, end, recordCount }
  return walkRecords(bytes, range, { findMissingKeys: true })
}
