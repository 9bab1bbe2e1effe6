/**
 * The real disk: a folder of the operating system as a `FileStore`.
 *
 * Folders are made for the owner alone (0700), files too (0600). A data folder that is a symbolic link is refused and no
 * file is opened through one: somebody else could point it elsewhere between two starts.
 * Small writes run in the calling thread (they end in the page cache, a few microseconds), large ones and reads, which may
 * wait for the device, in libuv's pool; syncs that requests wait for have a thread of their own. Large ones that need no
 * place in the page cache pass it by (`node-file-store-uncached.ts`).
 */

import * as fs from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { messageOf, ShoalError } from '../core/index.ts'
import type { FileStore, OpenOptions, StoredFile, StoredName } from './file-store.ts'
import { NodeStoredFile } from './node-file-store-file.ts'
import { lockFolder } from './node-file-store-lock.ts'
import { SyncThread } from './node-file-store-sync-thread.ts'
import { UncachedFile, UncachedWrites } from './node-file-store-uncached.ts'

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR } = fs.constants

export interface NodeFileStoreOptions {
  /** Whether writes that need no cache pass it by, where the system can; default true. */
  readonly uncachedWrites?: boolean
}

export class NodeFileStore implements FileStore {
  readonly #root: string
  readonly #uncached: UncachedWrites | null
  /** Made for the first file that is synced often; ends with the lock, which a store gives back last. */
  #thread: SyncThread | null = null

  private constructor(root: string, { uncachedWrites = true }: NodeFileStoreOptions) {
    this.#root = root
    this.#uncached = uncachedWrites ? new UncachedWrites() : null
  }

  /**
   * A store over `folder`, which is made when it is absent.
   * @throws ShoalError SHOAL_INVALID_ARGUMENT when the folder is a symbolic link, no folder, or cannot be made.
   */
  static async open(folder: string, options: NodeFileStoreOptions = {}): Promise<NodeFileStore> {
    const root = resolve(folder)
    try {
      await makeDurableFolder(root)
      const found = await fs.promises.lstat(root)
      if (found.isSymbolicLink())
        throw new ShoalError(
          'SHOAL_INVALID_ARGUMENT',
          `the data folder ${root} is a symbolic link: name the folder it points to`,
        )
      if (!found.isDirectory())
        throw new ShoalError('SHOAL_INVALID_ARGUMENT', `the data folder ${root} is not a folder`)
    } catch (error) {
      if (error instanceof ShoalError) throw error
      throw new ShoalError(
        'SHOAL_INVALID_ARGUMENT',
        `the data folder ${root} cannot be used: ${messageOf(error)}`,
        { cause: error },
      )
    }
    return new NodeFileStore(root, options)
  }

  async open(path: string, { create, syncsOften = false }: OpenOptions): Promise<StoredFile> {
    const flags = O_RDWR | O_NOFOLLOW | (create ? O_CREAT : 0)
    const fd = await openDescriptor(this.#pathOf(path), flags)
    const uncached = this.#uncached === null ? null : new UncachedFile(fd, this.#uncached)
    if (!syncsOften) return new NodeStoredFile(fd, syncInPool, uncached)
    const thread = (this.#thread ??= new SyncThread())
    return new NodeStoredFile(fd, (descriptor) => thread.sync(descriptor), uncached)
  }

  async list(folder: string): Promise<readonly StoredName[]> {
    try {
      const entries = await fs.promises.readdir(this.#pathOf(folder), { withFileTypes: true })
      return entries.map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  }

  async makeFolder(path: string): Promise<void> {
    await fs.promises.mkdir(this.#pathOf(path), { recursive: true, mode: FOLDER_MODE })
  }

  async rename(from: string, to: string): Promise<void> {
    await fs.promises.rename(this.#pathOf(from), this.#pathOf(to))
  }

  async remove(path: string): Promise<void> {
    await fs.promises.rm(this.#pathOf(path), { recursive: true, force: true })
  }

  async syncFolder(path: string): Promise<void> {
    await syncFolderAt(this.#pathOf(path))
  }

  async lock(): Promise<{ release(): Promise<void> }> {
    const lock = await lockFolder(this.#root)
    return {
      release: async () => {
        this.#thread?.close()
        this.#thread = null
        await lock.release()
      },
    }
  }

  /** Names are made by the store alone; a path that could leave the folder is a mistake in it. */
  #pathOf(path: string): string {
    if (path === '') return this.#root
    const names = path.split('/')
    if (names.some((name) => name === '' || name === '.' || name === '..' || /[\\\0]/.test(name)))
      throw new ShoalError('SHOAL_INVARIANT', `the path ${JSON.stringify(path)} leaves the folder`)
    return join(this.#root, ...names)
  }
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((done, failed) => {
    fs.open(path, flags, FILE_MODE, (error, fd) => (error === null ? done(fd) : failed(error)))
  })
}

function syncInPool(fd: number): Promise<void> {
  return new Promise((done, failed) => {
    fs.fdatasync(fd, (error) => (error === null ? done() : failed(error)))
  })
}

async function syncFolderAt(path: string): Promise<void> {
  const folder = await fs.promises.open(path, O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Makes the folder and those above it; the names of new ones are durable afterwards. */
async function makeDurableFolder(path: string): Promise<void> {
  const first = await fs.promises.mkdir(path, { recursive: true, mode: FOLDER_MODE })
  if (first === undefined) return
  const above = dirname(first)
  for (let folder = path; folder !== above; folder = dirname(folder))
    await syncFolderAt(dirname(folder))
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code
}
