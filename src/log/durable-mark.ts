/**
 * How far the journal was synced, told after the fact: the file `durable-mark`.
 *
 * A frame can only tell how far the sync before it reached; this file tells the last one too. It is never synced itself
 * and needs not to be: it states what is true already, so an older statement is merely weaker. After a process crash the
 * kernel still has it, and then every frame that was acknowledged is known to have been: a damaged, cut or missing end of
 * the journal is told from a torn one.
 *
 * | slot (at 0 and at 4,096, in turn) | bytes | |
 * | --- | --- | --- |
 * | magic    | 4  | `SHDM` |
 * | crc      | 4  | CRC-32C of what follows |
 * | store id | 16 | |
 * | durable  | 8  | frames below this sequence are synced |
 */

import type { Logger } from '../core/index.ts'
import { crc32c } from '../protocol/index.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { bufferOf, readUint64, writeUint64 } from './journal-format.ts'
import { isFull, messageOfFull } from './space-reserve.ts'

export const DURABLE_MARK_PATH = 'durable-mark'

const MAGIC = 0x5348444d
const SLOT_BYTES = 32
const SLOT_POSITIONS = [0, 4_096] as const

export class DurableMark {
  readonly #file: StoredFile
  readonly #storeId: Uint8Array
  readonly #logger: Logger
  #slot: number
  #warned = false
  /** What the file said when it was opened: frames below this sequence were synced. 0 when it said nothing. */
  readonly found: number

  private constructor(options: {
    readonly file: StoredFile
    readonly storeId: Uint8Array
    readonly logger: Logger
    readonly slot: number
    readonly found: number
  }) {
    this.#file = options.file
    this.#storeId = options.storeId
    this.#logger = options.logger
    this.#slot = options.slot
    this.found = options.found
  }

  static async open(files: FileStore, storeId: Uint8Array, logger: Logger): Promise<DurableMark> {
    const file = await files.open(DURABLE_MARK_PATH, { create: true })
    let found = 0
    let slot = 0
    for (const [index, position] of SLOT_POSITIONS.entries()) {
      const bytes = Buffer.alloc(SLOT_BYTES)
      await file.read(position, bytes)
      const durable = decodeSlot(bytes, storeId)
      if (durable === null || durable <= found) continue
      found = durable
      slot = 1 - index
    }
    return new DurableMark({ file, storeId, logger, slot, found })
  }

  /** States that the frames below `sequence` are synced. A full disk makes it say nothing, which is safe. */
  async write(sequence: number): Promise<void> {
    const position = SLOT_POSITIONS[this.#slot] ?? 0
    this.#slot = 1 - this.#slot
    try {
      await this.#file.write(position, [encodeSlot(sequence, this.#storeId)])
    } catch (error) {
      if (!isFull(error)) throw error
      if (!this.#warned) this.#logger.log('warn', messageOfFull, { path: DURABLE_MARK_PATH })
      this.#warned = true
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

function encodeSlot(sequence: number, storeId: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(SLOT_BYTES)
  bytes.writeUInt32BE(MAGIC, 0)
  bytes.set(storeId, 8)
  writeUint64(bytes, sequence, 24)
  bytes.writeUInt32BE(crc32c(bytes.subarray(8)), 4)
  return bytes
}

function decodeSlot(source: Uint8Array, storeId: Uint8Array): number | null {
  const bytes = bufferOf(source)
  if (bytes.readUInt32BE(0) !== MAGIC || bytes.readUInt32BE(4) !== crc32c(bytes.subarray(8)))
    return null
  return bytes.subarray(8, 24).equals(storeId) ? readUint64(bytes, 24) : null
}
