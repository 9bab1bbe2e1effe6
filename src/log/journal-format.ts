/**
 * The bytes of journal and checkpoint files. Pure; everything is big-endian.
 *
 * | file header  | bytes | |
 * | --- | --- | --- |
 * | magic        | 8  | `SHOALJNL`, in checkpoints `SHOALCKP` |
 * | version      | 4  | 1 |
 * | crc          | 4  | CRC-32C of the 12 bytes before and the 32 that follow |
 * | store id     | 16 | the folder that the file belongs to |
 * | number       | 8  | journal: of this file. Checkpoint: of the journal file with which replaying begins |
 * | sequence     | 8  | of the first frame in this file. Checkpoint: of the first frame that it does not cover |
 *
 * | frame        | bytes | |
 * | --- | --- | --- |
 * | magic        | 4  | `SHFR` |
 * | crc          | 4  | CRC-32C of everything that follows, entries included |
 * | length       | 4  | of the entries |
 * | entry count  | 4  | |
 * | sequence     | 8  | rises by one from frame to frame, across files |
 * | file number  | 8  | as in the file header |
 * | durable      | 8  | frames below this sequence were synced before this one was written: damage there is no torn tail |
 * | entries      |    | see `journal-entry.ts` |
 */

import { ShoalError } from '../core/index.ts'
import { crc32c } from '../protocol/index.ts'

export const FILE_HEADER_BYTES = 48
export const FRAME_HEADER_BYTES = 40
export const STORE_ID_BYTES = 16
export const FORMAT_VERSION = 1

const FRAME_MAGIC = 0x53484652
const FILE_MAGIC = { journal: 'SHOALJNL', checkpoint: 'SHOALCKP' } as const

export type JournalFileKind = keyof typeof FILE_MAGIC

export interface FileHeader {
  readonly kind: JournalFileKind
  readonly storeId: Uint8Array
  readonly number: number
  readonly sequence: number
}

export interface FrameHeader {
  readonly sequence: number
  readonly fileNumber: number
  readonly durable: number
  readonly entryCount: number
  /** Bytes of the entries. */
  readonly length: number
  readonly crc: number
}

export function encodeFileHeader({ kind, storeId, number, sequence }: FileHeader): Uint8Array {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES)
  bytes.write(FILE_MAGIC[kind], 0, 'latin1')
  bytes.writeUInt32BE(FORMAT_VERSION, 8)
  bytes.set(storeId, 16)
  writeUint64(bytes, number, 32)
  writeUint64(bytes, sequence, 40)
  bytes.writeUInt32BE(fileHeaderCrc(bytes), 12)
  return bytes
}

/**
 * Null when the bytes are damaged or too few.
 * @throws ShoalError SHOAL_FOLDER_FORMAT for an intact header of a newer version.
 */
export function decodeFileHeader(source: Uint8Array, kind: JournalFileKind): FileHeader | null {
  if (source.length < FILE_HEADER_BYTES) return null
  const bytes = bufferOf(source)
  if (bytes.toString('latin1', 0, 8) !== FILE_MAGIC[kind]) return null
  if (bytes.readUInt32BE(12) !== fileHeaderCrc(bytes)) return null
  const version = bytes.readUInt32BE(8)
  if (version !== FORMAT_VERSION)
    throw new ShoalError(
      'SHOAL_FOLDER_FORMAT',
      `a ${kind} file has format ${version}, this version reads ${FORMAT_VERSION}`,
      { details: { version } },
    )
  const number = readUint64(bytes, 32)
  const sequence = readUint64(bytes, 40)
  if (number === null || sequence === null) return null
  return { kind, storeId: Uint8Array.from(bytes.subarray(16, 32)), number, sequence }
}

function fileHeaderCrc(header: Buffer): number {
  return crc32c(header, 16, FILE_HEADER_BYTES, crc32c(header, 0, 12))
}

/** The header of a frame whose entries are `chunks`; the CRC runs over both without copying. */
export function encodeFrameHeader(
  frame: Omit<FrameHeader, 'crc'>,
  chunks: readonly Uint8Array[],
): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  bytes.writeUInt32BE(FRAME_MAGIC, 0)
  bytes.writeUInt32BE(frame.length, 8)
  bytes.writeUInt32BE(frame.entryCount, 12)
  writeUint64(bytes, frame.sequence, 16)
  writeUint64(bytes, frame.fileNumber, 24)
  writeUint64(bytes, frame.durable, 32)
  let crc = crc32c(bytes, 8)
  for (const chunk of chunks) crc = crc32c(chunk, 0, chunk.length, crc)
  bytes.writeUInt32BE(crc, 4)
  return bytes
}

/** Null when it cannot be a header; the CRC is checked with the entries, by `frameIsIntact`. */
export function decodeFrameHeader(source: Uint8Array): FrameHeader | null {
  if (source.length < FRAME_HEADER_BYTES) return null
  const bytes = bufferOf(source)
  if (bytes.readUInt32BE(0) !== FRAME_MAGIC) return null
  const sequence = readUint64(bytes, 16)
  const fileNumber = readUint64(bytes, 24)
  const durable = readUint64(bytes, 32)
  if (sequence === null || fileNumber === null || durable === null) return null
  return {
    sequence,
    fileNumber,
    durable,
    entryCount: bytes.readUInt32BE(12),
    length: bytes.readUInt32BE(8),
    crc: bytes.readUInt32BE(4),
  }
}

export function frameIsIntact(
  header: FrameHeader,
  headerBytes: Uint8Array,
  entries: Uint8Array,
): boolean {
  const crc = crc32c(entries, 0, entries.length, crc32c(headerBytes, 8, FRAME_HEADER_BYTES))
  return entries.length === header.length && crc === header.crc
}

/** Where the next bytes that could begin a frame are, from `from` on; -1 when there are none. */
export function findFrame(source: Uint8Array, from: number): number {
  return bufferOf(source).indexOf('SHFR', from, 'latin1')
}

export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function writeUint64(target: Buffer, value: number, at: number): void {
  target.writeUInt32BE(Math.floor(value / 2 ** 32), at)
  target.writeUInt32BE(value % 2 ** 32, at + 4)
}

/** Null beyond 2^53: nothing of ours counts that far, so the bytes are not ours. */
export function readUint64(source: Buffer, at: number): number | null {
  const value = source.readUInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4)
  return Number.isSafeInteger(value) ? value : null
}
