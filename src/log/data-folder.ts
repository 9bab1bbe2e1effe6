/**
 * The data folder: what is in it, and which version wrote it.
 *
 *   format                      this version and the folder's id; written last of all, so where it is, the rest was made
 *   checkpoints/<n>.checkpoint  see checkpoint-file.ts
 *   journal/<n>.journal         see journal-format.ts
 *   durable-mark, reserve       see durable-mark.ts, space-reserve.ts
 *   topics/<topic id, 32 hexadecimal digits>/<partition>/   see partition-log.ts
 *   lock, lock.sock             who works on it
 *
 * A folder of a newer version is refused before anything in it is touched. A folder that holds journals or topics without
 * `format` is not taken for a new one: somebody removed it.
 */

import type { Random } from '../core/index.ts'
import { ShoalError } from '../core/index.ts'
import { CHECKPOINT_FOLDER, CheckpointDraft, writeCheckpoint } from './checkpoint-file.ts'
import type { FileStore } from './file-store.ts'
import { JOURNAL_FOLDER } from './journal-file.ts'
import { FORMAT_VERSION, STORE_ID_BYTES } from './journal-format.ts'
import type { PartitionLogId } from './log.ts'

export const TOPICS_FOLDER = 'topics'
const FORMAT_PATH = 'format'
const LONGEST_FORMAT_BYTES = 4_096

export function topicFolder(topicId: string): string {
  return `${TOPICS_FOLDER}/${Buffer.from(topicId, 'base64url').toString('hex')}`
}

export function partitionFolder({ topicId, partition }: PartitionLogId): string {
  return `${topicFolder(topicId)}/${partition}`
}

/**
 * The folder's id; null for a folder that was not made yet. Reads only.
 * @throws ShoalError SHOAL_FOLDER_FORMAT when the folder is not one that this version can work on.
 */
export async function readFormat(files: FileStore): Promise<Uint8Array | null> {
  const names = await files.list('')
  if (!names.some(({ name }) => name === FORMAT_PATH)) {
    const orphans = [JOURNAL_FOLDER, TOPICS_FOLDER]
    for (const folder of orphans)
      if ((await files.list(folder)).length > 0)
        throw new ShoalError(
          'SHOAL_FOLDER_FORMAT',
          `the data folder has files in ${folder} but no file "format": it is not a new folder, restore that file`,
        )
    return null
  }
  const file = await files.open(FORMAT_PATH, { create: false })
  try {
    const bytes = Buffer.alloc(LONGEST_FORMAT_BYTES)
    return parseFormat(bytes.toString('utf8', 0, await file.read(0, bytes)))
  } finally {
    await file.close()
  }
}

/**
 * The folder's id, made with its content when it is new. Once this resolves, `format` is durable: everything that is
 * written later may rely on it, also when the process that made the folder died before it had synced the name.
 *
 *   make: rename format-new ─▶ format   killed │ next start: finds format, syncs the name, acknowledges │ power lost
 */
export async function openDataFolder(files: FileStore, random: Random): Promise<Uint8Array> {
  const storeId = (await readFormat(files)) ?? (await makeDataFolder(files, random))
  await files.syncFolder('')
  return storeId
}

/** Until `format` has its name, a crash leaves a folder that counts as new. */
async function makeDataFolder(files: FileStore, random: Random): Promise<Uint8Array> {
  const storeId = Uint8Array.from(random.bytes(STORE_ID_BYTES))
  await files.remove(CHECKPOINT_FOLDER)
  for (const folder of [CHECKPOINT_FOLDER, JOURNAL_FOLDER, TOPICS_FOLDER])
    await files.makeFolder(folder)
  await files.syncFolder('')
  await writeCheckpoint(files, storeId, { fileNumber: 1, sequence: 1 }, new CheckpointDraft())
  const text = `shoal data folder\nversion ${FORMAT_VERSION}\nid ${Buffer.from(storeId).toString('hex')}\n`
  const bytes = Buffer.from(text, 'utf8')
  const file = await files.open(`${FORMAT_PATH}-new`, { create: true })
  try {
    if ((await file.write(0, [bytes])) !== bytes.length)
      throw new ShoalError('SHOAL_STORAGE_FULL', 'the disk is full: no data folder was made')
    await file.truncate(bytes.length)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(`${FORMAT_PATH}-new`, FORMAT_PATH)
  return storeId
}

function parseFormat(text: string): Uint8Array {
  const [, version, id] =
    /^shoal data folder\nversion (\d{1,9})\n(?:[^]*\n)?id ([0-9a-f]{32})\n/.exec(text) ?? []
  if (version === undefined || id === undefined)
    throw new ShoalError(
      'SHOAL_FOLDER_FORMAT',
      'the file "format" of the data folder cannot be read: it is damaged or of an unknown version',
    )
  if (Number(version) !== FORMAT_VERSION)
    throw new ShoalError(
      'SHOAL_FOLDER_FORMAT',
      `the data folder has format ${version}, this version reads ${FORMAT_VERSION}: use the version that wrote it`,
      { details: { version: Number(version) } },
    )
  return Uint8Array.from(Buffer.from(id, 'hex'))
}
