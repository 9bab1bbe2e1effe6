/**
 * A real Redis for tests: on its own port and in its own folder, every write on disk before it is answered, so that a
 * kill loses nothing that Redis promised to keep.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from './program.ts'
import { freePort } from './services.ts'

const SERVER = '/usr/bin/redis-server'

/** Why a real Redis cannot be started, or null. */
export function redisMissing(): string | null {
  return existsSync(SERVER)
    ? null
    : 'redis-server is not installed (run scripts/install-test-services)'
}

export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly #folder: string
  readonly #settings: readonly string[]
  #program: Program

  private constructor(port: number, folder: string, settings: readonly string[], program: Program) {
    this.port = port
    this.#folder = folder
    this.#settings = settings
    this.#program = program
  }

  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-redis-'))
    const port = await freePort()
    const server = new RedisServer(port, folder, settings, run(port, folder, settings))
    await server.#ready()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#program.pid ?? -1
  }

  /** SIGKILL, as a crash; `restart` brings it back with what it had on disk. */
  async kill(): Promise<void> {
    this.#program.kill('SIGKILL')
    await this.#program.finished()
  }

  async restart(): Promise<void> {
    this.#program = run(this.port, this.#folder, this.#settings)
    await this.#ready()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #ready(): Promise<void> {
    return this.#program.until(({ stdout }) => stdout.includes('Ready to accept connections'))
  }
}

function run(port: number, folder: string, settings: readonly string[]): Program {
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  return new Program(SERVER, [...place, ...durable, ...settings])
}
