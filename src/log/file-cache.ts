/**
 * Open files of many partitions under a limit of descriptors: a handle opens its file on first use and may lose it to a
 * more recently used one, without its owner noticing.
 *
 * Clean files go first, then dirty ones (written, not synced), each in order of last use. Closing a dirty file loses
 * nothing: its pages stay with the kernel, a later `sync` through a new descriptor covers them, and an error that nobody
 * saw yet is reported to that sync (Linux 4.16 and later). A file with an operation under way is never closed, so the
 * limit can be exceeded while more operations than that run at once.
 */

import { ShoalError } from '../core/index.ts'
import type { FileStore, StoredFile, WriteOptions } from './file-store.ts'

export interface FileCacheOptions {
  readonly files: FileStore
  /** Most files kept open; default 1,000. */
  readonly limit?: number
}

interface Entry {
  readonly path: string
  create: boolean
  file: Promise<StoredFile> | null
  /** Handles that were not closed. */
  handles: number
  /** Operations under way. */
  running: number
  dirty: boolean
}

export class FileCache {
  readonly #files: FileStore
  readonly #limit: number
  /** Entries by path, and those with an open file in order of last use. */
  readonly #entries = new Map<string, Entry>()
  readonly #open = new Set<Entry>()

  constructor({ files, limit = 1_000 }: FileCacheOptions) {
    this.#files = files
    this.#limit = limit
  }

  /** Files open at the moment. */
  get openCount(): number {
    return this.#open.size
  }

  /** A handle of the file; nothing is opened yet. `create`: the first use makes the file when it is absent. */
  acquire(path: string, { create }: { readonly create: boolean }): StoredFile {
    const entry = this.#entries.get(path) ?? {
      path,
      create,
      file: null,
      handles: 0,
      running: 0,
      dirty: false,
    }
    this.#entries.set(path, entry)
    entry.create ||= create
    entry.handles++
    return new CachedFile(
      (use, dirties) => this.#use(entry, use, dirties),
      () => this.#release(entry),
    )
  }

  async #use<Result>(
    entry: Entry,
    use: (file: StoredFile) => Promise<Result>,
    dirties: boolean | null,
  ): Promise<Result> {
    entry.running++
    if (dirties === true) entry.dirty = true
    try {
      const result = await use(await this.#opened(entry))
      // A write that ran beside the sync leaves the file dirty: only an undisturbed sync cleans it.
      if (dirties === false && entry.running === 1) entry.dirty = false
      return result
    } finally {
      entry.running--
      await this.#shrink()
    }
  }

  #opened(entry: Entry): Promise<StoredFile> {
    this.#open.delete(entry)
    this.#open.add(entry)
    entry.file ??= this.#openFile(entry)
    return entry.file
  }

  async #openFile(entry: Entry): Promise<StoredFile> {
    try {
      return await this.#openMakingRoom(entry)
    } catch (error) {
      entry.file = null
      this.#open.delete(entry)
      throw error
    }
  }

  /** Descriptors can run out below our own limit: then others make room, as long as any can. */
  async #openMakingRoom(entry: Entry): Promise<StoredFile> {
    for (;;) {
      try {
        return await this.#files.open(entry.path, { create: entry.create })
      } catch (error) {
        const { code } = error as { readonly code?: unknown }
        if ((code !== 'EMFILE' && code !== 'ENFILE') || !(await this.#closeOne())) throw error
      }
    }
  }

  async #shrink(): Promise<void> {
    while (this.#open.size > this.#limit) if (!(await this.#closeOne())) return
  }

  async #closeOne(): Promise<boolean> {
    let victim: Entry | undefined
    for (const entry of this.#open) {
      if (entry.running > 0) continue
      victim ??= entry
      if (entry.dirty) continue
      victim = entry
      break
    }
    if (victim === undefined) return false
    await this.#closeFile(victim)
    return true
  }

  async #closeFile(entry: Entry): Promise<void> {
    const opening = entry.file
    entry.file = null
    this.#open.delete(entry)
    if (opening !== null) await (await opening).close()
  }

  async #release(entry: Entry): Promise<void> {
    entry.handles--
    if (entry.handles > 0) return
    this.#entries.delete(entry.path)
    await this.#closeFile(entry)
  }
}

/** Runs one operation on the open file; `dirties`: true for writes, false for a sync, null for reads. */
type Use = <Result>(
  operation: (file: StoredFile) => Promise<Result>,
  dirties: boolean | null,
) => Promise<Result>

class CachedFile implements StoredFile {
  readonly #use: Use
  readonly #release: () => Promise<void>
  #closed = false

  constructor(use: Use, release: () => Promise<void>) {
    this.#use = use
    this.#release = release
  }

  size(): Promise<number> {
    return this.#run((file) => file.size(), null)
  }

  read(position: number, target: Uint8Array): Promise<number> {
    return this.#run((file) => file.read(position, target), null)
  }

  write(position: number, chunks: readonly Uint8Array[], options?: WriteOptions): Promise<number> {
    return this.#run((file) => file.write(position, chunks, options), true)
  }

  sync(): Promise<void> {
    return this.#run((file) => file.sync(), false)
  }

  truncate(size: number): Promise<void> {
    return this.#run((file) => file.truncate(size), true)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#release()
  }

  #run<Result>(
    operation: (file: StoredFile) => Promise<Result>,
    dirties: boolean | null,
  ): Promise<Result> {
    if (this.#closed)
      return Promise.reject(new ShoalError('SHOAL_CLOSED', 'the file handle is closed'))
    return this.#use(operation, dirties)
  }
}
