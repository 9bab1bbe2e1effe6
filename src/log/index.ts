/** The log folder's public face: ports, the store over a data folder, and the two disks under it. */

export type { FileStore, OpenOptions, StoredFile, StoredName, WriteOptions } from './file-store.ts'
export type * from './log.ts'
export { openLogStore } from './log-store.ts'
export { NodeFileStore } from './node-file-store.ts'
export { SimDisk, type DiskFault, type DiskOperation, type SimDiskOptions } from './sim-disk.ts'
export { type CrashModel, crashModels } from './sim-disk-crash.ts'
