/**
 * A foreign program run by a test: started, listened to line by line, and always ended.
 *
 * Waiting is for events (a line, the exit), with a limit that only a hang reaches. What a program wrote so far is part
 * of the message when a wait fails, so that a red test tells why. Where Linux has `setpriv`, a program dies with
 * the test's process, however that ends.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface ProgramOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Written to the program's standard input, which is then closed; without it the input is empty. */
  readonly input?: string
  /** Leaves the input open for `write`. */
  readonly keepInputOpen?: boolean
}

export interface Finished {
  /** Null when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

const SETPRIV = '/usr/bin/setpriv'
const DIES_WITH_PARENT: readonly string[] = existsSync(SETPRIV)
  ? [SETPRIV, '--pdeathsig', 'KILL', '--']
  : []

/** Long enough for a machine ten times slower than a developer's. */
export const GENEROUS_LIMIT_MS = 120_000

export class Program implements AsyncDisposable {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>
  readonly #watchers = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #ended = false

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#name = `${command} ${args.join(' ')}`
    const [first = command, ...rest] = [...DIES_WITH_PARENT, command, ...args]
    this.#child = spawn(first, rest, {
      cwd: options.cwd,
      env: { ...ownEnvironment(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#changed()
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#changed()
    })
    this.#exited = new Promise((resolve, reject) => {
      this.#child.once('error', (cause) => reject(new Error(`cannot run ${command}`, { cause })))
      this.#child.once('close', (exitCode) => {
        this.#ended = true
        resolve(exitCode)
        this.#changed()
      })
    })
    this.#exited.catch(() => this.#changed())
    // A program that ends before it has read its input closes the pipe; its exit code tells the story.
    this.#child.stdin?.on('error', () => {})
    if (options.keepInputOpen === true) this.#child.stdin?.write(options.input ?? '')
    else this.#child.stdin?.end(options.input ?? '')
  }

  /** Writes to the program's input; it was started with `keepInputOpen`. */
  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves once `holds` says so of what was written; rejects when the program ends before. */
  async until(
    holds: (output: { stdout: string; stderr: string }) => boolean,
    limitMs = GENEROUS_LIMIT_MS,
  ): Promise<void> {
    const done = () => holds({ stdout: this.#stdout, stderr: this.#stderr })
    await new Promise<void>((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(limit)
        this.#watchers.delete(look)
        finish()
      }
      const look = () => {
        if (done()) settle(resolve)
        else if (this.#ended) settle(() => reject(new Error(this.#told('ended too early'))))
      }
      const limit = setTimeout(
        () => settle(() => reject(new Error(this.#told(`was silent for ${limitMs} ms`)))),
        limitMs,
      )
      this.#watchers.add(look)
      this.#exited.catch((error: unknown) => settle(() => reject(error)))
      look()
    })
  }

  /** Waits for the exit; a program that runs longer than the limit is killed and the wait rejects. */
  async finished(limitMs = GENEROUS_LIMIT_MS): Promise<Finished> {
    let late = false
    const limit = setTimeout(() => {
      late = true
      this.#child.kill('SIGKILL')
    }, limitMs)
    try {
      const exitCode = await this.#exited
      if (late) throw new Error(this.#told(`did not end within ${limitMs} ms`))
      return { exitCode, stdout: this.#stdout, stderr: this.#stderr }
    } finally {
      clearTimeout(limit)
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** SIGTERM, and SIGKILL when that does not help in time. Idempotent. */
  async stop(limitMs = GENEROUS_LIMIT_MS): Promise<Finished> {
    if (!this.#ended) this.#child.kill('SIGTERM')
    return this.finished(limitMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #changed(): void {
    for (const look of this.#watchers) look()
  }

  #told(what: string): string {
    return `${this.#name} ${what}\nstdout:\n${this.#stdout.slice(-4_000)}\nstderr:\n${this.#stderr.slice(-4_000)}`
  }
}

/** Without the variables that are for the tests themselves: Shoal refuses settings that it does not know. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const ours = /^SHOAL_(?:\w*SEEDS?(?:_BROKER)?|SUBJECT|KAFKA_JVM|KILLS|BENCH_\w+)$/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  { limitMs, ...options }: ProgramOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  return new Program(command, args, options).finished(limitMs)
}
