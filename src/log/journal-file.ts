/**
 * One journal file being written: `journal/<number in 20 digits>.journal`.
 *
 * The header goes out with the first frames, so a file is never begun in vain; it may be one that is written over
 * (`journal-spares.ts`). A write that a full disk cut short leaves no
 * trace: the file is cut back to the last whole frame.
 *
 * A sync that changes a file's size costs a third more than one that does not. So a small round that reaches the end of
 * the file takes room for those that follow, as zeros behind its frames, in the same write and sync:
 *
 *   [ frames │ frame, zeros ........ ]  ─▶  [ frames │ frame │ frame │ frame .... ]  ─▶  …
 *
 * A recovery ends where no frame begins, so zeros are a torn end like any other, and so is what is left of them.
 */

import { byteLengthOf } from '../core/index.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { encodeFileHeader, encodeFrameHeader, FRAME_HEADER_BYTES } from './journal-format.ts'
import type { PendingFrame } from './journal-round.ts'
import { writeOrNothing } from './space-reserve.ts'

export const JOURNAL_FOLDER = 'journal'

export function journalPath(number: number): string {
  return `${JOURNAL_FOLDER}/${String(number).padStart(20, '0')}.journal`
}

/** The number in a file's name; null for a name that is none of ours. */
export function numberOfJournal(name: string): number | null {
  const digits = /^(\d{20})\.journal$/.exec(name)?.[1]
  return digits === undefined ? null : Number(digits)
}

/** What is written with the frames of a round. */
export interface RoundWrite {
  readonly frames: readonly PendingFrame[]
  /** Of the first frame. */
  readonly sequence: number
  /** Frames below this sequence are synced. */
  readonly durable: number
  /** Zeros for the room behind a small round. */
  readonly room: Uint8Array
}

/** A round is small that fills less than this part of the room which it takes. */
const SMALL_PART = 1 / 2

export interface JournalFileOptions {
  readonly storeId: Uint8Array
  readonly number: number
  /** Of the first frame that goes into it. */
  readonly sequence: number
  readonly syncsOften: boolean
}

export async function openJournalFile(
  files: FileStore,
  { storeId, number, sequence, syncsOften }: JournalFileOptions,
): Promise<JournalFile> {
  const handle = await files.open(journalPath(number), { create: true, syncsOften })
  const header = encodeFileHeader({ kind: 'journal', storeId, number, sequence })
  return new JournalFile({ files, handle, number, header, size: await handle.size() })
}

export class JournalFile {
  readonly handle: StoredFile
  readonly number: number
  readonly #files: FileStore
  readonly #header: Uint8Array
  #position = 0
  /** Bytes in the file, room included. */
  #size: number
  #isDirty = false
  #nameIsDurable = false

  constructor(options: {
    readonly files: FileStore
    readonly handle: StoredFile
    readonly number: number
    readonly header: Uint8Array
    readonly size: number
  }) {
    this.handle = options.handle
    this.#files = options.files
    this.number = options.number
    this.#header = options.header
    this.#size = options.size
  }

  /** Where the next frame goes. */
  get position(): number {
    return this.#position
  }

  /** Something in it is not synced. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /** Writes the frames as one write; answers how many are in the file whole. */
  async write({ frames, sequence, durable, room }: RoundWrite): Promise<number> {
    const chunks: Uint8Array[] = this.#position === 0 ? [this.#header] : []
    let end = this.#position + byteLengthOf(chunks)
    const ends: number[] = []
    for (const [index, { chunks: entries, length, entryCount }] of frames.entries()) {
      chunks.push(
        encodeFrameHeader(
          { sequence: sequence + index, fileNumber: this.number, durable, entryCount, length },
          entries,
        ),
      )
      for (const chunk of entries) chunks.push(chunk)
      end += FRAME_HEADER_BYTES + length
      ends.push(end)
    }
    const isSmall = end - this.#position < room.length * SMALL_PART
    if (isSmall && end > this.#size) chunks.push(room)
    this.#isDirty = true
    const written = await writeOrNothing(this.handle, this.#position, chunks)
    const reached = this.#position + written
    this.#size = Math.max(this.#size, reached)
    const whole = reached >= end ? frames.length : ends.filter((at) => at <= reached).length
    if (whole === frames.length) {
      this.#position = end
      return whole
    }
    this.#position = ends[whole - 1] ?? this.#position
    await this.handle.truncate(this.#position)
    this.#size = this.#position
    return whole
  }

  /** Makes everything written before the call durable, the file's name too. */
  async sync(): Promise<void> {
    this.#isDirty = false
    await this.handle.sync()
    if (this.#nameIsDurable) return
    await this.#files.syncFolder(JOURNAL_FOLDER)
    this.#nameIsDurable = true
  }
}
