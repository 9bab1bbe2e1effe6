/**
 * Handlers in worker threads: work that keeps a core busy leaves the event loop, and its heartbeats, alone.
 *
 *   record ─▶ the least busy thread ─▶ its module's `handle` ─▶ outcome, or its error
 *                     └── dies ──▶ what it held has failed one attempt; a new thread takes its place
 *
 * Values and contexts are copied (structured clone). A signal that aborts in the main thread aborts in the thread; what
 * does not listen keeps its thread busy, so others are not sent there. Threads start when they are needed first.
 * Not here: the thread itself, a port (`node-thread.ts`).
 */

import { ShoalError } from '../../core/index.ts'
import type { Ctx } from '../options.ts'
import type { FromThread, RemoteContext, ThreadFactory, ToThread } from './thread-messages.ts'

interface Run {
  readonly resolve: (outcome: unknown) => void
  readonly reject: (error: unknown) => void
  readonly stop: () => void
}

interface Lane {
  readonly post: (message: ToThread) => void
  readonly terminate: () => Promise<void>
  readonly runs: Map<number, Run>
}

export class ThreadPool {
  readonly #module: URL
  readonly #size: number
  readonly #start: ThreadFactory
  readonly #lanes: (Lane | null)[]
  #ids = 0
  #users = 0

  constructor(module: URL, size: number, start: ThreadFactory) {
    this.#module = module
    this.#size = size
    this.#start = start
    this.#lanes = Array.from({ length: size }, () => null)
  }

  /** Somebody uses it; each `open` is answered by one `close`. */
  open(): void {
    this.#users++
  }

  /** The last one out ends the threads, and what they still do. */
  async close(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    const lanes = this.#lanes.splice(
      0,
      this.#size,
      ...Array.from({ length: this.#size }, () => null),
    )
    await Promise.all(lanes.map(async (lane) => lane?.terminate()))
  }

  /** As a handler. */
  readonly handle = (value: unknown, ctx: Ctx): Promise<unknown> => {
    const id = this.#ids++
    return new Promise((resolve, reject) => {
      const lane = this.#leastBusy()
      const abort = () => lane.post({ kind: 'abort', id, cause: String(ctx.signal.reason) })
      ctx.signal.addEventListener('abort', abort, { once: true })
      const stop = () => ctx.signal.removeEventListener('abort', abort)
      lane.runs.set(id, { resolve, reject, stop })
      try {
        lane.post({ kind: 'run', id, value, context: remoteContext(ctx) })
      } catch (error) {
        // What the schema made of the value cannot be copied.
        this.#end(lane, id)?.reject(error)
      }
    })
  }

  #leastBusy(): Lane {
    let best: Lane | null = null
    for (const [index, lane] of this.#lanes.entries()) {
      const busy = lane?.runs.size ?? 0
      if (best !== null && busy >= best.runs.size) continue
      best = lane ?? this.#startAt(index)
      if (busy === 0) break
    }
    return best ?? this.#startAt(0)
  }

  #startAt(index: number): Lane {
    const runs = new Map<number, Run>()
    const thread = this.#start(this.#module, {
      message: (message) => this.#hear(lane, message),
      died: (reason) => {
        if (this.#lanes[index] === lane) this.#lanes[index] = null
        const words = `the worker thread of a handler died: ${reason}`
        for (const id of runs.keys())
          this.#end(lane, id)?.reject(new ShoalError('SHOAL_HANDLER_FAILED', words))
      },
    })
    const lane: Lane = { ...thread, runs }
    this.#lanes[index] = lane
    return lane
  }

  #hear(lane: Lane, message: FromThread): void {
    const run = this.#end(lane, message.id)
    if (message.kind === 'done') run?.resolve(message.outcome)
    else run?.reject(message.error)
  }

  #end(lane: Lane, id: number): Run | undefined {
    const run = lane.runs.get(id)
    lane.runs.delete(id)
    run?.stop()
    return run
  }
}

function remoteContext(ctx: Ctx): RemoteContext {
  const { topic, partition, offset, key, keyBytes, timestamp } = ctx
  const { id, attempt, redelivered, fencingToken } = ctx
  return {
    topic,
    partition,
    offset,
    key,
    keyBytes,
    headers: new Map(ctx.headers),
    timestamp,
    id,
    attempt,
    redelivered,
    fencingToken,
  }
}
