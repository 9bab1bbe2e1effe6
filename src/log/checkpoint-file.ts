/**
 * Checkpoints: the state of every machine and partition at one moment, in `checkpoints/`, written twice.
 *
 * The number in the name is that of the journal file with which replaying begins; the bytes are those of a journal file
 * (header, frames, entries), closed by an end entry that counts them. A file gets its name after its bytes are durable, so
 * one that has its name and is not intact was damaged later: then the second copy serves. A checkpoint counts from the
 * moment its name is durable; only then may what it replaces be removed.
 */

import type { Logger } from '../core/index.ts'
import { bytesEqual, ShoalError } from '../core/index.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { decodeEntries, encodeEnd, type JournalEntry } from './journal-entry.ts'
import {
  decodeFileHeader,
  decodeFrameHeader,
  encodeFileHeader,
  encodeFrameHeader,
  FILE_HEADER_BYTES,
  FRAME_HEADER_BYTES,
  frameIsIntact,
} from './journal-format.ts'
import { addEntry, type JournalCut, type PendingFrame } from './journal-round.ts'
import { writeOrNothing } from './space-reserve.ts'

export const CHECKPOINT_FOLDER = 'checkpoints'
const SUFFIXES = ['checkpoint', 'checkpoint-copy'] as const

/** What a checkpoint will hold, gathered in one turn. */
export class CheckpointDraft {
  readonly #frames: PendingFrame[] = []
  #entryCount = 0

  add(head: Uint8Array, body: readonly Uint8Array[] = []): void {
    addEntry(this.#frames, head, body)
    this.#entryCount++
  }

  /** The frames, with the end. Call it once. */
  finish(): readonly PendingFrame[] {
    addEntry(this.#frames, encodeEnd(this.#entryCount), [])
    return this.#frames
  }
}

/** @throws ShoalError SHOAL_STORAGE_FULL when the disk has no room for it; then there is no trace of it. */
export async function writeCheckpoint(
  files: FileStore,
  storeId: Uint8Array,
  cut: JournalCut,
  draft: CheckpointDraft,
): Promise<void> {
  const header = encodeFileHeader({
    kind: 'checkpoint',
    storeId,
    number: cut.fileNumber,
    sequence: cut.sequence,
  })
  const frames = draft.finish()
  for (const suffix of SUFFIXES) {
    const path = checkpointPath(cut.fileNumber, suffix)
    await writeFile(files, `${path}-new`, header, cut.fileNumber, frames)
    await files.rename(`${path}-new`, path)
    await files.syncFolder(CHECKPOINT_FOLDER)
  }
}

/** Removes every checkpoint but this one, and what was left half written. */
export async function removeOtherCheckpoints(files: FileStore, number: number): Promise<void> {
  const kept = SUFFIXES.map((suffix) => checkpointPath(number, suffix))
  for (const { name } of await files.list(CHECKPOINT_FOLDER)) {
    const path = `${CHECKPOINT_FOLDER}/${name}`
    if (!kept.includes(path)) await files.remove(path)
  }
}

export interface Checkpoint {
  readonly cut: JournalCut
  readonly entries: readonly JournalEntry[]
  /** One of the copies is damaged or missing: a new checkpoint should be taken. */
  readonly impaired: boolean
}

/** @throws ShoalError SHOAL_STORAGE_CORRUPT when neither copy of the newest one can be read. */
export async function readNewestCheckpoint(
  files: FileStore,
  storeId: Uint8Array,
  logger: Logger,
): Promise<Checkpoint> {
  const numbers = (await files.list(CHECKPOINT_FOLDER))
    .map(({ name }) => /^(\d{20})\.checkpoint(?:-copy)?$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
  const newest = Math.max(...numbers)
  if (numbers.length === 0)
    throw new ShoalError(
      'SHOAL_STORAGE_CORRUPT',
      'the data folder has no checkpoint: it was removed',
    )
  // The newest copy may be the first of two whose second was never written: that is not damage.
  let impaired = false
  for (const suffix of SUFFIXES) {
    const path = checkpointPath(newest, suffix)
    const checkpoint = await readFile(files, path, storeId, newest)
    if (checkpoint !== null) return { ...checkpoint, impaired }
    impaired = true
    logger.log('warn', 'a copy of the checkpoint is damaged or missing', { path })
  }
  throw new ShoalError(
    'SHOAL_STORAGE_CORRUPT',
    `both copies of checkpoint ${newest} are damaged: restore the folder from a copy`,
    { details: { checkpoint: newest } },
  )
}

function checkpointPath(number: number, suffix: (typeof SUFFIXES)[number]): string {
  return `${CHECKPOINT_FOLDER}/${String(number).padStart(20, '0')}.${suffix}`
}

async function writeFile(
  files: FileStore,
  path: string,
  header: Uint8Array,
  fileNumber: number,
  frames: readonly PendingFrame[],
): Promise<void> {
  await files.remove(path)
  const file = await files.open(path, { create: true })
  try {
    let position = await writeWhole(file, path, 0, [header])
    for (const [sequence, { chunks, length, entryCount }] of frames.entries()) {
      const head = { sequence, fileNumber, durable: 0, entryCount, length }
      position = await writeWhole(file, path, position, [
        encodeFrameHeader(head, chunks),
        ...chunks,
      ])
    }
    await file.sync()
  } catch (error) {
    await file.close()
    await files.remove(path)
    throw error
  }
  await file.close()
}

async function writeWhole(
  file: StoredFile,
  path: string,
  position: number,
  chunks: readonly Uint8Array[],
): Promise<number> {
  let end = position
  for (const chunk of chunks) end += chunk.length
  if ((await writeOrNothing(file, position, chunks)) !== end - position)
    throw new ShoalError('SHOAL_STORAGE_FULL', `the disk is full: ${path} was not written`)
  return end
}

/** Null when it is missing or not intact. Everything is read before anything is used. */
async function readFile(
  files: FileStore,
  path: string,
  storeId: Uint8Array,
  number: number,
): Promise<Omit<Checkpoint, 'impaired'> | null> {
  const bytes = await readAll(files, path)
  const header = bytes === null ? null : decodeFileHeader(bytes, 'checkpoint')
  if (bytes === null || header?.number !== number || !bytesEqual(header.storeId, storeId))
    return null
  const entries: JournalEntry[] = []
  let position = FILE_HEADER_BYTES
  for (let sequence = 0; position < bytes.length; sequence++) {
    const headerBytes = bytes.subarray(position)
    const frame = decodeFrameHeader(headerBytes)
    if (frame?.sequence !== sequence || frame.fileNumber !== number) return null
    const start = position + FRAME_HEADER_BYTES
    const body = bytes.subarray(start, start + frame.length)
    if (!frameIsIntact(frame, headerBytes, body)) return null
    for (const entry of decodeEntries(body, frame.entryCount)) entries.push(entry)
    position = start + frame.length
  }
  const end = entries.pop()
  if (end?.kind !== 'end' || end.entryCount !== entries.length) return null
  return { cut: { fileNumber: number, sequence: header.sequence }, entries }
}

async function readAll(files: FileStore, path: string): Promise<Uint8Array | null> {
  let file: StoredFile
  try {
    file = await files.open(path, { create: false })
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return null
    throw error
  }
  try {
    const bytes = new Uint8Array(await file.size())
    return bytes.subarray(0, await file.read(0, bytes))
  } finally {
    await file.close()
  }
}
