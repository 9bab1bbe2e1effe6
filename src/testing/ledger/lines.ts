/**
 * The lines of a crash ledger: what handlers did, written down by their own processes.
 *
 *   begin   WORKER AT PARTITION OFFSET RECORD     a handler starts
 *   done    WORKER AT PARTITION OFFSET RECORD     it returned
 *   settled WORKER AT PARTITION OFFSET RECORD     dead letter or skip: the record ended without being done
 *   commit  WORKER AT PARTITION OFFSET            the broker stored a position that was sent at AT
 *   lost    WORKER AT PARTITION 0                 the partition is another's: what was not committed will not be
 *
 * RECORD is the number that the ledger gave the record; without it partition and offset say which one it is.
 *
 * Each line is one write to a file opened for appending, so a SIGKILL loses at most the line under way, and the lines of
 * several processes stand in the order in which they were written. AT is wall time in milliseconds. Pure.
 */

import { ShoalError } from '../../core/index.ts'

export interface LedgerEntry {
  readonly what: 'begin' | 'done' | 'settled' | 'commit' | 'lost'
  readonly worker: string
  readonly atMs: number
  readonly partition: number
  readonly offset: number
  /** Its number in the ledger, where the worker saw it. */
  readonly record?: number
}

const KINDS: ReadonlySet<string> = new Set(['begin', 'done', 'settled', 'commit', 'lost'])
const LINE = /^([a-z]+) (\S+) (\d+(?:\.\d+)?) (\d{1,10}) (\d{1,16})(?: (\d{1,10}))?$/

export function entryLine({ what, worker, atMs, partition, offset, record }: LedgerEntry): string {
  const number = record === undefined ? '' : ` ${record}`
  return `${what} ${worker} ${atMs.toFixed(3)} ${partition} ${offset}${number}\n`
}

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for a line that no ledger has. */
export function parseEntry(line: string): LedgerEntry {
  const [, what = '', worker = '', at, partition, offset, record] = LINE.exec(line) ?? []
  if (!isKind(what))
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `not a line of a crash ledger: ${JSON.stringify(line.slice(0, 200))}`,
    )
  return {
    what,
    worker,
    atMs: Number(at),
    partition: Number(partition),
    offset: Number(offset),
    ...(record === undefined ? {} : { record: Number(record) }),
  }
}

function isKind(text: string): text is LedgerEntry['what'] {
  return KINDS.has(text)
}
