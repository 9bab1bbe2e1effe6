/**
 * Randomness as a parameter: the port, its real form and a seeded one that gives the same numbers for the same seed.
 *
 * The real form is fit for secrets (nonces, ids); the seeded one is for tests and simulation alone.
 * This file is the only place that asks the system for random numbers; `test/tidy.test.ts` checks it.
 */

import { randomBytes } from 'node:crypto'

export interface Random {
  /** A number in [0, 1). */
  next(): number
  bytes(length: number): Uint8Array
}

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
}

/** A generator (mulberry32) that repeats itself exactly for the same 32-bit seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(next() * 256)) }
}

/** A whole number in [0, bound). */
export function randomBelow(random: Random, bound: number): number {
  return Math.floor(random.next() * bound)
}

/** A random (version 4) UUID as its 16 bytes (RFC 9562). */
export function uuidBytes(random: Random): Uint8Array {
  const bytes = Uint8Array.from(random.bytes(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes
}

/** A random UUID in its usual text form, `8-4-4-4-12` hexadecimal digits. */
export function uuidText(random: Random): string {
  const hex = Array.from(uuidBytes(random), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-')
}
