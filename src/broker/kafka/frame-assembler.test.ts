import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../core/index.ts'
import { FrameAssembler } from './frame-assembler.ts'

const MAX = 1_000_000

describe('frames of a stream', () => {
  test('are slices of the chunk where they came whole', () => {
    const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: MAX })
    const chunk = concatBytes([framed(bytesOf(10)), framed(bytesOf(20))])
    assembler.push(chunk)

    const [first, second] = [assembler.next(), assembler.next()]

    assert.ok(first.kind === 'frame' && second.kind === 'frame')
    assert.deepEqual([first.bytes, second.bytes], [bytesOf(10), bytesOf(20)])
    assert.equal(first.bytes.buffer, chunk.buffer)
    assert.equal(assembler.next().kind, 'incomplete')
    assert.equal(assembler.heldBytes, 0)
  })

  test('are the same however the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 8, maxLength: 9_000 }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 20 }),
        (frames, cuts) => {
          const stream = concatBytes(frames.map(framed))
          const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: MAX })
          const seen: Uint8Array[] = []
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = cuts[turn % cuts.length]!
            assembler.push(stream.subarray(at, at + size))
            at += size
            for (let next = assembler.next(); next.kind === 'frame'; next = assembler.next())
              seen.push(new Uint8Array(next.bytes))
          }
          assert.deepEqual(seen, frames)
          assert.equal(assembler.partialBytes, 0)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('are the same however the stream was read into its room, and stay what they were', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 8, maxLength: 90_000 }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
        fc.infiniteStream(fc.boolean()),
        (frames, reads, takes) => {
          const stream = concatBytes(frames.map(framed))
          const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: MAX })
          const seen: Uint8Array[] = []
          const take = () => {
            for (let next = assembler.next(); next.kind === 'frame'; next = assembler.next())
              seen.push(next.bytes)
          }
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const room = assembler.room()
            const size = Math.min(reads[turn % reads.length]!, room.length, stream.length - at)
            room.set(stream.subarray(at, at + size))
            assembler.push(room.subarray(0, size))
            at += size
            if (takes.next().value) take()
            assembler.settle()
          }
          take()
          assert.deepEqual(
            seen.map((bytes) => new Uint8Array(bytes)),
            frames,
          )
        },
      ),
      { numRuns: 200 },
    )
  })

  test('that are large are read straight into their buffer', () => {
    const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: MAX })
    const stream = framed(bytesOf(500_000))
    let reads = 0
    let next = assembler.next()
    for (let at = 0; next.kind !== 'frame'; reads++) {
      const room = assembler.room()
      room.set(stream.subarray(at, at + room.length))
      assembler.push(room.subarray(0, stream.length - at))
      at += room.length
      next = assembler.next()
      assembler.settle()
    }
    assert.deepEqual(next.bytes, Buffer.from(bytesOf(500_000)))
    assert.equal(reads, 2, 'the first read shows the size, the second takes the rest')
  })

  test('that claim too much or too little are refused at their size, with nothing allocated', () => {
    for (const size of [-1, -(2 ** 31), 0, 7, MAX + 1, 2 ** 31 - 1]) {
      const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: MAX })
      const head = Buffer.alloc(4)
      head.writeInt32BE(size)
      assembler.push(head)

      assert.deepEqual(assembler.next(), { kind: 'refused', size })
      assert.equal(assembler.heldBytes, 0)
    }
  })

  test('hold memory for what has arrived, not for what was claimed', () => {
    const assembler = new FrameAssembler({ minFrameBytes: 8, maxFrameBytes: 100 * MAX })
    const head = Buffer.alloc(4)
    head.writeInt32BE(100 * MAX)
    assembler.push(head)
    assert.equal(assembler.next().kind, 'incomplete')
    assert.equal(assembler.heldBytes, 0)

    for (let arrived = 1; arrived <= 20_000; arrived++) {
      assembler.push(Uint8Array.of(7))
      assert.equal(assembler.next().kind, 'incomplete')
      const generous = Math.min(arrived * 16, 2 * 1024 * 1024)
      const most = Math.max(4_096, arrived * 2, generous)
      assert.ok(assembler.heldBytes <= most, `${arrived} bytes arrived`)
    }
    assert.equal(assembler.partialBytes, 20_004)
  })
})

function framed(body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4)
  head.writeInt32BE(body.length)
  return concatBytes([head, body])
}

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}
