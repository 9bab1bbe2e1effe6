/**
 * Disks that each break one rule, and what the crash tests have to say about a store that works on them.
 *
 * The life under test sees the disk through a wrapper; the lives after the crash see the true disk.
 */

import type { CrashModel, FileStore, SimDisk, StoredFile } from '../../src/log/index.ts'
import { crashEverywhere, type Judgement } from './crash-points.ts'
import { workloadNamed } from './workload.ts'

export interface BrokenDisk {
  readonly name: string
  readonly workload: string
  readonly models?: readonly CrashModel[]
  readonly wrap: (disk: SimDisk) => FileStore
}

/** Models that show what was not synced. */
const losing: readonly CrashModel[] = ['nothing', 'prefix', 'subset', 'process']

export const brokenDisks: readonly BrokenDisk[] = [
  {
    name: 'the journal is not synced',
    workload: 'one partition, one batch at a time',
    wrap: (disk) =>
      broken(disk, {}, (_, path) => (ofJournal(path) ? { sync: async () => {} } : {})),
  },
  {
    name: 'the journal is acknowledged before its sync is done',
    workload: 'one partition, one batch at a time',
    wrap: (disk) =>
      broken(disk, {}, (file, path) =>
        ofJournal(path) ? { sync: async () => void syncLater(file) } : {},
      ),
  },
  {
    name: 'segments are not synced before the journal is trimmed',
    workload: 'rolls and checkpoints',
    wrap: (disk) =>
      broken(disk, {}, (_, path) => (ofSegments(path) ? { sync: async () => {} } : {})),
  },
  {
    name: 'segments are not synced with the flush that wrote them directly',
    workload: 'large batches of one partition',
    wrap: (disk) =>
      broken(disk, {}, (_, path) => (ofSegments(path) ? { sync: async () => {} } : {})),
  },
  {
    name: 'segments are written directly before their names are durable',
    workload: 'large batches of one partition',
    wrap: (disk) =>
      broken(disk, {
        syncFolder: async (path) =>
          path.startsWith('topics/') ? undefined : disk.syncFolder(path),
      }),
  },
  {
    name: 'the count of a short direct write is not looked at',
    workload: 'large batches on a disk that is full for a while',
    wrap: (disk) =>
      broken(disk, {}, (file, path) =>
        ofSegments(path)
          ? {
              write: async (position, chunks) => {
                await file.write(position, chunks).catch(() => 0)
                return chunks.reduce((sum, { length }) => sum + length, 0)
              },
            }
          : {},
      ),
  },
  {
    name: 'checkpoints are not synced before they get their name',
    workload: 'rolls and checkpoints',
    wrap: (disk) =>
      broken(disk, {}, (_, path) => (ofCheckpoints(path) ? { sync: async () => {} } : {})),
  },
  {
    name: 'folders are not synced',
    workload: 'several partitions and records in the same rounds',
    wrap: (disk) => broken(disk, { syncFolder: async () => {} }),
  },
  {
    name: 'the folder of the journal alone is not synced',
    workload: 'several partitions and records in the same rounds',
    wrap: (disk) =>
      broken(disk, {
        syncFolder: async (path) => (path === 'journal' ? undefined : disk.syncFolder(path)),
      }),
  },
  {
    name: 'folders of topics are not synced at checkpoints',
    workload: 'rolls and checkpoints',
    wrap: (disk) =>
      broken(disk, {
        syncFolder: async (path) => (path.startsWith('topics') ? undefined : disk.syncFolder(path)),
      }),
  },
  {
    name: 'the count of a short write is not looked at',
    workload: 'the disk is full for a while',
    wrap: (disk) =>
      broken(disk, {}, (file, path) =>
        ofJournal(path)
          ? {
              write: async (position, chunks) => {
                await file.write(position, chunks).catch(() => 0)
                return chunks.reduce((sum, { length }) => sum + length, 0)
              },
            }
          : {},
      ),
  },
  {
    name: 'a failed sync counts as done',
    workload: 'one partition, one batch at a time',
    models: ['everything'],
    wrap: (disk) => {
      let syncs = 0
      disk.fault = ({ kind, path }) =>
        kind === 'sync' && ofJournal(path) && ++syncs === 4
          ? { kind: 'error', code: 'EIO', losesUnsynced: true }
          : undefined
      return broken(disk, {}, (file) => ({ sync: () => file.sync().catch(() => {}) }))
    },
  },
]

/** Looks until the first violation. */
export function judgeBrokenDisk({
  workload,
  wrap,
  models = losing,
}: BrokenDisk): Promise<Judgement> {
  return crashEverywhere(workloadNamed(workload), { models, recoveryStride: 0, wrap })
}

/** The disk with some of its own and its files' calls replaced. */
function broken(
  disk: SimDisk,
  calls: Partial<FileStore>,
  ofFile: (file: StoredFile, path: string) => Partial<StoredFile> = () => ({}),
): FileStore {
  return {
    open: async (path, options) => {
      const file = await disk.open(path, options)
      const kept: StoredFile = {
        size: () => file.size(),
        read: (position, target) => file.read(position, target),
        write: (position, chunks) => file.write(position, chunks),
        sync: () => file.sync(),
        truncate: (size) => file.truncate(size),
        close: () => file.close(),
      }
      return { ...kept, ...ofFile(file, path) }
    },
    list: (folder) => disk.list(folder),
    makeFolder: (path) => disk.makeFolder(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncFolder: (path) => disk.syncFolder(path),
    lock: () => disk.lock(),
    ...calls,
  }
}

/** The sync happens a few turns after its answer. */
async function syncLater(file: StoredFile): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve()
  // The file may be closed by then, which a store that waited for the answer did not mean.
  await file.sync().catch(() => {})
}

const ofJournal = (path: string) => path.startsWith('journal/')
const ofSegments = (path: string) => path.endsWith('.log')
const ofCheckpoints = (path: string) => path.startsWith('checkpoints/')
