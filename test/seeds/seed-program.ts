/**
 * Runs the programs of the seed documents: letter for letter, but for the address, and for what the page leaves open.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { Program } from '../real/program.ts'
import { startPython, type PythonKind } from '../real/python.ts'

export const CLUSTER_ADDRESS = 'task-events-kafka-bootstrap.kafka.svc.cluster.local:9092'

export interface SeedRun {
  readonly program: string
  /** Each text must be in the program, and is replaced everywhere. */
  readonly replace: Readonly<Record<string, string>>
  /** What the page supposes to exist before the program's first line. */
  readonly before?: string
  /** What the page supposes to follow. */
  readonly after?: string
}

export async function seedText({
  program,
  replace,
  before = '',
  after = '',
}: SeedRun): Promise<string> {
  let text = await readFile(join(import.meta.dirname, 'programs', program), 'utf8')
  for (const [from, to] of Object.entries(replace)) {
    if (!text.includes(from)) throw new Error(`${program} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return `${before}\n${text}\n${after}`
}

/** Starts the program; its output comes unbuffered, line by line. */
export async function startSeed(kind: PythonKind, run: SeedRun): Promise<Program> {
  return startPython(kind, ['-c', await seedText(run)])
}

/** What the tests ask the broker themselves, by a client that is neither the seeds' nor Shoal's. */
export class Observer implements AsyncDisposable {
  readonly #kafka: Kafka

  constructor(bootstrap: string) {
    this.#kafka = new Kafka({
      brokers: [bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, retries: 50 },
    })
  }

  async createTopic(topic: string, numPartitions: number): Promise<void> {
    const admin = this.#kafka.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true })
    await admin.disconnect()
  }

  async produce(
    topic: string,
    messages: readonly { key?: string; value: string; partition?: number }[],
  ): Promise<void> {
    const producer = this.#kafka.producer()
    await producer.connect()
    await producer.send({ topic, messages: messages.map((message) => ({ key: null, ...message })) })
    await producer.disconnect()
  }

  /** The committed offset of each partition, -1 where there is none. */
  async committed(groupId: string, topic: string): Promise<readonly number[]> {
    const admin = this.#kafka.admin()
    await admin.connect()
    const [entry] = await admin.fetchOffsets({ groupId, topics: [topic] })
    await admin.disconnect()
    return (entry?.partitions ?? [])
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ offset }) => Number(offset))
  }

  /** Asks until the committed offsets are these. */
  async untilCommitted(
    groupId: string,
    topic: string,
    offsets: readonly number[],
    limitMs = 60_000,
  ): Promise<void> {
    const deadline = performance.now() + limitMs
    for (;;) {
      const now = await this.committed(groupId, topic)
      if (now.join() === offsets.join()) return
      if (performance.now() > deadline)
        throw new Error(`committed ${now.join()}, expected ${offsets.join()}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async groups(): Promise<readonly string[]> {
    const admin = this.#kafka.admin()
    await admin.connect()
    const { groups } = await admin.listGroups()
    await admin.disconnect()
    return groups.map(({ groupId }) => groupId).sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
