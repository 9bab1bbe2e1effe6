/**
 * Where a row of the checklist plays: a broker that a test file's rows share, and for each scenario a topic and a group
 * of its own, with the programs and members that take part. Leaving a stage kills whoever is still there.
 *
 * The broker is Shoal; with SHOAL_SEEDS_BROKER=kafka it is a real Apache Kafka, which shows that a row is true at all.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApacheKafka, apacheKafkaMissing } from '../real/apache-kafka.ts'
import type { Program } from '../real/program.ts'
import { pythonMissing, startPython, type PythonKind } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'
import { Member, type MemberJob } from './member.ts'
import { Observer, type ObservedGroup, type ObservedRecord } from './observer.ts'
import { startSeed, type SeedRun } from './seed-program.ts'
import { eventually } from './waiting.ts'

/** The version that seed 004 pins, and the newest. */
export const clients: readonly PythonKind[] = ['2.8.0', '2.16.1']
export const NEWEST: PythonKind = '2.16.1'

const onKafka = process.env['SHOAL_SEEDS_BROKER'] === 'kafka'

/** Options of a file's `describe`: what its rows need, and that they wait side by side. */
export const seedSuite: { readonly concurrency: number; readonly skip?: string } = {
  concurrency: 32,
  ...needs(
    pythonMissing('2.8.0') ?? pythonMissing('2.16.1') ?? (onKafka ? apacheKafkaMissing() : null),
  ),
}

export class SeedBroker implements AsyncDisposable {
  readonly #process: ShoalProcess | ApacheKafka
  readonly observer: Observer

  private constructor(process: ShoalProcess | ApacheKafka) {
    this.#process = process
    this.observer = new Observer(this.bootstrap)
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<SeedBroker> {
    return new SeedBroker(
      onKafka
        ? await ApacheKafka.start({ properties: settings })
        : await ShoalProcess.start({ settings }),
    )
  }

  get bootstrap(): string {
    return this.#process.bootstrap
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.observer[Symbol.asyncDispose]()
    await this.#process[Symbol.asyncDispose]()
  }
}

export interface StageOptions {
  readonly kind?: PythonKind
  readonly partitions?: number
  /** Default: the stage's name. */
  readonly topic?: string
  readonly group?: string
}

export class Stage implements AsyncDisposable {
  readonly broker: SeedBroker
  readonly kind: PythonKind
  readonly topic: string
  readonly group: string
  readonly #programs: Program[] = []
  readonly #folders: string[] = []
  #left = false

  private constructor(broker: SeedBroker, name: string, options: StageOptions) {
    const { kind = NEWEST } = options
    this.broker = broker
    this.kind = kind
    this.topic = options.topic ?? `${name}-${kind}`
    this.group = options.group ?? `${name}-${kind}`
  }

  /** With its topic made; `partitions: 0` leaves the topic out. */
  static async set(broker: SeedBroker, name: string, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(broker, name, options)
    const { partitions = 1 } = options
    if (partitions > 0) await broker.observer.createTopic(stage.topic, partitions)
    return stage
  }

  get bootstrap(): string {
    return this.broker.bootstrap
  }

  /** Starts a group member; its configuration is completed with address, group, earliest and no auto-commit. */
  member(conf: MemberJob['conf'] = {}, job: Omit<Partial<MemberJob>, 'conf'> = {}): Member {
    const topics = [this.topic]
    const member = new Member(this.kind, { topics, ...job, conf: this.configuration(conf) })
    this.take(member.program)
    return member
  }

  configuration(conf: MemberJob['conf'] = {}): MemberJob['conf'] {
    return {
      'bootstrap.servers': this.bootstrap,
      'group.id': this.group,
      'auto.offset.reset': 'earliest',
      'enable.auto.commit': false,
      ...conf,
    }
  }

  /** Starts a Python program file of `programs/` beside the pages' own; its input stays open. */
  script(file: string, args: readonly string[]): Program {
    const path = join(import.meta.dirname, 'programs', file)
    return this.take(startPython(this.kind, [path, ...args], { keepInputOpen: true }))
  }

  /** Starts a program of the pages; its input stays open. */
  async run(run: SeedRun): Promise<Program> {
    return this.take(await startSeed(this.kind, run))
  }

  /** A program that ends with this stage; when the stage was left too early it ends at once. */
  take(program: Program): Program {
    this.#programs.push(program)
    if (this.#left) {
      program.kill('SIGKILL')
      throw new Error(`a program was started after the stage of ${this.topic} was left`)
    }
    return program
  }

  async produce(records: readonly (string | ObservedRecord)[]): Promise<void> {
    await this.broker.observer.produce(
      this.topic,
      records.map((record) => (typeof record === 'string' ? { value: record } : record)),
    )
  }

  async committed(): Promise<readonly number[]> {
    return this.broker.observer.committed(this.group, this.topic)
  }

  async untilCommitted(...offsets: readonly number[]): Promise<void> {
    await this.broker.observer.untilCommitted(this.group, this.topic, offsets)
  }

  /** Asks until the group has so many members, whatever it does with them. */
  async untilMembers(count: number): Promise<ObservedGroup> {
    return eventually(
      () => this.broker.observer.group(this.group),
      ({ members }) => members.length === count,
    )
  }

  /** A temporary folder. */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-seeds-'))
    this.#folders.push(folder)
    return folder
  }

  async untilStable(memberCount: number): Promise<ObservedGroup> {
    return this.broker.observer.untilStable(this.group, memberCount)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left = true
    for (const program of this.#programs) program.kill('SIGKILL')
    await Promise.all(this.#programs.map((program) => program.finished()))
    await Promise.all(this.#folders.map((folder) => rm(folder, { recursive: true, force: true })))
  }
}

/** Plays a scenario with each version of the client at once; an error names the version. */
export async function eachClient<T>(play: (kind: PythonKind) => Promise<T>): Promise<readonly T[]> {
  const results = await Promise.allSettled(
    clients.map(async (kind) => {
      try {
        return await play(kind)
      } catch (error) {
        if (error instanceof Error) error.message = `confluent-kafka ${kind}: ${error.message}`
        throw error
      }
    }),
  )
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}

/** `count` values that tell their number. */
export function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${index}`)
}

/** Whether a program runs on. */
export function alive(program: Program): boolean {
  try {
    return process.kill(program.pid ?? 0, 0)
  } catch {
    return false
  }
}
