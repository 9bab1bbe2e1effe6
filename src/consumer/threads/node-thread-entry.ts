/**
 * Runs in a worker thread: loads the module of the user, calls its `handle` for what it is sent, and answers.
 *
 * A module that cannot be loaded, or has no `handle`, ends the thread with that as its reason.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { ShoalError } from '../../core/index.ts'
import type { FromThread, ThreadContext, ToThread } from './thread-messages.ts'

type Handle = (value: unknown, ctx: ThreadContext) => unknown

const { module } = workerData as { readonly module: string }
const loaded = (await import(module)) as { readonly handle?: unknown }
if (typeof loaded.handle !== 'function')
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `worker: ${module} exports no function named handle`,
  )
const handle = loaded.handle as Handle
const running = new Map<number, AbortController>()

function answer(message: FromThread): void {
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(message)
  } catch (error) {
    // An outcome or an error that cannot be copied: its words can.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ kind: 'failed', id: message.id, error: new Error(String(error)) })
  }
}

async function run({ id, value, context }: Extract<ToThread, { kind: 'run' }>): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  try {
    const outcome = await handle(value, { ...context, signal: controller.signal })
    answer({ kind: 'done', id, outcome })
  } catch (error) {
    answer({ kind: 'failed', id, error })
  } finally {
    running.delete(id)
  }
}

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'run') void run(message)
  else running.get(message.id)?.abort(message.cause)
})
