import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  BatchAttribute,
  BatchPosition,
  decodeRecords,
  encodeRecordBatch,
  RecordBatch,
  type CompressionType,
} from '../protocol/index.ts'
import { validateBatch } from './batch-validation.ts'
import type { PartitionLogConfig } from './log.ts'
import { batchOf, defaultConfig } from './partition-fixture.test.ts'

describe('a record set is answered as Kafka 4.3.1 answers it', () => {
  const good = () => batchOf(['a', 'b', 'c'], 1_000)
  const idempotent = { producerId: 5n, producerEpoch: 0, baseSequence: 0 }
  const rows: readonly (readonly [what: string, recordSet: Uint8Array, answer: string])[] = [
    ['a good batch', good(), 'accepted'],
    ['a batch of every compression', batchOf(['a'], 0, { compression: 'lz4' }), 'accepted'],
    ['an idempotent batch', batchOf(['a'], 0, idempotent), 'accepted'],
    ['no bytes', new Uint8Array(0), 'INVALID_RECORD'],
    ['a cut header', good().subarray(0, 40), 'INVALID_RECORD'],
    ['a cut batch', good().subarray(0, good().length - 1), 'INVALID_RECORD'],
    ['bytes after the batch', Buffer.concat([good(), Buffer.of(0)]), 'INVALID_RECORD'],
    ['two batches', Buffer.concat([good(), good()]), 'INVALID_RECORD'],
    ['magic 0', changed((view) => view.setInt8(BatchPosition.magic, 0)), 'INVALID_RECORD'],
    ['magic 1', changed((view) => view.setInt8(BatchPosition.magic, 1)), 'INVALID_RECORD'],
    ['magic 3', changed((view) => view.setInt8(BatchPosition.magic, 3)), 'CORRUPT_MESSAGE'],
    ['magic -1', changed((view) => view.setInt8(BatchPosition.magic, -1)), 'CORRUPT_MESSAGE'],
    ['a magic 1 message set', Buffer.alloc(34, 1), 'INVALID_RECORD'],
    ['a negative length', changed((view) => view.setInt32(8, -1)), 'INVALID_RECORD'],
    ['a base offset', changed((view) => view.setBigInt64(0, 7n)), 'INVALID_RECORD'],
    ['a base offset beyond 2^53', changed((view) => view.setInt8(0, 0x7f)), 'INVALID_RECORD'],
    ['a wrong CRC', changed((view) => view.setInt32(BatchPosition.crc, 1)), 'CORRUPT_MESSAGE'],
    ['a changed record', changed((view) => view.setInt8(good().length - 2, 9)), 'CORRUPT_MESSAGE'],
    [
      'count 2 of 3',
      sealed((view) => view.setInt32(BatchPosition.recordCount, 2)),
      'INVALID_RECORD',
    ],
    [
      'count 4 of 3',
      sealed((view) => view.setInt32(BatchPosition.recordCount, 4)),
      'INVALID_RECORD',
    ],
    ['count 0', sealed((view) => view.setInt32(BatchPosition.recordCount, 0)), 'INVALID_RECORD'],
    ['count -1', sealed((view) => view.setInt32(BatchPosition.recordCount, -1)), 'INVALID_RECORD'],
    [
      'a consistent lie about the count',
      sealed((view) => {
        view.setInt32(BatchPosition.recordCount, 2)
        view.setInt32(BatchPosition.lastOffsetDelta, 1)
      }),
      'INVALID_RECORD',
    ],
    [
      'a last offset delta of 5',
      sealed((view) => view.setInt32(BatchPosition.lastOffsetDelta, 5)),
      'INVALID_RECORD',
    ],
    [
      'a negative last offset delta',
      sealed((view) => view.setInt32(BatchPosition.lastOffsetDelta, -1)),
      'INVALID_RECORD',
    ],
    ['a record longer than the batch', sealed((view) => view.setUint8(61, 0x7e)), 'INVALID_RECORD'],
    [
      'a record with a negative length',
      sealed((view) => view.setUint8(61, 0x03)),
      'INVALID_RECORD',
    ],
    ['records out of order', gapped([0, 2, 1]), 'INVALID_RECORD'],
    ['records with a gap', gapped([0, 1, 3]), 'INVALID_RECORD'],
    ['compression 5', withAttributes(5), 'UNKNOWN_SERVER_ERROR'],
    ['compression 7', withAttributes(7), 'UNKNOWN_SERVER_ERROR'],
    ['the control bit', withAttributes(BatchAttribute.control), 'INVALID_RECORD'],
    ['the transactional bit', withAttributes(BatchAttribute.transactional), 'INVALID_TXN_STATE'],
    ['LogAppendTime of its own', withAttributes(BatchAttribute.logAppendTime), 'INVALID_TIMESTAMP'],
    [
      'a base timestamp beyond 2^53',
      sealed((view) => view.setBigInt64(BatchPosition.baseTimestamp, 2n ** 60n)),
      'INVALID_RECORD',
    ],
    [
      'a producer without sequence',
      batchOf(['a'], 0, { ...idempotent, baseSequence: -1 }),
      'INVALID_RECORD',
    ],
    [
      'a producer without epoch',
      batchOf(['a'], 0, { ...idempotent, producerEpoch: -1 }),
      'INVALID_RECORD',
    ],
    ['a batch that is too large', batchOf(['x'.repeat(1_000)]), 'MESSAGE_TOO_LARGE'],
    ['a batch as large as can be', batchOf(['x'.repeat(1_000 - 72)]), 'accepted'],
  ]
  for (const [what, recordSet, answer] of rows)
    test(`${what}: ${answer}`, () => {
      assert.equal(answerTo(recordSet, { maxMessageBytes: 1_000 }), answer)
    })
})

describe('a compacted topic', () => {
  const keyed = { timestampMs: 0, key: Buffer.from('k') }
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)
    test(`refuses the whole batch for records without a key and names them (${compression})`, () => {
      const recordSet = batchOf([keyed, 'a', keyed, 'b'], 0, { compression })
      const result = validate(recordSet, { cleanupPolicy: 'compact' })
      assert.ok(!(result instanceof RecordBatch))
      assert.equal(result.kind === 'refused' && result.error, 'INVALID_RECORD')
      assert.deepEqual(
        result.kind === 'refused' && result.recordErrors.map((error) => error.batchIndex),
        [1, 3],
      )
      assert.equal(
        answerTo(batchOf([keyed], 0, { compression }), { cleanupPolicy: 'compact' }),
        'accepted',
      )
    })

  test('refuses compressed bytes that are none, or that would take more than the limit', () => {
    const bomb = batchOf([{ ...keyed, value: Buffer.alloc(100_000) }], 0, { compression: 'gzip' })
    assert.equal(answerTo(bomb, { cleanupPolicy: 'compact' }), 'INVALID_RECORD')
    const damaged = sealed(
      (view) => view.setInt32(70, 0x55555555),
      batchOf([keyed], 0, { compression: 'gzip' }),
    )
    assert.equal(answerTo(damaged, { cleanupPolicy: 'compact' }), 'INVALID_RECORD')
  })
})

test('a wrong largest timestamp is put right, since the time index rests on it', () => {
  const lying = sealed((view) => view.setBigInt64(BatchPosition.maxTimestamp, 5n))
  const batch = validate(lying)
  assert.ok(batch instanceof RecordBatch)
  assert.equal(batch.maxTimestamp, 1_000)
  assert.ok(batch.isCrcValid)
})

test('a timestamp too far ahead of the clock is refused where the topic limits it', () => {
  const config = { timestampAfterMaxMs: 500 }
  for (const compression of ['none', 'gzip'] as const) {
    assert.equal(answerTo(batchOf(['a'], NOW + 500, { compression }), config), 'accepted')
    assert.equal(answerTo(batchOf(['a'], NOW + 501, { compression }), config), 'INVALID_TIMESTAMP')
    assert.equal(answerTo(batchOf(['a'], NOW + 501, { compression })), 'accepted')
  }
})

test('what is accepted uncompressed can be decoded, and whatever comes is answered', () => {
  const anyRecord = fc.record({
    timestampMs: fc.integer({ min: 0, max: 2 ** 48 }),
    key: fc.option(fc.uint8Array({ maxLength: 6 })),
    value: fc.option(fc.uint8Array({ maxLength: 200 })),
    headers: fc.array(
      fc.record({
        key: fc.string({ maxLength: 3 }),
        value: fc.option(fc.uint8Array({ maxLength: 3 })),
      }),
      { maxLength: 2 },
    ),
  })
  const flip = fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) })
  let accepted = 0
  fc.assert(
    fc.property(
      fc.array(anyRecord, { minLength: 1, maxLength: 4 }),
      fc.constantFrom<CompressionType>('none', 'none', 'none', 'gzip'),
      fc.array(flip, { maxLength: 3 }),
      (records, compression, flips) => {
        const recordSet = encodeRecordBatch(records, { compression })
        for (const { at, to } of flips)
          recordSet[BatchPosition.crc + 4 + (at % (recordSet.length - 21))] = to
        const result = validate(resealed(recordSet))
        if (!(result instanceof RecordBatch)) return
        accepted++
        if (result.compression === 'none') {
          const decoded = decodeRecords(result)
          assert.equal(decoded.length, result.recordCount)
          assert.equal(
            Math.max(...decoded.map((record) => record.timestampMs)),
            result.maxTimestamp,
          )
        }
      },
    ),
    { numRuns: 500 },
  )
  assert.ok(accepted > 50, `only ${accepted} batches were accepted`)
})

const NOW = 1_700_000_000_000

function validate(recordSet: Uint8Array, config: Partial<PartitionLogConfig> = {}) {
  return validateBatch(recordSet, {
    config: { ...defaultConfig, ...config },
    id: { topicId: 't', partition: 0 },
    nowMs: NOW,
    maxDecodedBytes: 10_000,
  })
}

function answerTo(recordSet: Uint8Array, config: Partial<PartitionLogConfig> = {}): string {
  const result = validate(recordSet, config)
  if (result instanceof RecordBatch) return 'accepted'
  assert.ok(result.kind === 'refused' && result.message.length > 0)
  return result.error
}

function changed(
  change: (view: DataView) => void,
  bytes = batchOf(['a', 'b', 'c'], 1_000),
): Uint8Array {
  change(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return bytes
}

/** The same with a CRC that matches. */
function sealed(change: (view: DataView) => void, bytes?: Uint8Array): Uint8Array {
  return resealed(changed(change, bytes))
}

function resealed(bytes: Uint8Array): Uint8Array {
  return changed(
    (view) => view.setInt32(BatchPosition.crc, new RecordBatch(bytes).computeCrc()),
    bytes,
  )
}

function withAttributes(attributes: number): Uint8Array {
  return sealed((view) => view.setInt16(BatchPosition.attributes, attributes))
}

/** Three records with these offset deltas, in a batch that claims three. */
function gapped(deltas: readonly number[]): Uint8Array {
  const bytes = batchOf(deltas.map((offsetDelta) => ({ offsetDelta })))
  return sealed((view) => view.setInt32(BatchPosition.lastOffsetDelta, 2), bytes)
}
