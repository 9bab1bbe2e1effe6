/**
 * The thread's side of `thread.ts`: does one task after another; what a task throws ends the thread and is told there.
 */

import { parentPort } from 'node:worker_threads'
import { type Tasks, tasks } from './tasks.ts'

interface Order {
  readonly task: keyof Tasks
  readonly input: readonly unknown[]
}

parentPort?.on('message', async ({ task, input }: Order) => {
  const work = tasks[task] as (...input: readonly unknown[]) => Promise<unknown>
  const answer = await work(...input)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(answer)
})
