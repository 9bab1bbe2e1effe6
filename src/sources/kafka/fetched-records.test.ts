import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError, concatBytes } from '../../core/index.ts'
import { BatchPosition, encodeRecordBatch } from '../../protocol/index.ts'
import type { BatchInput } from '../../protocol/index.ts'
import { decodeFetched, positionAfter } from './fetched-records.ts'
import type { AbortedTransaction } from './fetched-records.ts'

describe('the records of an answer', () => {
  test('are those at and after the asked offset, though the first batch begins before it', () => {
    const bytes = concatBytes([batch(10, ['a', 'b', 'c']), batch(13, ['d'])])
    assert.deepEqual(read(bytes, { from: 11 }), [
      [11, 'b'],
      [12, 'c'],
      [13, 'd'],
    ])
    assert.deepEqual(read(bytes, { from: 13 }), [[13, 'd']])
  })

  test('end before a last batch that is cut off, wherever the cut is', () => {
    const whole = batch(0, ['a'])
    const next = batch(1, ['b', 'c'])
    for (let kept = 0; kept < next.length; kept++) {
      const bytes = concatBytes([whole, next.subarray(0, kept)])
      assert.deepEqual(read(bytes, { from: 0 }), [[0, 'a']])
      assert.equal(positionAfter(bytes, 0), 1)
    }
  })

  test('are refused when a byte was damaged on the way', () => {
    const bytes = batch(0, ['payload'])
    bytes[bytes.length - 3]! ^= 1
    assert.throws(
      () => read(bytes, { from: 0 }),
      (error) => error instanceof ShoalError && error.code === 'SHOAL_CORRUPT_BATCH',
    )
  })

  test('cannot grow beyond the limit by decompression', () => {
    const bytes = batch(0, ['x'.repeat(100_000)], { compression: 'gzip' })
    assert.throws(
      () => decodeFetched(bytes, { from: 0, aborted: null, maxDecompressedBytes: 10_000 }),
      (error) => error instanceof ShoalError && error.code === 'SHOAL_DECOMPRESSION_LIMIT',
    )
  })

  test('count the memory that they keep alive, decompressed bytes included', () => {
    const plain = batch(0, ['x'.repeat(1_000)])
    const packed = batch(0, ['x'.repeat(1_000)], { compression: 'gzip' })
    const limits = { from: 0, aborted: null, maxDecompressedBytes: 1_000_000 }
    assert.equal(decodeFetched(plain, limits).byteLength, plain.length)
    assert.equal(decodeFetched(packed, limits).byteLength, packed.length + 1_000)
  })
})

describe('the position after an answer', () => {
  test('passes markers and what compaction left of a batch', () => {
    const compacted = encodeRecordBatch(
      [
        { timestampMs: 0, offsetDelta: 0 },
        { timestampMs: 0, offsetDelta: 4 },
      ],
      {
        baseOffset: 5,
      },
    )
    assert.equal(positionAfter(compacted, 5), 10)
    assert.equal(positionAfter(concatBytes([compacted, marker(10, 1n)]), 5), 11)
    assert.equal(positionAfter(new Uint8Array(0), 7), 7)
  })

  test('does not go back for a batch that lies before it', () => {
    assert.equal(positionAfter(batch(0, ['a']), 5), 5)
  })
})

describe('under read-committed', () => {
  const table: readonly {
    readonly name: string
    readonly batches: readonly Uint8Array[]
    readonly aborted: readonly AbortedTransaction[]
    readonly expected: readonly string[]
  }[] = [
    {
      name: 'markers are no records',
      batches: [transactional(0, 1n, 'a'), marker(1, 1n)],
      aborted: [],
      expected: ['a'],
    },
    {
      name: 'an aborted transaction is left out, those of others stay',
      batches: [transactional(0, 1n, 'a'), transactional(1, 2n, 'b'), marker(2, 1n), marker(3, 2n)],
      aborted: [{ producerId: 1n, firstOffset: 0 }],
      expected: ['b'],
    },
    {
      name: 'a transaction whose marker lies beyond the answer is left out as well',
      batches: [transactional(0, 1n, 'a'), transactional(1, 1n, 'b')],
      aborted: [{ producerId: 1n, firstOffset: 0 }],
      expected: [],
    },
    {
      name: 'a producer that aborts twice loses both, and keeps what it committed between and after',
      batches: [
        transactional(0, 1n, 'a'),
        marker(1, 1n),
        transactional(2, 1n, 'b'),
        marker(3, 1n),
        transactional(4, 1n, 'c'),
        marker(5, 1n),
        transactional(6, 1n, 'd'),
        marker(7, 1n),
      ],
      aborted: [
        { producerId: 1n, firstOffset: 4 },
        { producerId: 1n, firstOffset: 0 },
      ],
      expected: ['b', 'd'],
    },
    {
      name: 'a transaction that began before the answer is left out until its marker',
      batches: [transactional(10, 1n, 'tail'), marker(11, 1n), transactional(12, 1n, 'next')],
      aborted: [{ producerId: 1n, firstOffset: 3 }],
      expected: ['next'],
    },
    {
      name: 'what the producer wrote outside of transactions stays',
      batches: [batch(0, ['plain'], { producerId: 1n, producerEpoch: 0, baseSequence: 0 })],
      aborted: [{ producerId: 1n, firstOffset: 0 }],
      expected: ['plain'],
    },
  ]
  for (const { name, batches, aborted, expected } of table)
    test(name, () => {
      const from = batches[0]![7]!
      assert.deepEqual(
        read(concatBytes(batches), { from, aborted }).map(([, value]) => value),
        expected,
      )
    })

  test('read-uncommitted takes everything but the markers', () => {
    const bytes = concatBytes([transactional(0, 1n, 'a'), marker(1, 1n)])
    assert.deepEqual(read(bytes, { from: 0, aborted: null }), [[0, 'a']])
  })
})

function batch(
  baseOffset: number,
  values: readonly string[],
  options: BatchInput = {},
): Uint8Array {
  return encodeRecordBatch(
    values.map((value) => ({ timestampMs: 1, value: Buffer.from(value) })),
    { baseOffset, ...options },
  )
}

function transactional(baseOffset: number, producerId: bigint, value: string): Uint8Array {
  const options = { isTransactional: true, producerId, producerEpoch: 0, baseSequence: 0 }
  return batch(baseOffset, [value], options)
}

function marker(baseOffset: number, producerId: bigint): Uint8Array {
  const bytes = encodeRecordBatch([{ timestampMs: 1, key: Uint8Array.of(0, 0, 0, 0) }], {
    baseOffset,
    isTransactional: true,
    isControl: true,
    producerId,
    producerEpoch: 0,
  })
  assert.equal(bytes[BatchPosition.magic], 2)
  return bytes
}

function read(
  bytes: Uint8Array,
  { from, aborted = [] }: { from: number; aborted?: readonly AbortedTransaction[] | null },
): [number, string][] {
  const { records } = decodeFetched(bytes, { from, aborted, maxDecompressedBytes: 1_000_000 })
  return records.map(({ offset, value }) => [offset, Buffer.from(value ?? []).toString()])
}
