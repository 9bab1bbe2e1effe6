/**
 * A journal on a simulated disk, and how to read what a recovery of it found: what the tests of the journal share.
 */

import assert from 'node:assert/strict'
import { memoryLogger, type Timers, VirtualClock } from '../core/index.ts'
import { DurableMark } from './durable-mark.ts'
import { Journal } from './journal.ts'
import type { JournalEntry } from './journal-entry.ts'
import { JOURNAL_FOLDER } from './journal-file.ts'
import { recoverJournal } from './journal-recovery.ts'
import type { JournalCut } from './journal-round.ts'
import type { FlushPolicy } from './log.ts'
import { SimDisk } from './sim-disk.ts'
import { SpaceReserve } from './space-reserve.ts'

export const STORE_ID = new Uint8Array(16).fill(9)
export const KEY = { topicId: Buffer.alloc(16, 1).toString('base64url'), partition: 3 }

export const bytesOf = (text: string) => Buffer.from(text, 'utf8')

interface FixtureOptions {
  readonly policy?: FlushPolicy
  readonly fileBytes?: number
  readonly roomBytes?: number
  readonly reserveBytes?: number
  readonly spareFiles?: number
  readonly directWriteBytes?: number
  /** Where a checkpoint says that replaying begins; default: at the first frame. */
  readonly from?: JournalCut
}

/** A journal on a simulated disk, recovered and begun; `replayed` is what the recovery found. */
export async function openJournal(disk: SimDisk, options: FixtureOptions = {}) {
  const clock = new VirtualClock()
  const timers: Timers = {
    schedule: (delayMs, fire) => clock.schedule(delayMs, fire),
    soon: (fire) => queueMicrotask(fire),
  }
  const logger = memoryLogger()
  const failures: Error[] = []
  await disk.makeFolder(JOURNAL_FOLDER)
  await disk.syncFolder('')
  const mark = await DurableMark.open(disk, STORE_ID, logger)
  const reserve = await SpaceReserve.open(disk, options.reserveBytes ?? 256)
  const replayed: JournalEntry[] = []
  const { end, replayedBytes } = await recoverJournal({
    files: disk,
    logger,
    storeId: STORE_ID,
    from: options.from ?? { fileNumber: 1, sequence: 1 },
    durable: mark.found,
    isKnown: () => true,
    replay: (entry) => void replayed.push(entry),
  })
  const journal = new Journal({
    files: disk,
    timers,
    logger,
    storeId: STORE_ID,
    policy: options.policy ?? 'group',
    flushIntervalMs: 1_000,
    fileBytes: options.fileBytes ?? 100_000,
    roomBytes: options.roomBytes ?? 0,
    spareFiles: options.spareFiles ?? 0,
    reserve,
    mark,
    directWrites: { directWriteBytes: options.directWriteBytes ?? 1_000, maxDirectSegments: 2 },
    grown: () => {},
    fail: (error) => failures.push(error),
  })
  await journal.begin(end, replayedBytes)
  return { journal, replayed, failures, clock, logger }
}

/** The machine records of a recovery, as text. */
export function textsOf(entries: readonly JournalEntry[]): readonly string[] {
  return entries.map((entry) => {
    assert.equal(entry.kind, 'machine-record')
    return entry.kind === 'machine-record' ? Buffer.from(entry.record).toString('utf8') : ''
  })
}
