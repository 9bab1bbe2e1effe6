/**
 * A broker for tests: Shoal's own, on a real port or in virtual time, over a disk in memory that forgets what it may.
 *
 *   TestBroker ── BrokerLife ── Broker ── SimDisk (crash: what was not synced is lost)
 *                     │
 *                GateNetwork (stall, resume, cut) ── TCP on 127.0.0.1, or a network in memory
 *
 * It starts in milliseconds, writes nothing to the real disk, and keeps its address over crashes. With a `VirtualClock`
 * everything happens in this process and in that clock's time: pass `kafkaPorts` and `runtimePorts` on, and advance it.
 */

import type { BrokerSettingsInput } from '../../broker/index.ts'
import type { Source } from '../../consumer/index.ts'
import type { Address, Clock, Logger, Random, Timers, VirtualClock } from '../../core/index.ts'
import { silentLogger } from '../../core/index.ts'
import type { CrashModel } from '../../log/index.ts'
import { SimDisk } from '../../log/index.ts'
import type {
  KafkaCapabilities,
  KafkaPorts,
  KafkaSourceOptions,
  SentRecord,
} from '../../sources/kafka/index.ts'
import { kafka, KafkaProducer } from '../../sources/kafka/index.ts'
import type { PrintedRecord } from '../../sources/kafka/admin/index.ts'
import { openKafkaAdmin, readTopic } from '../../sources/kafka/admin/index.ts'
import { waitFor } from '../wait-for.ts'
import { BrokerLife } from './broker-life.ts'
import { rebalanceByGuest } from './rebalance.ts'
import { passTime, realWorld, virtualWorld, type World } from './world.ts'

export interface TestBrokerOptions {
  /** Topics to begin with, and how many partitions each has. */
  readonly topics?: Readonly<Record<string, number>>
  /** Kafka's broker settings by their own names; groups do not wait for more members unless told here. */
  readonly settings?: BrokerSettingsInput
  /** Default 0: a free port. */
  readonly port?: number
  /** Virtual time: the broker and its clients live in this process and in this clock alone. */
  readonly clock?: VirtualClock
  /** Decides what a crash leaves of what was not synced, and what chance decides in virtual time; default 1. */
  readonly seed?: number
  readonly logger?: Logger
}

export interface CrashOptions {
  /** What becomes of bytes that no sync covered; default `nothing`: none of them is left. */
  readonly disk?: CrashModel
  /** Leave it down until `start()`; default: it is back when the promise resolves. */
  readonly stayDown?: boolean
}

/** A record to be written. Texts are UTF-8; other values become JSON. */
export interface TestRecord {
  readonly key?: string | Uint8Array | null
  readonly value?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Default: what the key says. */
  readonly partition?: number
}

/** Members of tests notice a death soon; Kafka's own least is six seconds. */
const QUICK_SETTINGS: BrokerSettingsInput = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '100',
}
const QUICK_SESSION = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 200 }

export class TestBroker implements AsyncDisposable {
  readonly #options: TestBrokerOptions
  readonly #world: World
  readonly #seed: number
  #address: Address
  #disk: SimDisk
  #life: BrokerLife | null = null
  #crashes = 0
  #isStalled = false

  private constructor(options: TestBrokerOptions) {
    this.#options = options
    this.#seed = options.seed ?? 1
    this.#world =
      options.clock === undefined ? realWorld() : virtualWorld(options.clock, this.#seed)
    this.#address = { host: '127.0.0.1', port: options.port ?? 0 }
    this.#disk = new SimDisk({ timers: this.#world.timers })
  }

  /**
   * Clients can connect when it resolves.
   *
   * @example
   * await using broker = await TestBroker.start({ topics: { orders: 4 } })
   * await broker.produce('orders', [{ key: 'customer-7', value: { amount: 12 } }])
   * const running = await consumer({ group: 'billing', source: broker.source('orders'), handle }).start()
   * await broker.waitUntilConsumed('billing', 'orders')
   */
  static async start(options: TestBrokerOptions = {}): Promise<TestBroker> {
    const broker = new TestBroker(options)
    await broker.start()
    for (const [topic, partitions] of Object.entries(options.topics ?? {}))
      await broker.#inItsTime(broker.createTopic(topic, partitions))
    return broker
  }

  /** `127.0.0.1:PORT`, the same for its whole life. */
  get bootstrap(): string {
    return `${this.#address.host}:${this.#address.port}`
  }

  /** For `kafka(options, ports)` and other clients of this package: transport, clock, timers and chance of this broker's world. */
  get kafkaPorts(): KafkaPorts {
    return this.#world.kafkaPorts
  }

  /** For `consumer({ …, ...broker.runtimePorts })`: needed in virtual time, harmless otherwise. */
  get runtimePorts(): { readonly clock: Clock; readonly timers: Timers; readonly random: Random } {
    const { clock, timers, random } = this.#world
    return { clock, timers, random }
  }

  /** Topics of this broker as a source of the runtime; members notice a death after 6 s unless told otherwise. */
  source(
    topics: string | readonly string[],
    options: Partial<KafkaSourceOptions> = {},
  ): Source<KafkaCapabilities> {
    return kafka(
      {
        ...QUICK_SESSION,
        ...options,
        brokers: this.bootstrap,
        topics: typeof topics === 'string' ? [topics] : topics,
      },
      this.kafkaPorts,
    )
  }

  // --- what is in it ---

  async createTopic(topic: string, partitionCount = 1): Promise<void> {
    const admin = await openKafkaAdmin({ brokers: this.bootstrap }, this.kafkaPorts)
    try {
      const replicationFactor = -1
      await admin.createTopic({
        name: topic,
        partitionCount,
        replicationFactor,
        configs: new Map(),
      })
    } finally {
      await admin.close()
    }
  }

  /** Appends records, in order where they share a partition; resolves when all are acknowledged. */
  async produce(topic: string, records: readonly TestRecord[]): Promise<readonly SentRecord[]> {
    await using producer = await KafkaProducer.open({ brokers: this.bootstrap }, this.kafkaPorts)
    return Promise.all(
      records.map(({ key = null, value = null, headers = {}, partition = null }) =>
        producer.send({
          topic,
          partition,
          key: bytesOf(key),
          value: bytesOf(value),
          headers: Object.entries(headers).map(([name, text]) => ({
            key: name,
            value: bytesOf(text),
          })),
        }),
      ),
    )
  }

  /** Every record of a topic, those of one partition in order. */
  async records(topic: string): Promise<readonly PrintedRecord[]> {
    const found: PrintedRecord[] = []
    const reading = readTopic(
      {
        brokers: this.bootstrap,
        topic,
        from: { kind: 'earliest' },
        follow: false,
        signal: new AbortController().signal,
      },
      this.kafkaPorts,
    )
    for await (const record of reading) found.push(record)
    return found
  }

  /** What a group has committed for a topic, by partition; partitions without a commit are left out. */
  async committed(group: string, topic: string): Promise<ReadonlyMap<number, number>> {
    const admin = await openKafkaAdmin({ brokers: this.bootstrap }, this.kafkaPorts)
    try {
      const offsets = await admin.committedOffsets(group)
      return new Map(
        offsets.filter((each) => each.topic === topic).map((each) => [each.partition, each.offset]),
      )
    } finally {
      await admin.close()
    }
  }

  /** Records of a topic that a group has not committed yet. */
  async lag(group: string, topic: string): Promise<number> {
    const admin = await openKafkaAdmin({ brokers: this.bootstrap }, this.kafkaPorts)
    try {
      const { partitions } = await admin.describeTopic(topic)
      const ends = await admin.offsets(
        partitions.map(({ partition }) => ({ topic, partition })),
        'latest',
      )
      const committed = new Map(
        (await admin.committedOffsets(group))
          .filter((each) => each.topic === topic)
          .map((each) => [each.partition, each.offset]),
      )
      return ends.reduce(
        (sum, { partition, offset }) => sum + (offset ?? 0) - (committed.get(partition) ?? 0),
        0,
      )
    } finally {
      await admin.close()
    }
  }

  /** Resolves when the group has committed everything that the topic holds. */
  async waitUntilConsumed(group: string, topic: string, limitMs = 60_000): Promise<void> {
    await waitFor(async () => (await this.lag(group, topic)) === 0, {
      what: `group ${group} has consumed topic ${topic}`,
      limitMs,
      timers: this.#world.timers,
      ...(this.#options.clock === undefined ? {} : { lookAgainMs: 1_000 }),
    })
  }

  // --- what can happen to it ---

  /** Everything that is said to and by the broker waits until `resume`; nobody is told. */
  stall(): void {
    this.#isStalled = true
    this.#life?.gate.stall()
  }

  resume(): void {
    this.#isStalled = false
    this.#life?.gate.resume()
  }

  /** Ends every connection; clients connect again. */
  disconnect(): void {
    this.#life?.gate.cut()
  }

  /** The group rebalances: a guest joins and leaves again. Resolves when it has left. */
  rebalance(group: string, topics: string | readonly string[]): Promise<void> {
    return rebalanceByGuest(this.source(topics), group)
  }

  /**
   * A power loss: connections end, what was not synced is gone, and the broker starts again on what is left, at the same
   * address. What it had acknowledged is there; requests without an answer may or may not have happened.
   */
  async crash({ disk = 'nothing', stayDown = false }: CrashOptions = {}): Promise<void> {
    const life = this.#life
    if (life === null) return
    this.#life = null
    this.#disk = await life.crash(disk, this.#seed + ++this.#crashes)
    if (!stayDown) await this.start()
  }

  /** After `crash({ stayDown: true })`. Does nothing while it runs. */
  async start(): Promise<void> {
    if (this.#life !== null) return
    const { settings = {}, logger = silentLogger } = this.#options
    this.#life = await BrokerLife.begin({
      ...this.#world,
      address: this.#address,
      disk: this.#disk,
      settings: { ...QUICK_SETTINGS, ...settings },
      logger,
    })
    this.#address = { ...this.#address, port: this.#life.broker.kafkaAddress.port }
    if (this.#isStalled) this.#life.gate.stall()
  }

  async close(): Promise<void> {
    const life = this.#life
    this.#life = null
    if (life !== null) await this.#inItsTime(life.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** In virtual time nothing happens unless it passes. */
  async #inItsTime<T>(work: Promise<T>): Promise<T> {
    const { clock } = this.#options
    return clock === undefined ? work : passTime(clock, work)
  }
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value === null || value === undefined) return null
  if (value instanceof Uint8Array) return value
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}
