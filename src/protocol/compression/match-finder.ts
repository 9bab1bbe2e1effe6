/**
 * Finds repeats for the snappy and lz4 encoders: a table from the hash of four bytes to where they were last seen.
 *
 * Greedy and small: the first repeat of at least four bytes within the window is taken. Both formats leave the choice
 * of matches to the encoder, so this decides about size and speed alone.
 */

const HASH_BITS = 14
const HASH_FACTOR = 0x9e37_79b1
export const LEAST_MATCH = 4

export interface Match {
  /** Where the repeat starts. */
  readonly at: number
  /** How far back its first occurrence lies. */
  readonly distance: number
  readonly length: number
}

/**
 * Calls `emit` for each repeat in `bytes[start, end)`, in order and without overlap; distances stay inside this range.
 * @param searchEnd no repeat starts at or after this position
 * @param matchEnd no repeat goes beyond this position
 */
export function findMatches(
  bytes: Uint8Array,
  range: { readonly start: number; readonly searchEnd: number; readonly matchEnd: number },
  emit: (match: Match) => void,
): void {
  const { start, searchEnd, matchEnd } = range
  // Positions plus one, so that zero means: never seen.
  const seen = new Int32Array(1 << HASH_BITS)
  for (let at = start; at < searchEnd && at + LEAST_MATCH <= matchEnd;) {
    const word = wordAt(bytes, at)
    const slot = Math.imul(word, HASH_FACTOR) >>> (32 - HASH_BITS)
    const candidate = (seen[slot] as number) - 1
    seen[slot] = at + 1
    if (candidate < start || wordAt(bytes, candidate) !== word) {
      at++
      continue
    }
    let length = LEAST_MATCH
    while (at + length < matchEnd && bytes[at + length] === bytes[candidate + length]) length++
    emit({ at, distance: at - candidate, length })
    at += length
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}
