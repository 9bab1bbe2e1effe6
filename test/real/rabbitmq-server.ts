/**
 * A real RabbitMQ for tests: a node of its own name, on its own ports and in its own folder, with the plugins that Shoal
 * uses. Erlang's port mapper is its own too, and ends with it.
 */

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program, run } from './program.ts'
import { freePorts } from './services.ts'

const BIN = '/usr/lib/rabbitmq/bin'
const SERVER = join(BIN, 'rabbitmq-server')
const CONTROL = join(BIN, 'rabbitmqctl')

/** Why a real RabbitMQ cannot be started, or null. */
export function rabbitmqMissing(): string | null {
  return existsSync(SERVER)
    ? null
    : 'rabbitmq-server is not installed (run scripts/install-test-services)'
}

export interface RabbitMqServerOptions {
  /** With the management plugin, told every half second what the queues hold; default false. */
  readonly management?: boolean
}

export class RabbitMqServer implements AsyncDisposable {
  readonly port: number
  /** Where the management plugin listens, if it was asked for. */
  readonly managementUrl: string
  readonly #folder: string
  readonly #env: Readonly<Record<string, string>>
  #program: Program

  private constructor(
    port: number,
    managementPort: number,
    folder: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.port = port
    this.managementUrl = `http://127.0.0.1:${managementPort}`
    this.#folder = folder
    this.#env = env
    this.#program = new Program(SERVER, [], { env })
  }

  static async start({ management = false }: RabbitMqServerOptions = {}): Promise<RabbitMqServer> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-rabbitmq-'))
    const [port = 0, distPort = 0, mapperPort = 0, managementPort = 0] = await freePorts(4)
    const plugins = ['rabbitmq_consistent_hash_exchange']
    const settings = [
      `listeners.tcp.1 = 127.0.0.1:${port}`,
      'log.console = true',
      'log.console.level = info',
    ]
    if (management) {
      plugins.push('rabbitmq_management')
      settings.push(
        'management.tcp.ip = 127.0.0.1',
        `management.tcp.port = ${managementPort}`,
        'collect_statistics_interval = 500',
      )
    }
    await writeFile(join(folder, 'plugins'), `[${plugins.join(',')}].`)
    await writeFile(join(folder, 'rabbitmq.conf'), `${settings.join('\n')}\n`)
    const server = new RabbitMqServer(port, managementPort, folder, {
      HOME: folder,
      RABBITMQ_NODENAME: `shoal-${port}@localhost`,
      RABBITMQ_DIST_PORT: String(distPort),
      ERL_EPMD_PORT: String(mapperPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
      RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'generated'),
      ...(management
        ? { RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-rabbit quorum_tick_interval 500' }
        : {}),
    })
    await server.#ready()
    return server
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.port}`
  }

  /** Runs rabbitmqctl. */
  async control(...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await run(CONTROL, args, { env: this.#env })
    if (exitCode !== 0)
      throw new Error(`rabbitmqctl ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
    return stdout
  }

  /** Of the Erlang machine, which is a child of what was started. */
  async pids(): Promise<readonly number[]> {
    const { stdout } = await run('pgrep', ['-f', `beam.smp .*${this.#folder}`])
    return stdout.trim().split('\n').filter(Boolean).map(Number)
  }

  /** SIGKILL of the whole node, as a crash; `restart` brings it back with what it had on disk. */
  async kill(): Promise<void> {
    for (const pid of await this.pids()) process.kill(pid, 'SIGKILL')
    await this.#program.finished()
  }

  async restart(): Promise<void> {
    this.#program = new Program(SERVER, [], { env: this.#env })
    await this.#ready()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.stop()
    // The mapper of the node's name, which Erlang leaves behind.
    await run('epmd', ['-kill'], { env: this.#env })
    await rm(this.#folder, { recursive: true, force: true })
  }

  #ready(): Promise<void> {
    return this.#program.until(({ stdout }) =>
      /Server startup complete|completed with \d+ plugins/.test(stdout),
    )
  }
}
