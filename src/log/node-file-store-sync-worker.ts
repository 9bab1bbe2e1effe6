/** The inside of the sync thread: one fdatasync for each count. It has no event loop to turn; `terminate` ends its wait. */

import * as fs from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { SharedPlace, type SyncAnswer } from './node-file-store-sync-request.ts'

serve(workerData as Int32Array)

function serve(shared: Int32Array): never {
  for (let served = 0; ; served = (served + 1) | 0) {
    Atomics.wait(shared, SharedPlace.count, served)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(syncNow(Atomics.load(shared, SharedPlace.descriptor)))
  }
}

function syncNow(fd: number): SyncAnswer {
  try {
    fs.fdatasyncSync(fd)
    return null
  } catch (error) {
    const { message, code = 'EIO' } = error as Error & { readonly code?: string }
    return { message, code }
  }
}
