/**
 * The shared journal, reading side: replays what a checkpoint does not cover and tells a torn end from damage.
 *
 * Frames are numbered without gaps across files. At the first one that is missing or not intact, what is known to have been
 * synced decides: the durable mark, and every intact frame further on, which tells how far the sync before it had come.
 *
 *   frames   7 ok   8 damaged   9 ok "below 8 is synced"     ─▶ 8 was never acknowledged: cut at 8
 *   frames   7 ok   8 damaged   9 ok "below 9 is synced"     ─▶ 8 was: SHOAL_STORAGE_CORRUPT, nothing is touched
 *
 * A frame that refers to batches in segment files is not intact without them, unless it is known to have been synced: then
 * a batch that is missing is damage of its partition, whose records around it are served (`direct-bodies.ts`).
 * What was replayed is made durable before `recoverJournal` returns, and before anything is removed on its word: after a
 * process crash it may be in the kernel alone, and readers are about to see it (`journal-rewrite.ts`). Replaying changes
 * nothing else here, so a crash in between changes nothing either.
 */

import type { Logger } from '../core/index.ts'
import { bytesEqual, ShoalError } from '../core/index.ts'
import { DirectBodies, lengthOf } from './direct-bodies.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { FileWindow } from './file-window.ts'
import { decodeEntries, type DirectEntry, type JournalEntry } from './journal-entry.ts'
import { JOURNAL_FOLDER, journalPath, numberOfJournal } from './journal-file.ts'
import {
  decodeFileHeader,
  decodeFrameHeader,
  FILE_HEADER_BYTES,
  findFrame,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameIsIntact,
} from './journal-format.ts'
import { makeDurable, UnsyncedEnd } from './journal-rewrite.ts'
import type { JournalCut } from './journal-round.ts'
import type { PartitionLogId } from './log.ts'

export interface JournalRecoveryOptions {
  readonly files: FileStore
  readonly logger: Logger
  readonly storeId: Uint8Array
  /** Where the checkpoint says that replaying begins. */
  readonly from: JournalCut
  /** What the durable mark says. */
  readonly durable: number
  /** Whether the partition is there so far: batches of others are passed over. */
  readonly isKnown: (partition: PartitionLogId) => boolean
  /** Who redoes a removal waits for `durableSoFar` first: what tells of it may be in the kernel alone. */
  readonly replay: (entry: JournalEntry, durableSoFar: () => Promise<void>) => Promise<void> | void
}

export interface RecoveredJournal {
  /** Where writing goes on. */
  readonly end: JournalCut
  /** Bytes of the frames that were replayed. */
  readonly replayedBytes: number
}

/** Where reading stopped. */
interface Stop {
  readonly number: number
  readonly position: number
}

/**
 * @throws ShoalError SHOAL_STORAGE_CORRUPT when synced frames are damaged or missing; SHOAL_FOLDER_FORMAT when a file is of
 * a newer version or of another folder. Nothing was changed then but for what intact entries had ordered to be removed.
 */
export async function recoverJournal(options: JournalRecoveryOptions): Promise<RecoveredJournal> {
  const { files, from } = options
  const numbers = await journalNumbers(files)
  const used = numbers.filter((number) => number >= from.fileNumber)
  const reader = new JournalReader(options, used)
  let stop: Stop | null = null
  for (const [index, number] of used.entries()) {
    const position = await reader.readFile(number)
    if (position === null) continue
    if (await reader.continuesIn(used[index + 1])) continue
    stop = { number, position }
    break
  }
  await refuseDamage(options, reader, used, stop)
  for (const number of reader.numbers)
    await makeDurable(files, number, reader.unsynced.startIn(number))
  await reader.makeBodiesDurable()
  if (stop !== null) await cutAt(options, stop, used)
  if (used.length > 0) await files.syncFolder(JOURNAL_FOLDER)
  const last = numbers.at(-1) ?? 0
  return {
    end: { fileNumber: Math.max(from.fileNumber, last + 1), sequence: reader.sequence },
    replayedBytes: reader.replayedBytes,
  }
}

class JournalReader {
  readonly #options: JournalRecoveryOptions
  /** The files that were read so far. */
  readonly numbers: number[] = []
  readonly unsynced: UnsyncedEnd
  readonly #bodies: DirectBodies
  /** The files that there are. */
  readonly #used: readonly number[]
  /** The next frame that is expected. */
  sequence: number
  replayedBytes = 0

  constructor(options: JournalRecoveryOptions, used: readonly number[]) {
    this.#options = options
    this.#used = used
    this.#bodies = new DirectBodies(options.files)
    this.sequence = options.from.sequence
    this.unsynced = new UnsyncedEnd(options.durable)
  }

  /** Replays a file; answers where its frames stop being intact, or null when they are to its end. */
  async readFile(number: number): Promise<number | null> {
    this.numbers.push(number)
    const file = await this.#options.files.open(journalPath(number), { create: false })
    try {
      const header = await this.#readHeader(file)
      if (header?.number !== number || header.sequence !== this.sequence) return 0
      const window = await FileWindow.over(file)
      let position = FILE_HEADER_BYTES
      while (position < window.size) {
        const frame = await readFrame(window, position)
        if (frame?.header.sequence !== this.sequence || frame.header.fileNumber !== number)
          return position
        const entries = decodeEntries(frame.entries, frame.header.entryCount)
        if (!(await this.#hasBodies(entries, { number, position }))) return position
        this.unsynced.note({ number, position, sequence: this.sequence }, frame.header.durable)
        for (const entry of entries) {
          const done = this.#options.replay(entry, this.#durableSoFar)
          if (done !== undefined) await done
        }
        this.sequence++
        this.replayedBytes += FRAME_HEADER_BYTES + frame.header.length
        position += FRAME_HEADER_BYTES + frame.header.length
      }
      return null
    } finally {
      await file.close()
    }
  }

  /** Whether the frame, which is intact, counts: not when it is torn in the batches that it refers to. */
  async #hasBodies(entries: readonly JournalEntry[], at: Stop): Promise<boolean> {
    const isDirect = (entry: JournalEntry): entry is DirectEntry =>
      entry.kind === 'direct-batch' && this.#options.isKnown(entry.partition)
    const direct = entries.filter(isDirect)
    if (direct.length === 0) return true
    this.replayedBytes += direct.reduce((sum, { header }) => sum + lengthOf(header), 0)
    if (this.sequence < this.unsynced.durable) return true
    if (await this.#bodies.areThere(direct)) {
      this.#bodies.note(direct, this.sequence)
      return true
    }
    this.unsynced.raise(await durableToldFrom(this.#options.files, this.#used, at))
    return this.sequence < this.unsynced.durable
  }

  makeBodiesDurable(): Promise<void> {
    return this.#bodies.makeDurable(this.unsynced.durable)
  }

  readonly #durableSoFar = async (): Promise<void> => {
    const { unsynced } = this
    if (unsynced.isEmpty) return
    const { files } = this.#options
    await this.makeBodiesDurable()
    for (const number of this.numbers) {
      const start = unsynced.startIn(number)
      if (start !== null) await makeDurable(files, number, start)
    }
    await files.syncFolder(JOURNAL_FOLDER)
    unsynced.clear()
  }

  /** Whether a file begins with the very frame that is missing: then an earlier recovery cut the file before it there. */
  async continuesIn(number: number | undefined): Promise<boolean> {
    if (number === undefined) return false
    const file = await this.#options.files.open(journalPath(number), { create: false })
    try {
      return (await this.#readHeader(file))?.sequence === this.sequence
    } finally {
      await file.close()
    }
  }

  async #readHeader(file: StoredFile) {
    const bytes = new Uint8Array(FILE_HEADER_BYTES)
    const count = await file.read(0, bytes)
    const header = decodeFileHeader(bytes.subarray(0, count), 'journal')
    if (header !== null && !bytesEqual(header.storeId, this.#options.storeId))
      throw new ShoalError(
        'SHOAL_FOLDER_FORMAT',
        `the journal file ${header.number} belongs to another data folder: it was copied here`,
      )
    return header
  }
}

async function journalNumbers(files: FileStore): Promise<number[]> {
  const names = await files.list(JOURNAL_FOLDER)
  return names
    .map(({ name }) => numberOfJournal(name))
    .filter((number) => number !== null)
    .sort((left, right) => left - right)
}

async function refuseDamage(
  { files, durable, from }: JournalRecoveryOptions,
  { sequence }: JournalReader,
  numbers: readonly number[],
  stop: Stop | null,
): Promise<void> {
  const told = stop === null ? 0 : await durableToldFrom(files, numbers, stop)
  const known = Math.max(durable, told)
  if (known <= sequence) return
  const place =
    stop === null ? 'its end is missing' : `${journalPath(stop.number)} at ${stop.position}`
  throw new ShoalError(
    'SHOAL_STORAGE_CORRUPT',
    `the journal is damaged where it was synced (${place}): frames ${sequence} to ${known - 1} ` +
      `cannot be read; nothing was changed, restore the folder from a copy or repair it`,
    {
      details: {
        firstFrame: sequence,
        lastFrame: known - 1,
        checkpointFrame: from.sequence,
        ...(stop !== null && { file: journalPath(stop.number), position: stop.position }),
      },
    },
  )
}

/** The furthest that any intact frame from there on, in whatever file, tells to be synced. */
async function durableToldFrom(
  files: FileStore,
  numbers: readonly number[],
  { number: first, position }: Stop,
): Promise<number> {
  let known = 0
  for (const number of numbers.filter((number) => number >= first))
    known = Math.max(known, await durableToldBy(files, number, number === first ? position : 0))
  return known
}

/** The furthest that any intact frame of a file from `from` on tells to be synced. */
async function durableToldBy(files: FileStore, number: number, from: number): Promise<number> {
  const file = await files.open(journalPath(number), { create: false })
  try {
    const bytes = new Uint8Array(Math.max(0, (await file.size()) - from))
    const rest = bytes.subarray(0, await file.read(from, bytes))
    let known = 0
    for (let at = findFrame(rest, 0); at >= 0; at = findFrame(rest, at + 1)) {
      const header = decodeFrameHeader(rest.subarray(at))
      if (header === null || header.fileNumber !== number) continue
      const start = at + FRAME_HEADER_BYTES
      const entries = rest.subarray(start, start + header.length)
      if (frameIsIntact(header, rest.subarray(at), entries)) known = Math.max(known, header.durable)
    }
    return known
  } finally {
    await file.close()
  }
}

async function readFrame(
  window: FileWindow,
  position: number,
): Promise<{ readonly header: FrameHeader; readonly entries: Uint8Array } | null> {
  const headerBytes =
    window.peek(position, FRAME_HEADER_BYTES) ?? (await window.load(position, FRAME_HEADER_BYTES))
  const header = decodeFrameHeader(headerBytes)
  const start = position + FRAME_HEADER_BYTES
  // The length is not trusted before the CRC is: it may not go past the end of the file.
  if (header === null || start + header.length > window.size) return null
  const entries = window.peek(start, header.length) ?? (await window.load(start, header.length))
  return frameIsIntact(header, headerBytes, entries) ? { header, entries } : null
}

/** The torn end goes, durably, before anything new is written: its frame numbers are about to be given again. */
async function cutAt(
  { files, logger }: JournalRecoveryOptions,
  { number, position }: Stop,
  numbers: readonly number[],
): Promise<void> {
  for (const later of numbers.filter((other) => other > number).reverse())
    await files.remove(journalPath(later))
  const file = await files.open(journalPath(number), { create: false })
  try {
    const size = await file.size()
    await file.truncate(position)
    await file.sync()
    logger.log(
      'info',
      'cut the last file of the journal where it ends: nothing behind was acknowledged',
      {
        file: journalPath(number),
        position,
        cutBytes: size - position,
      },
    )
  } finally {
    await file.close()
  }
}
