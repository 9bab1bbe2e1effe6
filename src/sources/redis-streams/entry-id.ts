/**
 * Entry ids of a stream as offsets, both ways: pure.
 *
 * An id is `<milliseconds>-<sequence>`, and rises. An offset is one safe integer: `milliseconds * 4,096 + sequence - 1`,
 * so that `0-1`, the first possible id, is offset 0, and ids that the server makes fit until the year 2039. It means the
 * same to every member and after every restart. Offsets have gaps, as compacted logs have.
 */

import { ShoalError } from '../../core/index.ts'

/** Sequences of one millisecond that an offset can tell apart; a server makes far fewer. */
const SEQUENCES = 4_096

const DASH = 0x2d
const ZERO = 0x30

/** @throws ShoalError SHOAL_INVALID_ARGUMENT for an id that somebody chose and that has no offset */
export function offsetOfEntry(id: string, stream: string): number {
  const [milliseconds = '', sequence = ''] = id.split('-')
  const offset = Number(milliseconds) * SEQUENCES + Number(sequence) - 1
  if (Number(sequence) >= SEQUENCES || !Number.isSafeInteger(offset) || offset < -1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `entry ${id} of stream ${stream} has an id beyond what offsets can count (4,096 entries a millisecond, until 2039): let the server make the ids`,
      { details: { stream, id } },
    )
  return offset
}

/** The same of an id as it travelled. */
export function offsetOfEntryBytes(id: Uint8Array, stream: string): number {
  let milliseconds = 0
  let sequence = 0
  let at = 0
  for (; at < id.length && id[at] !== DASH; at++) milliseconds = milliseconds * 10 + digit(id[at])
  for (at++; at < id.length; at++) sequence = sequence * 10 + digit(id[at])
  const offset = milliseconds * SEQUENCES + sequence - 1
  // What is no number is NaN, which is not below; its id is told as text.
  return sequence < SEQUENCES && Number.isSafeInteger(offset)
    ? offset
    : offsetOfEntry(new TextDecoder().decode(id), stream)
}

function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= ZERO && byte <= ZERO + 9 ? byte - ZERO : Number.NaN
}

/** The id at an offset; -1 gives `0-0`, before everything. */
export function entryAtOffset(offset: number): string {
  const position = offset + 1
  return `${Math.floor(position / SEQUENCES)}-${position % SEQUENCES}`
}
