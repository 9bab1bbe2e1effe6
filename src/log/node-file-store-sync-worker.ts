/** The inside of the sync thread: one fdatasync at a time, in the order asked. */

import * as fs from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { SyncAnswer } from './node-file-store-sync-thread.ts'

parentPort?.on('message', ({ id, fd }: { readonly id: number; readonly fd: number }) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage({ id, error: syncNow(fd) } satisfies SyncAnswer)
})

function syncNow(fd: number): SyncAnswer['error'] {
  try {
    fs.fdatasyncSync(fd)
    return null
  } catch (error) {
    const { message, code = 'EIO' } = error as Error & { readonly code?: string }
    return { message, code }
  }
}
