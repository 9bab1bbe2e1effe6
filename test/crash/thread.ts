/**
 * Runs tasks of the crash tests in threads of their own, one for each core.
 *
 * For two reasons: every core takes part, and the test runner follows each promise of its own thread (it knows by that to
 * which test a line of output belongs), which makes lives of nothing but promises three times as long.
 */

import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Tasks } from './tasks.ts'

/** As many tasks at a time: more would find no thread. */
export const THREADS = availableParallelism()

/** Threads with nothing to do; they do not keep the process. */
const idle: Worker[] = []

/** Rejects when the task does, or when the thread ends without an answer. */
export async function inThread<Name extends keyof Tasks>(
  task: Name,
  ...input: Parameters<Tasks[Name]>
): Promise<Awaited<ReturnType<Tasks[Name]>>> {
  const worker = idle.pop() ?? new Worker(new URL('thread-worker.ts', import.meta.url))
  worker.ref()
  const over = new AbortController()
  const { signal } = over
  const ended = once(worker, 'exit', { signal }).then(() => {
    throw new Error(`the thread of ${task} ended early`)
  })
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage({ task, input })
    const [answer] = await Promise.race([once(worker, 'message', { signal }), ended])
    idle.push(worker)
    return answer
  } finally {
    over.abort()
    worker.unref()
  }
}
