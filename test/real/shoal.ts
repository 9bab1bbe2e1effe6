/**
 * Shoal's own broker as a process of its own, started by its command line as a user would: for kills, foreign clients
 * and measurements.
 *
 * `kill` ends it like a crash, `restart` brings it back on the same port and folder; `await using` removes the folder.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program, run, type Finished, type ProgramOptions } from './program.ts'
import { freePorts, ROOT } from './services.ts'

const CLI = [
  '--disable-warning=ExperimentalWarning',
  '--conditions=@shoal/source',
  join(ROOT, 'src/cli/main.ts'),
]

export interface ShoalProcessOptions {
  /** Broker settings by their Kafka names. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default: a free port. */
  readonly port?: number
  /** The most that V8's heap may grow to, so that garbage does not pass for a leak; default: what Node chooses. */
  readonly heapMiB?: number
}

export class ShoalProcess implements AsyncDisposable {
  readonly #options: ShoalProcessOptions
  readonly folder: string
  #program: Program
  #port: number
  #httpPort: number

  private constructor(
    folder: string,
    port: number,
    httpPort: number,
    options: ShoalProcessOptions,
  ) {
    this.folder = folder
    this.#options = options
    this.#port = port
    this.#httpPort = httpPort
    this.#program = startProgram(folder, { kafka: port, http: httpPort }, options)
  }

  static async start(options: ShoalProcessOptions = {}): Promise<ShoalProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-broker-'))
    const [port = 0, httpPort = 0] = await freePorts(2)
    const broker = new ShoalProcess(folder, options.port ?? port, httpPort, options)
    await broker.#ready()
    return broker
  }

  get port(): number {
    return this.#port
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Where its HTTP API is. */
  get url(): string {
    return `http://127.0.0.1:${this.#httpPort}`
  }

  get pid(): number {
    return this.#program.pid ?? -1
  }

  /** What it has written to stderr so far. */
  get log(): string {
    return this.#program.stderr
  }

  /** SIGKILL: nothing is flushed, closed or said. */
  async kill(): Promise<void> {
    this.#program.kill('SIGKILL')
    await this.#program.finished()
  }

  /** Starts it again (after `kill` or `stop`) on the same folder and port. */
  async start(): Promise<void> {
    const ports = { kafka: this.#port, http: this.#httpPort }
    this.#program = startProgram(this.folder, ports, this.#options)
    await this.#ready()
  }

  /** SIGTERM, and its exit. */
  async stop(): Promise<Finished> {
    return this.#program.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop()
    await rm(this.folder, { recursive: true, force: true })
  }

  async #ready(): Promise<void> {
    await this.#program.until(({ stdout }) => stdout.includes('ready kafka='))
    this.#port = Number(/ready kafka=[^:]+:(\d+)/.exec(this.#program.stdout)?.[1])
    this.#httpPort = Number(/ http=[^:]+:(\d+)/.exec(this.#program.stdout)?.[1])
  }
}

/** Runs `shoal ARGS` to its end. */
export async function shoal(
  args: readonly string[],
  options: ProgramOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  return run(process.execPath, [...CLI, ...args], options)
}

/** Starts `shoal ARGS` that stays in the foreground. */
export function startShoal(args: readonly string[], options: ProgramOptions = {}): Program {
  return new Program(process.execPath, [...CLI, ...args], options)
}

function startProgram(
  folder: string,
  ports: { readonly kafka: number; readonly http: number },
  { settings = {}, heapMiB }: ShoalProcessOptions,
): Program {
  const all = { 'group.initial.rebalance.delay.ms': '0', ...settings }
  const pairs = Object.entries(all).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const args = [
    'serve',
    '--data',
    join(folder, 'data'),
    '--kafka-port',
    String(ports.kafka),
    '--http-port',
    String(ports.http),
    ...pairs,
  ]
  if (heapMiB === undefined) return startShoal(args)
  return startShoal(args, {
    env: { ...process.env, NODE_OPTIONS: `--max-old-space-size=${heapMiB}` },
  })
}
