/**
 * A thread that does nothing but fdatasync: libuv's pool is shared with DNS, hashing and everybody's file reads, and a
 * request that waits for its sync should not wait for those.
 *
 * Descriptors belong to the process, so the thread syncs files that this one opened. While the thread starts (tens of
 * milliseconds), the pool serves. It starts once for a store (a journal changes its
 * files all the time), keeps the process alive only while a sync is under way, and ends with `close`.
 * A thread that dies takes its answers with it: what was asked rejects, and so does every later call.
 */

import * as fs from 'node:fs'
import { Worker } from 'node:worker_threads'
import { ShoalError } from '../core/index.ts'

/** What the thread answers: the request's number, and the error if there was one. */
export interface SyncAnswer {
  readonly id: number
  readonly error: { readonly message: string; readonly code: string } | null
}

interface Waiting {
  readonly done: () => void
  readonly failed: (error: Error) => void
}

export class SyncThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 0
  #state: 'starting' | 'running' | 'ended' = 'starting'

  constructor() {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const url = new URL(`./node-file-store-sync-worker.${extension}`, import.meta.url)
    this.#worker = new Worker(url, { execArgv: [], name: 'shoal-sync' })
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
      const id = this.#nextId++
      if (this.#waiting.size === 0) this.#worker.ref()
      this.#waiting.set(id, { done, failed })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.#worker.postMessage({ id, fd })
    })
  }

  close(): void {
    this.#end(undefined)
    void this.#worker.terminate()
  }

  #settle({ id, error }: SyncAnswer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (error === null) waiting?.done()
    else waiting?.failed(Object.assign(new Error(error.message), { code: error.code }))
  }

  #end(cause: unknown): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    for (const { failed } of this.#waiting.values()) failed(endedError(cause))
    this.#waiting.clear()
  }
}

function endedError(cause: unknown): ShoalError {
  return new ShoalError('SHOAL_STORAGE_FAILED', 'the thread that syncs files has ended', { cause })
}
