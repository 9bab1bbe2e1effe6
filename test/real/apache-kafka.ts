/**
 * A real Apache Kafka 4.3.1 node (KRaft, one process, loopback) for tests and benchmarks, and Kafka's own tools.
 *
 * Each node has a temporary folder and free ports of its own, and is ready when Metadata lists it; `await using` ends it
 * and removes its folder. Flags are for a fast start by default: benchmarks ask for Kafka's own with
 * `jvm: 'benchmark'` or SHOAL_KAFKA_JVM=benchmark, for the fast ones mean the small compiler only.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCertificate, secureProperties, type Login } from './apache-kafka-security.ts'
import { Program, run, GENEROUS_LIMIT_MS, type Finished, type ProgramOptions } from './program.ts'
import { CACHE, freePorts, missingFile } from './services.ts'

const JARS = join(CACHE, 'kafka-4.3.1')
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const FAST = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
const BENCHMARK = ['-Xmx1g', '-Xms1g', '-XX:+UseG1GC']

export interface ApacheKafkaOptions {
  /** Broker settings beside or instead of the usual ones, by their Kafka names. */
  readonly properties?: Readonly<Record<string, string>>
  /** Flags of the Java machine; default `fast`, or what SHOAL_KAFKA_JVM says. */
  readonly jvm?: 'fast' | 'benchmark'
  /** The most that the heap may grow to, as Java's flag; default `-Xmx256m` with the fast flags. */
  readonly heap?: string
  /** Adds a listener with TLS and SASL for this user, who logs in by PLAIN and, where added by kafka-configs, by SCRAM. */
  readonly secure?: Login
  /** A further broker of the cluster whose controller is `of`. */
  readonly joins?: { readonly of: ApacheKafka; readonly nodeId: number }
}

/** The listener that `secure` asks for. */
export interface SecureListener {
  readonly bootstrap: string
  /** The certificate to trust, PEM. */
  readonly ca: string
}

/** Why a real Kafka cannot be started, or null. */
export function apacheKafkaMissing(): string | null {
  return missingFile(join(JARS, '.complete'), 'Apache Kafka 4.3.1')
}

export class ApacheKafka implements AsyncDisposable {
  readonly #folder: string
  readonly #flags: readonly string[]
  readonly #properties: string
  readonly port: number
  readonly nodeId: number
  /** Of the node that is the cluster's controller. */
  readonly controllerPort: number
  /** Null without the option `secure`. */
  readonly secure: SecureListener | null
  #program: Program

  private constructor(
    folder: string,
    { nodeId, port, controllerPort }: NodePlace,
    flags: readonly string[],
    properties: string,
    secure: SecureListener | null,
  ) {
    this.#folder = folder
    this.port = port
    this.nodeId = nodeId
    this.controllerPort = controllerPort
    this.secure = secure
    this.#flags = flags
    this.#properties = properties
    this.#program = startProgram(flags, properties)
  }

  static async start(options: ApacheKafkaOptions = {}): Promise<ApacheKafka> {
    const jvm = options.jvm ?? process.env['SHOAL_KAFKA_JVM'] ?? 'fast'
    const flags = jvm === 'benchmark' ? BENCHMARK : [options.heap ?? '-Xmx256m', ...FAST]
    const folder = await mkdtemp(join(tmpdir(), 'shoal-apache-kafka-'))
    const [port = 0, freePort = 0, securePort = 0] = await freePorts(3)
    const { joins } = options
    const place: NodePlace = {
      nodeId: joins?.nodeId ?? 1,
      port,
      controllerPort: joins?.of.controllerPort ?? freePort,
      isController: joins === undefined,
    }
    const ports = { plain: port, controller: place.controllerPort, secure: securePort }
    const properties = join(folder, 'server.properties')
    await mkdir(join(folder, 'data'))
    const { secure, extra } = await security(folder, ports, options.secure)
    const overrides = { ...extra, ...options.properties }
    await writeFile(properties, propertiesText(folder, place, overrides))
    await format(properties, place)
    const node = new ApacheKafka(folder, place, flags, properties, secure)
    await node.#ready()
    return node
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.port}`
  }

  /** The folder of a partition's segment files. */
  partitionFolder(topic: string, partition: number): string {
    return join(this.#folder, 'data', `${topic}-${partition}`)
  }

  get pid(): number | undefined {
    return this.#program.pid
  }

  /** Kills the process without a word, as a crash does; `restart` brings the node back with its data. */
  async kill(): Promise<void> {
    this.#program.kill('SIGKILL')
    await this.#program.finished()
  }

  /** Stops the process (if it is still there) and starts it anew on the same port with the same data. */
  async restart(): Promise<void> {
    await this.#program.stop()
    this.#program = startProgram(this.#flags, this.#properties)
    await this.#ready()
  }

  /** Ends the node and removes its folder: nobody waits for an orderly end of what is thrown away. Idempotent. */
  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #ready(): Promise<void> {
    const deadline = performance.now() + GENEROUS_LIMIT_MS
    let ended = false
    const exit = this.#program.finished(GENEROUS_LIMIT_MS * 100).then(
      () => (ended = true),
      () => (ended = true),
    )
    while ((await brokerCount(this.port)) === 0) {
      if (ended || performance.now() > deadline)
        throw new Error(`Apache Kafka did not start:\n${outputOf(this.#program)}`)
      await Promise.race([exit, new Promise((resolve) => setTimeout(resolve, 100))])
    }
  }
}

/** Runs one of Kafka's command-line tools by its class name (`org.apache.kafka.tools.TopicCommand`) to its end. */
export async function kafkaTool(
  className: string,
  args: readonly string[],
  options: ProgramOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  return java(
    [...FAST, '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'],
    [className, ...args],
    options,
  )
}

/** Runs a Java program of one file in this folder against Kafka's own client library. */
export async function javaProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions & { readonly limitMs?: number } = {},
): Promise<Finished> {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  return java([...FAST, quiet], [join(import.meta.dirname, file), ...args], options)
}

/** Starts a tool that goes on until it is stopped (a console consumer). */
export function startKafkaTool(
  className: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Program {
  const flags = [...FAST, '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  return new Program('java', [...flags, className, ...args], withClasspath(options))
}

/** Where a node is in its cluster. */
interface NodePlace {
  readonly nodeId: number
  readonly port: number
  readonly controllerPort: number
  readonly isController: boolean
}

async function format(properties: string, { isController }: NodePlace): Promise<void> {
  const role = isController ? ['--standalone'] : []
  const args = ['kafka.tools.StorageTool', 'format', ...role, '-t', CLUSTER_ID, '-c', properties]
  const { exitCode, stdout, stderr } = await java(FAST, args, {})
  if (exitCode !== 0)
    throw new Error(`kafka-storage format failed:\n${`${stdout}\n${stderr}`.slice(-2_000)}`)
}

async function security(
  folder: string,
  ports: { readonly plain: number; readonly controller: number; readonly secure: number },
  login: Login | undefined,
) {
  if (login === undefined) return { secure: null, extra: {} }
  const ca = await makeCertificate(folder)
  const secure = { bootstrap: `127.0.0.1:${ports.secure}`, ca }
  return { secure, extra: secureProperties(folder, ports, login) }
}

function startProgram(flags: readonly string[], properties: string): Program {
  const log = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
  return new Program('java', [...flags, log, 'kafka.Kafka', properties], withClasspath({}))
}

function java(
  flags: readonly string[],
  args: readonly string[],
  options: ProgramOptions & { readonly limitMs?: number },
): Promise<Finished> {
  return run('java', [...flags, ...args], { ...options, ...withClasspath(options) })
}

function withClasspath(options: ProgramOptions): ProgramOptions {
  return { ...options, env: { ...options.env, CLASSPATH: join(JARS, '*') } }
}

function propertiesText(
  folder: string,
  { nodeId, port, controllerPort, isController }: NodePlace,
  extra: Readonly<Record<string, string>> = {},
): string {
  const plain = `PLAINTEXT://127.0.0.1:${port}`
  const properties: Record<string, string> = {
    'process.roles': isController ? 'broker,controller' : 'broker',
    'node.id': String(nodeId),
    listeners: isController ? `${plain},CONTROLLER://127.0.0.1:${controllerPort}` : plain,
    'advertised.listeners': plain,
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    'log.dirs': join(folder, 'data'),
    'num.partitions': '1',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...extra,
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

/** How many brokers the node's answer to a Metadata request (version 1, no topics) lists; 0 while it does not answer. */
export async function brokerCount(port: number): Promise<number> {
  // length 14, then key 3, version 1, correlation id 1, no client id, no topics
  const request = Buffer.from(
    ['0000000e', '0003', '0001', '00000001', 'ffff', '00000000'].join(''),
    'hex',
  )
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let received = Buffer.alloc(0)
    const finish = (answer: number) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => socket.write(request))
    socket.once('error', () => finish(0))
    socket.once('close', () => finish(0))
    socket.setTimeout(5_000, () => finish(0))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 12) finish(received.readInt32BE(8))
    })
  })
}

function outputOf({ stdout, stderr }: Program): string {
  return `${stdout.slice(-8_000)}\n${stderr.slice(-8_000)}`
}
