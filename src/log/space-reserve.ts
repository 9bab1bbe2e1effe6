/**
 * A few mebibytes that are kept so that a full disk can be survived: the file `reserve`.
 *
 * While the disk has room it is full of zeros and nobody touches it. When a write meets the end of the disk, `release`
 * gives its bytes back: what was queued, commits and other metadata go on, while new records are refused. `restore` takes
 * them again and looks for some room beside: only then records are taken again.
 */

import type { FileStore, StoredFile, WriteOptions } from './file-store.ts'

export const RESERVE_PATH = 'reserve'
export const messageOfFull = 'the disk is full'

const BLOCK = new Uint8Array(256 * 1024)
/** Room that must be free beside the reserve before records are taken again, as a part of the reserve. */
const PROBE_PART = 1 / 4

export class SpaceReserve {
  readonly #file: StoredFile
  readonly #bytes: number
  #held: number
  #last: Promise<void> = Promise.resolve()

  private constructor(file: StoredFile, bytes: number, held: number) {
    this.#file = file
    this.#bytes = bytes
    this.#held = held
  }

  static async open(files: FileStore, bytes: number): Promise<SpaceReserve> {
    const file = await files.open(RESERVE_PATH, { create: true })
    return new SpaceReserve(file, bytes, await file.size())
  }

  /** Gives the space back to the disk. Answers whether there was any. */
  release(): Promise<boolean> {
    return this.#inTurn(async () => {
      const held = this.#held > 0
      if (held) await this.#shrinkTo(0)
      return held
    })
  }

  /** Takes the space again. False when there is not enough: then nothing is held. */
  restore(): Promise<boolean> {
    return this.#inTurn(async () => {
      const enough = await this.#growTo(this.#bytes + Math.ceil(this.#bytes * PROBE_PART))
      await this.#shrinkTo(enough ? this.#bytes : 0)
      return enough
    })
  }

  async close(): Promise<void> {
    await this.#last
    await this.#file.close()
  }

  async #growTo(size: number): Promise<boolean> {
    while (this.#held < size) {
      const block = BLOCK.subarray(0, Math.min(BLOCK.length, size - this.#held))
      const written = await writeOrNothing(this.#file, this.#held, [block])
      this.#held += written
      if (written < block.length) return false
    }
    return true
  }

  async #shrinkTo(size: number): Promise<void> {
    await this.#file.truncate(size)
    this.#held = size
  }

  /** One change at a time: a round that meets the full disk may ask while a retry is under way. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work)
    this.#last = result.then(
      () => {},
      () => {},
    )
    return result
  }
}

/** A write whose count is honest about a full disk: 0 instead of the error that some systems give. */
export async function writeOrNothing(
  file: StoredFile,
  position: number,
  chunks: readonly Uint8Array[],
  options?: WriteOptions,
): Promise<number> {
  try {
    return await file.write(position, chunks, options)
  } catch (error) {
    if (isFull(error)) return 0
    throw error
  }
}

/** Whether the error says that there is no more space (or quota), rather than that the disk is broken. */
export function isFull(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG' || code === 'SHOAL_STORAGE_FULL'
}

/** Whether the process or the system has no more descriptors. */
export function isOutOfFiles(error: unknown): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown }
  return code === 'EMFILE' || code === 'ENFILE'
}
