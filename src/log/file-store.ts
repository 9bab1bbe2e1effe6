/**
 * The disk as a port. Real form: `node-file-store.ts`; simulated form: `sim-disk.ts`.
 *
 * What a caller may rely on, and no more:
 * - Paths are relative to one folder, `/`-separated, and never leave it.
 * - What was written survives a crash only after `sync` of that file resolved; that a file exists, has this name or is
 *   gone survives only after `syncFolder` of its folder resolved. The two are separate, as on a real disk.
 * - A write may be short: it answers how many bytes it took, and a full disk may be nothing but that.
 * - A rejected `sync` is final: what of the file is on disk is unknown, and a later `sync` may lie. Never retry it.
 */

export interface FileStore {
  /** Opens a file for reading and writing, making it (size 0) when asked and absent. @throws ENOENT otherwise. */
  open(path: string, options: OpenOptions): Promise<StoredFile>
  /** The names in a folder, in no order; empty when it does not exist. */
  list(folder: string): Promise<readonly StoredName[]>
  makeFolder(path: string): Promise<void>
  /** Replaces `to` when it exists, in one step for readers; durable after `syncFolder` of both folders. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file, or a folder with everything in it; nothing happens when it does not exist. */
  remove(path: string): Promise<void>
  /** Makes the names in a folder durable: what was made, renamed and removed in it. */
  syncFolder(path: string): Promise<void>
  /**
   * Takes the folder for this process until `close`, also against other processes; a lock whose holder died is free.
   * @throws ShoalError SHOAL_FOLDER_LOCKED, with the holder's pid in the message and in `details.pid`.
   */
  lock(): Promise<{ release(): Promise<void> }>
}

export interface OpenOptions {
  readonly create: boolean
  /** Requests wait for this file's syncs: they get a thread of their own, not a place in the queue of everybody's I/O. */
  readonly syncsOften?: boolean
}

export interface StoredName {
  readonly name: string
  readonly isFolder: boolean
}

export interface WriteOptions {
  /** The bytes are synced at once and nobody is about to read them: they need no place in the system's cache. A hint. */
  readonly uncached?: boolean
}

export interface StoredFile {
  /** Bytes in the file, as this process sees it. */
  size(): Promise<number>
  /** Reads into `target` from `position`; answers how many bytes came, fewer only at the end of the file. */
  read(position: number, target: Uint8Array): Promise<number>
  /**
   * Writes the chunks one after another from `position`; answers how many bytes were taken. The chunks must not change
   * before it does.
   */
  write(position: number, chunks: readonly Uint8Array[], options?: WriteOptions): Promise<number>
  /** Makes data and size of this file durable (fdatasync). */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  /** Idempotent. */
  close(): Promise<void>
}
