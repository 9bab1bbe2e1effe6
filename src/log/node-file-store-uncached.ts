/**
 * Large writes past the system's page cache (`O_DIRECT`), for bytes that are synced at once and read by nobody soon.
 *
 *   │ head │ whole blocks ................... │ tail │    head and tail: through the cache, like any small write
 *          └ a slab at a time, copied ─▶ device
 *
 * A page of the cache that is allocated, filled, tracked, written out and dropped costs two to ten times the copy into it.
 * The kernel takes only whole blocks, from memory that begins at a page. Batches begin anywhere, so they are copied into
 * slabs of a WebAssembly memory: the one memory in Node that is sure to begin there.
 * Invariants: at most SLABS writes of a store wait for the device at a time, whatever is asked, so that is all they take of
 * memory and of libuv's pool; a block is written here only as a whole, so that the cache and the device never differ.
 * What the system does not have (other systems than Linux, some file systems) is told by `null`: then nothing is lost, the
 * caller writes all of it as usual.
 */

import * as fs from 'node:fs'
import { assertInvariant, byteLengthOf } from '../core/index.ts'

/** As far as it is used here; undefined where V8 runs without a compiler. */
declare const WebAssembly:
  | undefined
  | {
      readonly Memory: new (pages: { initial: number; maximum: number }) => {
        readonly buffer: ArrayBuffer
      }
    }

/** A multiple of what any device or file system asks for in practice. */
const BLOCK_BYTES = 4_096
/** One write; smaller ones cost more a byte (0.09 us a KiB for 1 MiB, 0.07 for 2 MiB here), larger ones little less. */
const SLAB_BYTES = 2 * 1024 * 1024
/** One thread of libuv's four stays for everybody else. */
const SLABS = 3
const WASM_PAGE_BYTES = 64 * 1024

/** What all uncached files of one store share. */
export class UncachedWrites {
  /** Made for the first write. */
  #free: Uint8Array[] | null = null
  readonly #waiting: ((slab: Uint8Array) => void)[] = []
  #isRefused = fs.constants.O_DIRECT === undefined

  /** Whether there are such writes here, as far as is known; then there are slabs. */
  prepare(): boolean {
    if (this.#isRefused) return false
    this.#free ??= allocateSlabs()
    this.#isRefused = this.#free === null
    return !this.#isRefused
  }

  /** The system said no; it is not asked again. */
  refuse(): void {
    this.#isRefused = true
  }

  /** Lets `use` fill and write a slab, once one is free. */
  async withSlab<Result>(use: (slab: Uint8Array) => Promise<Result>): Promise<Result> {
    const slab =
      this.#free?.pop() ?? (await new Promise<Uint8Array>((given) => this.#waiting.push(given)))
    try {
      return await use(slab)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free?.push(slab)
      else next(slab)
    }
  }
}

/** The second descriptor of a file: the one for uncached writes. */
export class UncachedFile {
  readonly #cachedFd: number
  readonly #shared: UncachedWrites
  #fd: Promise<number | null> | null = null
  /** Writes under way, and those before them. */
  #last: Promise<unknown> = Promise.resolve()

  /** @param cachedFd the file as it is open; stays its owner's */
  constructor(cachedFd: number, shared: UncachedWrites) {
    this.#cachedFd = cachedFd
    this.#shared = shared
  }

  /** As `StoredFile.write`. Answers null when it cannot be done: nothing that was written has to be undone. */
  write(position: number, chunks: readonly Uint8Array[]): Promise<number | null> {
    const written = this.#write(position, new ChunkReader(chunks))
    this.#last = Promise.allSettled([this.#last, written])
    return written
  }

  /** Waits for the writes that are under way. */
  async close(): Promise<void> {
    await this.#last
    const fd = await this.#fd
    this.#fd = null
    if (fd !== null) await closeDescriptor(fd)
  }

  async #write(position: number, bytes: ChunkReader): Promise<number | null> {
    if (!this.#shared.prepare()) return null
    const fd = await (this.#fd ??= this.#open())
    if (fd === null) {
      this.#fd = null
      return null
    }
    const end = position + bytes.left
    const blocksEnd = end - (end % BLOCK_BYTES)
    let at = Math.min(end, Math.ceil(position / BLOCK_BYTES) * BLOCK_BYTES)
    if (!this.#writeCached(position, bytes.take(at - position))) return 0
    try {
      while (at < blocksEnd) {
        const length = Math.min(blocksEnd - at, SLAB_BYTES)
        const written = await this.#shared.withSlab((slab) => {
          bytes.copyInto(slab.subarray(0, length))
          return pwrite(fd, slab.subarray(0, length), at)
        })
        at += written
        if (written < length) return at - position
      }
    } catch (error) {
      if (!isUnsupported(error)) throw error
      this.#shared.refuse()
      return null
    }
    return this.#writeCached(at, bytes.take(end - at)) ? end - position : at - position
  }

  /** Less than a block. */
  #writeCached(position: number, chunks: readonly Uint8Array[]): boolean {
    const length = byteLengthOf(chunks)
    return length === 0 || fs.writevSync(this.#cachedFd, chunks, position) === length
  }

  /** Null where it cannot be opened so, for now or for good. By descriptor: the path may name another file by now. */
  #open(): Promise<number | null> {
    const flags = fs.constants.O_WRONLY | fs.constants.O_DIRECT
    return new Promise((done) => {
      fs.open(`/proc/self/fd/${this.#cachedFd}`, flags, (error, fd) => {
        if (error !== null && error.code !== 'EMFILE' && error.code !== 'ENFILE')
          this.#shared.refuse()
        done(error === null ? fd : null)
      })
    })
  }
}

/** Chunks as one run of bytes, read front to back. */
class ChunkReader {
  readonly #chunks: readonly Uint8Array[]
  #index = 0
  #position = 0
  left: number

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks
    this.left = byteLengthOf(chunks)
  }

  /** The next `length` bytes, which are there. */
  take(length: number): readonly Uint8Array[] {
    const pieces: Uint8Array[] = []
    for (let missing = length; missing > 0;) {
      const piece = this.#piece(missing)
      pieces.push(piece)
      missing -= piece.length
    }
    return pieces
  }

  copyInto(target: Uint8Array): void {
    let filled = 0
    for (const piece of this.take(target.length)) {
      target.set(piece, filled)
      filled += piece.length
    }
  }

  #piece(atMost: number): Uint8Array {
    const chunk = this.#chunks[this.#index]
    assertInvariant(chunk !== undefined, 'more bytes are asked for than there are')
    const piece = chunk.subarray(this.#position, this.#position + atMost)
    this.left -= piece.length
    this.#position += piece.length
    if (this.#position === chunk.length) {
      this.#index++
      this.#position = 0
    }
    return piece
  }
}

/** Null when there is no memory of this kind. */
function allocateSlabs(): Uint8Array[] | null {
  if (typeof WebAssembly === 'undefined') return null
  const pages = (SLABS * SLAB_BYTES) / WASM_PAGE_BYTES
  try {
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages })
    return Array.from(
      { length: SLABS },
      (_, index) => new Uint8Array(buffer, index * SLAB_BYTES, SLAB_BYTES),
    )
  } catch (error) {
    // It reserves much more address space than it has bytes, which may be limited.
    if (error instanceof RangeError) return null
    throw error
  }
}

function pwrite(fd: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((done, failed) => {
    fs.write(fd, bytes, 0, bytes.length, position, (error, written) =>
      error === null ? done(written) : failed(error),
    )
  })
}

export function closeDescriptor(fd: number): Promise<void> {
  return new Promise((done, failed) => {
    fs.close(fd, (error) => (error === null || error === undefined ? done() : failed(error)))
  })
}

function isUnsupported(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return code === 'EINVAL' || code === 'EOPNOTSUPP'
}
