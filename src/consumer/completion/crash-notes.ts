/**
 * What a commit says of the process that works on a partition, for the one that comes after it: that it is at work, and
 * which suspicious records it was about to start. Found by the next owner, it means that the process died over them.
 *
 *   bytes     count of suspects · 2 + at work │ for each suspect: gap as varint, starts as a byte
 *
 * Pure. Reading trusts nothing: what cannot be is null.
 */

/** A record that was started, and is not known to have ended. */
export interface Suspect {
  readonly offset: number
  /** How often it was started, as far as it was written down. */
  readonly starts: number
}

export interface CrashNotes {
  /** The owner works on the partition and has not left it properly. */
  readonly atWork: boolean
  /** In order of offset. */
  readonly suspects: readonly Suspect[]
}

/** Suspects of one partition: more are never started at once. */
export const MOST_SUSPECTS = 64
export const MOST_STARTS = 255

/** Bytes that a suspect takes at most. */
export const SUSPECT_BYTES = 9

/** @param base no suspect is below it. */
export function writeCrashNotes({ atWork, suspects }: CrashNotes, base: number): Uint8Array {
  const bytes: number[] = [(suspects.length << 1) | (atWork ? 1 : 0)]
  let next = base
  for (const { offset, starts } of suspects) {
    let gap = offset - next
    for (; gap >= 0x80; gap = Math.floor(gap / 0x80)) bytes.push((gap % 0x80) | 0x80)
    bytes.push(gap, Math.min(starts, MOST_STARTS))
    next = offset + 1
  }
  return Uint8Array.from(bytes)
}

/** The notes at the beginning of these bytes, and how many of them they take. */
export function readCrashNotes(
  bytes: Uint8Array,
  base: number,
): { readonly notes: CrashNotes; readonly length: number } | null {
  const head = bytes[0]
  if (head === undefined || head >>> 1 > MOST_SUSPECTS) return null
  const suspects: Suspect[] = []
  let at = 1
  let next = base
  for (let left = head >>> 1; left > 0; left--) {
    let scale = 1
    let byte = bytes[at++]
    let offset = next
    for (; byte !== undefined && byte >= 0x80; byte = bytes[at++]) {
      offset += (byte - 0x80) * scale
      scale *= 0x80
      if (scale > 2 ** 49) return null
    }
    offset += (byte ?? 0) * scale
    const starts = bytes[at++]
    if (starts === undefined || starts === 0 || !Number.isSafeInteger(offset)) return null
    suspects.push({ offset, starts })
    next = offset + 1
  }
  return { notes: { atWork: (head & 1) === 1, suspects }, length: at }
}
