/**
 * CRC-32C (Castagnoli), the checksum of record batches.
 *
 * The native implementation of `@node-rs/crc32` is used where that optional package can be loaded, for anything longer
 * than what the call itself costs; else, and for short input, eight table lookups a step ("slicing by 8"). Both give the
 * same numbers, which a test checks; this file is the only one that knows of the package.
 */

import { createRequire } from 'node:module'

type Checksum = (bytes: Uint8Array, previous: number) => number

/** The Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f6_3b78
const SLICES = 8
const TABLES = makeTables()

/** Below this many bytes the call into native code costs more than it saves. */
const NATIVE_FROM_BYTES = 128

const native = loadNative()

/** Which implementation long input gets. */
export const crc32cImplementation: 'native' | 'javascript' =
  native === undefined ? 'javascript' : 'native'

/** The checksum of `bytes[start, end)`, as an unsigned 32-bit number; `previous` is that of the bytes before them. */
export function crc32c(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  previous = 0,
): number {
  if (native === undefined || end - start < NATIVE_FROM_BYTES)
    return crc32cJavaScript(bytes, start, end, previous)
  return native(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start), previous)
}

/** The same without native code. */
export function crc32cJavaScript(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  previous = 0,
): number {
  const tables = TABLES
  const at = (slice: number, byte: number) => tables[(slice << 8) | byte] as number
  let crc = ~previous
  let position = start
  for (; position + SLICES <= end; position += SLICES) {
    const low =
      crc ^
      ((bytes[position] as number) |
        ((bytes[position + 1] as number) << 8) |
        ((bytes[position + 2] as number) << 16) |
        ((bytes[position + 3] as number) << 24))
    crc =
      at(7, low & 0xff) ^
      at(6, (low >>> 8) & 0xff) ^
      at(5, (low >>> 16) & 0xff) ^
      at(4, low >>> 24) ^
      at(3, bytes[position + 4] as number) ^
      at(2, bytes[position + 5] as number) ^
      at(1, bytes[position + 6] as number) ^
      at(0, bytes[position + 7] as number)
  }
  for (; position < end; position++)
    crc = (crc >>> 8) ^ at(0, (crc ^ (bytes[position] as number)) & 0xff)
  return ~crc >>> 0
}

/** Table `n` (256 entries each) advances a byte over `n` more zero bytes. */
function makeTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    tables[byte] = crc
  }
  for (let index = 256; index < tables.length; index++) {
    const shorter = tables[index - 256] as number
    tables[index] = (shorter >>> 8) ^ (tables[shorter & 0xff] as number)
  }
  return tables
}

/** A missing package, a missing binary for this platform and a binary that cannot be loaded all mean: do without. */
function loadNative(): Checksum | undefined {
  try {
    const loaded: unknown = createRequire(import.meta.url)('@node-rs/crc32')
    return hasCrc32c(loaded) ? (bytes, previous) => loaded.crc32c(bytes, previous) : undefined
  } catch {
    return undefined
  }
}

function hasCrc32c(module: unknown): module is { crc32c: Checksum } {
  return typeof module === 'object' && module !== null && 'crc32c' in module
}
