import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../core/index.ts'
import {
  batchesIn,
  BatchPosition,
  RecordBatch,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from './record-batch.ts'
import { decodeRecords, encodeRecordBatch } from './records.ts'

const records = [
  { timestampMs: 1_700_000_000_000, value: Buffer.from('one') },
  { timestampMs: 1_700_000_000_005, value: Buffer.from('two') },
  { timestampMs: 1_700_000_000_003, value: Buffer.from('three') },
]

describe('a record batch', () => {
  test('has its header where the format says, at any position of any bytes', () => {
    const encoded = encodeRecordBatch(records, {
      baseOffset: 2 ** 40,
      partitionLeaderEpoch: 7,
      isTransactional: true,
      compression: 'gzip',
      producerId: 2n ** 62n + 1n,
      producerEpoch: 3,
      baseSequence: 2 ** 31 - 1,
    })
    const bytes = concatBytes([new Uint8Array(13).fill(0xee), encoded, new Uint8Array(9)])

    const batch = new RecordBatch(bytes, 13)

    assert.deepEqual(
      {
        byteLength: batch.byteLength,
        end: batch.end,
        isWhole: batch.isWhole,
        baseOffset: batch.baseOffset,
        lastOffset: batch.lastOffset,
        partitionLeaderEpoch: batch.partitionLeaderEpoch,
        magic: batch.magic,
        isCrcValid: batch.isCrcValid,
        compression: batch.compression,
        timestampType: batch.timestampType,
        isTransactional: batch.isTransactional,
        isControl: batch.isControl,
        hasDeleteHorizon: batch.hasDeleteHorizon,
        baseTimestamp: batch.baseTimestamp,
        maxTimestamp: batch.maxTimestamp,
        producerId: batch.producerId,
        producerEpoch: batch.producerEpoch,
        baseSequence: batch.baseSequence,
        recordCount: batch.recordCount,
      },
      {
        byteLength: encoded.length,
        end: 13 + encoded.length,
        isWhole: true,
        baseOffset: 2 ** 40,
        lastOffset: 2 ** 40 + 2,
        partitionLeaderEpoch: 7,
        magic: 2,
        isCrcValid: true,
        compression: 'gzip',
        timestampType: 'CreateTime',
        isTransactional: true,
        isControl: false,
        hasDeleteHorizon: false,
        baseTimestamp: 1_700_000_000_000,
        maxTimestamp: 1_700_000_000_005,
        producerId: 2n ** 62n + 1n,
        producerEpoch: 3,
        baseSequence: 2 ** 31 - 1,
        recordCount: 3,
      },
    )
    assert.deepEqual(batch.slice, encoded)
  })

  test('gets its place in the log without a new checksum', () => {
    const bytes = concatBytes([new Uint8Array(5), encodeRecordBatch(records)])
    const { crc } = new RecordBatch(bytes, 5)

    setBaseOffset(bytes, 5, 123_456_789_012)
    setPartitionLeaderEpoch(bytes, 5, 9)

    const batch = new RecordBatch(bytes, 5)
    assert.deepEqual([batch.baseOffset, batch.partitionLeaderEpoch], [123_456_789_012, 9])
    assert.deepEqual([batch.crc, batch.isCrcValid], [crc, true])
    assert.deepEqual(
      decodeRecords(batch).map(({ offset }) => offset),
      [123_456_789_012, 123_456_789_013, 123_456_789_014],
    )
  })

  test('that the broker stamps gives its time to all its records, and has a right checksum', () => {
    const bytes = concatBytes([new Uint8Array(5), encodeRecordBatch(records)])

    setLogAppendTime(bytes, 5, 1_800_000_000_000)

    const batch = new RecordBatch(bytes, 5)
    assert.deepEqual([batch.timestampType, batch.isCrcValid], ['LogAppendTime', true])
    assert.deepEqual(
      decodeRecords(batch).map(({ timestampMs }) => timestampMs),
      [1_800_000_000_000, 1_800_000_000_000, 1_800_000_000_000],
    )
  })

  test('with any byte changed after the checksum has a wrong one', () => {
    const encoded = encodeRecordBatch(records)
    for (let position = BatchPosition.attributes; position < encoded.length; position++) {
      const damaged = Uint8Array.from(encoded)
      damaged[position] = damaged[position]! ^ 0x40
      assert.equal(new RecordBatch(damaged).isCrcValid, false)
    }
  })

  test('with a timestamp or an offset beyond a number is refused when it is asked for', () => {
    const encoded = encodeRecordBatch(records)
    for (const field of ['baseOffset', 'baseTimestamp', 'maxTimestamp'] as const) {
      const damaged = Uint8Array.from(encoded)
      damaged[BatchPosition[field]] = 0x7f
      assert.throws(() => new RecordBatch(damaged)[field], { code: 'SHOAL_CORRUPT_BATCH' })
    }
  })

  test('with a compression that does not exist says its number and no name', () => {
    const encoded = encodeRecordBatch(records)
    encoded[BatchPosition.attributes + 1] = 6

    const batch = new RecordBatch(encoded)

    assert.deepEqual([batch.compressionCode, batch.compression], [6, undefined])
    assert.throws(() => decodeRecords(batch), { code: 'SHOAL_UNSUPPORTED_COMPRESSION' })
  })
})

describe('a row of record batches', () => {
  const first = encodeRecordBatch(records)
  const second = encodeRecordBatch(records.slice(1), { baseOffset: 3 })
  const row = concatBytes([first, second])

  test('gives each where it lies', () => {
    assert.deepEqual(
      [...batchesIn(row)].map(({ position, baseOffset }) => [position, baseOffset]),
      [
        [0, 0],
        [first.length, 3],
      ],
    )
    assert.deepEqual([...batchesIn(new Uint8Array(0))], [])
  })

  test('that is cut off anywhere is refused by one who takes, and read as far as it goes by one who asked', () => {
    for (let length = 1; length < row.length; length++) {
      if (length === first.length) continue
      const cut = row.subarray(0, length)
      assert.throws(() => [...batchesIn(cut)], { code: 'SHOAL_CORRUPT_BATCH' })
      const whole = [...batchesIn(cut, { atCut: 'stop' })]
      assert.equal(whole.length, length < first.length ? 0 : 1)
    }
  })

  test('with a length that cannot be is refused, and never goes on for ever', () => {
    for (const length of [-1, 0, 48, -2_147_483_648]) {
      const damaged = Uint8Array.from(row)
      new DataView(damaged.buffer).setInt32(BatchPosition.batchLength, length)
      for (const atCut of ['throw', 'stop'] as const)
        assert.throws(() => [...batchesIn(damaged, { atCut })], { code: 'SHOAL_CORRUPT_BATCH' })
    }
  })
})
