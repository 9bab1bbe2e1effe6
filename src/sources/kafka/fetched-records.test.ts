import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError, concatBytes } from '../../core/index.ts'
import { BATCH_HEADER_BYTES, BatchPosition, encodeRecordBatch } from '../../protocol/index.ts'
import type { BatchInput } from '../../protocol/index.ts'
import { FetchedAnswer, positionAfter } from './fetched-records.ts'
import type { AbortedTransaction, DecodeOptions, FetchedPiece } from './fetched-records.ts'
import { EpochTrail } from './epoch-trail.ts'

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

  test('that come before damage in the same answer are read, and the place of the damage is known', () => {
    const damaged = batch(2, ['payload'])
    damaged[damaged.length - 3]! ^= 1
    const fetched = answer(concatBytes([batch(0, ['a', 'b']), damaged, batch(3, ['c'])]), {
      from: 0,
    })
    assert.deepEqual(textsOf(fetched.read()), ['a', 'b'])
    assert.deepEqual([fetched.offset, fetched.isRead], [2, false])
    assert.throws(() => fetched.read(), { code: 'SHOAL_CORRUPT_BATCH' })
    assert.equal(fetched.offset, 2)
  })

  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const)
    test(`cannot grow beyond the limit by decompression: ${compression}`, () => {
      const bytes = batch(0, ['x'.repeat(100_000)], { compression })
      assert.ok(bytes.length < 20_000)
      const fetched = answer(bytes, { from: 0, maxDecompressedBytes: 10_000 })
      assert.throws(() => fetched.read(), { code: 'SHOAL_DECOMPRESSION_LIMIT' })
    })

  test('cannot be so many in one compressed batch that nothing but their number fills the memory', () => {
    const bytes = batch(0, Array<string>(20_000).fill(''), { compression: 'gzip' })
    const fetched = answer(bytes, { from: 0, maxDecompressedBytes: 1_000_000 })
    assert.throws(() => fetched.read(), { code: 'SHOAL_DECOMPRESSION_LIMIT' })
  })

  test('count the memory that they keep alive, decompressed bytes included', () => {
    const plain = batch(0, ['x'.repeat(1_000)])
    const packed = batch(0, ['x'.repeat(1_000)], { compression: 'gzip' })
    const recordBytes = plain.length - BATCH_HEADER_BYTES
    assert.equal(answer(plain, { from: 0 }).read().byteLength, plain.length)
    assert.equal(answer(packed, { from: 0 }).read().byteLength, packed.length + recordBytes)
  })
})

describe('an answer that unpacks to much', () => {
  test('is read in pieces that end with the batch that fills them', () => {
    const packed = [0, 1, 2, 3, 4].map((offset) =>
      batch(offset, ['x'.repeat(1_000)], { compression: 'gzip' }),
    )
    const fetched = answer(concatBytes(packed), { from: 1, pieceBytes: 1_500 })
    const pieces = allOf(fetched)
    assert.deepEqual(
      pieces.map(({ records, nextOffset }) => [
        [...records].map(({ offset }) => offset),
        nextOffset,
      ]),
      [
        [[1, 2], 3],
        [[3, 4], 5],
      ],
    )
    const total = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const recordBytes = batch(0, ['x'.repeat(1_000)]).length - BATCH_HEADER_BYTES
    assert.equal(total, concatBytes(packed).length + 4 * recordBytes)
  })

  test('remembers from piece to piece which transactions were aborted, and which ended', () => {
    const packed = (offset: number, value: string) =>
      transactional(offset, 1n, value, { compression: 'gzip' })
    const fetched = answer(
      concatBytes([packed(0, 'a'), marker(1, 1n), packed(2, 'b'), packed(3, 'c'), marker(4, 1n)]),
      { from: 0, aborted: [{ producerId: 1n, firstOffset: 0 }], pieceBytes: 1 },
    )
    assert.deepEqual(allOf(fetched).flatMap(textsOf), ['b', 'c'])
    assert.equal(fetched.offset, 5)
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

  test('knows under which leaders the records before it were written', () => {
    const trail = new EpochTrail()
    const bytes = concatBytes([
      batch(0, ['a'], { partitionLeaderEpoch: 1 }),
      batch(1, ['b'], { partitionLeaderEpoch: 1 }),
      batch(2, ['c'], { partitionLeaderEpoch: 4 }),
    ])
    assert.equal(positionAfter(bytes, 1, trail), 3)
    assert.deepEqual([trail.before(1), trail.before(2), trail.before(3)], [-1, 1, 4])
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

function transactional(
  baseOffset: number,
  producerId: bigint,
  value: string,
  options: BatchInput = {},
): Uint8Array {
  const producer = { isTransactional: true, producerId, producerEpoch: 0, baseSequence: 0 }
  return batch(baseOffset, [value], { ...producer, ...options })
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

function answer(
  bytes: Uint8Array,
  { from, ...options }: { from: number } & Partial<DecodeOptions>,
): FetchedAnswer {
  return new FetchedAnswer(bytes, positionAfter(bytes, from), {
    from,
    aborted: null,
    maxDecompressedBytes: 10_000_000,
    pieceBytes: 10_000_000,
    ...options,
  })
}

function allOf(fetched: FetchedAnswer): FetchedPiece[] {
  const pieces: FetchedPiece[] = []
  while (!fetched.isRead) pieces.push(fetched.read())
  return pieces
}

function textsOf({ records }: FetchedPiece): string[] {
  return [...records].map(({ value }) => Buffer.from(value ?? []).toString())
}

function read(
  bytes: Uint8Array,
  { from, aborted = [] }: { from: number; aborted?: readonly AbortedTransaction[] | null },
): [number, string][] {
  const pieces = allOf(answer(bytes, { from, aborted }))
  return pieces.flatMap((piece) =>
    [...piece.records].map(
      ({ offset, value }) => [offset, Buffer.from(value ?? []).toString()] as const,
    ),
  ) as [number, string][]
}
