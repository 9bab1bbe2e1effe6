/**
 * A worker thread of Node behind the thread port. Only this file and its entry touch `node:worker_threads`.
 *
 * A thread keeps the process alive only while it has work.
 */

import { Worker } from 'node:worker_threads'
import type { FromThread, Thread, ThreadEvents, ToThread } from './thread-messages.ts'

/** The entry lies beside this file, as source or as built. */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

export function nodeThread(module: URL, events: ThreadEvents): Thread {
  const entry = new URL(`./node-thread-entry.${EXTENSION}`, import.meta.url)
  const worker = new Worker(entry, { name: 'shoal-handler', workerData: { module: module.href } })
  let isDead = false
  let open = 0
  const died = (reason: string) => {
    if (isDead) return
    isDead = true
    events.died(reason)
  }
  worker.on('message', (message: FromThread) => {
    open--
    if (open === 0) worker.unref()
    events.message(message)
  })
  worker.on('error', (error: unknown) =>
    died(error instanceof Error ? error.message : String(error)),
  )
  worker.on('exit', (code) => died(`exit code ${code}`))
  // After the listeners: one for messages would hold the process again.
  worker.unref()
  return {
    post: (message: ToThread) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(message)
      if (message.kind !== 'run') return
      open++
      worker.ref()
    },
    terminate: async () => {
      await worker.terminate()
    },
  }
}
