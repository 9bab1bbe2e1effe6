/**
 * Batches that the journal refers to, looked at in their segments while the journal is recovered.
 *
 * An entry that was never acknowledged may have lost its batch, for journal and segment reach the disk in any order: then
 * its frame is the torn end, as if it were torn itself. What is there and not known to have been synced is written again
 * and synced, with the names above it, before anybody sees it (`journal-rewrite.ts` says why).
 * Nothing is removed or cut here. Bytes behind the batches that count are garbage of the crash, which the partition cuts.
 */

import { bytesEqual } from '../core/index.ts'
import { BATCH_HEADER_BYTES, RecordBatch } from '../protocol/index.ts'
import { partitionFolder, topicFolder, TOPICS_FOLDER } from './data-folder.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import type { DirectEntry } from './journal-entry.ts'
import { rewrite } from './journal-rewrite.ts'
import { isMissing, segmentPath } from './segment.ts'

interface Body {
  readonly entry: DirectEntry
  /** The frame that the entry is in. */
  readonly sequence: number
}

export class DirectBodies {
  readonly #files: FileStore
  /** Those that no sync is known to have covered. */
  #unsynced: Body[] = []

  constructor(files: FileStore) {
    this.#files = files
  }

  /** Whether all batches are at their places, byte for byte as far as their checksums tell. */
  async areThere(entries: readonly DirectEntry[]): Promise<boolean> {
    for (const [path, ofFile] of byPath(entries)) {
      const file = await this.#open(path)
      if (file === null) return false
      try {
        for (const entry of ofFile) if (!(await isThere(file, entry))) return false
      } finally {
        await file.close()
      }
    }
    return true
  }

  /** The entries of a frame that is replayed and not known to be synced. */
  note(entries: readonly DirectEntry[], sequence: number): void {
    for (const entry of entries) this.#unsynced.push({ entry, sequence })
  }

  /** Makes durable what was noted, but for frames below `durable`: those are. */
  async makeDurable(durable: number): Promise<void> {
    const entries = this.#unsynced
      .filter(({ sequence }) => sequence >= durable)
      .map(({ entry }) => entry)
    this.#unsynced = []
    const folders = new Set<string>()
    for (const [path, ofFile] of byPath(entries)) {
      const file = await this.#open(path)
      // Its partition was deleted by what came later.
      if (file === null) continue
      try {
        for (const { position, header } of ofFile)
          await rewrite(file, path, { start: position, end: position + lengthOf(header) })
        await file.sync()
      } finally {
        await file.close()
      }
      for (const { partition } of ofFile)
        folders.add(partitionFolder(partition)).add(topicFolder(partition.topicId))
    }
    for (const folder of folders) await this.#files.syncFolder(folder)
    if (folders.size > 0) await this.#files.syncFolder(TOPICS_FOLDER)
  }

  async #open(path: string): Promise<StoredFile | null> {
    try {
      return await this.#files.open(path, { create: false })
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }
}

/** Bytes of the batch that begins with the header. */
export function lengthOf(header: Uint8Array): number {
  return new RecordBatch(header).byteLength
}

/** The batch at the entry's place when it is the entry's; null when it is not. */
export async function readBody(
  file: StoredFile,
  { position, header }: Pick<DirectEntry, 'position' | 'header'>,
): Promise<RecordBatch | null> {
  const bytes = new Uint8Array(lengthOf(header))
  if ((await file.read(position, bytes)) < bytes.length) return null
  if (!bytesEqual(bytes.subarray(0, BATCH_HEADER_BYTES), header)) return null
  const batch = new RecordBatch(bytes)
  return batch.isCrcValid ? batch : null
}

async function isThere(file: StoredFile, entry: DirectEntry): Promise<boolean> {
  return (await readBody(file, entry)) !== null
}

function byPath(entries: readonly DirectEntry[]): ReadonlyMap<string, readonly DirectEntry[]> {
  return Map.groupBy(entries, ({ partition, segmentBaseOffset }) =>
    segmentPath(partitionFolder(partition), segmentBaseOffset, 'log'),
  )
}
