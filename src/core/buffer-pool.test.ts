import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { BufferPool } from './buffer-pool.ts'

const SIZE = 100_000

describe('a pool of buffers', () => {
  test('gives memory again when its last user has released it, and not before', () => {
    const pool = new BufferPool()
    const first = pool.take(SIZE)
    pool.retain(first.subarray(10, 20))
    pool.release(first)
    assert.notEqual(pool.take(SIZE).buffer, first.buffer)
    pool.release(first.subarray(50))
    assert.equal(pool.take(SIZE).buffer, first.buffer)
  })

  test('refuses one release too many', () => {
    const pool = new BufferPool()
    const bytes = pool.take(SIZE)
    pool.release(bytes)
    assert.throws(() => pool.release(bytes), { code: 'SHOAL_INVARIANT' })
  })

  test('passes over memory that is not its own, and small pieces', () => {
    const pool = new BufferPool()
    for (const bytes of [new Uint8Array(SIZE), pool.take(100)]) {
      pool.retain(bytes)
      for (let times = 0; times < 3; times++) pool.release(bytes)
    }
    assert.equal(pool.freeBytes, 0)
  })

  test('keeps no more free bytes than its limit', () => {
    const pool = new BufferPool({ limitBytes: 3 * SIZE })
    for (const bytes of Array.from({ length: 10 }, () => pool.take(SIZE))) pool.release(bytes)
    assert.ok(pool.freeBytes > 2 * SIZE && pool.freeBytes <= 3 * SIZE, `${pool.freeBytes}`)
  })

  test('never gives the same memory to two users, whatever the order of takes and releases', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 400_000 }), fc.nat(9)), { maxLength: 200 }),
        (steps) => {
          const pool = new BufferPool({ limitBytes: 1_000_000 })
          const held: Uint8Array[] = []
          for (const [size, choice] of steps) {
            const bytes = pool.take(size)
            assert.equal(bytes.length, size)
            assert.ok(bytes.buffer.byteLength <= Math.max(size, 1.25 * size + 1))
            assert.ok(held.every(({ buffer }) => buffer !== bytes.buffer))
            held.push(bytes)
            if (choice < 6) pool.release(held.splice(choice % held.length, 1)[0]!)
          }
        },
      ),
    )
  })
})
