/**
 * Large buffers that are used again: collecting a mebibyte for each mebibyte received costs more than receiving it.
 *
 *   take (one user) ─▶ retain (one more) ─▶ release (one less) … ─▶ release (the last one) ─▶ free, for the next take
 *
 * Users are counted by memory, whatever slices of it they hold. Whoever cannot say when it is done simply never releases:
 * then the memory is not given again and is collected like any other. So forgetting to release costs a little, releasing
 * while somebody still reads would show them other bytes: only who has retained may release, once, and looks at the
 * bytes no more.
 * Memory that is not from here is passed over by `retain` and `release`.
 */

import { assertInvariant } from './assert.ts'

export interface BufferPoolOptions {
  /** Free bytes that are kept at most; default 64 MiB. */
  readonly limitBytes?: number
}

/** Below this size a buffer is not worth the bookkeeping. */
const SMALLEST_BYTES = 64 * 1024
/** Sizes between two powers of two: a buffer is at most a quarter larger than what was asked for. */
const STEPS = 4

export class BufferPool {
  readonly #limitBytes: number
  readonly #users = new WeakMap<ArrayBufferLike, number>()
  readonly #free = new Map<number, ArrayBufferLike[]>()
  #freeBytes = 0

  constructor({ limitBytes = 64 * 1024 * 1024 }: BufferPoolOptions = {}) {
    this.#limitBytes = limitBytes
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** So many bytes, whatever they hold. Who takes them is their first user. */
  take(byteLength: number): Uint8Array {
    if (byteLength < SMALLEST_BYTES) return Buffer.allocUnsafeSlow(byteLength)
    const size = sizeFor(byteLength)
    const free = this.#free.get(size)?.pop()
    if (free !== undefined) this.#freeBytes -= size
    const memory = free ?? Buffer.allocUnsafeSlow(size).buffer
    this.#users.set(memory, 1)
    return Buffer.from(memory, 0, byteLength)
  }

  /** One more user of the memory that the bytes lie in. */
  retain({ buffer }: Uint8Array): void {
    const users = this.#users.get(buffer)
    if (users !== undefined) this.#users.set(buffer, users + 1)
  }

  /** A user is done with the memory that the bytes lie in. */
  release({ buffer }: Uint8Array): void {
    const users = this.#users.get(buffer)
    if (users === undefined) return
    assertInvariant(users > 0, 'memory was released by more users than it had')
    this.#users.set(buffer, users - 1)
    if (users > 1 || this.#freeBytes + buffer.byteLength > this.#limitBytes) return
    const size = buffer.byteLength
    const free = this.#free.get(size) ?? []
    this.#free.set(size, free)
    free.push(buffer)
    this.#freeBytes += size
  }
}

function sizeFor(byteLength: number): number {
  const step = 2 ** Math.floor(Math.log2(byteLength)) / STEPS
  return Math.ceil(byteLength / step) * step
}
