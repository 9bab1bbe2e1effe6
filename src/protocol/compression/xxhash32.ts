/**
 * xxHash32, the checksum of lz4 frames. Specification: Cyan4973/xxHash doc/xxhash_spec.md.
 */

const PRIME_1 = 0x9e37_79b1
const PRIME_2 = 0x85eb_ca77
const PRIME_3 = 0xc2b2_ae3d
const PRIME_4 = 0x27d4_eb2f
const PRIME_5 = 0x1656_67b1
const STRIPE_BYTES = 16

/** The hash of `bytes[start, end)` with seed 0, as an unsigned 32-bit number. */
export function xxhash32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let position = start
  let hash = PRIME_5
  if (end - start >= STRIPE_BYTES) {
    let [first, second, third, fourth] = [(PRIME_1 + PRIME_2) | 0, PRIME_2 | 0, 0, -PRIME_1 | 0]
    for (; position + STRIPE_BYTES <= end; position += STRIPE_BYTES) {
      first = round(first, wordAt(bytes, position))
      second = round(second, wordAt(bytes, position + 4))
      third = round(third, wordAt(bytes, position + 8))
      fourth = round(fourth, wordAt(bytes, position + 12))
    }
    hash = rotate(first, 1) + rotate(second, 7) + rotate(third, 12) + rotate(fourth, 18)
  }
  hash = (hash + (end - start)) | 0
  for (; position + 4 <= end; position += 4)
    hash = Math.imul(rotate((hash + Math.imul(wordAt(bytes, position), PRIME_3)) | 0, 17), PRIME_4)
  for (; position < end; position++)
    hash = Math.imul(
      rotate((hash + Math.imul(bytes[position] as number, PRIME_5)) | 0, 11),
      PRIME_1,
    )
  return finish(hash)
}

function round(lane: number, word: number): number {
  return Math.imul(rotate((lane + Math.imul(word, PRIME_2)) | 0, 13), PRIME_1)
}

function finish(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  const second = Math.imul(first ^ (first >>> 13), PRIME_3)
  return (second ^ (second >>> 16)) >>> 0
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function wordAt(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position] as number) |
    ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) |
    ((bytes[position + 3] as number) << 24)
  )
}
