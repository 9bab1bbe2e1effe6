/**
 * A thread that does nothing but fdatasync: libuv's pool is shared with DNS, hashing and everybody's file reads, and a
 * request that waits for its sync should not wait for those.
 *
 *   this thread: descriptor, count + 1, notify ─▶ the other: wakes from its wait on the count, syncs ─▶ message: the answer
 *
 * A message in place of the notification would take a turn of the other thread's event loop, and a lone request would wait
 * for it. The thread holds one request at a time; what comes meanwhile waits here, in order.
 * Descriptors belong to the process, so the thread syncs files that this one opened. While the thread starts (tens of
 * milliseconds), the pool serves. It starts once for a store (a journal changes its files all the time), keeps the process
 * alive only while a sync is under way, and ends with `close`.
 * A thread that dies takes its answers with it: what was asked rejects, and so does every later call.
 */

import * as fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { ShoalError } from '../core/index.ts'
import { SHARED_BYTES, SharedPlace, type SyncAnswer } from './node-file-store-sync-request.ts'

interface Waiting {
  readonly fd: number
  readonly done: () => void
  readonly failed: (error: Error) => void
}

export class SyncThread {
  readonly #worker: Worker
  readonly #shared = new Int32Array(new SharedArrayBuffer(SHARED_BYTES))
  /** The first one is with the thread. */
  readonly #waiting: Waiting[] = []
  #state: 'starting' | 'running' | 'ended' = 'starting'

  constructor() {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const url = new URL(`./node-file-store-sync-worker.${extension}`, import.meta.url)
    this.#worker = new Worker(url, {
      execArgv: [],
      name: 'shoal-sync',
      workerData: this.#shared,
    })
    this.#worker.on('online', () => {
      if (this.#state === 'starting') this.#state = 'running'
    })
    this.#worker.on('message', (answer: SyncAnswer) => this.#settle(answer))
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('exit', () => this.#end(undefined))
    // After the listeners: one for messages would hold the process again.
    this.#worker.unref()
  }

  sync(fd: number): Promise<void> {
    if (this.#state === 'ended') return Promise.reject(endedError(undefined))
    return new Promise((done, failed) => {
      if (this.#state === 'starting') {
        fs.fdatasync(fd, (error) => (error === null ? done() : failed(error)))
        return
      }
      this.#waiting.push({ fd, done, failed })
      if (this.#waiting.length > 1) return
      this.#worker.ref()
      this.#ask(fd)
    })
  }

  close(): void {
    this.#end(undefined)
    void this.#worker.terminate()
  }

  #ask(fd: number): void {
    Atomics.store(this.#shared, SharedPlace.descriptor, fd)
    Atomics.add(this.#shared, SharedPlace.count, 1)
    Atomics.notify(this.#shared, SharedPlace.count)
  }

  #settle(error: SyncAnswer): void {
    const answered = this.#waiting.shift()
    const [next] = this.#waiting
    if (next === undefined) this.#worker.unref()
    else this.#ask(next.fd)
    if (error === null) answered?.done()
    else answered?.failed(Object.assign(new Error(error.message), { code: error.code }))
  }

  #end(cause: unknown): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    for (const { failed } of this.#waiting.splice(0)) failed(endedError(cause))
  }
}

function endedError(cause: unknown): ShoalError {
  return new ShoalError('SHOAL_STORAGE_FAILED', 'the thread that syncs files has ended', { cause })
}
