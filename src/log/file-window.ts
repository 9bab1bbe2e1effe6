/**
 * A file read front to back in large pieces: small frames must not cost a system call each.
 *
 * What is answered belongs to the caller and is never overwritten; pieces are read into new memory.
 */

import { EMPTY_BYTES } from '../core/index.ts'
import type { StoredFile } from './file-store.ts'

const PIECE_BYTES = 1024 * 1024

export class FileWindow {
  readonly #file: StoredFile
  readonly size: number
  #piece: Uint8Array = EMPTY_BYTES
  #start = 0

  private constructor(file: StoredFile, size: number) {
    this.#file = file
    this.size = size
  }

  static async over(file: StoredFile): Promise<FileWindow> {
    return new FileWindow(file, await file.size())
  }

  /** The bytes when they are at hand, else undefined: then `load` gets them. */
  peek(position: number, length: number): Uint8Array | undefined {
    const from = position - this.#start
    if (from < 0 || from + length > this.#piece.length) return undefined
    return this.#piece.subarray(from, from + length)
  }

  /** The bytes from the file; fewer than asked only at its end, whatever length was claimed. */
  async load(position: number, length: number): Promise<Uint8Array> {
    const available = Math.max(0, this.size - position)
    const piece = new Uint8Array(Math.min(available, Math.max(length, PIECE_BYTES)))
    const count = await this.#file.read(position, piece)
    this.#piece = piece.subarray(0, count)
    this.#start = position
    return this.#piece.subarray(0, length)
  }
}
