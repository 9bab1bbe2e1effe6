/**
 * Files in memory, for a broker whose data is thrown away: the `FileStore` port without a disk.
 *
 * Files are sparse blocks, so room that is reserved and never written costs nothing, and a removed file that is still open
 * can be read to its end, as on a real disk. Nothing survives the process and nothing can fail; a disk that fails or
 * loses what was not synced is `SimDisk`.
 */

import { ShoalError } from '../core/index.ts'
import type { FileStore, StoredFile, StoredName } from '../log/index.ts'

const BLOCK_BYTES = 65_536

class Folder {
  readonly entries = new Map<string, Folder | FileContent>()
}

class FileContent {
  size = 0
  readonly blocks = new Map<number, Uint8Array>()
}

export class MemoryFileStore implements FileStore {
  readonly #root = new Folder()
  #locked = false

  async open(path: string, { create }: { readonly create: boolean }): Promise<StoredFile> {
    const { folder, name } = this.#locate(path)
    const found = folder?.entries.get(name)
    if (found instanceof FileContent) return new MemoryFile(found)
    if (folder === undefined || found !== undefined || !create) throw notFound(path)
    const content = new FileContent()
    folder.entries.set(name, content)
    return new MemoryFile(content)
  }

  async list(folder: string): Promise<readonly StoredName[]> {
    const found = this.#folder(folder.split('/').filter((part) => part !== '' && part !== '.'))
    if (found === undefined) return []
    return Array.from(found.entries, ([name, entry]) => ({
      name,
      isFolder: entry instanceof Folder,
    }))
  }

  async makeFolder(path: string): Promise<void> {
    let folder = this.#root
    for (const part of path.split('/').filter((each) => each !== '')) {
      const found = folder.entries.get(part)
      if (found instanceof FileContent) throw notFound(path)
      const next = found ?? new Folder()
      folder.entries.set(part, next)
      folder = next
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#locate(from)
    const target = this.#locate(to)
    const moved = source.folder?.entries.get(source.name)
    if (moved === undefined || target.folder === undefined) throw notFound(from)
    source.folder?.entries.delete(source.name)
    target.folder.entries.set(target.name, moved)
  }

  async remove(path: string): Promise<void> {
    const { folder, name } = this.#locate(path)
    folder?.entries.delete(name)
  }

  async syncFolder(): Promise<void> {}

  async lock(): Promise<{ release(): Promise<void> }> {
    if (this.#locked)
      throw new ShoalError('SHOAL_FOLDER_LOCKED', 'another broker uses this memory store')
    this.#locked = true
    return {
      release: async () => {
        this.#locked = false
      },
    }
  }

  #locate(path: string): { readonly folder: Folder | undefined; readonly name: string } {
    const parts = path.split('/').filter((part) => part !== '')
    const name = parts.pop() ?? ''
    return { folder: this.#folder(parts), name }
  }

  #folder(parts: readonly string[]): Folder | undefined {
    let folder: Folder = this.#root
    for (const part of parts) {
      const next = folder.entries.get(part)
      if (!(next instanceof Folder)) return undefined
      folder = next
    }
    return folder
  }
}

class MemoryFile implements StoredFile {
  readonly #content: FileContent

  constructor(content: FileContent) {
    this.#content = content
  }

  async size(): Promise<number> {
    return this.#content.size
  }

  async read(position: number, target: Uint8Array): Promise<number> {
    const { size, blocks } = this.#content
    const length = Math.max(0, Math.min(target.length, size - position))
    for (let done = 0; done < length;) {
      const at = position + done
      const offset = at % BLOCK_BYTES
      const part = Math.min(length - done, BLOCK_BYTES - offset)
      const block = blocks.get((at - offset) / BLOCK_BYTES)
      if (block === undefined) target.fill(0, done, done + part)
      else target.set(block.subarray(offset, offset + part), done)
      done += part
    }
    return length
  }

  async write(position: number, chunks: readonly Uint8Array[]): Promise<number> {
    let at = position
    for (const chunk of chunks) {
      this.#writeChunk(at, chunk)
      at += chunk.length
    }
    this.#content.size = Math.max(this.#content.size, at)
    return at - position
  }

  async sync(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    const { blocks } = this.#content
    this.#content.size = size
    const kept = Math.ceil(size / BLOCK_BYTES)
    for (const index of blocks.keys()) if (index >= kept) blocks.delete(index)
    // What lies beyond the new end reads as zeros if the file grows again.
    blocks.get(kept - 1)?.fill(0, size - (kept - 1) * BLOCK_BYTES)
  }

  async close(): Promise<void> {}

  #writeChunk(position: number, chunk: Uint8Array): void {
    const { blocks } = this.#content
    for (let done = 0; done < chunk.length;) {
      const at = position + done
      const offset = at % BLOCK_BYTES
      const part = Math.min(chunk.length - done, BLOCK_BYTES - offset)
      const index = (at - offset) / BLOCK_BYTES
      const block = blocks.get(index) ?? new Uint8Array(BLOCK_BYTES)
      block.set(chunk.subarray(done, done + part), offset)
      blocks.set(index, block)
      done += part
    }
  }
}

function notFound(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or folder, '${path}'`), { code: 'ENOENT' })
}
