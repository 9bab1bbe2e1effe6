import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../core/index.ts'
import { encodeRecordBatch } from '../../protocol/index.ts'
import type { AbortedTransaction } from './fetched-records.ts'
import { FetchedAnswer, positionAfter } from './fetched-records.ts'

const producer = fc.constantFrom(1n, 2n, 3n)
const event = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      producer,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('end' as const), producer, commits: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('plain' as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  // What compaction leaves: a hole of offsets.
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('hole' as const),
      count: fc.integer({ min: 1, max: 5 }),
    }),
  },
)
type Event = typeof event extends fc.Arbitrary<infer Value> ? Value : never

test('whatever transactions, markers and holes a log holds, and however it is cut into answers, exactly the committed records are delivered, once and in order', () => {
  let aborted = 0
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 5, maxLength: 40 }),
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 200 }),
      (events, batchCounts, pieceBytes) => {
        const log = new Log(events)
        const delivered: number[] = []
        let position = 0
        for (let turn = 0; log.holdsMore(position); turn++) {
          const count = batchCounts[turn % batchCounts.length] ?? 1
          const { bytes, overlapping } = log.fetch(position, count)
          const next = positionAfter(bytes, position)
          assert.ok(next > position, 'an answer that does not lead on')
          const answer = new FetchedAnswer(bytes, next, {
            from: position,
            aborted: overlapping,
            maxDecompressedBytes: 10_000,
            pieceBytes,
          })
          while (!answer.isRead) {
            const before = answer.offset
            const { records, nextOffset } = answer.read()
            assert.ok(nextOffset > before)
            for (const { offset } of records) {
              assert.ok(offset >= before && offset < nextOffset)
              delivered.push(offset)
            }
          }
          position = next
        }
        assert.deepEqual(delivered, log.committed)
        aborted += log.abortedCount
      },
    ),
    { numRuns: 300 },
  )
  // A property that never gets anywhere proves nothing.
  assert.ok(aborted > 100, `${aborted} aborted transactions`)
})

/** A partition's log with the transactions on it, as a broker keeps it. */
class Log {
  readonly #batches: { readonly lastOffset: number; readonly bytes: Uint8Array }[] = []
  readonly #aborted: (AbortedTransaction & { readonly lastOffset: number })[] = []
  readonly #committed: number[] = []
  #end = 0

  constructor(events: readonly Event[]) {
    const open = new Map<bigint, number[]>()
    for (const one of events)
      switch (one.kind) {
        case 'plain':
          this.#committed.push(...this.#append(one.count))
          break
        case 'hole':
          this.#end += one.count
          break
        case 'write':
          open.set(one.producer, [
            ...(open.get(one.producer) ?? []),
            ...this.#append(one.count, one.producer),
          ])
          break
        case 'end': {
          const offsets = open.get(one.producer)
          if (offsets === undefined) break
          open.delete(one.producer)
          const [lastOffset = 0] = this.#append(1, one.producer, true)
          if (one.commits) this.#committed.push(...offsets)
          else
            this.#aborted.push({
              producerId: one.producer,
              firstOffset: offsets[0] ?? 0,
              lastOffset,
            })
        }
      }
    const firsts = [...open.values()].map(([first = 0]) => first)
    this.#lastStableOffset = Math.min(this.#batchEnd, ...firsts)
  }

  readonly #lastStableOffset: number

  get #batchEnd(): number {
    return (this.#batches.at(-1)?.lastOffset ?? -1) + 1
  }

  /** Whether a batch that may be read lies at the position or behind it. */
  holdsMore(position: number): boolean {
    return this.fetch(position, 1).bytes.length > 0
  }

  get committed(): readonly number[] {
    return this.#committed.filter((offset) => offset < this.#lastStableOffset).sort((a, b) => a - b)
  }

  get abortedCount(): number {
    return this.#aborted.length
  }

  /** At most so many batches below the last stable offset, and the aborted transactions that overlap them. */
  fetch(from: number, count: number) {
    const found = this.#batches
      .filter(({ lastOffset }) => lastOffset >= from && lastOffset < this.#lastStableOffset)
      .slice(0, count)
    const upTo = found.at(-1)?.lastOffset ?? from
    return {
      bytes: concatBytes(found.map(({ bytes }) => bytes)),
      overlapping: this.#aborted.filter(
        ({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset <= upTo,
      ),
    }
  }

  #append(count: number, producerId?: bigint, isControl = false): readonly number[] {
    const baseOffset = this.#end
    const records = Array.from({ length: count }, () =>
      isControl ? { timestampMs: 1, key: Uint8Array.of(0, 0, 0, 0) } : { timestampMs: 1 },
    )
    const transactional =
      producerId === undefined
        ? {}
        : { producerId, producerEpoch: 0, isTransactional: true, isControl }
    this.#end += count
    const lastOffset = this.#end - 1
    this.#batches.push({
      lastOffset,
      bytes: encodeRecordBatch(records, { baseOffset, ...transactional }),
    })
    return Array.from({ length: count }, (_, index) => baseOffset + index)
  }
}
