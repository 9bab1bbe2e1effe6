/**
 * What is done beyond the committed offset, as text for the commit's metadata, and back.
 *
 *   offset   100 101 102 103 104 105 106          committed 100, one after the last that is done 106
 *   state      ·   x   x   ·   x   x   ·          open below it: 100, 103
 *   text     `shoal1:` base64url( flags · span · count · [parked from] · gaps as Rice code · CRC-32 )
 *            `shoal2:` the same with crash notes (`crash-notes.ts`) before the gaps
 *
 * The smaller of the two sets, open or done, is written as the gaps between its offsets. What does not fit is cut at the
 * end: the map then knows less, and what it does not know counts as open. So the records that finished closest to
 * the committed offset are remembered first.
 *
 * Anybody may write metadata, so it is read with suspicion: a foreign text, another version, a wrong checksum or a number
 * that cannot be is no map. The checksum covers the committed offset too: a position that was moved by hand has no map.
 * Kafka counts the limit in UTF-16 units (`offset.metadata.max.bytes`, 4,096); this text is ASCII, so bytes agree.
 */

import { crc32 } from 'node:zlib'
import { BitReader, BitWriter, riceParameter } from './bits.ts'
import { readCrashNotes, writeCrashNotes } from './crash-notes.ts'
import type { CrashNotes } from './crash-notes.ts'

/** Offsets from `base` until `end` are done, those in `open` (ascending) excepted. */
export interface Completions {
  readonly base: number
  readonly end: number
  readonly open: readonly number[]
  /** Where to begin to read what is parked beside the partition; left out where nothing ever is. */
  readonly parkedFrom?: number
  /** Left out where there is nothing to note. */
  readonly crashes?: CrashNotes
}

export interface EncodedCompletions {
  readonly metadata: string
  /** Share of the limit that is used; 1 when something had to be left out. */
  readonly fill: number
  /** Up to where the text knows what is done; less than the map's when something had to be left out. */
  readonly end: number
}

export type DecodedCompletions =
  | { readonly kind: 'none' }
  | { readonly kind: 'map'; readonly completions: Completions }
  /** Another tool's, another version's, or damaged. */
  | { readonly kind: 'unreadable'; readonly reason: string }

const PREFIX = 'shoal1:'
const PREFIX_WITH_NOTES = 'shoal2:'
const OPEN_LISTED = 0
const DONE_LISTED = 1
const PARKED = 0x80
const NO_BYTES = new Uint8Array(0)
const NO_NOTES = { length: 0, notes: undefined }
/** Flags and two numbers. */
const HEAD = 1 + 8 + 8

/**
 * @param maxLength of the text, in UTF-16 units.
 * @param notesRoom bytes that are kept for crash notes, whether there are any now or not.
 */
export function encodeCompletions(
  { base, end, open, parkedFrom, crashes }: Completions,
  maxLength: number,
  notesRoom = 0,
): EncodedCompletions {
  const notes = crashes === undefined ? NO_BYTES : writeCrashNotes(crashes, base)
  const notesAt = HEAD + (parkedFrom === undefined ? 0 : 8)
  const head = notesAt + notes.length
  const kept = Math.max(0, notesRoom - notes.length)
  const room = Math.floor(((maxLength - PREFIX.length) * 3) / 4) - head - kept - 4
  if (end <= base && parkedFrom === undefined && crashes === undefined)
    return { metadata: '', fill: 0, end: base }
  if (room < 1) return { metadata: '', fill: end > base ? 1 : 0, end: base }
  const listsDone = end > base && open.length * 2 > end - base && end - base <= MOST_LISTED
  const listed = listsDone ? complement(base, end, open) : open
  const k = riceParameter((end - base) / (listed.length + 1))
  const bits = new BitWriter(room)
  let next = base
  let count = 0
  for (const offset of listed) {
    if (!bits.rice(offset - next, k)) break
    next = offset + 1
    count++
  }
  const cut = count < listed.length
  // What was left out counts as open: the map ends before it, or after the last one that is known to be done.
  const known = cut ? (listsDone ? next : (listed[count] as number)) : end
  const body = bits.bytes()
  const bytes = new Uint8Array(head + body.length + 4)
  const view = new DataView(bytes.buffer)
  bytes[0] =
    (k << 1) | (listsDone ? DONE_LISTED : OPEN_LISTED) | (parkedFrom === undefined ? 0 : PARKED)
  view.setFloat64(1, known - base)
  view.setFloat64(9, count)
  if (parkedFrom !== undefined) view.setFloat64(HEAD, parkedFrom)
  bytes.set(notes, notesAt)
  bytes.set(body, head)
  view.setUint32(head + body.length, checksum(base, bytes.subarray(0, head + body.length)))
  return {
    metadata:
      (crashes === undefined ? PREFIX : PREFIX_WITH_NOTES) +
      Buffer.from(bytes.buffer).toString('base64url'),
    fill: cut ? 1 : body.length / room,
    end: known,
  }
}

/** @param base the committed offset that the text came with. */
export function decodeCompletions(metadata: string, base: number): DecodedCompletions {
  if (metadata === '') return { kind: 'none' }
  const noted = metadata.startsWith(PREFIX_WITH_NOTES)
  if (!noted && !metadata.startsWith(PREFIX)) return unreadable('it was written by something else')
  const bytes = new Uint8Array(Buffer.from(metadata.slice(PREFIX.length), 'base64url'))
  if (bytes.length < HEAD + 4) return unreadable('it is too short')
  const view = new DataView(bytes.buffer)
  const end = bytes.length - 4
  if (view.getUint32(end) !== checksum(base, bytes.subarray(0, end)))
    return unreadable('its checksum does not fit the committed offset')
  const span = view.getFloat64(1)
  const count = view.getFloat64(9)
  const flags = bytes[0] as number
  const parks = (flags & PARKED) !== 0
  const notesAt = HEAD + (parks ? 8 : 0)
  if (end < notesAt) return unreadable('it is too short')
  const crashes = noted ? readCrashNotes(bytes.subarray(notesAt, end), base) : NO_NOTES
  if (crashes === null) return unreadable('its notes on crashes cannot be')
  const head = notesAt + crashes.length
  const parkedFrom = parks ? view.getFloat64(HEAD) : 0
  const known = Number.isSafeInteger(base + span) && span >= (parks || noted ? 0 : 1)
  if (!known || !isCount(count) || !isCount(parkedFrom)) return unreadable('its numbers cannot be')
  const k = (flags & 0x7f) >>> 1
  const listed = gapsOf(bytes.subarray(head, end), { k, count, base, end: base + span })
  if (listed === null) return unreadable('its list of offsets cannot be')
  const listsDone = (flags & 1) === DONE_LISTED
  if (listsDone && span > MOST_LISTED) return unreadable('it leaves too much open')
  const open = listsDone ? complement(base, base + span, listed) : listed
  const completions = {
    base,
    end: base + span,
    open,
    ...(parks ? { parkedFrom } : {}),
    ...(crashes.notes === undefined ? {} : { crashes: crashes.notes }),
  }
  return { kind: 'map', completions }
}

/** Where done offsets are listed, the open ones between them are written out: for no more than this span. */
const MOST_LISTED = 1 << 20

function gapsOf(
  bytes: Uint8Array,
  {
    k,
    count,
    base,
    end,
  }: { readonly k: number; readonly count: number; readonly base: number; readonly end: number },
): number[] | null {
  if (count > bytes.length * 8 || k > 40) return null
  const reader = new BitReader(bytes)
  const offsets: number[] = []
  let next = base
  for (let left = count; left > 0; left--) {
    const gap = reader.rice(k)
    if (gap < 0 || next + gap >= end) return null
    offsets.push(next + gap)
    next += gap + 1
  }
  return offsets
}

function complement(base: number, end: number, offsets: readonly number[]): number[] {
  const others: number[] = []
  let next = base
  for (const offset of offsets) {
    while (next < offset) others.push(next++)
    next = offset + 1
  }
  while (next < end) others.push(next++)
  return others
}

function checksum(base: number, bytes: Uint8Array): number {
  const head = new Uint8Array(8)
  new DataView(head.buffer).setFloat64(0, base)
  return crc32(bytes, crc32(head))
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function unreadable(reason: string): DecodedCompletions {
  return { kind: 'unreadable', reason }
}
