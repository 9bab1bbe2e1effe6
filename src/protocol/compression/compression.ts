/**
 * The five ways in which the records of a batch may be stored, by name and by number.
 *
 * Decompression has a budget: it stops before it produces (and before it allocates) more than `maxBytes`, whatever the
 * input claims. gzip and zstd are the runtime's; snappy and lz4 are here. All of it is synchronous: callers keep it off
 * the hot path, batches travel compressed.
 */

import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { messageOf, ShoalError } from '../../core/index.ts'
import { compressLz4, decompressLz4 } from './lz4.ts'
import { compressSnappy, decompressSnappy } from './snappy.ts'

export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** By their number in the attributes of a batch. */
export const compressionTypes: readonly CompressionType[] = [
  'none',
  'gzip',
  'snappy',
  'lz4',
  'zstd',
]

/** `undefined` for a number that means nothing. */
export function compressionOf(code: number): CompressionType | undefined {
  return compressionTypes[code]
}

export function compressionCodeOf(type: CompressionType): number {
  return compressionTypes.indexOf(type)
}

export function compress(type: CompressionType, bytes: Uint8Array): Uint8Array {
  switch (type) {
    case 'none':
      return bytes
    case 'gzip':
      return gzipSync(bytes)
    case 'snappy':
      return compressSnappy(bytes)
    case 'lz4':
      return compressLz4(bytes)
    case 'zstd':
      return zstdCompressSync(bytes)
  }
}

/**
 * @param maxBytes most bytes that may come out
 * @throws ShoalError SHOAL_DECOMPRESSION_LIMIT when there would be more, SHOAL_CORRUPT_BATCH for damaged input
 */
export function decompress(type: CompressionType, bytes: Uint8Array, maxBytes: number): Uint8Array {
  switch (type) {
    case 'none':
      return bytes
    case 'gzip':
      return ofRuntime(type, maxBytes, () =>
        gunzipSync(bytes, { maxOutputLength: Math.max(1, maxBytes) }),
      )
    case 'snappy':
      return decompressSnappy(bytes, maxBytes)
    case 'lz4':
      return decompressLz4(bytes, maxBytes)
    case 'zstd':
      return ofRuntime(type, maxBytes, () => decompressZstd(bytes, maxBytes))
  }
}

/** A frame may ask for a window as large as it likes; what every decoder must offer, and what the budget could fill, is given. */
const LEAST_WINDOW_LOG = 23
const LARGEST_WINDOW_LOG = 27

function decompressZstd(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const wanted = Math.ceil(Math.log2(Math.max(1, maxBytes)))
  const windowLog = Math.min(LARGEST_WINDOW_LOG, Math.max(LEAST_WINDOW_LOG, wanted))
  return zstdDecompressSync(bytes, {
    maxOutputLength: Math.max(1, maxBytes),
    params: { [constants.ZSTD_d_windowLogMax]: windowLog },
  })
}

function ofRuntime(type: CompressionType, maxBytes: number, run: () => Uint8Array): Uint8Array {
  try {
    return run()
  } catch (error) {
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw new ShoalError(
        'SHOAL_DECOMPRESSION_LIMIT',
        `records compressed with ${type} would take more than ${maxBytes} bytes`,
        { cause: error, details: { maxBytes } },
      )
    throw new ShoalError(
      'SHOAL_CORRUPT_BATCH',
      `records compressed with ${type} are damaged: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
