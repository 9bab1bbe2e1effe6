/**
 * One open file of the real disk.
 *
 * `write` answers what the kernel took and nothing else: on a full disk Node reports a short count without an error. A
 * closed file refuses every call, because its descriptor may belong to another file by then.
 */

import * as fs from 'node:fs'
import { byteLengthOf, ShoalError } from '../core/index.ts'
import type { StoredFile, WriteOptions } from './file-store.ts'
import { closeDescriptor, type UncachedFile } from './node-file-store-uncached.ts'

/** Up to this size a write runs in the calling thread: cheaper than the 15 microseconds that a trip to the pool costs. */
const LARGEST_DIRECT_WRITE_BYTES = 256 * 1024

/** Makes what was written to the descriptor durable. */
export type SyncDescriptor = (fd: number) => Promise<void>

export class NodeStoredFile implements StoredFile {
  readonly #fd: number
  readonly #sync: SyncDescriptor
  readonly #uncached: UncachedFile | null
  #closed = false

  /** @param uncached the same file for uncached writes; null when all are to go through the cache */
  constructor(fd: number, sync: SyncDescriptor, uncached: UncachedFile | null = null) {
    this.#fd = fd
    this.#sync = sync
    this.#uncached = uncached
  }

  size(): Promise<number> {
    return this.#call<number>((done, failed) =>
      fs.fstat(this.#fd, (error, stats) => (error === null ? done(stats.size) : failed(error))),
    )
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    let count = 0
    while (count < target.length) {
      const from = count
      const got = await this.#call<number>((done, failed) =>
        fs.read(this.#fd, target, from, target.length - from, position + from, (error, bytes) =>
          error === null ? done(bytes) : failed(error),
        ),
      )
      if (got === 0) break
      count += got
    }
    return count
  }

  write(
    position: number,
    chunks: readonly Uint8Array[],
    { uncached = false }: WriteOptions = {},
  ): Promise<number> {
    if (byteLengthOf(chunks) <= LARGEST_DIRECT_WRITE_BYTES)
      return this.#call<number>((done) => done(fs.writevSync(this.#fd, chunks, position)))
    return uncached ? this.#writeUncached(position, chunks) : this.#writeCached(position, chunks)
  }

  sync(): Promise<void> {
    return this.#closed ? Promise.reject(closedError()) : this.#sync(this.#fd)
  }

  truncate(size: number): Promise<void> {
    return this.#call<void>((done, failed) =>
      fs.ftruncate(this.#fd, size, (error) => (error === null ? done() : failed(error))),
    )
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#uncached?.close()
    await closeDescriptor(this.#fd)
  }

  #writeCached(position: number, chunks: readonly Uint8Array[]): Promise<number> {
    return this.#call<number>((done, failed) =>
      fs.writev(this.#fd, chunks, position, (error, bytes) =>
        error === null ? done(bytes) : failed(error),
      ),
    )
  }

  async #writeUncached(position: number, chunks: readonly Uint8Array[]): Promise<number> {
    const written = this.#closed ? null : await this.#uncached?.write(position, chunks)
    return written ?? this.#writeCached(position, chunks)
  }

  #call<Result>(
    start: (done: (result: Result) => void, failed: (error: Error) => void) => void,
  ): Promise<Result> {
    return this.#closed ? Promise.reject(closedError()) : new Promise<Result>(start)
  }
}

function closedError(): ShoalError {
  return new ShoalError('SHOAL_CLOSED', 'the file was closed')
}
