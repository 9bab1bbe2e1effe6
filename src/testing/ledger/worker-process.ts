/**
 * A worker of a crash ledger as a process of its own: started, killed, stopped, heard.
 *
 * It takes over the flags of this process that say how modules are found, so that a user's module is loaded as the user
 * would load it.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../core/index.ts'
import type { WorkerJob, WorkerMessage } from './worker-job.ts'

/** How it ended: an exit code, or the signal that ended it. */
export interface WorkerExit {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** Flags that decide how modules are found and what is printed about them. */
const MODULE_FLAGS = /^(?:-C|--conditions|--import|--require|-r|--loader|--disable-warning)(?:=|$)/
/** As much of what it writes to stderr as an error message can hold. */
const STDERR_CHARS = 4_000

export class WorkerProcess {
  readonly name: string
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<WorkerExit>
  readonly #child: ChildProcess
  #stderr = ''
  #hasEnded = false
  #isWorking = false

  constructor(job: WorkerJob, onMessage: (message: WorkerMessage) => void) {
    this.name = job.worker
    const main = new URL(`./worker-main${extname(import.meta.url)}`, import.meta.url)
    this.#child = spawn(
      process.execPath,
      [...moduleFlags(process.execArgv), fileURLToPath(main), JSON.stringify(job)],
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    )
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS)
    })
    this.#child.on('message', (message: WorkerMessage) => {
      if (message.kind === 'working') this.#isWorking = true
      onMessage(message)
    })
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#stderr += messageOf(error)
        this.#hasEnded = true
        resolve({ exitCode: null, signal: null })
      })
      this.#child.once('close', (exitCode, signal) => {
        this.#hasEnded = true
        resolve({ exitCode, signal })
      })
    })
  }

  /** Its first handler has begun. */
  get isWorking(): boolean {
    return this.#isWorking
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The end of what it wrote to stderr. */
  get stderr(): string {
    return this.#stderr
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

/** Those of the flags, with the values that stand apart from them. */
function moduleFlags(flags: readonly string[]): readonly string[] {
  return flags.filter((flag, index) => {
    const before = flags[index - 1] ?? ''
    const isValue = !flag.startsWith('-') && !before.includes('=') && MODULE_FLAGS.test(before)
    return MODULE_FLAGS.test(flag) || isValue
  })
}
