/**
 * Numbers at a position of plain bytes, in network order, without a view object. The caller checked the bounds.
 */

export function readInt16(bytes: Uint8Array, position: number): number {
  return (((bytes[position] as number) << 24) | ((bytes[position + 1] as number) << 16)) >> 16
}

export function readInt32(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  )
}

/** Exact while it is a safe integer; the caller checks that where it matters. */
export function readInt64(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) * 0x1_0000_0000 + (readInt32(bytes, position + 4) >>> 0)
}

export function readBigInt64(bytes: Uint8Array, position: number): bigint {
  const high = BigInt(readInt32(bytes, position))
  return (high << 32n) | BigInt(readInt32(bytes, position + 4) >>> 0)
}

export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 8
  bytes[position + 1] = value
}

export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 24
  bytes[position + 1] = value >> 16
  bytes[position + 2] = value >> 8
  bytes[position + 3] = value
}

/** @param value a safe integer */
export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000)
  writeInt32(bytes, position, high)
  writeInt32(bytes, position + 4, value - high * 0x1_0000_0000)
}

export function writeBigInt64(bytes: Uint8Array, position: number, value: bigint): void {
  writeInt32(bytes, position, Number(BigInt.asIntN(32, value >> 32n)))
  writeInt32(bytes, position + 4, Number(BigInt.asIntN(32, value)))
}
