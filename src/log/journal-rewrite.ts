/**
 * Makes the end of a recovered journal durable, by writing it anew.
 *
 * A process ended because a sync failed; the next one starts while the kernel lives. The kernel counts the pages that it
 * could not write as clean: reading finds them, a sync passes over them, a power loss takes them.
 *
 *   write 7 ─▶ sync fails ─▶ end │ start: 7 is read and shown ─▶ sync "succeeds" ─▶ power loss: 7 is gone
 *
 * So what no sync is known to have covered is written again, the same bytes to the same place, before it is synced: that
 * makes its pages dirty, and a crash in between can tear nothing, for both sides of a tear are alike.
 */

import { ShoalError } from '../core/index.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { journalPath } from './journal-file.ts'
import { FILE_HEADER_BYTES } from './journal-format.ts'

interface Place {
  readonly number: number
  readonly position: number
  readonly sequence: number
}

/** Frames nearer to each other than this are one place: a little more is written, and few places are kept. */
const PLACE_BYTES = 64 * 1024
const PIECE_BYTES = 1024 * 1024

/** Where the frames begin that no sync is known to have covered; told of each frame in order. */
export class UnsyncedEnd {
  readonly #places: Place[] = []
  #durable: number

  /** @param durable frames below this sequence are synced */
  constructor(durable: number) {
    this.#durable = durable
  }

  /** Frames below this sequence are known to be synced. */
  get durable(): number {
    return this.#durable
  }

  /** It was learnt from elsewhere that frames below this sequence are synced. */
  raise(durable: number): void {
    this.#durable = Math.max(this.#durable, durable)
  }

  get isEmpty(): boolean {
    return this.#places.length === 0
  }

  /** @param durable what the frame tells: frames below this sequence are synced */
  note(place: Place, durable: number): void {
    this.#durable = Math.max(this.#durable, durable)
    const last = this.#places.at(-1)
    if (last?.number !== place.number || place.position - last.position >= PLACE_BYTES)
      this.#places.push(place)
    while ((this.#places[1]?.sequence ?? Infinity) <= this.#durable) this.#places.shift()
    if (place.sequence < this.#durable) this.#places.length = 0
  }

  /** Everything noted so far is durable. */
  clear(): void {
    this.#places.length = 0
  }

  /** From which position of a file on; null when all of the file is synced. */
  startIn(number: number): number | null {
    const first = this.#places[0]
    if (first === undefined || first.number > number) return null
    // A file whose first frame was never synced may lack its header too.
    const isWithin = first.number === number && first.position > FILE_HEADER_BYTES
    return isWithin ? first.position : 0
  }
}

/** Makes a file durable whose bytes from `start` on the kernel may count as clean without having written them. */
export async function makeDurable(
  files: FileStore,
  number: number,
  start: number | null,
): Promise<void> {
  const path = journalPath(number)
  const file = await files.open(path, { create: false })
  try {
    if (start !== null) await rewrite(file, path, { start, end: await file.size() })
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Writes the bytes of a file to where they are. @throws SHOAL_STORAGE_FULL when the disk takes nothing */
export async function rewrite(
  file: StoredFile,
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<void> {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(0, end - start)))
  for (let position = start; position < end;) {
    const count = await file.read(position, piece.subarray(0, end - position))
    const written = await file.write(position, [piece.subarray(0, count)])
    if (written < count || count === 0)
      throw new ShoalError(
        'SHOAL_STORAGE_FULL',
        `${path} could not be written again at ${position + written}: the disk takes nothing`,
      )
    position += written
  }
}
