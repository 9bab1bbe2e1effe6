import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Tail, type TailBatch } from './tail.ts'

type Batch = TailBatch<{ baseOffset: number }>

interface Model {
  batches: Batch[]
  /** How many of `batches` are written; those come first. */
  written: number
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      records: fc.integer({ min: 1, max: 5 }),
      bytes: fc.integer({ min: 1, max: 9 }),
      rolls: fc.boolean(),
      isInFile: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('write' as const), flushed: fc.nat(100) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), bytes: fc.nat(40) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('forget' as const), percent: fc.nat(100) }),
  },
)

test('a tail keeps batches in order, writes or passes each once and drops only what is written', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(1_000), (steps, probe) => {
      const tail = new Tail<{ baseOffset: number }>()
      const model: Model = { batches: [], written: 0 }
      let next = 0
      let segment = { baseOffset: 0 }
      let position = 0
      for (const each of steps) {
        if (each.kind === 'push') {
          if (each.rolls) [segment, position] = [{ baseOffset: next }, 0]
          const batch = {
            baseOffset: next,
            nextOffset: next + each.records,
            segment,
            position,
            bytes: new Uint8Array(each.bytes),
            isInFile: each.isInFile,
            isLent: false,
          }
          tail.push(batch)
          model.batches.push(batch)
          next += each.records
          position += each.bytes
        }
        if (each.kind === 'write') writeOne(tail, model, Math.floor((next * each.flushed) / 100))
        if (each.kind === 'drop') dropSome(tail, model, each.bytes)
        if (each.kind === 'forget') {
          const before = Math.floor((next * each.percent) / 100)
          const gone = model.batches.filter((batch) => batch.nextOffset <= before)
          assert.equal(tail.forget(before), sizeOf(gone))
          model.batches = model.batches.slice(gone.length)
          model.written = Math.max(0, model.written - gone.length)
        }
        agree(tail, model, probe, next)
      }
    }),
    { numRuns: 60 },
  )
})

test('a tail releases what goes, but nothing that was lent or is not in a file yet', () => {
  const released: Uint8Array[] = []
  const tail = new Tail<{ baseOffset: number }>((bytes) => released.push(bytes))
  const segment = { baseOffset: 0 }
  const batches = [0, 1, 2, 3, 4].map((offset): Batch => ({
    baseOffset: offset,
    nextOffset: offset + 1,
    segment,
    position: offset * 10,
    bytes: new Uint8Array(10),
    isInFile: false,
    isLent: false,
  }))
  for (const batch of batches) tail.push(batch)
  tail.written(4)
  tail.read(1, 2, { maxBytes: 10, atLeastOneBatch: true })
  assert.equal(tail.drop(10), 10)
  assert.equal(tail.forget(Infinity), 40)
  assert.deepEqual(
    released.map((bytes) => batches.findIndex((batch) => batch.bytes === bytes)),
    [0, 2, 3],
  )
})

function writeOne(tail: Tail<{ baseOffset: number }>, model: Model, endOffset: number): void {
  for (;;) {
    const next = model.batches[model.written]
    const isDue = next?.isInFile === true && next.nextOffset <= endOffset
    assert.equal(tail.passInFile(endOffset), isDue ? next : null)
    if (!isDue) break
    model.written++
  }
  const write = tail.nextWrite(endOffset)
  const waiting = model.batches.slice(model.written)
  const [head] = waiting
  if (head === undefined || head.nextOffset > endOffset) return assert.equal(write, null)
  const other = waiting.findIndex(
    (batch) => batch.segment !== head.segment || batch.nextOffset > endOffset || batch.isInFile,
  )
  const due = other === -1 ? waiting : waiting.slice(0, other)
  assert.ok(write !== null)
  assert.deepEqual(
    write.chunks,
    due.map(({ bytes }) => bytes),
  )
  assert.deepEqual(
    [write.segment, write.position, write.byteLength, write.nextOffset],
    [head.segment, head.position, sizeOf(due), due.at(-1)?.nextOffset],
  )
  tail.written(write.chunks.length)
  model.written += due.length
}

function dropSome(tail: Tail<{ baseOffset: number }>, model: Model, bytes: number): void {
  const dropped = tail.drop(bytes)
  let count = 0
  while (sizeOf(model.batches.slice(0, count)) < bytes && count < model.written) count++
  assert.equal(dropped, sizeOf(model.batches.slice(0, count)))
  model.batches = model.batches.slice(count)
  model.written -= count
}

function agree(tail: Tail<{ baseOffset: number }>, model: Model, probe: number, end: number): void {
  assert.equal(tail.firstOffset, model.batches[0]?.baseOffset ?? Infinity)
  assert.equal(tail.byteLength, sizeOf(model.batches))
  assert.equal(tail.unwrittenBytes, sizeOf(model.batches.slice(model.written)))
  assert.deepEqual(tail.unwritten(), model.batches.slice(model.written))
  const [first] = model.batches
  if (first === undefined) return
  const offset = first.baseOffset + (probe % (end - first.baseOffset))
  const from = model.batches.findIndex((batch) => batch.nextOffset > offset)
  const visible = model.batches.slice(from).filter((batch) => batch.nextOffset <= end - (probe % 3))
  const { chunks } = tail.read(offset, end - (probe % 3), {
    maxBytes: Infinity,
    atLeastOneBatch: true,
  })
  assert.deepEqual(
    chunks,
    visible.map(({ bytes }) => bytes),
  )
}

function sizeOf(batches: readonly Batch[]): number {
  return batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
