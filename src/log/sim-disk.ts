/**
 * A disk that forgets what it may forget: the simulated form of `FileStore`.
 *
 * Each file and each folder is a durable image and the ordered operations that no sync has covered; the two are apart, so
 * a synced file can still lose its name. `crashAt` stops the world at the n-th change: that call and all later ones never
 * return, as in a process that died. `afterCrash` then makes the disk that the next start finds, by one of the models in
 * `sim-disk-crash.ts`; a dead disk can be asked for many. Faults come from a hook that sees every operation.
 */

import type { Timers } from '../core/index.ts'
import { seededRandom, ShoalError, sleep } from '../core/index.ts'
import type { FileStore, OpenOptions, StoredFile, StoredName } from './file-store.ts'
import { SimFile, SimFolder, type CrashModel } from './sim-disk-crash.ts'

export interface DiskOperation {
  readonly kind:
    | 'open'
    | 'list'
    | 'make-folder'
    | 'rename'
    | 'remove'
    | 'sync-folder'
    | 'size'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate'
  readonly path: string
  /** Bytes to be read or written, the new size of a truncation, else 0. */
  readonly bytes: number
}

/** What a hook can make of an operation. */
export type DiskFault =
  /** It fails and changes nothing. A sync may also lose the file's unsynced bytes, so that a later sync succeeds without them. */
  | { readonly kind: 'error'; readonly code: string; readonly losesUnsynced?: boolean }
  /** A write takes fewer bytes and says so. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** It takes time, by the disk's timers. */
  | { readonly kind: 'delay'; readonly ms: number }

export interface SimDiskOptions {
  /** For faults of kind `delay`. */
  readonly timers?: Timers
  /** Bytes that fit, default unlimited: beyond them writes are short, then fail with ENOSPC. */
  readonly capacityBytes?: number
  /** Files that can be open at once, default unlimited: then `open` fails with EMFILE. */
  readonly maxOpenFiles?: number
  /** Number of the change (from 1) at which the process dies; default never. */
  readonly crashAt?: number
  readonly fault?: (operation: DiskOperation) => DiskFault | undefined
}

const NEVER = new Promise<never>(() => {})
const CHANGES = new Set<DiskOperation['kind']>([
  'make-folder',
  'rename',
  'remove',
  'sync-folder',
  'write',
  'sync',
  'truncate',
])

export class SimDisk implements FileStore {
  readonly #root: SimFolder
  readonly #timers: Timers | undefined
  readonly #maxOpenFiles: number
  readonly #crashed = Promise.withResolvers<void>()
  #dead = false
  #locked = false
  #openFiles = 0
  #changes = 0
  #order: number
  /** Can be changed while the disk is in use. */
  capacityBytes: number
  crashAt: number
  fault: ((operation: DiskOperation) => DiskFault | undefined) | undefined

  constructor(options: SimDiskOptions = {}, root: SimFolder = new SimFolder()) {
    this.#root = root
    this.#order = root.lastOperation()
    this.#timers = options.timers
    this.#maxOpenFiles = options.maxOpenFiles ?? Infinity
    this.capacityBytes = options.capacityBytes ?? Infinity
    this.crashAt = options.crashAt ?? Infinity
    this.fault = options.fault
  }

  /** Operations so far that change the disk or make a change durable: the points at which a crash differs. */
  get changeCount(): number {
    return this.#changes
  }

  /** Resolves when the crash point was reached. */
  get crashed(): Promise<void> {
    return this.#crashed.promise
  }

  /** Whether the crash point was reached. */
  get isDead(): boolean {
    return this.#dead
  }

  /** Stops the world now, whatever is under way. */
  crash(): void {
    this.#dead = true
    this.#crashed.resolve()
  }

  /** The disk as the next start finds it; this one stays as it is. The same seed gives the same disk. */
  afterCrash(model: CrashModel, seed: number, options: SimDiskOptions = {}): SimDisk {
    const random = seededRandom(seed)
    const inFlight = this.#root.lastOperation()
    return new SimDisk(options, this.#root.afterCrash({ model, random, inFlight }, new Map()))
  }

  /** Every file, in order of path. */
  paths(): readonly string[] {
    return [...this.#root.files('')].map(([path]) => path).sort()
  }

  /** What is in a file now, for tests. @throws when it does not exist. */
  contents(path: string): Uint8Array {
    return this.#file(path).contents()
  }

  /** Damage at rest: replaces what is in a file, durably, with no operation counted. */
  overwrite(path: string, contents: Uint8Array): void {
    this.#file(path).overwrite(contents)
  }

  /** Damage at rest: the file is gone, durably. */
  lose(path: string): void {
    const { folder, name } = this.#parent(path)
    folder.lose(name)
  }

  async open(path: string, { create }: OpenOptions): Promise<StoredFile> {
    await this.#begin('open', path)
    if (this.#openFiles >= this.#maxOpenFiles) throw diskError('EMFILE', path)
    const { folder, name } = this.#parent(path)
    let file = folder.get(name)
    if (file === undefined) {
      if (!create) throw diskError('ENOENT', path)
      file = new SimFile()
      folder.change([{ name, node: file }], ++this.#order)
      this.#countChange()
      if (this.#dead) return NEVER
    }
    if (!(file instanceof SimFile)) throw diskError('EISDIR', path)
    this.#openFiles++
    return this.#handle(path, file)
  }

  async list(path: string): Promise<readonly StoredName[]> {
    await this.#begin('list', path)
    return this.#folder(path)?.list() ?? []
  }

  async makeFolder(path: string): Promise<void> {
    let folder = this.#root
    for (const name of path.split('/')) {
      let next = folder.get(name)
      if (next === undefined) {
        next = new SimFolder()
        await this.#begin('make-folder', path, 0, () =>
          folder.change([{ name, node: next ?? null }], ++this.#order),
        )
      }
      if (!(next instanceof SimFolder)) throw diskError('ENOTDIR', path)
      folder = next
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#parent(from)
    const target = this.#parent(to)
    const node = source.folder.get(source.name)
    if (node === undefined) throw diskError('ENOENT', from)
    await this.#begin('rename', from, 0, () => {
      const gone = { name: source.name, node: null }
      const placed = { name: target.name, node }
      if (source.folder === target.folder)
        return source.folder.change([gone, placed], ++this.#order)
      target.folder.change([placed], ++this.#order)
      source.folder.change([gone], ++this.#order)
    })
  }

  async remove(path: string): Promise<void> {
    const { folder, name } = this.#parentOrNull(path) ?? {}
    const node = name === undefined ? undefined : folder?.get(name)
    if (node === undefined || folder === undefined || name === undefined) return
    if (node instanceof SimFolder)
      for (const inner of node.list()) await this.remove(`${path}/${inner.name}`)
    await this.#begin('remove', path, 0, () => folder.change([{ name, node: null }], ++this.#order))
  }

  async syncFolder(path: string): Promise<void> {
    await this.#begin('sync-folder', path)
    const folder = this.#folder(path)
    if (folder === undefined) throw diskError('ENOENT', path)
    folder.sync()
  }

  async lock(): Promise<{ release(): Promise<void> }> {
    if (this.#locked)
      throw new ShoalError('SHOAL_FOLDER_LOCKED', 'process 1 (pid 1) works on the simulated disk', {
        details: { pid: 1 },
      })
    this.#locked = true
    return {
      release: async () => {
        this.#locked = false
      },
    }
  }

  #handle(path: string, file: SimFile): StoredFile {
    let closed = false
    const check = () => {
      if (closed) throw new ShoalError('SHOAL_CLOSED', 'the file was closed')
    }
    return {
      size: async () => {
        check()
        await this.#begin('size', path)
        return file.size
      },
      read: async (position, target) => {
        check()
        await this.#begin('read', path, target.length)
        return file.read(position, target)
      },
      write: async (position, chunks) => {
        check()
        return this.#write(path, file, position, chunks)
      },
      sync: async () => {
        check()
        const covered = file.lastOperation()
        const fault = await this.#begin('sync', path, 0, undefined, () => file.forgetUnsynced())
        if (fault === undefined) file.sync(covered)
      },
      truncate: async (size) => {
        check()
        await this.#begin('truncate', path, size, () => file.truncate(size, ++this.#order))
      },
      close: async () => {
        if (closed) return
        closed = true
        this.#openFiles--
      },
    }
  }

  async #write(
    path: string,
    file: SimFile,
    position: number,
    chunks: readonly Uint8Array[],
  ): Promise<number> {
    const whole = Buffer.concat(chunks)
    let room = whole.length
    const fault = await this.#begin('write', path, whole.length, () => {
      const growth = position + whole.length - file.size
      const free = this.capacityBytes - (this.capacityBytes === Infinity ? 0 : this.#usedBytes())
      if (growth > free) room = Math.max(0, whole.length - (growth - Math.max(0, free)))
      if (room > 0) file.write(position, whole.subarray(0, room), ++this.#order)
    })
    if (fault?.kind === 'short') {
      room = Math.min(fault.bytes, whole.length)
      if (room > 0) file.write(position, whole.subarray(0, room), ++this.#order)
    }
    if (room === 0 && whole.length > 0 && fault?.kind !== 'short') throw diskError('ENOSPC', path)
    return room
  }

  /** Where every operation begins: faults, the crash point, then the change itself, which a crash leaves unsynced. */
  async #begin(
    kind: DiskOperation['kind'],
    path: string,
    bytes = 0,
    change?: () => void,
    onLoss?: () => void,
  ): Promise<DiskFault | undefined> {
    if (this.#dead) return NEVER
    const fault = this.fault?.({ kind, path, bytes })
    if (fault?.kind === 'delay' && this.#timers !== undefined) await sleep(this.#timers, fault.ms)
    if (fault?.kind === 'error') {
      if (fault.losesUnsynced === true) onLoss?.()
      throw diskError(fault.code, path)
    }
    if (fault?.kind !== 'short') change?.()
    if (CHANGES.has(kind)) this.#countChange()
    if (this.#dead) return NEVER
    return fault?.kind === 'short' ? fault : undefined
  }

  #countChange(): void {
    this.#changes++
    if (this.#changes >= this.crashAt) this.crash()
  }

  #usedBytes(): number {
    let used = 0
    for (const [, file] of this.#root.files('')) used += file.size
    return used
  }

  #folder(path: string): SimFolder | undefined {
    let folder = this.#root
    for (const name of path === '' ? [] : path.split('/')) {
      const next = folder.get(name)
      if (!(next instanceof SimFolder)) return undefined
      folder = next
    }
    return folder
  }

  #file(path: string): SimFile {
    const { folder, name } = this.#parent(path)
    const file = folder.get(name)
    if (!(file instanceof SimFile)) throw diskError('ENOENT', path)
    return file
  }

  #parent(path: string): { readonly folder: SimFolder; readonly name: string } {
    const parent = this.#parentOrNull(path)
    if (parent === null) throw diskError('ENOENT', path)
    return parent
  }

  #parentOrNull(path: string): { readonly folder: SimFolder; readonly name: string } | null {
    const slash = path.lastIndexOf('/')
    const folder = this.#folder(slash < 0 ? '' : path.slice(0, slash))
    return folder === undefined ? null : { folder, name: path.slice(slash + 1) }
  }
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code })
}
