/**
 * What the snappy and lz4 formats share: literals and matches, copied into one output, and the errors they can meet.
 */

import { ShoalError } from '../../core/index.ts'

/** Below this many bytes a loop is faster than a call. */
const LOOP_BYTES = 32

/** Copies `length` bytes of the input; the caller checked both bounds. */
export function copyLiteral(
  input: Uint8Array,
  from: number,
  output: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > LOOP_BYTES) return output.set(input.subarray(from, from + length), to)
  for (let index = 0; index < length; index++) output[to + index] = input[from + index] as number
}

/** Copies `length` bytes that lie `distance` back in the output; they may overlap with what they make. */
export function copyMatch(output: Uint8Array, to: number, distance: number, length: number): void {
  const from = to - distance
  if (length > LOOP_BYTES && distance >= length)
    return void output.copyWithin(to, from, from + length)
  for (let index = 0; index < length; index++) output[to + index] = output[from + index] as number
}

export function damaged(type: 'snappy' | 'lz4', what: string): ShoalError {
  return new ShoalError(
    'SHOAL_CORRUPT_BATCH',
    `records compressed with ${type} are damaged: ${what}`,
  )
}

export function tooLarge(type: 'snappy' | 'lz4', maxBytes: number): ShoalError {
  return new ShoalError(
    'SHOAL_DECOMPRESSION_LIMIT',
    `records compressed with ${type} would take more than ${maxBytes} bytes`,
    { details: { maxBytes } },
  )
}
